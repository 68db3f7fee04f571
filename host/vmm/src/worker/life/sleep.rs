//! A guest that suspends itself to memory (S3).
//!
//! ```text
//!   Running ── the guest writes S3 ──> Paused (suspended) ── Wake, an alarm of its clock ──> Running, at its waking vector
//!                                          └── Reset ──> Running, from its kernel
//! ```
//!
//! It can be neither saved nor moved in between: what it is comes back with its vCPUs' first instruction.

use super::{Life, State, machine_failure};
use crate::machine::Machine;
use crate::protocol::{End, ErrorCode, Event, Failure, PauseReason};

impl Life {
    /// The guest has suspended itself. A migration ends with that: its guest stays here.
    pub(super) fn guest_sleeps(&mut self) {
        if self.migration.is_some() {
            // One that is given up already is no more this worker's.
            let _ = self.abort_migration("the guest suspended itself");
        }
        self.replace(|state| match state {
            State::Running(machine) | State::Paused(machine, _) => {
                machine.sleep();
                (State::Paused(machine, PauseReason::Suspended), Some(Event::GuestSuspended))
            }
            other => (other, None),
        });
        // Its alarm may have gone off just before.
        self.wake_if_due();
    }

    /// Wakes a guest that suspended itself.
    pub(in crate::worker) fn wake(&mut self) -> Result<(), Failure> {
        self.machine()?;
        match &self.state {
            State::Paused(_, PauseReason::Suspended) => self.get_up(Event::Resumed),
            State::Running(_) => Ok(()),
            _ => Err(Failure::new(ErrorCode::State, "the guest did not suspend itself")),
        }
    }

    /// Wakes a suspended guest if something has happened that it wants to be woken by; one whose memory is being dumped waits for the end
    /// of that. True when it has.
    pub(super) fn wake_if_due(&mut self) -> bool {
        let asleep = matches!(self.state, State::Paused(_, PauseReason::Suspended));
        let due = asleep && self.saving.is_none() && self.machine().is_ok_and(Machine::is_to_wake);
        // A failure ends the machine and says so in its events.
        due && self.get_up(Event::GuestWoken).is_ok()
    }

    fn get_up(&mut self, event: Event) -> Result<(), Failure> {
        let outcome = self.machine()?.wake();
        if let Err(error) = outcome {
            let failure = machine_failure(error);
            self.end(End::Crash { reason: format!("the machine can't be woken: {failure}") });
            return Err(failure);
        }
        self.replace(|state| match state {
            State::Paused(machine, _) => {
                machine.resume();
                (State::Running(machine), Some(event))
            }
            other => (other, None),
        });
        Ok(())
    }
}
