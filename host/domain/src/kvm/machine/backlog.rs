//! What the owner of a machine has no room for yet.
//!
//! The owner hears of nothing while it does something that the worker ends with an event, e.g. a save. Whoever listens to the worker
//! must see that event all the same, however much the guest has to say meanwhile: what is said again takes the place of what was said
//! before, so this grows with the devices of a machine and not with what its guest does.

use std::collections::VecDeque;

use crate::driver::MachineEvent;

/// Events in order, none that a later one makes void.
#[derive(Default)]
pub(super) struct Backlog(VecDeque<MachineEvent>);

impl Backlog {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next one to tell.
    pub fn pop(&mut self) -> Option<MachineEvent> {
        self.0.pop_front()
    }

    /// Puts one behind the others.
    pub fn push(&mut self, event: MachineEvent) {
        use MachineEvent as M;
        match &event {
            M::Suspended | M::Woke if self.came_back(&event) => return,
            M::Restarted { .. } => self.boot_once(),
            event => self.0.retain(|told| !is_outdated(told, event)),
        }
        self.0.push_back(event);
    }

    /// A guest that sleeps, wakes and sleeps again is where it was after it had slept once, and the other way round.
    fn came_back(&mut self, event: &MachineEvent) -> bool {
        let turns = self.turns();
        match turns.as_slice() {
            [.., last] if self.0[*last] == *event => true,
            [.., before, last] if self.0[*before] == *event && is_sleep(&self.0[*last]) => {
                self.0.remove(*last);
                true
            }
            _ => false,
        }
    }

    /// A guest that boots again is where it was after the boot before, whatever it did in between, unless the host did something too.
    fn boot_once(&mut self) {
        let is_boot = |event: &MachineEvent| matches!(event, MachineEvent::Restarted { .. });
        let turns = self.turns();
        let own = turns.into_iter().rev().take_while(|at| is_boot(&self.0[*at]) || is_sleep(&self.0[*at]));
        let Some(first) = own.filter(|at| is_boot(&self.0[*at])).last() else { return };
        let mut at = 0..;
        self.0.retain(|event| at.next().is_some_and(|at| at < first) || !is_turn(event));
    }

    /// Where the domain comes to another phase.
    fn turns(&self) -> Vec<usize> {
        (0..self.0.len()).filter(|at| is_turn(&self.0[*at])).collect()
    }
}

/// Whether a domain may be in another phase after it.
fn is_turn(event: &MachineEvent) -> bool {
    use MachineEvent as M;
    match event {
        M::Restarted { .. }
        | M::Preserved { .. }
        | M::Ended(_)
        | M::Paused
        | M::DumpWanted
        | M::Suspended
        | M::Woke
        | M::Halted
        | M::Unhalted
        | M::IoError { .. }
        | M::Lost { .. } => true,
        M::WatchdogExpired { .. }
        | M::PanicHandled
        | M::FilesystemLost { .. }
        | M::BlockJob
        | M::VcpusChanged { .. }
        | M::ClockSet { .. }
        | M::DeviceRemoved { .. } => false,
    }
}

/// Whether a guest falls asleep or wakes up.
fn is_sleep(event: &MachineEvent) -> bool {
    matches!(event, MachineEvent::Suspended | MachineEvent::Woke)
}

/// Whether nobody needs to hear of `told` where `event` follows.
fn is_outdated(told: &MachineEvent, event: &MachineEvent) -> bool {
    use MachineEvent as M;
    match (told, event) {
        (M::VcpusChanged { .. }, M::VcpusChanged { .. }) | (M::ClockSet { .. }, M::ClockSet { .. }) => true,
        (told, event) => !is_turn(event) && told == event,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reeve_model::StateReason;

    use super::*;
    use crate::driver::End;
    use crate::state::{Occurrence, Phase};

    const REBOOT: MachineEvent = MachineEvent::Restarted { after: End::Reboot };

    fn told(events: impl IntoIterator<Item = MachineEvent>) -> Vec<MachineEvent> {
        let mut backlog = Backlog::default();
        events.into_iter().for_each(|event| backlog.push(event));
        std::iter::from_fn(|| backlog.pop()).collect()
    }

    #[test]
    fn what_is_said_again_is_told_once_and_what_is_another_thing_is_told() {
        let clock = |adjustment| MachineEvent::ClockSet { adjustment };
        let removed = |alias: &str| MachineEvent::DeviceRemoved { alias: alias.to_owned() };
        let events =
            [clock(1), removed("a"), MachineEvent::PanicHandled, clock(2), removed("b"), removed("a")];
        assert_eq!(told(events), [MachineEvent::PanicHandled, clock(2), removed("b"), removed("a")]);
        let error = |alias: &str| MachineEvent::IoError { alias: alias.to_owned(), error: "full".to_owned() };
        assert_eq!(told([error("a"), error("b"), REBOOT]).len(), 3);
    }

    #[test]
    fn a_guest_that_sleeps_and_boots_over_and_over_is_told_of_a_few_times() {
        use MachineEvent::{Suspended, Woke};
        assert_eq!(told([Suspended, Woke, Suspended, Woke, Suspended]), [Suspended]);
        assert_eq!(told([Woke, Suspended, Woke]), [Woke]);
        assert_eq!(told([Suspended, Woke, REBOOT, Suspended, Woke, REBOOT]), [Suspended, Woke, REBOOT]);
        assert_eq!(told([REBOOT, MachineEvent::Paused, REBOOT]).len(), 3, "the host was there in between");
    }

    /// Where a domain is after it heard of events.
    fn after(mut phase: Phase, events: &[MachineEvent]) -> Phase {
        for event in events {
            let occurrence = match event {
                MachineEvent::Suspended => Occurrence::Suspended,
                MachineEvent::Woke => Occurrence::Woke,
                MachineEvent::Restarted { .. } => Occurrence::Reset,
                MachineEvent::Paused => Occurrence::Paused,
                _ => continue,
            };
            phase = phase.after(occurrence).unwrap_or(phase);
        }
        phase
    }

    proptest! {
        /// Whatever a guest does, what is told of it is little and ends where it is.
        #[test]
        fn the_end_of_it_is_the_same(numbers in proptest::collection::vec(0..6u8, 0..60)) {
            let events: Vec<_> = numbers.into_iter().map(|number| match number {
                0 => MachineEvent::Suspended,
                1 => MachineEvent::Woke,
                2 => REBOOT,
                3 => MachineEvent::PanicHandled,
                4 => MachineEvent::ClockSet { adjustment: 7 },
                _ => MachineEvent::VcpusChanged { count: 1 },
            }).collect();
            let first = Phase::Running(StateReason::Booted);
            let told = told(events.iter().cloned());
            prop_assert_eq!(after(first, &told).state(), after(first, &events).state(), "{:?}", told);
            prop_assert!(told.len() <= 8, "{:?}", told);
        }
    }
}
