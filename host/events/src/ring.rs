//! The newest events, numbered without a gap.

use std::collections::VecDeque;
use std::sync::Arc;

use reeve_model::Actor;
use reeve_model::event::{Event, EventKind};
use time::OffsetDateTime;

/// Bounded memory of the bus.
#[derive(Debug)]
pub(crate) struct Ring {
    events: VecDeque<Arc<Event>>,
    capacity: usize,
    last: u64,
}

impl Ring {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { events: VecDeque::new(), capacity, last: 0 }
    }

    /// Appends an event, drops the oldest one when full, and gives the new number.
    pub(crate) fn push(&mut self, actor: Actor, kind: EventKind) -> u64 {
        self.last += 1;
        if self.events.len() == self.capacity {
            self.events.pop_front();
        }
        let event = Event { seq: self.last, time: OffsetDateTime::now_utc(), actor, kind };
        self.events.push_back(Arc::new(event));
        self.last
    }

    /// Number of the newest event, 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Number of the oldest kept event; one past the newest while nothing is kept.
    pub(crate) fn oldest(&self) -> u64 {
        self.events.front().map_or(self.last + 1, |event| event.seq)
    }

    /// Event number `seq`, if it is kept.
    pub(crate) fn get(&self, seq: u64) -> Option<Arc<Event>> {
        let index = usize::try_from(seq.checked_sub(self.oldest())?).ok()?;
        self.events.get(index).cloned()
    }

    /// Kept events after number `seen`, oldest first, at most `limit`.
    pub(crate) fn after(&self, seen: u64, limit: usize) -> Vec<Arc<Event>> {
        let skip = (seen + 1).saturating_sub(self.oldest());
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        self.events.iter().skip(skip).take(limit).cloned().collect()
    }
}
