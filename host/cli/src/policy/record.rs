//! `reeve policy record`: the next calls of a policy as sessions.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use reeve_model::policy::Hook;
use reeve_model::record::{Recorded, StartRecording};
use serde_json::Value;

use super::decisions::named;
use crate::context::Context;
use crate::exit::Usage;
use crate::output::Format;

/// Options of `reeve policy record`.
#[derive(Debug, Args)]
#[command(after_help = "\
The daemon keeps the next calls in memory until they are fetched, and this command writes them as they come; Ctrl-C ends it early.
Each call is one session: what the policy was asked, every answer of the host, its answer, the instructions used. Files named
*.jsonl get a line a session; a directory gets a file a session, NAME-1.json and so on.

What is recorded: the documents of the domains it was asked about and of those it read, its configuration and grants, values of its
own key-value store, its log lines. Nothing else of the host; but a session is as confidential as those.

Examples:
  reeve policy record naming --count 100 --out day.jsonl
  reeve policy record admission --hook domain-prepare --count 5 --out sessions")]
pub struct Record {
    /// Name of the policy
    policy: String,
    /// Calls to record
    #[arg(long, default_value_t = 10, value_name = "N")]
    count: u32,
    /// Only calls of this hook
    #[arg(long, value_parser = named::<Hook>)]
    hook: Option<Hook>,
    /// Seconds to wait for them at most
    #[arg(long, default_value_t = 600, value_name = "N")]
    seconds: u32,
    /// A file *.jsonl, or a directory
    #[arg(long = "out", value_name = "FILE|DIR")]
    out: PathBuf,
}

impl Record {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut place = Place::open(&self.out, &self.policy)?;
        let wanted = StartRecording { count: self.count, seconds: self.seconds, hook: self.hook };
        context.client.start_recording(&self.policy, &wanted).await?;
        let (mut written, mut lost) = (0_usize, 0);
        loop {
            let part = tokio::select! {
                part = context.client.recorded(&self.policy) => part?,
                _ = tokio::signal::ctrl_c() => {
                    let rest = context.client.stop_recording(&self.policy).await?;
                    Recorded { done: true, ..rest }
                }
            };
            for session in &part.sessions {
                place.write(session)?;
            }
            written += part.sessions.len();
            lost += part.lost;
            if part.done {
                break;
            }
        }
        if lost > 0 {
            context.note(&format!("note: {lost} calls were lost, the daemon's buffer was full"));
        }
        match context.format {
            Format::Table => {
                let (out, policy) = (self.out.display(), &self.policy);
                context.print(&format!("{written} calls of policy '{policy}' recorded in '{out}'"))
            }
            Format::Json | Format::Xml => Ok(()),
        }
    }
}

/// Where sessions are written.
enum Place {
    Lines(PathBuf, std::fs::File),
    Directory { directory: PathBuf, policy: String, next: usize },
}

impl Place {
    fn open(out: &Path, policy: &str) -> anyhow::Result<Self> {
        let extension = out.extension().and_then(|extension| extension.to_str());
        match extension {
            Some("jsonl") => {
                let file = std::fs::File::create(out)
                    .with_context(|| format!("cannot write '{}'", out.display()))?;
                Ok(Self::Lines(out.to_owned(), file))
            }
            Some("json") => {
                let message = format!("'{}' can hold one session only", out.display());
                Err(Usage { message, hint: Some("name a file *.jsonl or a directory") }.into())
            }
            _ => {
                std::fs::create_dir_all(out)
                    .with_context(|| format!("cannot make the directory '{}'", out.display()))?;
                Ok(Self::Directory { directory: out.to_owned(), policy: policy.to_owned(), next: 1 })
            }
        }
    }

    fn write(&mut self, session: &Value) -> anyhow::Result<()> {
        match self {
            Self::Lines(path, file) => {
                writeln!(file, "{session}").with_context(|| format!("cannot write '{}'", path.display()))
            }
            Self::Directory { directory, policy, next } => {
                let mut path = directory.join(format!("{policy}-{next}.json"));
                while path.exists() {
                    *next += 1;
                    path = directory.join(format!("{policy}-{next}.json"));
                }
                let text = serde_json::to_string_pretty(session)? + "\n";
                std::fs::write(&path, text).with_context(|| format!("cannot write '{}'", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_gets_a_file_a_session_and_keeps_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("naming-1.json"), "mine").unwrap();
        let mut place = Place::open(directory.path(), "naming").unwrap();
        for number in 1..=2 {
            place.write(&serde_json::json!({ "session": number })).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(read("naming-1.json"), "mine");
        assert_eq!(read("naming-3.json"), "{\n  \"session\": 2\n}\n");
        assert!(Place::open(&directory.path().join("one.json"), "naming").is_err());
    }
}
