//! `reeve policy decisions`.

use std::time::Duration;

use clap::Args;
use reeve_client::ClientError;
use reeve_model::policy::{Decision, DecisionFilter, Hook, Outcome};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error as WordError};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::word;
use crate::context::Context;
use crate::output::{Format, Show, moment, table};

/// How long it takes until new rows are looked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// Rows that are asked for at once.
const PAGE: u32 = 1000;

/// Options of `reeve policy decisions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Outcomes: allow, deny, rewrite, notified, proposed, adjusted, done, failed, trap, deadline, fuel, memory, limit, refused, parked,
skipped. An outcome in parentheses is of a policy in monitor mode: it changed nothing.

Moments are RFC 3339 (2026-11-23T03:00:00Z), or so long ago: 30s, 10m, 2h, 7d.

Examples:
  reeve policy decisions --outcome deny --since 1h
  reeve policy decisions --policy naming --subject web --changes
  reeve policy decisions --follow --output json
  reeve policy decisions --export --since 7d > decisions.jsonl")]
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
    /// Only of this moment and later
    #[arg(long, value_name = "MOMENT", value_parser = moment_of)]
    since: Option<OffsetDateTime>,
    /// Only before this moment
    #[arg(long, value_name = "MOMENT", value_parser = moment_of)]
    until: Option<OffsetDateTime>,
    /// At most so many rows, the newest ones
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Also show every changed path of rewrites
    #[arg(long)]
    changes: bool,
    /// Go on with new rows until interrupted; with --output json every row is one line of JSON
    #[arg(short, long, conflicts_with = "until")]
    follow: bool,
    /// Write every row that matches, oldest first, as one line of JSON each
    #[arg(long, conflicts_with_all = ["limit", "changes", "follow"])]
    export: bool,
}

impl Decisions {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let filter = DecisionFilter {
            policy: self.policy,
            hook: self.hook,
            subject: self.subject,
            outcome: self.outcome,
            after: self.after,
            since: self.since,
            until: self.until,
            limit: self.limit,
        };
        if self.export {
            return export(context, filter).await;
        }
        let rows = context.client.decisions(&filter).await?;
        if !self.follow {
            return context.show(&Rows { rows, changes: self.changes });
        }
        follow(context, filter, rows, self.changes).await
    }
}

/// All rows in pages.
async fn export(context: &mut Context, mut filter: DecisionFilter) -> anyhow::Result<()> {
    filter.limit = Some(PAGE);
    let mut after = filter.after.unwrap_or(0);
    loop {
        filter.after = Some(after);
        let rows = context.client.decisions(&filter).await?;
        lines(context, &rows)?;
        match rows.last() {
            Some(last) => after = last.id,
            None => return Ok(()),
        }
    }
}

/// Rows, then those that come.
async fn follow(
    context: &mut Context,
    filter: DecisionFilter,
    mut rows: Vec<Decision>,
    changes: bool,
) -> anyhow::Result<()> {
    let mut after = filter.after.unwrap_or(0);
    loop {
        after = rows.last().map_or(after, |last| last.id);
        if context.format == Format::Json {
            lines(context, &rows)?;
        } else if !rows.is_empty() {
            context.show(&Rows { rows, changes })?;
        }
        tokio::time::sleep(PAUSE).await;
        let next = DecisionFilter { after: Some(after), limit: Some(PAGE), ..filter.clone() };
        rows = match context.client.decisions(&next).await {
            // The daemon has stopped: the end, like that of the event stream.
            Err(ClientError::Unreachable { .. } | ClientError::Broken(_)) => return Ok(()),
            rows => rows?,
        };
    }
}

fn lines(context: &mut Context, rows: &[Decision]) -> anyhow::Result<()> {
    for row in rows {
        context.print(&serde_json::to_string(row)?)?;
    }
    Ok(())
}

/// Reads a moment: RFC 3339, or so long ago.
fn moment_of(text: &str) -> Result<OffsetDateTime, String> {
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(moment);
    }
    let ago = text.char_indices().next_back().and_then(|(at, unit)| {
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 24 * 3600,
            _ => return None,
        };
        text[..at].parse::<u32>().ok().map(|number| i64::from(number) * seconds)
    });
    let ago = ago.ok_or_else(|| format!("'{text}' is no moment, write 2026-11-23T03:00:00Z or 10m"))?;
    OffsetDateTime::now_utc()
        .checked_sub(time::Duration::seconds(ago))
        .ok_or_else(|| format!("'{text}' is before the year 1"))
}

/// Reads a word of the vocabulary that `T` is written in.
pub(super) fn named<T: DeserializeOwned>(word: &str) -> Result<T, String> {
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
    use reeve_model::Actor;
    use reeve_model::policy::{PathChange, PolicyMode};

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
    fn moments_are_dates_or_so_long_ago() {
        let epoch = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_795_000_000);
        assert_eq!(moment_of("2026-11-18T12:03:20+01:00"), Ok(epoch - time::Duration::seconds(200)));
        let ago = |text: &str| {
            let moment = moment_of(text).unwrap();
            (OffsetDateTime::now_utc() - moment).whole_seconds()
        };
        assert!((600..605).contains(&ago("10m")) && (7 * 86_400..7 * 86_400 + 5).contains(&ago("7d")));
        for bad in ["", "m", "yesterday", "-1h", "2026-11-18", "10ü"] {
            assert!(moment_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_are_those_of_the_wire() {
        assert_eq!(named::<Hook>("ksm-tune"), Ok(Hook::KsmTune));
        assert!(named::<Outcome>("maybe").unwrap_err().contains("expected one of"));
    }
}
