//! `reeve policy decisions`.

use clap::Args;
use reeve_model::policy::{Decision, DecisionFilter, Hook, Outcome};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error as WordError};

use super::word;
use crate::context::Context;
use crate::output::{Show, moment, table};

/// Options of `reeve policy decisions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Outcomes: allow, deny, rewrite, notified, proposed, adjusted, failed, trap, deadline, fuel, memory, limit, refused, parked.
An outcome in parentheses is of a policy in monitor mode: it changed nothing.

Examples:
  reeve policy decisions --outcome deny
  reeve policy decisions --policy naming --subject web --changes
  reeve policy decisions --after 120 --output json")]
pub struct Decisions {
    /// Only of this policy
    #[arg(long)]
    policy: Option<String>,
    /// Only of this hook, e.g. domain-prepare
    #[arg(long, value_parser = named::<Hook>)]
    hook: Option<Hook>,
    /// Only about this subject (a domain's name)
    #[arg(long)]
    subject: Option<String>,
    /// Only with this outcome
    #[arg(long, value_parser = named::<Outcome>)]
    outcome: Option<Outcome>,
    /// Only rows after this number
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
    /// At most so many rows, the newest ones
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Also show every changed path of rewrites
    #[arg(long)]
    changes: bool,
}

impl Decisions {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let filter = DecisionFilter {
            policy: self.policy,
            hook: self.hook,
            subject: self.subject,
            outcome: self.outcome,
            after: self.after,
            limit: self.limit,
        };
        let rows = context.client.decisions(&filter).await?;
        context.show(&Rows { rows, changes: self.changes })
    }
}

/// Reads a word of the vocabulary that `T` is written in.
fn named<T: DeserializeOwned>(word: &str) -> Result<T, String> {
    let deserializer = IntoDeserializer::<WordError>::into_deserializer(word);
    T::deserialize(deserializer).map_err(|error| error.to_string())
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows {
    rows: Vec<Decision>,
    #[serde(skip)]
    changes: bool,
}

impl Show for Rows {
    const ELEMENT: &'static str = "decisions";

    fn human(&self) -> String {
        let header = ["Id", "Time", "Hook", "Policy", "Subject", "Outcome", "Took", "Reason"];
        let mut text = table(header, self.rows.iter().map(cells));
        for row in self.rows.iter().filter(|_| self.changes) {
            for change in &row.changes {
                let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                let (before, after) = (value(&change.before), value(&change.after));
                text.push_str(&format!("\n {}  {}: {before} -> {after}", row.id, change.path));
            }
        }
        text
    }
}

fn cells(row: &Decision) -> [String; 8] {
    let outcome = match row.mode {
        reeve_model::policy::PolicyMode::Enforce => word(&row.outcome),
        reeve_model::policy::PolicyMode::Monitor => format!("({})", word(&row.outcome)),
    };
    let reason = match (row.reason.as_str(), row.changes.len()) {
        ("", 0) => String::new(),
        ("", 1) => row.changes[0].path.clone(),
        ("", count) => format!("{} and {} more", row.changes[0].path, count - 1),
        (reason, _) => reason.to_owned(),
    };
    [
        row.id.to_string(),
        moment(row.time),
        row.hook.to_string(),
        row.policy.clone(),
        row.subject.clone(),
        outcome,
        format!("{} us", row.micros),
        reason,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use reeve_model::Actor;
    use reeve_model::policy::{PathChange, PolicyMode};
    use time::OffsetDateTime;

    fn decision(id: u64, outcome: Outcome, reason: &str) -> Decision {
        Decision {
            id,
            time: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_795_000_000),
            chain: 1,
            hook: Hook::DomainPrepare,
            policy: "admission".into(),
            digest: "00".repeat(32),
            actor: Actor::Daemon,
            subject: "web".into(),
            mode: PolicyMode::Enforce,
            outcome,
            reason: reason.into(),
            changes: Vec::new(),
            fuel: 1000,
            micros: 21,
            host_calls: 1,
            in_place_of: None,
            input_digest: "00".repeat(32),
        }
    }

    #[test]
    fn the_log_reads_from_left_to_right() {
        let mut monitored = decision(2, Outcome::Rewrite, "");
        monitored.mode = PolicyMode::Monitor;
        monitored.changes = vec![PathChange {
            path: "devices.disks[vda].driver.cache".into(),
            before: None,
            after: Some("\"none\"".into()),
        }];
        let rows = vec![decision(1, Outcome::Deny, "9 GiB asked, 4 GiB left"), monitored];
        insta::assert_snapshot!(Format::Table.draw(&Rows { rows, changes: true }).unwrap());
    }

    #[test]
    fn words_are_those_of_the_wire() {
        assert_eq!(named::<Hook>("ksm-tune"), Ok(Hook::KsmTune));
        assert!(named::<Outcome>("maybe").unwrap_err().contains("expected one of"));
    }
}
