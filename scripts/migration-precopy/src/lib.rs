//! Rounds of memory until the rest fits into the time that the guest may stand still.

use reeve_sdk::migration::{Capabilities, Journey, Limits, MigrationPlan, Progress, Round, Step};
use reeve_sdk::prelude::*;
use serde::Deserialize;

/// What the operator may set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// Milliseconds that a guest may stand still; none is the operator's limit.
    downtime_ms: Option<u64>,
    /// Whether pages are compressed.
    compress: bool,
    /// Rounds in a row without progress after which the guest stays; 0 is never.
    give_up_after: usize,
}

/// The policy.
struct PreCopy;

impl Policy for PreCopy {
    fn migration_plan(
        ctx: &Context,
        offered: &Capabilities,
        limits: &Limits,
        _journey: &Journey,
    ) -> Result<MigrationPlan, Failure> {
        let config: Config = ctx.parse_config()?;
        let wanted = config.downtime_ms.map_or(limits.max_downtime_us, |ms| ms.saturating_mul(1000));
        let (max_downtime_us, compress) =
            (wanted.min(limits.max_downtime_us), config.compress && offered.compression);
        Ok(MigrationPlan { max_downtime_us, compress, streams: 1 })
    }

    fn migration_step(ctx: &Context, now: &Progress) -> Result<Step, Failure> {
        let config: Config = ctx.parse_config()?;
        Ok(step(config.give_up_after, &now.rounds))
    }
}

/// What comes after the last of these rounds.
fn step(give_up_after: usize, rounds: &[Round]) -> Step {
    let Some(last) = rounds.last() else { return Step::Continue };
    if last.expected_downtime_us <= last.max_downtime_us {
        return Step::StopAndCopy;
    }
    let stalled = rounds.windows(2).rev().take_while(|pair| !progressed(&pair[0], &pair[1])).count();
    if give_up_after > 0 && stalled >= give_up_after {
        return Step::Abort(format!(
            "{stalled} rounds brought nothing: the guest writes as fast as it is sent"
        ));
    }
    Step::Continue
}

/// Less than a tenth fewer pages is no progress.
fn progressed(before: &Round, after: &Round) -> bool {
    after.dirty_pages < before.dirty_pages - before.dirty_pages / 10
}

reeve_sdk::policy!(PreCopy: migration_strategy);

#[cfg(test)]
mod tests {
    use reeve_sdk::testing;

    use super::*;

    fn round(number: u32, dirty_pages: u64) -> Round {
        Round {
            number,
            elapsed_us: u64::from(number) * 1_000_000,
            duration_us: 1_000_000,
            pages: 10_000,
            zero_pages: 0,
            sent: 40 << 20,
            dirty_pages,
            bandwidth: 40 << 20,
            expected_downtime_us: dirty_pages * 100,
            max_downtime_us: 50_000,
            throttle: 0,
            compressed: false,
            streams: 1,
        }
    }

    #[test]
    fn it_ends_when_the_rest_fits_and_gives_up_when_it_never_will() {
        assert_eq!(step(2, &[round(1, 501)]), Step::Continue);
        assert_eq!(step(2, &[round(1, 5000), round(2, 500)]), Step::StopAndCopy);
        let stuck: Vec<Round> = (1..=3).map(|number| round(number, 5000)).collect();
        assert_eq!(step(0, &stuck), Step::Continue);
        assert_eq!(step(3, &stuck), Step::Continue, "two rounds brought nothing yet");
        assert!(matches!(step(2, &stuck), Step::Abort(_)));
    }

    #[test]
    fn it_plans_within_the_operators_limit() {
        let offered = Capabilities { compression: false, streams: 1, post_copy: false };
        let limits = Limits { max_downtime_us: 300_000, bandwidth: None, max_throttle: 0, max_rounds: 100 };
        let journey = testing::journey();
        let plan = |config: &str| {
            PreCopy::migration_plan(&testing::context(config), &offered, &limits, &journey)
                .map(|plan| (plan.max_downtime_us, plan.compress))
        };
        assert_eq!(plan("{}"), Ok((300_000, false)));
        assert_eq!(plan(r#"{"downtime-ms": 50, "compress": true}"#), Ok((50_000, false)), "nobody offers it");
        assert_eq!(plan(r#"{"downtime-ms": 5000}"#), Ok((300_000, false)));
        assert!(plan(r#"{"downtime": 50}"#).is_err());
    }
}
