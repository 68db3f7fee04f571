//! The last events of a worker, for a daemon that comes back.

use std::collections::VecDeque;

use crate::protocol::{EVENT_HISTORY, Event, MigrationNews};

/// Numbered events.
#[derive(Debug, Default)]
pub(super) struct History {
    last: u64,
    events: VecDeque<(u64, Event)>,
}

impl History {
    /// Gives an event its number and keeps it. Where a migration is in a round, in post-copy or with its disks replaces where it was. A change of the
    /// balloon or the clock replaces the one before: the guest makes as many as it likes, and they must not push out what matters.
    pub(super) fn push(&mut self, event: Event) -> u64 {
        if matches!(event, Event::BalloonChanged { .. }) {
            self.events.retain(|(_, kept)| !matches!(kept, Event::BalloonChanged { .. }));
        }
        if matches!(event, Event::ClockSet { .. }) {
            self.events.retain(|(_, kept)| !matches!(kept, Event::ClockSet { .. }));
        }
        let late = |event: &Event| matches!(event, Event::Migration { news: MigrationNews::Late { .. } });
        let disks = |event: &Event| matches!(event, Event::Migration { news: MigrationNews::Disks { .. } });
        let within = |event: &Event| matches!(event, Event::Migration { news: MigrationNews::Within { .. } });
        if late(&event) {
            self.events.retain(|(_, kept)| !late(kept));
        }
        if disks(&event) {
            self.events.retain(|(_, kept)| !disks(kept));
        }
        if within(&event) {
            self.events.retain(|(_, kept)| !within(kept));
        }
        if self.events.len() == EVENT_HISTORY {
            self.events.pop_front();
        }
        self.last += 1;
        self.events.push_back((self.last, event));
        self.last
    }

    /// Number of the last event, 0 for none.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The events after number `seq`.
    pub(super) fn after(&self, seq: u64) -> impl Iterator<Item = &(u64, Event)> {
        self.events.iter().filter(move |(number, _)| *number > seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_plays_with_its_balloon_pushes_nothing_out() {
        let mut history = History::default();
        history.push(Event::Paused);
        for bytes in 0..1000 {
            history.push(Event::BalloonChanged { bytes });
        }
        assert_eq!(history.after(0).count(), 2);
        assert_eq!(history.after(1).collect::<Vec<_>>(), [&(1001, Event::BalloonChanged { bytes: 999 })]);
        assert_eq!(history.last(), 1001);
    }

    #[test]
    fn only_the_last_events_are_kept() {
        let mut history = History::default();
        for _ in 0..1000 {
            history.push(Event::Reset);
        }
        assert_eq!(history.after(0).count(), EVENT_HISTORY);
    }
}
