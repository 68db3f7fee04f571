//! The simulator's clock: one for all machines, with one task for all alarms.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::machine::SimMachine;

/// What an alarm does to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    PowerOff,
    Reboot,
    Crash,
    Vanish,
    Suspend,
    Halt,
}

/// An alarm for one machine in one boot; void when the machine has booted again since.
pub(super) struct Alarm {
    pub machine: Weak<SimMachine>,
    pub boot: u32,
    pub act: Act,
}

pub(super) struct Clock {
    origin: Instant,
    speed: u32,
    alarms: Mutex<Alarms>,
    earlier: Notify,
}

#[derive(Default)]
struct Alarms {
    due: BTreeMap<(Duration, u64), Alarm>,
    issued: u64,
    ringing: bool,
}

impl Clock {
    pub fn new(speed: u32) -> Self {
        Self { origin: Instant::now(), speed, alarms: Mutex::default(), earlier: Notify::new() }
    }

    /// Simulated time since the simulator was made.
    pub fn now(&self) -> Duration {
        self.origin.elapsed() * self.speed
    }

    /// Waits for simulated time to pass.
    pub async fn sleep(&self, time: Duration) {
        if !time.is_zero() {
            tokio::time::sleep(time / self.speed).await;
        }
    }

    /// Rings `alarm` after `delay`. Must be called inside the runtime.
    pub fn alarm(self: &Arc<Self>, delay: Duration, alarm: Alarm) {
        let mut alarms = self.lock();
        alarms.issued += 1;
        let key = (self.now() + delay, alarms.issued);
        let first = alarms.due.first_key_value().is_none_or(|(earliest, _)| key < *earliest);
        alarms.due.insert(key, alarm);
        if !alarms.ringing {
            alarms.ringing = true;
            tokio::spawn(self.clone().ring());
        } else if first {
            self.earlier.notify_one();
        }
    }

    /// Rings what is due until nothing is left.
    async fn ring(self: Arc<Self>) {
        loop {
            let (due, wait) = {
                let mut alarms = self.lock();
                let now = self.now();
                let later = alarms.due.split_off(&(now, u64::MAX));
                let due = std::mem::replace(&mut alarms.due, later);
                let wait = alarms.due.first_key_value().map(|((at, _), _)| at.saturating_sub(now));
                alarms.ringing = wait.is_some() || !due.is_empty();
                (due, wait)
            };
            if due.is_empty() && wait.is_none() {
                return;
            }
            for alarm in due.into_values() {
                if let Some(machine) = alarm.machine.upgrade() {
                    machine.rings(alarm.boot, alarm.act);
                }
            }
            if let Some(wait) = wait {
                tokio::select! {
                    () = tokio::time::sleep(wait / self.speed) => {}
                    () = self.earlier.notified() => {}
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
