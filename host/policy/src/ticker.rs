//! The epoch clock: one thread that moves the engine's epoch forward once a millisecond while calls are in flight, and sleeps
//! while there are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// Length of one epoch.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a call before the thread goes to sleep; short pauses between calls then cost no wake-up.
const LINGER: u32 = 50;

struct Shared {
    in_flight: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
}

/// Owns the ticking thread; dropping it ends the thread.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

/// Held for the length of a call; the epoch moves while any is held.
pub(crate) struct InFlight {
    shared: Arc<Shared>,
}

impl Ticker {
    /// Starts the thread, asleep.
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            in_flight: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let worker = Arc::clone(&shared);
        let handle = std::thread::Builder::new()
            .name("policy-epoch".into())
            .spawn(move || tick_while_needed(&worker, &engine))?;
        Ok(Self { shared, thread: handle.thread().clone(), handle: Some(handle) })
    }

    /// Counts a call in and wakes the thread if it sleeps.
    pub(crate) fn enter(&self) -> InFlight {
        self.shared.in_flight.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        InFlight { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            // A panic of the thread was reported when it happened.
            let _ = handle.join();
        }
    }
}

fn tick_while_needed(shared: &Shared, engine: &Engine) {
    let mut idle = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        if shared.in_flight.load(Ordering::SeqCst) > 0 {
            idle = 0;
        } else {
            idle += 1;
        }
        if idle > LINGER {
            shared.asleep.store(true, Ordering::SeqCst);
            // A call that came in before `asleep` was seen is caught here, a later one unparks.
            if shared.in_flight.load(Ordering::SeqCst) == 0 && !shared.stop.load(Ordering::SeqCst) {
                std::thread::park();
            }
            shared.asleep.store(false, Ordering::SeqCst);
            idle = 0;
        }
        std::thread::park_timeout(TICK);
        engine.increment_epoch();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn ends_when_dropped_asleep_or_not() {
        let engine = Engine::default();
        let ticker = Ticker::start(engine.clone()).unwrap();
        let held = ticker.enter();
        std::thread::park_timeout(Duration::from_millis(10));
        drop(held);
        std::thread::park_timeout(Duration::from_millis(150));
        assert!(ticker.shared.asleep.load(Ordering::SeqCst), "without calls the clock stands still");
        let _held = ticker.enter();
        let start = Instant::now();
        while ticker.shared.asleep.load(Ordering::SeqCst) && start.elapsed() < Duration::from_secs(2) {
            std::thread::yield_now();
        }
        assert!(!ticker.shared.asleep.load(Ordering::SeqCst), "a call wakes it");
    }
}
