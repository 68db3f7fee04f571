//! What a call may use: defaults, what a manifest asks for, and ceilings no manifest goes beyond.

use std::sync::Arc;
use std::time::Duration;

use reeve_model::policy::Hook;
use wasmtime::ResourceLimiter;

use crate::failure::{Exceeded, Limited, OutOfMemory};
use crate::manifest::WantedLimits;
use crate::meter::Meter;

/// No policy gets a larger linear memory, bytes.
pub(crate) const MEMORY_CEILING: usize = 256 * 1024 * 1024;

const DEADLINE_CEILING: Duration = Duration::from_secs(60);
/// Nobody need wait for a task.
const TASK_CEILING: Duration = Duration::from_secs(3600);
/// A worker waits for a step three times as long at most.
const STRATEGY_CEILING: Duration = Duration::from_secs(1);
const FUEL_CEILING: u64 = 1_000_000_000_000;
const LOG_CEILING: u64 = 1024 * 1024;
const KV_CEILING: u64 = 16 * 1024 * 1024;
const HOST_CALL_CEILING: u32 = 1_000_000;
const TABLE_ELEMENTS: usize = 100_000;
/// As many as a component may have modules: each is instantiated once.
const INSTANCES: usize = 64;
const TABLES: usize = 16;
/// Interpreters bring small memories of their own beside the main one; all count against the one limit of bytes.
const MEMORIES: usize = 4;

/// Limits of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time a call may take, time in the host included; none means the default of the hook's kind.
    pub deadline: Option<Duration>,
    /// Linear memory, all of the component's together, bytes.
    pub memory: usize,
    /// Instruction budget.
    pub fuel: u64,
    /// Bytes a call may write to the log.
    pub log_bytes: u64,
    /// Bytes a call may write to its key-value store.
    pub kv_bytes: u64,
    /// Calls into the host.
    pub host_calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: None,
            memory: 64 * 1024 * 1024,
            fuel: 20_000_000_000,
            log_bytes: 16 * 1024,
            kv_bytes: 256 * 1024,
            host_calls: 10_000,
        }
    }
}

impl Limits {
    /// The defaults with what a manifest asks for, cut at the ceilings.
    pub fn wanted(wanted: &WantedLimits) -> Self {
        let default = Self::default();
        Self {
            deadline: wanted.deadline_ms.map(|ms| Duration::from_millis(ms).min(TASK_CEILING)),
            memory: wanted.memory.map_or(default.memory, |bytes| {
                usize::try_from(bytes).unwrap_or(usize::MAX).min(MEMORY_CEILING)
            }),
            fuel: wanted.fuel.unwrap_or(default.fuel).min(FUEL_CEILING),
            log_bytes: wanted.log_bytes.unwrap_or(default.log_bytes).min(LOG_CEILING),
            kv_bytes: wanted.kv_bytes.unwrap_or(default.kv_bytes).min(KV_CEILING),
            host_calls: wanted.host_calls.unwrap_or(default.host_calls).min(HOST_CALL_CEILING),
        }
    }

    /// How long a call of `hook` may take: what was asked for, else 60 s for tasks, 2 s for guards and notify
    /// hooks, 1 s for the rest.
    pub fn deadline_for(&self, hook: Hook) -> Duration {
        match (hook, self.deadline) {
            (Hook::Task, wanted) => wanted.unwrap_or(Duration::from_secs(60)),
            // The guest writes on meanwhile.
            (Hook::MigrationStrategy, wanted) => wanted.unwrap_or(STRATEGY_CEILING).min(STRATEGY_CEILING),
            (_, Some(wanted)) => wanted.min(DEADLINE_CEILING),
            (Hook::MacAllocate | Hook::FilterGenerate | Hook::CloneName | Hook::KsmTune, None) => {
                Duration::from_secs(1)
            }
            (_, None) => Duration::from_secs(2),
        }
    }
}

/// Stops memories and tables from growing beyond the limits.
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    meter: Arc<Meter>,
}

impl Limiter {
    /// A limiter for one store.
    pub(crate) fn new(limit: usize, meter: Arc<Meter>) -> Self {
        Self { limit, used: 0, meter }
    }

    /// Linear memory that there is, bytes.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Counts memory that a kept instance has from its calls before.
    pub(crate) fn go_on_from(&mut self, used: usize) {
        self.used = used;
        self.meter.memory(used);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_add(desired.saturating_sub(current));
        if wanted > self.limit {
            return Err(OutOfMemory { wanted: wanted as u64, limit: self.limit as u64 }.into());
        }
        self.used = wanted;
        self.meter.memory(wanted);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Err(Limited { what: Exceeded::TableElements, limit: TABLE_ELEMENTS as u64 }.into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_may_take_longer_than_what_somebody_waits_for() {
        let limits = |deadline_ms| Limits::wanted(&WantedLimits { deadline_ms, ..WantedLimits::default() });
        let seconds = |deadline_ms, hook| limits(deadline_ms).deadline_for(hook).as_secs();
        assert_eq!((seconds(None, Hook::Task), seconds(None, Hook::DomainStart)), (60, 2));
        assert_eq!((seconds(None, Hook::KsmTune), seconds(Some(5000), Hook::KsmTune)), (1, 5));
        let strategy = Hook::MigrationStrategy;
        assert_eq!((seconds(None, strategy), seconds(Some(5000), strategy)), (1, 1));
        let hours = Some(7_200_000);
        assert_eq!((seconds(hours, Hook::Task), seconds(hours, Hook::DomainStart)), (3600, 60));
    }
}
