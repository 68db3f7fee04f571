//! `reeve node cpu-stats` (guide 14.7.5, `nodecpustats`).

use std::time::Duration;

use clap::Args;
use reeve_model::node::{NodeCpuFilter, NodeCpuTime};
use serde::Serialize;

use crate::context::Context;
use crate::output::{Show, pairs};

/// How long is watched for percentages.
const WATCHED: Duration = Duration::from_secs(1);

/// Options of `reeve node cpu-stats`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nanoseconds since the host was started, of all CPUs together where none is named.

Examples:
  reeve node cpu-stats
  reeve node cpu-stats 2 --percent")]
pub struct CpuStats {
    /// Number of a CPU
    number: Option<u32>,
    /// The same as the argument
    #[arg(long, value_name = "NUMBER", conflicts_with = "number")]
    cpu: Option<u32>,
    /// Watch for a second what share of its time each thing takes
    #[arg(long)]
    percent: bool,
}

impl CpuStats {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let filter = NodeCpuFilter { cpu: self.cpu.or(self.number) };
        let before = context.client.node_cpu_stats(filter).await?;
        if !self.percent {
            return context.show(&Times(before));
        }
        tokio::time::sleep(WATCHED).await;
        let after = context.client.node_cpu_stats(filter).await?;
        context.show(&Shares::between(&before, &after))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Times(NodeCpuTime);

impl Show for Times {
    const ELEMENT: &'static str = "cpu-time";

    fn human(&self) -> String {
        let NodeCpuTime { user_ns, system_ns, idle_ns, iowait_ns } = self.0;
        let lines = [("user", user_ns), ("system", system_ns), ("idle", idle_ns), ("iowait", iowait_ns)];
        pairs(lines.map(|(name, time)| (name, format!("{time:>20}"))))
    }
}

/// Hundredths of the time that was watched.
#[derive(Debug, PartialEq, Serialize)]
struct Shares {
    usage: f64,
    user: f64,
    system: f64,
    idle: f64,
    iowait: f64,
}

impl Shares {
    fn between(before: &NodeCpuTime, after: &NodeCpuTime) -> Self {
        let passed = |time: fn(&NodeCpuTime) -> u64| time(after).saturating_sub(time(before)) as f64;
        let (user, system) = (passed(|time| time.user_ns), passed(|time| time.system_ns));
        let (idle, iowait) = (passed(|time| time.idle_ns), passed(|time| time.iowait_ns));
        // A host that counted nothing meanwhile did nothing.
        let all = user + system + idle + iowait;
        let share = |part: f64| if all > 0.0 { part * 100.0 / all } else { 0.0 };
        Self {
            usage: share(user + system),
            user: share(user),
            system: share(system),
            idle: share(idle),
            iowait: share(iowait),
        }
    }
}

impl Show for Shares {
    const ELEMENT: &'static str = "cpu-share";

    fn human(&self) -> String {
        let Self { usage, user, system, idle, iowait } = self;
        let lines =
            [("usage", usage), ("user", user), ("system", system), ("idle", idle), ("iowait", iowait)];
        pairs(lines.map(|(name, share)| (name, format!("{share:>5.1}%"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn times_and_shares_are_drawn_as_the_guide_prints_them() {
        let before = NodeCpuTime {
            user_ns: 1_056_442_260_000_000,
            system_ns: 401_675_280_000_000,
            idle_ns: 7_549_613_380_000_000,
            iowait_ns: 94_593_570_000_000,
        };
        assert_eq!(
            words(&Times(before).human()),
            "user: 1056442260000000 system: 401675280000000 idle: 7549613380000000 iowait: 94593570000000"
        );
        let after = NodeCpuTime {
            user_ns: before.user_ns + 10_000_000,
            system_ns: before.system_ns + 10_000_000,
            idle_ns: before.idle_ns + 980_000_000,
            ..before
        };
        assert_eq!(
            words(&Shares::between(&before, &after).human()),
            "usage: 2.0% user: 1.0% system: 1.0% idle: 98.0% iowait: 0.0%"
        );
        assert_eq!(Shares::between(&before, &before).usage, 0.0);
    }
}
