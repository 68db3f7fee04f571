//! What operators set and say while a migration runs. It holds whatever a strategy says.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Why a destination does not get a guest before its memory.
pub(crate) const NO_POST_COPY: &str =
    "the destination can't take a guest by post-copy (it has no userfaultfd, or its memory is huge pages)";

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
    /// The guest may go on at the destination before all of its memory is there.
    pub post_copy: bool,
    /// It does after so many rounds; none waits for a strategy or an operator to say so.
    pub post_copy_after: Option<u32>,
    /// Bytes a second in post-copy of what nobody waits for; none is as many as it takes.
    pub post_copy_bandwidth: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_downtime: Duration::from_millis(300),
            bandwidth: None,
            max_throttle: 0,
            max_rounds: 100,
            post_copy: false,
            post_copy_after: None,
            post_copy_bandwidth: None,
        }
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
    switch_now: bool,
    /// Whether the destination can take a guest by post-copy; none before it has said so.
    post_copy_agreed: Option<bool>,
    /// Bytes that were sent since `since`, for the limit.
    sent: u64,
    since: Option<Instant>,
}

impl State {
    fn switches_now(&self) -> bool {
        self.switch_now && self.limits.post_copy && self.post_copy_agreed == Some(true)
    }
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

    /// Stops the guest at once and sends the rest, however much it is: a round that is under way is broken off.
    pub fn stop_now(&self) {
        self.lock().stop_now = true;
        self.changed.notify_all();
    }

    /// Lets the guest go on at the destination now, where post-copy is allowed. An error where it is known that the destination can't.
    pub fn switch_to_post_copy(&self) -> Result<(), &'static str> {
        let mut state = self.lock();
        if state.post_copy_agreed == Some(false) {
            return Err(NO_POST_COPY);
        }
        state.switch_now = true;
        self.changed.notify_all();
        Ok(())
    }

    /// The destination has said what it can.
    pub(crate) fn agree(&self, post_copy: bool) {
        self.lock().post_copy_agreed = Some(post_copy);
    }

    /// Why it shall end.
    pub fn aborted(&self) -> Option<String> {
        self.lock().abort.clone()
    }

    pub(crate) fn stops_now(&self) -> bool {
        self.lock().stop_now
    }

    /// Whether a round is broken off while the guest runs: it stops here now.
    pub(crate) fn breaks_off(&self) -> bool {
        let state = self.lock();
        state.stop_now || state.switches_now()
    }

    pub(crate) fn switches_now(&self) -> bool {
        self.lock().switches_now()
    }

    /// Begins to count anew: another limit holds.
    pub(crate) fn count_anew(&self) {
        let mut state = self.lock();
        (state.sent, state.since) = (0, None);
    }

    /// Counts what was sent while the guest runs here, and waits as long as the limit asks for. Returns early when somebody says abort,
    /// stop or switch.
    pub(crate) fn sent(&self, bytes: u64) {
        self.pace(
            bytes,
            |limits| limits.bandwidth,
            |state| state.abort.is_some() || state.stop_now || state.switches_now(),
        );
    }

    /// Counts what was sent in post-copy, and waits as long as the limit asks for.
    pub(crate) fn sent_late(&self, bytes: u64) {
        self.pace(bytes, |limits| limits.post_copy_bandwidth, |_| false);
    }

    fn pace(&self, bytes: u64, limit: impl Fn(&Limits) -> Option<u64>, hurry: impl Fn(&State) -> bool) {
        let mut state = self.lock();
        let Some(bandwidth) = limit(&state.limits) else { return };
        state.sent += bytes;
        let since = *state.since.get_or_insert_with(Instant::now);
        let due = Duration::from_secs_f64(state.sent as f64 / bandwidth.max(1) as f64);
        loop {
            let Some(early) = due.checked_sub(since.elapsed()).filter(|early| !early.is_zero()) else {
                return;
            };
            if hurry(&state) || state.since != Some(since) {
                return;
            }
            state = self.changed.wait_timeout(state, early).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
