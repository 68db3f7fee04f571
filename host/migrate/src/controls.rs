//! What operators set and say while a migration runs. It holds whatever a strategy says.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What no strategy can exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest time that the guest may stand still, as far as it can be foreseen.
    pub max_downtime: Duration,
    /// Bytes a second over the stream while the guest runs; none is as many as it takes.
    pub bandwidth: Option<u64>,
    /// Most hundredths of its time that a guest may lose.
    pub max_throttle: u8,
    /// Rounds after which a guest that still writes too fast stays where it is.
    pub max_rounds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_downtime: Duration::from_millis(300), bandwidth: None, max_throttle: 0, max_rounds: 100 }
    }
}

/// The operator's hand on a migration that runs. Shared between threads.
#[derive(Debug, Default)]
pub struct Controls {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    limits: Limits,
    abort: Option<String>,
    stop_now: bool,
    /// Bytes that were sent since `since`, for the limit.
    sent: u64,
    since: Option<Instant>,
}

impl Controls {
    /// Controls with their first limits.
    pub fn new(limits: Limits) -> Self {
        Self { state: Mutex::new(State { limits, ..State::default() }), changed: Condvar::new() }
    }

    /// The limits of now.
    pub fn limits(&self) -> Limits {
        self.lock().limits
    }

    /// Changes the limits; they hold from the next frame on.
    pub fn set(&self, change: impl FnOnce(&mut Limits)) {
        let mut state = self.lock();
        change(&mut state.limits);
        (state.sent, state.since) = (0, None);
        self.changed.notify_all();
    }

    /// Ends the migration; the guest stays. Too late once it was given up.
    pub fn abort(&self, reason: impl Into<String>) {
        self.lock().abort.get_or_insert(reason.into());
        self.changed.notify_all();
    }

    /// Stops the guest after this round and sends the rest, however much it is.
    pub fn stop_now(&self) {
        self.lock().stop_now = true;
        self.changed.notify_all();
    }

    /// Why it shall end.
    pub fn aborted(&self) -> Option<String> {
        self.lock().abort.clone()
    }

    pub(crate) fn stops_now(&self) -> bool {
        self.lock().stop_now
    }

    /// Counts what was sent, and waits as long as the limit asks for. Returns early when somebody says abort or stop.
    pub(crate) fn sent(&self, bytes: u64) {
        let mut state = self.lock();
        let Some(bandwidth) = state.limits.bandwidth else { return };
        state.sent += bytes;
        let since = *state.since.get_or_insert_with(Instant::now);
        let due = Duration::from_secs_f64(state.sent as f64 / bandwidth.max(1) as f64);
        loop {
            let Some(early) = due.checked_sub(since.elapsed()).filter(|early| !early.is_zero()) else {
                return;
            };
            if state.abort.is_some() || state.stop_now || state.since != Some(since) {
                return;
            }
            state = self.changed.wait_timeout(state, early).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
