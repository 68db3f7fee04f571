//! What looks after the guest: its watchdog, its real-time clock, and the interrupt that can't be masked.

use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use super::{Life, State, machine_failure};
use crate::config::{DeviceKind, WatchdogAction};
use crate::machine::GuestStop;
use crate::protocol::{Event, Failure, PauseReason};

/// A guest that sets its clock over and over is heard of this often: the daemon writes down each time.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);
/// The same for a watchdog that expires over and over while its guest runs: the daemon logs each time.
const WATCHDOG_PAUSE: Duration = Duration::from_secs(1);

impl Life {
    /// Readable when [`Life::watchdog_expired`] has something to do; closed with the machine.
    pub(in crate::worker) fn watchdog_fd(&self) -> Option<RawFd> {
        let machine = match &self.state {
            State::Running(machine) | State::Paused(machine, _) | State::Incoming(machine, _) => machine,
            State::Empty | State::Ended(_) => return None,
        };
        machine.watchdog().map(|watchdog| watchdog.as_raw_fd())
    }

    /// Deals with a watchdog whose time is over.
    pub(in crate::worker) fn watchdog_expired(&mut self) {
        let Ok(machine) = self.machine() else { return };
        if !machine.watchdog().is_some_and(|watchdog| watchdog.expired()) {
            return;
        }
        let mut devices = self.config.iter().flat_map(|config| &config.devices);
        let action = devices.find_map(|device| match &device.kind {
            DeviceKind::Watchdog(watchdog) => Some(watchdog.action),
            _ => None,
        });
        let Some(action) = action else { return };
        if self.late().is_some() {
            // It may be late because it waits for its own memory.
            return self.tell_watchdog(WatchdogAction::None);
        }
        self.tell_watchdog(action);
        match action {
            WatchdogAction::None => {}
            // A failed reset ends the machine and says so in its events.
            WatchdogAction::Reset => drop(self.reset()),
            WatchdogAction::Shutdown => drop(self.press_power_button()),
            WatchdogAction::Poweroff => self.guest_stopped(GuestStop::PowerOff),
            WatchdogAction::Pause | WatchdogAction::Dump => self.replace(|state| match state {
                State::Running(machine) => {
                    machine.pause();
                    (State::Paused(machine, PauseReason::Watchdog), Some(Event::Paused))
                }
                other => (other, None),
            }),
            // There is nobody who could do more about it.
            WatchdogAction::InjectNmi => drop(self.inject_nmi()),
        }
    }

    /// Says that the watchdog has expired. What comes of its action is told with it; where nothing does, once in a while is enough.
    fn tell_watchdog(&mut self, action: WatchdogAction) {
        let is_soon = |told: Instant| told.elapsed() < WATCHDOG_PAUSE;
        match action {
            WatchdogAction::None | WatchdogAction::InjectNmi | WatchdogAction::Shutdown => {
                if self.watchdog_told.is_some_and(is_soon) {
                    return;
                }
                self.watchdog_told = Some(Instant::now());
            }
            WatchdogAction::Reset
            | WatchdogAction::Poweroff
            | WatchdogAction::Pause
            | WatchdogAction::Dump => {}
        }
        self.push(Event::WatchdogExpired { action });
    }

    /// Readable when [`Life::clock_expired`] has something to do; closed with the machine.
    pub(in crate::worker) fn clock_fd(&self) -> Option<RawFd> {
        let machine = match &self.state {
            State::Running(machine) | State::Paused(machine, _) | State::Incoming(machine, _) => machine,
            State::Empty | State::Ended(_) => return None,
        };
        machine.rtc().map(|rtc| rtc.as_raw_fd())
    }

    /// The real-time clock has something to interrupt for.
    pub(in crate::worker) fn clock_expired(&self) {
        if let Ok(machine) = self.machine() {
            machine.rtc().iter().for_each(|rtc| rtc.expired());
        }
    }

    /// The guest has set its real-time clock: where that is kept, the configuration follows, for who asks for it later.
    pub(super) fn clock_set(&mut self, adjustment: i64) {
        if let Some(clock) = self.config.as_mut().map(|config| &mut config.clock).filter(|clock| clock.kept) {
            clock.adjustment = adjustment;
        }
        self.clock_untold = Some(adjustment);
        self.tell_clock(false);
    }

    /// How long until [`Life::tell_clock`] has something to say; none where it has nothing.
    pub(in crate::worker) fn clock_wait(&self) -> Option<Duration> {
        self.clock_untold?;
        Some(self.clock_told.map_or(Duration::ZERO, |told| CLOCK_PAUSE.saturating_sub(told.elapsed())))
    }

    /// Says what the guest has set its clock to, if it is time for that or the last occasion.
    pub(in crate::worker) fn tell_clock(&mut self, last: bool) {
        let due = last || self.clock_wait().is_some_and(|wait| wait.is_zero());
        if due && let Some(adjustment) = self.clock_untold.take() {
            self.clock_told = Some(Instant::now());
            self.push(Event::ClockSet { adjustment });
        }
    }

    /// A disk stands on an error: so does the machine, until somebody lets it run. A guest that waits for its own memory can't be brought to a
    /// stand: it is when it has all of it.
    pub(super) fn disk_stopped(&mut self) {
        if self.late().is_some() {
            return;
        }
        let stopped = self.machine().map(|machine| machine.devices().stopped_disks()).unwrap_or_default();
        if stopped.is_empty() {
            return;
        }
        self.replace(|state| match state {
            State::Running(machine) => {
                machine.pause();
                (State::Paused(machine, PauseReason::IoError), Some(Event::Paused))
            }
            other => (other, None),
        });
        for (alias, error) in stopped {
            self.push(Event::DiskError { alias, error });
        }
    }

    /// Sends every vCPU a non-maskable interrupt.
    pub(in crate::worker) fn inject_nmi(&self) -> Result<(), Failure> {
        self.machine()?.inject_nmi().map_err(machine_failure)
    }
}
