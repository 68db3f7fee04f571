//! `reeve policy diff`: what another version would have decided.

use std::path::PathBuf;

use clap::Args;
use reeve_policy::{Mode, Replayed};
use serde::Serialize;

use super::sessions::{self, Terms};
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve policy diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Both versions are asked every recorded question and told what the host said then. Shown is every decision that is not the same:
another outcome, another answer, other changes, other calls that change the host. A version that asks the host something that the
session does not have cannot be judged on it, and is shown as 'diverged'.

Examples:
  reeve policy diff naming-0.1.wasm naming-0.2.wasm --sessions day.jsonl
  reeve policy diff old.wasm . --sessions sessions --config '{\"prefixes\": [\"web-\"]}'")]
pub struct Diff {
    /// The present version: a project, or a component
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The version to compare with it
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Recorded sessions
    #[arg(long, value_name = "DIR|FILE")]
    sessions: PathBuf,
    /// Of the new version
    #[command(flatten)]
    terms: Terms,
}

#[derive(Debug, Serialize)]
struct Compared {
    sessions: usize,
    changed: usize,
    /// Sessions that could not be asked of both.
    skipped: usize,
    decisions: Vec<Changed>,
}

/// A decision that is not the same.
#[derive(Debug, Serialize)]
struct Changed {
    session: String,
    hook: String,
    subject: String,
    before: String,
    after: String,
    differences: Vec<String>,
}

impl Diff {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let old = Terms::default().open(&sessions::component(&self.old)?)?;
        let new = self.terms.open(&sessions::component(&self.new)?)?;
        let recorded = sessions::read(&self.sessions)?;
        let mut compared =
            Compared { sessions: recorded.len(), changed: 0, skipped: 0, decisions: Vec::new() };
        for one in recorded {
            let session = match one.session {
                Ok(session) => session,
                Err(error) => {
                    compared.skipped += 1;
                    context.note(&format!("note: {}: {error}", one.place));
                    continue;
                }
            };
            let before = old.replay(&session, Mode::Behaviour).await;
            let after = new.replay(&session, Mode::Behaviour).await;
            let (before, after) = match (before, after) {
                (Ok(before), Ok(after)) => (before, after),
                (Err(error), _) | (_, Err(error)) => {
                    compared.skipped += 1;
                    context.note(&format!("note: {}: {error}", one.place));
                    continue;
                }
            };
            let differences = after.against(&before);
            if differences.is_empty() {
                continue;
            }
            compared.changed += 1;
            compared.decisions.push(Changed {
                session: one.place,
                hook: session.hook.to_string(),
                subject: session.subject(),
                before: decision(&before),
                after: decision(&after),
                differences: differences.iter().map(ToString::to_string).collect(),
            });
        }
        context.show(&compared)
    }
}

/// A decision in a few words.
fn decision(replayed: &Replayed) -> String {
    let outcome = super::word(&replayed.outcome);
    match replayed.reason.as_str() {
        "" => outcome,
        reason => format!("{outcome}: {reason}"),
    }
}

impl Show for Compared {
    const ELEMENT: &'static str = "diff";

    fn human(&self) -> String {
        let mut text = String::new();
        for Changed { session, hook, subject, before, after, differences } in &self.decisions {
            text.push_str(&format!("{session}  {hook} {subject}\n  - {before}\n  + {after}\n"));
            for difference in differences.iter().filter(|difference| !difference.starts_with("outcome:")) {
                text.push_str(&format!("    {difference}\n"));
            }
        }
        let Self { sessions, changed, skipped, .. } = self;
        text.push_str(&format!("{changed} of {sessions} decisions changed, {skipped} could not be compared"));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    #[test]
    fn every_changed_decision_is_shown() {
        let changed = Changed {
            session: "day.jsonl:7".into(),
            hook: "domain-define".into(),
            subject: "db".into(),
            before: "allow".into(),
            after: "deny: the name 'db' must begin with one of: web-".into(),
            differences: vec![
                "outcome: expected \"allow\", got \"deny\"".into(),
                "answer: expected {\"allow\":null}, got {\"deny\":\"…\"}".into(),
            ],
        };
        let compared = Compared { sessions: 10, changed: 1, skipped: 0, decisions: vec![changed] };
        insta::assert_snapshot!(Format::Table.draw(&compared).unwrap(), @r#"
        day.jsonl:7  domain-define db
          - allow
          + deny: the name 'db' must begin with one of: web-
            answer: expected {"allow":null}, got {"deny":"…"}
        1 of 10 decisions changed, 0 could not be compared
        "#);
    }
}
