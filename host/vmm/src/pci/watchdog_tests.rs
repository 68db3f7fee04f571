use proptest::prelude::*;

use super::*;

const MS: u32 = 1;

struct Guest {
    watchdog: Arc<Watchdog>,
    function: WatchdogFunction,
}

impl Guest {
    fn new() -> Self {
        let watchdog = Watchdog::new().unwrap();
        watchdog.go_on();
        Self { function: WatchdogFunction::new(Arc::clone(&watchdog)), watchdog }
    }

    fn unlock(&mut self) {
        self.function.write_bar(0, RELOAD, &UNLOCK_FIRST.to_le_bytes());
        self.function.write_bar(0, RELOAD, &UNLOCK_SECOND.to_le_bytes());
    }

    /// As a driver does it: both stages, then on.
    fn arm(&mut self, milliseconds: u32) {
        for register in [PRELOAD_1, PRELOAD_2] {
            self.unlock();
            self.function.write_bar(0, register, &milliseconds.to_le_bytes());
        }
        self.function.write_config(LOCK, &[LOCK_ENABLED]);
    }

    fn ping(&mut self) {
        self.unlock();
        self.function.write_bar(0, RELOAD, &RELOAD_NOW.to_le_bytes());
    }

    fn timed_out(&mut self) -> bool {
        let mut bytes = [0; 2];
        self.function.read_bar(0, RELOAD, &mut bytes);
        u16::from_le_bytes(bytes) & TIMED_OUT != 0
    }

    /// Waits for the timer as the machine does.
    fn wait(&self) -> bool {
        self.watchdog.lock().timer.wait().unwrap();
        self.watchdog.expired()
    }

    fn runs(&self) -> bool {
        self.watchdog.lock().deadline.is_some()
    }
}

#[test]
fn a_guest_that_is_silent_for_both_stages_is_reported() {
    let mut guest = Guest::new();
    assert!(!guest.runs());
    guest.arm(5 * MS);
    assert!(!guest.wait(), "the first stage warns");
    assert!(!guest.timed_out());
    assert!(guest.wait());
    assert!(guest.timed_out() && !guest.runs());
    guest.unlock();
    guest.function.write_bar(0, RELOAD, &TIMED_OUT.to_le_bytes());
    assert!(!guest.timed_out(), "the guest has seen it");
}

#[test]
fn a_reload_begins_anew_and_needs_its_unlocking() {
    let mut guest = Guest::new();
    guest.arm(20 * MS);
    assert!(!guest.wait());
    guest.ping();
    assert_eq!(guest.watchdog.state().stage, 0);
    assert!(!guest.wait());
    guest.function.write_bar(0, RELOAD, &RELOAD_NOW.to_le_bytes());
    assert_eq!(guest.watchdog.state().stage, 1, "a stray write reloads nothing");
    guest.function.write_bar(0, PRELOAD_1, &7u32.to_le_bytes());
    assert_eq!(guest.watchdog.state().preload, [20, 20]);
    guest.function.write_config(LOCK, &[0]);
    assert!(!guest.runs());
}

#[test]
fn what_is_locked_stays_on_until_a_reset() {
    let mut guest = Guest::new();
    guest.function.write_config(LOCK, &[LOCK_ENABLED | LOCK_LOCKED]);
    guest.function.write_config(LOCK, &[0]);
    let mut lock = [0];
    guest.function.read_config(LOCK, &mut lock);
    assert_eq!(lock[0], LOCK_ENABLED | LOCK_LOCKED);
    assert!(guest.runs());
    guest.function.reset();
    assert!(!guest.runs() && guest.watchdog.state() == WatchdogState::default());
}

#[test]
fn a_guest_may_ask_not_to_be_reported_and_run_free() {
    let mut guest = Guest::new();
    guest.function.write_config(CONFIG, &[CONFIG_NO_REBOOT, 0]);
    guest.arm(MS);
    guest.function.write_config(LOCK, &[LOCK_ENABLED | LOCK_FREE_RUN]);
    assert!(!guest.wait());
    assert!(!guest.wait() && guest.timed_out());
    assert!(guest.runs(), "it starts over");
}

#[test]
fn time_stands_still_with_the_machine_and_is_saved() {
    let mut guest = Guest::new();
    guest.arm(60_000);
    guest.watchdog.halt();
    let state = guest.watchdog.state();
    let left = state.left_ns.unwrap();
    assert!(!guest.runs() && (50_000_000_000..=60_000_000_000).contains(&left), "{left}");
    let other = Guest::new();
    other.watchdog.halt();
    other.watchdog.restore(&state);
    assert_eq!(other.watchdog.state(), state);
    other.watchdog.go_on();
    assert!(other.runs());
}

proptest! {
    #[test]
    fn no_access_breaks_it(accesses in prop::collection::vec(
        (any::<bool>(), any::<bool>(), 0u64..4100, prop::collection::vec(any::<u8>(), 1..9)), 0..200,
    )) {
        let mut guest = Guest::new();
        for (bar, write, offset, data) in accesses {
            let mut data = data;
            match (bar, write) {
                (true, true) => guest.function.write_bar(0, offset, &data),
                (true, false) => guest.function.read_bar(0, offset, &mut data),
                (false, true) => guest.function.write_config(offset as usize % 256, &data),
                (false, false) => guest.function.read_config(offset as usize % 256, &mut data),
            }
            guest.watchdog.expired();
        }
        guest.function.reset();
        prop_assert!(!guest.runs());
    }
}
