//! `reeve policy bench`: what one decision costs, each in a fresh instance.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reeve_model::Bytes;
use serde::Serialize;

use super::sessions::{self, Terms};
use crate::context::Context;
use crate::output::{Show, pairs};

/// Options of `reeve policy bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
The host's part is played from the session, so this is the time of the policy itself: a fresh instance, its answer, its end. The
first tenth of the runs warms up and does not count.

Example:
  reeve policy bench naming.wasm --session sessions/web.json --runs 5000")]
pub struct Bench {
    /// A project, or a component
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    policy: PathBuf,
    /// One session
    #[arg(long, value_name = "FILE")]
    session: PathBuf,
    /// How often
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
    #[command(flatten)]
    terms: Terms,
}

#[derive(Debug, Serialize)]
struct Cost {
    policy: String,
    hook: String,
    outcome: String,
    runs: usize,
    median_us: f64,
    p99_us: f64,
    /// Instructions of one run.
    fuel: u64,
    /// Linear memory, bytes.
    memory: u64,
    host_calls: usize,
}

impl Bench {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let component = self.terms.open(&sessions::component(&self.policy)?)?;
        let recorded = sessions::read(&self.session)?;
        let Some(Ok(session)) = recorded.into_iter().next().map(|one| one.session) else {
            anyhow::bail!("'{}' does not begin with a session", self.session.display());
        };
        let mode = sessions::mode(&session, &component, &self.terms, false);
        let warm_up = self.runs.div_ceil(10);
        let mut times = Vec::new();
        let mut last = None;
        for run in 0..self.runs + warm_up {
            let replayed = component.replay(&session, mode).await?;
            if run >= warm_up {
                times.push(replayed.elapsed);
            }
            last = Some(replayed);
        }
        let Some(last) = last else { anyhow::bail!("nothing was run") };
        if let Some(difference) = last.differences.first() {
            context.note(&format!("note: it does not do what the session says: {difference}"));
        }
        times.sort_unstable();
        context.show(&Cost {
            policy: component.manifest().name.clone(),
            hook: session.hook.to_string(),
            outcome: super::word(&last.outcome),
            runs: times.len(),
            median_us: quantile(&times, 50),
            p99_us: quantile(&times, 99),
            fuel: last.fuel,
            memory: last.memory as u64,
            host_calls: last.host_calls.len(),
        })
    }
}

/// The time below which `percent` of the sorted runs stay, microseconds.
fn quantile(times: &[Duration], percent: usize) -> f64 {
    let at = (times.len().saturating_sub(1) * percent).div_ceil(100);
    times.get(at).copied().unwrap_or_default().as_secs_f64() * 1e6
}

impl Show for Cost {
    const ELEMENT: &'static str = "bench";

    fn human(&self) -> String {
        pairs([
            ("Policy", self.policy.clone()),
            ("Hook", self.hook.clone()),
            ("Outcome", self.outcome.clone()),
            ("Runs", self.runs.to_string()),
            ("Median", format!("{:.1} us", self.median_us)),
            ("p99", format!("{:.1} us", self.p99_us)),
            ("Fuel", self.fuel.to_string()),
            ("Memory", Bytes(self.memory).to_string()),
            ("Host calls", self.host_calls.to_string()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_runs_that_were() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_micros).collect();
        assert!((quantile(&times, 50) - 51.0).abs() < 1e-9);
        assert!((quantile(&times, 99) - 100.0).abs() < 1e-9);
        assert!(quantile(&[], 50).abs() < 1e-9);
    }
}
