//! Who waits for what a worker says later than it answers.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use reeve_vmm::protocol::{self, Call};
use tokio::sync::oneshot;

use super::client::{self, Client};
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

/// Who waits for the end of a save or dump.
#[derive(Default)]
pub(super) struct Saves(Mutex<Option<Waiting>>);

struct Waiting {
    /// None once it was given up.
    told: Option<oneshot::Sender<Result<(), DriverError>>>,
    /// When it was cancelled for the first time.
    cancelled: Option<Instant>,
}

impl Saves {
    /// Has a worker write to a file, and waits until it is written, or given up.
    pub async fn run(
        self: &Arc<Self>,
        client: &Arc<Client>,
        call: Call,
        file: File,
    ) -> Result<(), DriverError> {
        let ended = self.expect()?;
        let (saves, client) = (self.clone(), client.clone());
        tokio::spawn(async move {
            if let Err(error) = client.call(call, vec![file.into()]).await {
                saves.tell(Err(error));
            }
        });
        let gone = || Err(DriverError::Lost("it ended while it was being written to a file".to_owned()));
        ended.await.unwrap_or_else(|_| gone())
    }

    /// A save begins, or the machine goes. One that was given up must have ended before: they are told by the same event.
    fn expect(&self) -> Result<oneshot::Receiver<Result<(), DriverError>>, DriverError> {
        let mut waiting = lock(&self.0);
        if waiting.is_some() {
            let sentence = "what its worker was to write before has not come to an end".to_owned();
            return Err(DriverError::NotNow(sentence));
        }
        let (told, ended) = oneshot::channel();
        *waiting = Some(Waiting { told: Some(told), cancelled: None });
        Ok(ended)
    }

    /// It has ended.
    pub fn done(&self, failure: Option<protocol::Failure>) {
        self.tell(failure.map_or(Ok(()), |failure| Err(client::refused(failure))));
    }

    fn tell(&self, result: Result<(), DriverError>) {
        if let Some(told) = lock(&self.0).take().and_then(|waiting| waiting.told) {
            // Whoever waited may have gone.
            let _ = told.send(result);
        }
    }

    /// Somebody has cancelled it. One that has not ended a while after that is waited for no more: its file may be on a disk that does not answer. So
    /// is one whose worker does not even answer.
    pub fn cancelled(&self, unanswered: bool) {
        let mut waiting = lock(&self.0);
        let Some(waiting) = &mut *waiting else { return };
        let first = *waiting.cancelled.get_or_insert_with(Instant::now);
        if unanswered || first.elapsed() >= client::PATIENCE {
            let what = "the request to give up what it writes";
            let late = DriverError::Deadline { what, seconds: client::PATIENCE.as_secs() };
            if let Some(told) = waiting.told.take() {
                // As above.
                let _ = told.send(Err(late));
            }
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
