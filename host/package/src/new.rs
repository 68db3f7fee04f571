//! `reeve policy new`: a project that builds with one command, from what is embedded in this program.
//!
//! ```text
//! guest-sdk/LANG/template/**        ─► NAME/
//! guest-sdk/LANG/sdk/** (or LANG/)  ─► NAME/sdk/      (rust: NAME/sdk/rust/, where its paths to the contract hold)
//! wit/**                            ─► NAME/wit/
//! with --hook: guest-sdk/LANG/stubs/frame/** over the template, with the stubs of the hooks that are asked for
//! ```
//! In names and texts of template and frame, `__name__` becomes the project's name and `__ident__` the same with underscores.

use std::io;
use std::path::{Path, PathBuf};

use reeve_model::policy::Hook;

use crate::embedded;
use crate::lang::Lang;
use crate::manifest::{ManifestError, check_name};
use crate::policy_toml::{FILE, PolicyToml};

/// What is not part of an SDK's copy.
const NOT_SDK: [&str; 2] = ["template/", "stubs/"];

/// Why there is no new project.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// The name.
    #[error(transparent)]
    Name(#[from] ManifestError),
    /// There is something already.
    #[error("'{}' is there already and is not an empty folder: choose another name or --dir", .0.display())]
    Exists(PathBuf),
    /// No stub of a hook in this language.
    #[error("the {lang} template does not answer '{hook}'; it can answer {}", words(have.iter().map(|hook| hook.as_str())))]
    Hook {
        /// The language.
        lang: Lang,
        /// The hook.
        hook: Hook,
        /// Hooks it can answer.
        have: Vec<Hook>,
    },
    /// A file cannot be written.
    #[error("cannot write '{}'", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// Writes the project `name` to `folder`, which must be missing or empty; nothing is left of it when that fails. No hooks means
/// the template's own. Gives the paths of the files, relative to `folder`.
pub fn create(lang: Lang, name: &str, hooks: &[Hook], folder: &Path) -> Result<Vec<PathBuf>, NewError> {
    check_name(name)?;
    let files = files(lang, name, hooks)?;
    if folder.symlink_metadata().is_ok()
        && !std::fs::read_dir(folder).is_ok_and(|mut inside| inside.next().is_none())
    {
        return Err(NewError::Exists(folder.to_owned()));
    }
    let partial = folder.with_extension(format!("partial-{}", std::process::id()));
    let written = write(&partial, &files).and_then(|()| {
        std::fs::rename(&partial, folder)
            .map_err(|source| NewError::Write { path: folder.to_owned(), source })
    });
    if written.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_dir_all(&partial);
    }
    written.map(|()| files.into_iter().map(|(path, _)| path.into()).collect())
}

fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), NewError> {
    for (path, bytes) in files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, bytes))
            .map_err(|source| NewError::Write { path, source })?;
    }
    Ok(())
}

fn folder(lang: Lang) -> String {
    format!("guest-sdk/{lang}/")
}

fn has_files(folder: &str) -> bool {
    embedded::below(folder).next().is_some()
}

/// All files of a project, by path.
fn files(lang: Lang, name: &str, hooks: &[Hook]) -> Result<Vec<(String, Vec<u8>)>, NewError> {
    let template = format!("{}template/", folder(lang));
    let mut files = match stubs(lang, hooks)? {
        None => named(&template, name, &[]),
        Some(stubs) => {
            let mut files = named(&template, name, &[]);
            // The template's sessions are of its own hooks.
            files.retain(|(path, _)| !path.starts_with("sessions/"));
            let frame = named(&format!("{}stubs/frame/", folder(lang)), name, &stubs);
            files.retain(|(path, _)| !frame.iter().any(|(over, _)| over == path));
            files.extend(frame);
            files
        }
    };
    files.extend(sdk(lang));
    files.extend(embedded::below("wit/").map(|(path, bytes)| (format!("wit/{path}"), bytes.to_vec())));
    files.sort();
    Ok(files)
}

fn sdk(lang: Lang) -> Vec<(String, Vec<u8>)> {
    let folder = folder(lang);
    let inner = format!("{folder}sdk/");
    let from = if has_files(&inner) { inner } else { folder };
    let to = if lang == Lang::Rust { "sdk/rust" } else { "sdk" };
    embedded::below(&from)
        .filter(|(path, _)| !NOT_SDK.iter().any(|not| path.starts_with(not)) && *path != "Cargo.lock")
        .map(|(path, bytes)| (format!("{to}/{path}"), bytes.to_vec()))
        .collect()
}

/// The texts that stand for a frame's placeholders; none if the template itself answers what is asked for.
fn stubs(lang: Lang, hooks: &[Hook]) -> Result<Option<Vec<(&'static str, String)>>, NewError> {
    let own = template_hooks(lang);
    if hooks.is_empty() || hooks == own {
        return Ok(None);
    }
    let mut texts = Vec::new();
    for hook in hooks {
        let Some(bytes) = stub(lang, *hook) else {
            return Err(NewError::Hook { lang, hook: *hook, have: hooks_of(lang) });
        };
        texts.push(String::from_utf8_lossy(bytes).trim_end().to_owned());
    }
    let list = |show: fn(&Hook) -> String| hooks.iter().map(show).collect::<Vec<_>>().join(", ");
    Ok(Some(vec![
        ("__stubs__", texts.join("\n\n")),
        ("__hooks__", list(|hook| format!("\"{hook}\""))),
        ("__hook_idents__", list(|hook| hook.as_str().replace('-', "_"))),
    ]))
}

/// What a policy begins with that answers one hook.
fn stub(lang: Lang, hook: Hook) -> Option<&'static [u8]> {
    let folder = format!("{}stubs/", folder(lang));
    let mut files = embedded::below(&folder);
    files.find_map(|(path, bytes)| (path.split_once('.')?.0 == hook.as_str()).then_some(bytes))
}

/// The hooks that a language's SDK knows: those it has a stub of.
pub fn hooks_of(lang: Lang) -> Vec<Hook> {
    Hook::ALL.into_iter().filter(|hook| stub(lang, *hook).is_some()).collect()
}

/// The hooks of a template's policy.toml.
fn template_hooks(lang: Lang) -> Vec<Hook> {
    let files = named(&format!("{}template/", folder(lang)), "template", &[]);
    let toml = files.iter().find(|(path, _)| path == FILE);
    let toml = toml.and_then(|(_, bytes)| PolicyToml::parse(&String::from_utf8_lossy(bytes)).ok());
    toml.map_or_else(Vec::new, |toml| toml.manifest.hooks)
}

/// The files below an embedded folder, with their placeholders filled in.
fn named(folder: &str, name: &str, more: &[(&str, String)]) -> Vec<(String, Vec<u8>)> {
    let ident = name.replace('-', "_");
    let fill = |text: &str| {
        let text = text.replace("__name__", name).replace("__ident__", &ident);
        more.iter().fold(text, |text, (word, with)| text.replace(word, with))
    };
    let filled = |(path, bytes): (&str, &[u8])| {
        // What is no text has no placeholders.
        let bytes =
            std::str::from_utf8(bytes).map_or_else(|_| bytes.to_vec(), |text| fill(text).into_bytes());
        (fill(path), bytes)
    };
    embedded::below(folder).map(filled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

    #[test]
    fn every_template_makes_a_project_of_its_language() {
        let folder = tempfile::tempdir().unwrap();
        for lang in Lang::ALL {
            let folder = folder.path().join(lang.as_str());
            let files = create(lang, "too-small", &[], &folder).unwrap();
            let project = Project::open(&folder).unwrap();
            assert_eq!((project.lang(), project.name()), (lang, "too-small"));
            assert!(project.write_wit().unwrap().join("policy.wit").exists());
            assert!(
                files.contains(&"wit/hooks/domain-define.wit".into()) && files.contains(&"README.md".into())
            );
            for file in files {
                let bytes = std::fs::read(folder.join(&file)).unwrap();
                let left = String::from_utf8_lossy(&bytes).contains("__name__");
                assert!(!left || file.starts_with("sdk"), "{lang}: {} holds a placeholder", file.display());
            }
        }
    }

    #[test]
    fn every_stub_makes_a_project_that_answers_its_hook() {
        let root = tempfile::tempdir().unwrap();
        let all =
            Lang::ALL.into_iter().flat_map(|lang| hooks_of(lang).into_iter().map(move |hook| (lang, hook)));
        for (lang, hook) in all {
            let folder = root.path().join(format!("{lang}-{hook}"));
            create(lang, "stub", &[hook], &folder).unwrap();
            assert_eq!(Project::open(&folder).unwrap().toml().manifest.hooks, [hook]);
        }
    }

    #[test]
    fn every_language_knows_every_hook() {
        for lang in Lang::ALL {
            assert_eq!(hooks_of(lang), Hook::ALL, "{lang}");
        }
    }

    #[test]
    fn a_hook_without_a_stub_is_refused_with_those_that_have_one() {
        let error = NewError::Hook { lang: Lang::C, hook: Hook::FilterGenerate, have: vec![Hook::Task] };
        assert_eq!(error.to_string(), "the c template does not answer 'filter-generate'; it can answer task");
    }

    #[test]
    fn nothing_is_written_over_or_left_behind() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a");
        std::fs::create_dir(&folder).unwrap();
        create(Lang::Rust, "a", &[], &folder).unwrap();
        let error = create(Lang::Rust, "a", &[], &folder).unwrap_err().to_string();
        assert!(
            error.ends_with("is there already and is not an empty folder: choose another name or --dir"),
            "{error}"
        );
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(create(Lang::Rust, "b", &[], &file).is_err());
        assert!(create(Lang::Rust, "b", &[], &file.join("below")).is_err());
        assert!(create(Lang::Rust, "Not A Name", &[], &root.path().join("c")).is_err());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
    }
}
