//! The clocks: the host's, through the tape.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use crate::tape::Tape;

const RESOLUTION: Duration = Duration::from_nanos(1);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

struct Wall(Tape);

struct Monotonic(Tape);

/// Gives a context its clocks.
pub(super) fn attach(builder: &mut WasiCtxBuilder, tape: &Tape) {
    builder.wall_clock(Wall(tape.clone())).monotonic_clock(Monotonic(tape.clone()));
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    /// Nanoseconds since the Unix epoch. A replayed call that has left its session gets 0: it is told apart by its calls anyway.
    fn now(&self) -> Duration {
        let live = || nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        Duration::from_nanos(self.0.observe("wasi:clocks/wall-clock.now", live).unwrap_or_default())
    }
}

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        nanos(RESOLUTION)
    }

    fn now(&self) -> u64 {
        self.0.observe("wasi:clocks/monotonic-clock.now", || nanos(START.elapsed())).unwrap_or_default()
    }
}
