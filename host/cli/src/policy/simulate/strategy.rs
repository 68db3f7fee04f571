//! One migration, for a strategy to be judged by.

use std::path::Path;

use reeve_model::Bytes;
use reeve_model::policy::Hook;
use reeve_policy::simulate::migration::{End, Scenario, Simulated, SimulatedRound};
use serde::Serialize;

use crate::context::read_bytes;
use crate::exit::Invalid;
use crate::output::{Show, pairs, table, yes_no};

/// The scenario in a file; without one all is as usual.
pub(super) fn scenario(file: Option<&Path>) -> anyhow::Result<Scenario> {
    let Some(file) = file else { return Ok(Scenario::default()) };
    let text = String::from_utf8_lossy(&read_bytes(file)?).into_owned();
    let named = |error| Invalid(format!("'{}' is wrong: {error}", file.display()));
    Ok(Scenario::parse(&text).map_err(named)?)
}

/// A migration of one policy.
#[derive(Serialize)]
pub(super) struct Shown {
    pub(super) policy: String,
    pub(super) hook: Hook,
    #[serde(flatten)]
    pub(super) simulated: Simulated,
}

impl Show for Shown {
    const ELEMENT: &'static str = "simulation";

    fn human(&self) -> String {
        let Simulated { plan, rounds, end, reason, downtime_us, whole_us, sent, given_up, calls, fuel } =
            &self.simulated;
        let reason = reason.clone().unwrap_or_default();
        let after = format!("{} round{}", rounds.len(), if rounds.len() == 1 { "" } else { "s" });
        let end = match end {
            End::Refused => format!("it does not begin: {reason}"),
            End::Converged => format!("it converges after {after}"),
            End::PostCopy => format!("the guest goes on at the destination after {after}"),
            End::Aborted => format!("it ends after {after}, and the guest stays: {reason}"),
        };
        let mut all = vec![
            ("Policy", self.policy.clone()),
            ("Hook", self.hook.to_string()),
            ("Calls", calls.to_string()),
            (
                "Plan",
                if plan.is_empty() { "the host's own" } else { plan.trim_start_matches("plan: ") }.to_owned(),
            ),
            ("End", end),
        ];
        all.extend(downtime_us.map(|us| ("Stands still for", milliseconds(us))));
        all.extend(whole_us.map(|us| ("Whole after", seconds(us))));
        all.extend(given_up.as_ref().map(|why| ("Not asked again", why.clone())));
        all.extend([
            ("Sent", Bytes(*sent).to_string()),
            ("Fuel a call", (fuel / (*calls).max(1)).to_string()),
        ]);
        if rounds.is_empty() {
            return pairs(all);
        }
        let header = [
            "ROUND",
            "ELAPSED",
            "SENT",
            "WRITTEN",
            "A SECOND",
            "DOWNTIME",
            "OF",
            "THROTTLE",
            "COMPRESSED",
            "STREAMS",
            "THEN",
        ];
        let rows = rounds.iter().map(row);
        format!("{}\n\n{}", table(header, rows), pairs(all))
    }
}

fn row(round: &SimulatedRound) -> [String; 11] {
    // The number of the round stands in front of it already.
    let step = round.step.split_once(": ").map_or(round.step.as_str(), |(_, step)| step);
    [
        round.number.to_string(),
        seconds(round.elapsed_us),
        Bytes(round.sent).to_string(),
        Bytes(round.written).to_string(),
        Bytes(round.bandwidth).to_string(),
        milliseconds(round.expected_downtime_us),
        milliseconds(round.max_downtime_us),
        format!("{} %", round.throttle),
        yes_no(round.compressed).to_owned(),
        round.streams.to_string(),
        step.to_owned(),
    ]
}

fn seconds(us: u64) -> String {
    format!("{:.2} s", us as f64 / 1e6)
}

fn milliseconds(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1e3)
}
