//! Steers and guards migrations as its configuration says: it traps, runs without end, answers nonsense, or counts its calls.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use reeve_sdk::migration::{Capabilities, Journey, Limits, MigrationPlan, Progress, Step};
use reeve_sdk::prelude::*;
use serde::Deserialize;

/// Microseconds that it lets guests stand still.
const DOWNTIME_US: u64 = 7000;

/// Calls of this instance.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// The policy.
struct Steersman;

/// Its configuration.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Config {
    /// What it does after a round: `trap`, `spin`, `fail`, `excess`, `add-streams`, `compress`, `downtime`,
    /// `post-copy` or `count`. What it orders and does not see in the next rounds it complains of.
    step: String,
    /// Streams that it plans; else more than anybody offers.
    streams: Option<u16>,
    /// It objects before it begins, with these words.
    objection: Option<String>,
    /// It denies what leaves, with these words.
    out: Option<String>,
    /// What arrives gets this title.
    title: Option<String>,
    /// What arrives gets this much memory, which it was not granted.
    memory: Option<u64>,
}

impl Policy for Steersman {
    fn migrate_out(ctx: &Context, domain: &DomainConfig, journey: &Journey) -> Decision {
        let config: Config = ctx.parse_config()?;
        log::info(format!(
            "{} goes from {} to {}",
            domain.name(),
            journey.source.name,
            journey.destination.name
        ));
        config.out.map_or_else(allow, deny)
    }

    fn migrate_in(ctx: &Context, _domain: &DomainConfig, _journey: &Journey) -> Decision {
        let config: Config = ctx.parse_config()?;
        let title = config.title.map(Edit::SetTitle);
        rewrite(title.into_iter().chain(config.memory.map(Edit::SetMemory)).collect::<Vec<_>>())
    }

    fn migration_precheck(
        ctx: &Context,
        _domain: &DomainConfig,
        _journey: &Journey,
    ) -> Result<Option<String>, Failure> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let config: Config = ctx.parse_config()?;
        Ok(config.objection)
    }

    fn migration_plan(
        ctx: &Context,
        _offered: &Capabilities,
        limits: &Limits,
        _journey: &Journey,
    ) -> Result<MigrationPlan, Failure> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let config: Config = ctx.parse_config()?;
        // More than anybody offers or allows.
        let streams = config.streams.unwrap_or(1000);
        let compress = config.step != "compress";
        Ok(MigrationPlan { max_downtime_us: limits.max_downtime_us * 10, compress, streams })
    }

    fn migration_step(ctx: &Context, now: &Progress) -> Result<Step, Failure> {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let config: Config = ctx.parse_config()?;
        match config.step.as_str() {
            "trap" => panic!("as ordered"),
            "spin" => loop {
                black_box(calls);
            },
            "fail" => Err(Failure { message: "as ordered".to_owned() }),
            "excess" if now.rounds.len() < 3 => Ok(Step::Throttle(99)),
            // Until it has three; after a while it does without.
            "add-streams"
                if now.rounds.len() < 4 && now.rounds.last().is_some_and(|round| round.streams < 3) =>
            {
                Ok(Step::AddStreams(2))
            }
            "compress" | "downtime" | "post-copy" if now.rounds.len() > 3 => {
                Ok(Step::Abort(format!("no {} came of it", config.step)))
            }
            "compress" if !now.rounds.last().is_some_and(|round| round.compressed) => Ok(Step::Compress),
            "downtime" if now.rounds.last().is_none_or(|round| round.max_downtime_us != DOWNTIME_US) => {
                Ok(Step::SetMaxDowntime(DOWNTIME_US))
            }
            "post-copy" => Ok(Step::SwitchToPostCopy),
            "count" => Ok(Step::Abort(format!("{calls} calls"))),
            _ => Ok(Step::StopAndCopy),
        }
    }
}

reeve_sdk::policy!(Steersman: migrate_out, migrate_in, migration_strategy);
