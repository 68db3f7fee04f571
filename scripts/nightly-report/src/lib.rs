//! One line a night on what the host runs and what changed: a task for a schedule.

mod report;

use reeve_sdk::domain::State;
use reeve_sdk::prelude::*;
pub use report::{Facts, Report, read, report, write};
use serde::Deserialize;

/// Under this key are the domains at the last report.
const LAST: &str = "last";

/// Before the time of each report that is kept.
const REPORT: &str = "report/";

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// Reports that are kept.
    keep: usize,
    /// A warning when more of the host's memory is promised.
    warn_memory_percent: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { keep: 30, warn_memory_percent: 100 }
    }
}

/// The policy.
struct NightlyReport;

impl Policy for NightlyReport {
    fn task(ctx: &Context, _why: &Occasion) -> Result<String, Failure> {
        let config: Config = ctx.parse_config()?;
        let now = facts()?;
        let before = kv::get(LAST)?.map(|text| read(&String::from_utf8_lossy(&text)));
        let report = report(&now, before.as_ref(), config.warn_memory_percent);
        for change in &report.changes {
            log::info(change);
        }
        if let Some(warning) = &report.warning {
            log::warn(warning);
        }
        kv::set(LAST, write(&now.domains).as_bytes())?;
        // Thirteen digits sort by time until the year 2286.
        kv::set(&format!("{REPORT}{:013}", ctx.time), report.summary.as_bytes())?;
        let kept = kv::keys(REPORT)?;
        for old in &kept[..kept.len().saturating_sub(config.keep)] {
            kv::delete(old)?;
        }
        Ok(report.summary)
    }
}

reeve_sdk::policy!(NightlyReport: task);

/// What there is now.
fn facts() -> Result<Facts, Failure> {
    let is_active = |state| !matches!(state, State::ShutOff | State::Crashed);
    let domains = domains::list()?.into_iter().map(|domain| (domain.name, is_active(domain.state)));
    Ok(Facts {
        domains: domains.collect(),
        promised: domains::committed(None)?.memory,
        memory: host::get_info()?.memory,
    })
}
