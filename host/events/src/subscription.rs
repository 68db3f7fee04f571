//! One listener: a position in the ring.

use std::sync::{Arc, Mutex, PoisonError};

use reeve_model::event::Event;
use tokio::sync::watch;

use crate::ring::Ring;

/// What a listener gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// The next event.
    Event(Arc<Event>),
    /// This many events were dropped before the listener came for them; the next delivery is the oldest one kept.
    Lagged {
        /// How many, at least 1.
        missed: u64,
    },
}

/// A listener. Made by [`Bus::subscribe`](crate::Bus::subscribe); dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    ring: Arc<Mutex<Ring>>,
    newest: watch::Receiver<u64>,
    next: u64,
}

impl Subscription {
    pub(crate) fn new(ring: Arc<Mutex<Ring>>, newest: watch::Receiver<u64>, next: u64) -> Self {
        Self { ring, newest, next }
    }

    /// The next delivery, waiting for it; none when the bus is closed and everything was delivered. Cancel safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            if let Some(delivery) = self.try_next() {
                return Some(delivery);
            }
            let next = self.next;
            if self.newest.wait_for(|newest| *newest >= next).await.is_err() {
                return self.try_next();
            }
        }
    }

    /// The next delivery if there is one now. Needs no async runtime.
    pub fn try_next(&mut self) -> Option<Delivery> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = ring.oldest();
        if self.next < oldest {
            let missed = oldest - self.next;
            self.next = oldest;
            return Some(Delivery::Lagged { missed });
        }
        let event = ring.get(self.next)?;
        self.next += 1;
        Some(Delivery::Event(event))
    }

    /// Number of the event that comes next.
    pub fn position(&self) -> u64 {
        self.next
    }
}
