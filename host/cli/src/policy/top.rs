//! `reeve policy top`.

use std::time::{Duration, Instant};

use clap::Args;
use reeve_client::ClientError;
use reeve_model::Bytes;
use reeve_model::policy::PolicyMode;
use reeve_model::watch::{LatencyClass, PolicyActivity, percentile};
use serde::Serialize;

use super::word;
use crate::context::Context;
use crate::output::{Format, Show, or_dash, table};

/// Clears a terminal and goes to its upper left corner.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Options of `reeve policy top`.
#[derive(Debug, Args)]
#[command(after_help = "\
Rates and latencies are those since the table before; in the first table, and with --once, latencies are those since the policy
was loaded and there is no rate. With --output json every table is one line of JSON.

Examples:
  reeve policy top
  reeve policy top --once --output json")]
pub struct Top {
    /// Print one table and stop
    #[arg(long)]
    once: bool,
    /// Seconds between two tables
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
}

impl Top {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut before: Option<(Instant, Vec<PolicyActivity>)> = None;
        loop {
            let now = match context.client.policy_activity().await {
                // The daemon has stopped, and with it what there was to see.
                Err(ClientError::Unreachable { .. } | ClientError::Broken(_)) if before.is_some() => {
                    return Ok(());
                }
                now => now?,
            };
            let taken = Instant::now();
            let since = before.as_ref().map(|(then, rows)| (taken - *then, rows.as_slice()));
            let rows = Rows(now.iter().map(|row| Row::new(row, since)).collect());
            match context.format {
                Format::Json => context.print(&serde_json::to_string(&rows)?)?,
                Format::Table if !self.once && crate::terminal::is_output() => {
                    context.print(&format!("{CLEAR}{}", rows.human()))?;
                }
                Format::Table | Format::Xml => context.show(&rows)?,
            }
            if self.once {
                return Ok(());
            }
            before = Some((taken, now));
            tokio::time::sleep(Duration::from_secs(self.interval)).await;
        }
    }
}

/// One policy at one moment.
#[derive(Debug, Serialize)]
struct Row {
    policy: String,
    mode: PolicyMode,
    parked: bool,
    calls: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls_per_second: Option<f64>,
    p50_micros: Option<u64>,
    p99_micros: Option<u64>,
    denials: u64,
    failures: u64,
    memory_peak: Bytes,
}

impl Row {
    fn new(now: &PolicyActivity, since: Option<(Duration, &[PolicyActivity])>) -> Self {
        let before = since.and_then(|(time, rows)| {
            let before = rows.iter().find(|before| before.policy == now.policy)?;
            // A policy that was unloaded and loaded again counts from nothing.
            (before.calls <= now.calls).then_some((time, before))
        });
        let latency = match before {
            Some((_, before)) => difference(&now.latency, &before.latency),
            None => now.latency.clone(),
        };
        Self {
            policy: now.policy.clone(),
            mode: now.mode,
            parked: now.parked,
            calls: now.calls,
            calls_per_second: before
                .map(|(time, before)| (now.calls - before.calls) as f64 / time.as_secs_f64()),
            p50_micros: percentile(&latency, 0.5),
            p99_micros: percentile(&latency, 0.99),
            denials: now.denials,
            failures: now.failures,
            memory_peak: now.memory_peak,
        }
    }
}

/// Calls that came after the classes of `before`.
fn difference(now: &[LatencyClass], before: &[LatencyClass]) -> Vec<LatencyClass> {
    let calls = |up_to: u64| before.iter().find(|class| class.up_to == up_to).map_or(0, |class| class.calls);
    let new = now.iter().map(|class| LatencyClass {
        calls: class.calls.saturating_sub(calls(class.up_to)),
        up_to: class.up_to,
    });
    new.filter(|class| class.calls > 0).collect()
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<Row>);

impl Show for Rows {
    const ELEMENT: &'static str = "policies";

    fn human(&self) -> String {
        let cells = |row: &Row| {
            [
                row.policy.clone(),
                if row.parked { "parked".to_owned() } else { word(&row.mode) },
                row.calls.to_string(),
                or_dash(row.calls_per_second.map(|rate| format!("{rate:.1}"))),
                or_dash(row.p50_micros.map(length)),
                or_dash(row.p99_micros.map(length)),
                row.denials.to_string(),
                row.failures.to_string(),
                row.memory_peak.to_string(),
            ]
        };
        let header = ["Policy", "State", "Calls", "Calls/s", "p50", "p99", "Denials", "Failures", "Memory"];
        table(header, self.0.iter().map(cells))
    }
}

/// A length of time in the unit that fits it.
fn length(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{micros} us"),
        10_000..10_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{} s", micros / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(calls: u64, latency: &[(u64, u64)]) -> PolicyActivity {
        PolicyActivity {
            policy: "admission".into(),
            mode: PolicyMode::Enforce,
            parked: false,
            calls,
            denials: 3,
            failures: 0,
            memory_peak: Bytes::mib(1),
            latency: latency.iter().map(|&(up_to, calls)| LatencyClass { up_to, calls }).collect(),
        }
    }

    #[test]
    fn the_first_table_has_no_rate_and_the_next_only_what_is_new() {
        let before = [activity(100, &[(20, 99), (5000, 1)])];
        let now = activity(300, &[(20, 99), (40, 200), (5000, 1)]);
        let first = Row::new(&before[0], None);
        let next = Row::new(&now, Some((Duration::from_secs(2), &before)));
        insta::assert_snapshot!(Rows(vec![first, next]).human());
    }

    #[test]
    fn a_policy_that_was_loaded_again_counts_from_nothing() {
        let row =
            Row::new(&activity(1, &[(80, 1)]), Some((Duration::from_secs(1), &[activity(9, &[(20, 9)])])));
        assert_eq!((row.calls_per_second, row.p99_micros), (None, Some(80)));
    }
}
