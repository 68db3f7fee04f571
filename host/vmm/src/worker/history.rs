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
    /// Gives an event its number and keeps it. One that says the same as one before with other numbers takes its place: the guest makes as
    /// many as it likes, and they must not push out what matters.
    pub(super) fn push(&mut self, event: Event) -> u64 {
        self.events.retain(|(_, kept)| !takes_place(&event, kept));
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

/// Whether `event` says all that `kept` does to who hears of both later. Of a migration that is where it is in a round, in post-copy or with its
/// disks.
fn takes_place(event: &Event, kept: &Event) -> bool {
    use MigrationNews as News;
    match (event, kept) {
        (Event::BalloonChanged { .. }, Event::BalloonChanged { .. })
        | (Event::ClockSet { .. }, Event::ClockSet { .. }) => true,
        (Event::GuestPanicHandled | Event::WatchdogExpired { .. }, kept) => event == kept,
        (Event::Migration { news }, Event::Migration { news: kept }) => matches!(
            (news, kept),
            (News::Late { .. }, News::Late { .. })
                | (News::Disks { .. }, News::Disks { .. })
                | (News::Within { .. }, News::Within { .. })
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WatchdogAction;

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
    fn nor_does_one_that_panics_and_lets_its_watchdog_expire() {
        let expired = |action| Event::WatchdogExpired { action };
        let mut history = History::default();
        history.push(Event::Paused);
        history.push(expired(WatchdogAction::Reset));
        for _ in 0..1000 {
            history.push(Event::GuestPanicHandled);
            history.push(expired(WatchdogAction::None));
        }
        let kept: Vec<_> = history.after(0).map(|(_, event)| event.clone()).collect();
        let last = [Event::GuestPanicHandled, expired(WatchdogAction::None)];
        assert_eq!(kept[..2], [Event::Paused, expired(WatchdogAction::Reset)]);
        assert_eq!(kept[2..], last);
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
