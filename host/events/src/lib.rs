//! The typed event bus: one bounded ring that every listener reads at its own pace.
//!
//! ```text
//!   publish ──▶ [ … 41 42 43 44 ]  the newest `capacity` events
//!                    ▲       ▲
//!          listener A       listener B      a listener is only a position in the ring
//! ```
//!
//! There is no queue per listener, so a slow one costs nothing and never blocks a publisher: when the ring has moved past
//! its position it is told how many events it missed ([`Delivery::Lagged`]) and goes on with the oldest one kept.
//! Publishing needs no async runtime.
#![forbid(unsafe_code)]

mod ring;
mod subscription;

use std::sync::{Arc, Mutex, PoisonError};

use reeve_model::Actor;
use reeve_model::event::{Event, EventKind};
use tokio::sync::watch;

use ring::Ring;
pub use subscription::{Delivery, Subscription};

/// Events kept for replay when nothing else is configured.
pub const DEFAULT_CAPACITY: usize = 4096;

/// The bus. Clones are handles of the same bus; it closes when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Bus {
    ring: Arc<Mutex<Ring>>,
    newest: Arc<watch::Sender<u64>>,
}

impl Default for Bus {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl Bus {
    /// A bus that keeps the newest `capacity` events (at least one).
    pub fn new(capacity: usize) -> Self {
        let (newest, _) = watch::channel(0);
        Self { ring: Arc::new(Mutex::new(Ring::new(capacity.max(1)))), newest: Arc::new(newest) }
    }

    /// Puts an event on the bus and gives its number, from 1. Never blocks on a listener.
    pub fn publish(&self, actor: Actor, kind: EventKind) -> u64 {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = ring.push(actor, kind);
        // Inside the lock, so that listeners never see the newest number go back.
        self.newest.send_replace(seq);
        seq
    }

    /// Follows the bus: from now on (`None`), or from the first kept event after number `after`, 0 being "everything kept".
    /// A number that this daemon has not reached yet comes from an earlier run, so everything kept is new to its owner.
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        let newest = self.newest.subscribe();
        let last = self.last_seq();
        let next = match after {
            None => last + 1,
            Some(seen) if seen > last => 1,
            Some(seen) => seen + 1,
        };
        Subscription::new(Arc::clone(&self.ring), newest, next)
    }

    /// Number of the newest event, 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).last()
    }

    /// Kept events after number `after`, oldest first, at most `limit`.
    pub fn replay(&self, after: u64, limit: usize) -> Vec<Arc<Event>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).after(after, limit)
    }
}
