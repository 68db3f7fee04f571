//! How far a strategy may go: no further than the operator's limits and what both hosts offer. Pure.

use std::time::Duration;

use reeve_migrate::{Plan, Step};

use super::REASON_LIMIT;
use crate::bindings::reeve::migration::strategy;
use crate::failure::shorten;

/// A guest that lost all of its time would never write its last page.
const MOST_THROTTLE: u8 = 99;

/// A plan within its bounds, and what the log says of it.
pub(super) fn bounded_plan(
    plan: strategy::MigrationPlan,
    offered: &strategy::Capabilities,
    limits: &strategy::Limits,
) -> (Plan, String) {
    let max_downtime_us = plan.max_downtime_us.min(limits.max_downtime_us);
    let compress = plan.compress && offered.compression;
    let streams = plan.streams.clamp(1, offered.streams.max(1));
    let mut said = format!(
        "plan: downtime {}, {}, {streams} stream{}",
        milliseconds(max_downtime_us),
        if compress { "compressed" } else { "not compressed" },
        if streams == 1 { "" } else { "s" },
    );
    if (max_downtime_us, compress, streams) != (plan.max_downtime_us, plan.compress, plan.streams) {
        said.push_str("; cut at what is allowed and offered");
    }
    (Plan { max_downtime: Duration::from_micros(max_downtime_us), compress, streams }, said)
}

/// A step within its bounds, and what the log says of it.
pub(super) fn bounded_step(step: strategy::Step, progress: &strategy::Progress) -> (Step, String) {
    let (offered, limits) = (&progress.capabilities, &progress.limits);
    let round = progress.rounds.last();
    let said = |what: String, wanted: Option<String>| {
        let number = round.map_or(0, |round| round.number);
        let cut = wanted.map(|wanted| format!("; {wanted}")).unwrap_or_default();
        format!("round {number}: {what}{cut}")
    };
    let not_offered =
        |what: &str| (Step::Continue, said("continue".to_owned(), Some(format!("{what} is not offered"))));
    match step {
        strategy::Step::Continue => (Step::Continue, said("continue".to_owned(), None)),
        strategy::Step::Throttle(percent) => {
            let allowed = percent.min(limits.max_throttle).min(MOST_THROTTLE);
            let wanted = (allowed != percent).then(|| format!("{percent} % is more than is allowed"));
            (Step::Throttle(allowed), said(format!("throttle {allowed} %"), wanted))
        }
        strategy::Step::SetMaxDowntime(us) => {
            let allowed = us.min(limits.max_downtime_us);
            let wanted = (allowed != us).then(|| format!("{} is more than is allowed", milliseconds(us)));
            let step = Step::SetMaxDowntime(Duration::from_micros(allowed));
            (step, said(format!("downtime {}", milliseconds(allowed)), wanted))
        }
        strategy::Step::Compress if !offered.compression => not_offered("compression"),
        strategy::Step::Compress => (Step::Compress, said("compress".to_owned(), None)),
        strategy::Step::AddStreams(more) => {
            let room = offered.streams.saturating_sub(round.map_or(1, |round| round.streams));
            if room == 0 {
                return not_offered("another stream");
            }
            let allowed = more.min(room);
            let wanted = (allowed != more).then(|| format!("{more} are not offered"));
            (Step::AddStreams(allowed), said(format!("{allowed} more streams"), wanted))
        }
        strategy::Step::SwitchToPostCopy if !offered.post_copy => not_offered("post-copy"),
        strategy::Step::SwitchToPostCopy => {
            (Step::SwitchToPostCopy, said("switch to post-copy".to_owned(), None))
        }
        strategy::Step::StopAndCopy => {
            let longer = round.is_some_and(|round| round.expected_downtime_us > limits.max_downtime_us);
            let wanted = longer.then(|| "it would stand still for longer than is allowed".to_owned());
            let (step, what) =
                if longer { (Step::Continue, "continue") } else { (Step::StopAndCopy, "stop and copy") };
            (step, said(what.to_owned(), wanted))
        }
        strategy::Step::Abort(why) => {
            let why = why.replace(char::is_control, " ");
            let why = if why.trim().is_empty() { "the strategy gave no reason" } else { why.trim() };
            let why = shorten(why, REASON_LIMIT);
            (Step::Abort(why.clone()), said(format!("abort: {why}"), None))
        }
    }
}

fn milliseconds(us: u64) -> String {
    format!("{} ms", us as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(post_copy: bool) -> strategy::Progress {
        let round = strategy::Round {
            number: 3,
            elapsed_us: 3_000_000,
            duration_us: 1_000_000,
            pages: 1000,
            zero_pages: 0,
            sent: 4 << 20,
            dirty_pages: 900,
            bandwidth: 4 << 20,
            expected_downtime_us: 400_000,
            max_downtime_us: 300_000,
            throttle: 0,
            compressed: false,
            streams: 2,
        };
        strategy::Progress {
            capabilities: strategy::Capabilities { compression: false, streams: 4, post_copy },
            limits: strategy::Limits {
                max_downtime_us: 300_000,
                bandwidth: None,
                max_throttle: 50,
                max_rounds: 100,
            },
            rounds: vec![round],
        }
    }

    #[test]
    fn a_step_goes_no_further_than_allowed_and_offered() {
        use strategy::Step as Wanted;
        let step = |wanted| bounded_step(wanted, &progress(false));
        assert_eq!(step(Wanted::Throttle(30)), (Step::Throttle(30), "round 3: throttle 30 %".to_owned()));
        let (cut, said) = step(Wanted::Throttle(90));
        assert_eq!(
            (cut, said.as_str()),
            (Step::Throttle(50), "round 3: throttle 50 %; 90 % is more than is allowed")
        );
        assert_eq!(step(Wanted::SetMaxDowntime(900_000)).0, Step::SetMaxDowntime(Duration::from_millis(300)));
        assert_eq!(step(Wanted::Compress).0, Step::Continue);
        assert_eq!(step(Wanted::AddStreams(9)).0, Step::AddStreams(2));
        assert_eq!(step(Wanted::SwitchToPostCopy).0, Step::Continue);
        assert_eq!(bounded_step(Wanted::SwitchToPostCopy, &progress(true)).0, Step::SwitchToPostCopy);
        assert_eq!(step(Wanted::StopAndCopy).0, Step::Continue, "400 ms are more than 300");
        assert_eq!(
            step(Wanted::Abort(" \n".to_owned())).0,
            Step::Abort("the strategy gave no reason".to_owned())
        );
    }

    #[test]
    fn a_plan_is_cut_and_says_so() {
        let progress = progress(false);
        let plan = strategy::MigrationPlan { max_downtime_us: 500_000, compress: true, streams: 0 };
        let (plan, said) = bounded_plan(plan, &progress.capabilities, &progress.limits);
        assert_eq!(plan, Plan { max_downtime: Duration::from_millis(300), compress: false, streams: 1 });
        assert_eq!(
            said,
            "plan: downtime 300 ms, not compressed, 1 stream; cut at what is allowed and offered"
        );
    }
}
