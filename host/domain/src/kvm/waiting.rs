//! Who waits for what a worker says later than it answers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reeve_vmm::protocol;
use tokio::sync::oneshot;

use super::client;
use crate::driver::DriverError;

/// Who waits for the guest to let go of which device.
#[derive(Default)]
pub(super) struct Removals(Mutex<HashMap<String, oneshot::Sender<()>>>);

impl Removals {
    /// The guest lets go of it, or the machine goes.
    pub fn expect(&self, alias: &str) -> oneshot::Receiver<()> {
        let (told, gone) = oneshot::channel();
        lock(&self.0).insert(alias.to_owned(), told);
        gone
    }

    /// The guest let go of it. False when nobody waits.
    pub fn done(&self, alias: &str) -> bool {
        lock(&self.0).remove(alias).is_some_and(|waiting| waiting.send(()).is_ok())
    }

    /// Nothing will come any more.
    pub fn end(&self) {
        lock(&self.0).clear();
    }
}

/// Who waits for the end of a save.
#[derive(Default)]
pub(super) struct Saves(Mutex<Option<oneshot::Sender<Result<(), DriverError>>>>);

impl Saves {
    /// A save begins, or the machine goes.
    pub fn expect(&self) -> oneshot::Receiver<Result<(), DriverError>> {
        let (told, ended) = oneshot::channel();
        *lock(&self.0) = Some(told);
        ended
    }

    /// It has ended.
    pub fn done(&self, failure: Option<protocol::Failure>) {
        let result = failure.map_or(Ok(()), |failure| Err(client::refused(failure)));
        if let Some(waiting) = lock(&self.0).take() {
            // Whoever waited may have gone.
            let _ = waiting.send(result);
        }
    }

    /// Nothing will come any more.
    pub fn end(&self) {
        *lock(&self.0) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
