//! Components and recorded sessions on disk: `*.json` holds one session, `*.jsonl` one a line.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use reeve_policy::session::Session;
use reeve_policy::{Mode, Offline};
use serde_json::{Map, Value};

use crate::context::read_bytes;
use crate::exit::{Invalid, Usage};

/// One session and where it comes from.
pub(super) struct Recorded {
    /// File, and line for one of many, e.g. `sessions/web.json` or `day.jsonl:12`.
    pub(super) place: String,
    /// The session, or why it is none.
    pub(super) session: Result<Session, String>,
}

/// Reads a file of sessions, or every such file of a directory in order of names.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Recorded>> {
    let mut all = Vec::new();
    for file in files(path)? {
        let text = String::from_utf8_lossy(&read_bytes(&file)?).into_owned();
        let place = file.display().to_string();
        let parsed = |text: &str| Session::parse(text).map_err(|error| error.to_string());
        if file.extension().is_some_and(|extension| extension == "jsonl") {
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            all.extend(lines.map(|(number, line)| Recorded {
                place: format!("{place}:{}", number + 1),
                session: parsed(line),
            }));
        } else {
            all.push(Recorded { place, session: parsed(&text) });
        }
    }
    if all.is_empty() {
        let message = format!("there is no session in '{}'", path.display());
        return Err(Usage { message, hint: Some("sessions are files *.json or *.jsonl") }.into());
    }
    Ok(all)
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let cannot = || format!("cannot read the directory '{}'", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(cannot)? {
        let file = entry.with_context(cannot)?.path();
        if file.extension().is_some_and(|extension| extension == "json" || extension == "jsonl") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// What stands in for the grants and the configuration of sessions.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Terms {
    /// A grant in place of those of the sessions; may be repeated
    #[arg(long = "grant", value_name = "GRANT")]
    pub(super) grants: Vec<String>,
    /// Configuration in place of that of the sessions: JSON text, or @FILE
    #[arg(long, value_name = "JSON")]
    pub(super) config: Option<String>,
}

impl Terms {
    /// The configuration, which must be an object.
    pub(super) fn config(&self) -> anyhow::Result<Option<Map<String, Value>>> {
        let Some(text) = &self.config else { return Ok(None) };
        match super::config::parse(text)? {
            Value::Object(fields) => Ok(Some(fields)),
            _ => Err(Invalid("the configuration must be a JSON object".to_owned()).into()),
        }
    }

    /// True when the sessions' own grants and configuration hold.
    pub(super) fn is_own(&self) -> bool {
        self.grants.is_empty() && self.config.is_none()
    }

    /// Opens a component on these terms.
    pub(super) fn open(&self, file: &Path) -> anyhow::Result<Offline> {
        let grants = (!self.grants.is_empty()).then(|| self.grants.clone());
        let component = read_bytes(file)?;
        Offline::open(&component, grants, self.config()?)
            .with_context(|| format!("'{}' cannot be used", file.display()))
    }
}

/// The component of a project directory, or the file itself.
pub(super) fn component(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let build = path.join("build");
    let mut found: Vec<PathBuf> = std::fs::read_dir(&build)
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default();
    found.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    match &found[..] {
        [one] => Ok(one.clone()),
        [] => Err(Usage {
            message: format!("there is no component in '{}'", build.display()),
            hint: Some("build it first: 'reeve policy build'"),
        }
        .into()),
        _ => Err(Usage {
            message: format!("there are {} components in '{}'", found.len(), build.display()),
            hint: Some("name the one that is meant"),
        }
        .into()),
    }
}

/// How a session is compared with a component: exactly with the one it was recorded from on its own terms, else by behaviour.
pub(super) fn mode(session: &Session, component: &Offline, terms: &Terms, exact: bool) -> Mode {
    let own = terms.is_own() && session.policy.digest.as_deref() == Some(component.digest());
    if exact || own { Mode::Exact } else { Mode::Behaviour }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = r#"{"session": 1, "hook": "daemon-events", "question": {"change": "started"}}"#;

    #[test]
    fn one_a_file_or_one_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("b.json", SESSION);
        write("a.jsonl", &format!("{SESSION}\n\n{{}}\n"));
        write("notes.txt", "not a session");
        let all = read(directory.path()).unwrap();
        let seen: Vec<(&str, bool)> =
            all.iter().map(|one| (one.place.rsplit('/').next().unwrap(), one.session.is_ok())).collect();
        assert_eq!(seen, [("a.jsonl:1", true), ("a.jsonl:3", false), ("b.json", true)]);
        assert!(read(&directory.path().join("none")).is_err());
    }
}
