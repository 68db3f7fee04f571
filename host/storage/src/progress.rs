//! How far a long operation is, and telling it to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::StorageError;

/// Shared by the one who does the work and those who watch it.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// What is done and what there is to do: bytes of a copy, entries of a refresh. The second is 0 until it is known.
    pub fn get(&self) -> (u64, u64) {
        (self.shared.done.load(Ordering::Relaxed), self.shared.total.load(Ordering::Relaxed))
    }

    /// Lets the operation stop at its next step.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn expect(&self, total: u64) {
        self.shared.total.store(total, Ordering::Relaxed);
    }

    /// So much of so much is done; more than was told before, or nothing changes. Told by several threads.
    pub(crate) fn reach(&self, done: u64, total: u64) {
        self.expect(total);
        self.shared.done.fetch_max(done, Ordering::Relaxed);
    }

    /// Notes work that was done; fails when there shall be no more.
    pub(crate) fn advance(&self, done: u64, subject: &str) -> Result<(), StorageError> {
        self.shared.done.fetch_add(done, Ordering::Relaxed);
        match self.shared.cancelled.load(Ordering::Relaxed) {
            true => Err(StorageError::Cancelled(subject.to_owned())),
            false => Ok(()),
        }
    }
}
