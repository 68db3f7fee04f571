//! `reeve:clock/clock`.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::reeve::clock::clock;
use crate::call::CallState;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the Unix epoch; 0 for a clock set before it.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl clock::Host for CallState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.count()?;
        self.witness("reeve:clock/clock.now", Vec::new, |state| state.outside.time.unwrap_or_else(now_ms))
    }

    fn monotonic(&mut self) -> wasmtime::Result<u64> {
        self.count()?;
        self.witness("reeve:clock/clock.monotonic", Vec::new, |state| match state.outside.time {
            Some(time) => time.saturating_mul(1_000_000),
            None => u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX),
        })
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    clock::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
