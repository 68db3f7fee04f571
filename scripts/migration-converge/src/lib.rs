//! Guests that write faster than they are sent: something more is done after every round that brought nothing.

mod ladder;

pub use ladder::{Rules, step};
use reeve_sdk::migration::{Capabilities, Journey, Limits, MigrationPlan, Progress, Step};
use reeve_sdk::prelude::*;
use serde::Deserialize;

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// Milliseconds that a guest may stand still at first.
    downtime_ms: u64,
    /// Whether pages may be compressed.
    compress: bool,
    /// Hundredths of its time that a guest loses at first, more each time, and at most.
    throttle_first: u8,
    throttle_step: u8,
    throttle_most: u8,
    /// Whether a guest may go on before all of its memory is there.
    post_copy: bool,
    /// Rounds without progress after which it stays.
    give_up_after: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            downtime_ms: 20,
            compress: false,
            throttle_first: 20,
            throttle_step: 10,
            throttle_most: 90,
            post_copy: true,
            give_up_after: 8,
        }
    }
}

/// The policy.
struct Converge;

impl Policy for Converge {
    fn migration_plan(
        ctx: &Context,
        _offered: &Capabilities,
        limits: &Limits,
        _journey: &Journey,
    ) -> Result<MigrationPlan, Failure> {
        let config: Config = ctx.parse_config()?;
        let max_downtime_us = config.downtime_ms.saturating_mul(1000).min(limits.max_downtime_us);
        Ok(MigrationPlan { max_downtime_us, compress: false, streams: 1 })
    }

    fn migration_step(ctx: &Context, now: &Progress) -> Result<Step, Failure> {
        let config: Config = ctx.parse_config()?;
        let rules = Rules {
            compress: config.compress,
            throttle_first: config.throttle_first,
            throttle_step: config.throttle_step,
            throttle_most: config.throttle_most,
            post_copy: config.post_copy,
            give_up_after: config.give_up_after,
        };
        Ok(step(&rules, now))
    }
}

reeve_sdk::policy!(Converge: migration_strategy);
