//! Operations that are over, and whose entries could not be removed yet.
//!
//! Such an entry tells the next daemon to go on with what is done: with a domain that may have been started anew since. So whoever begins an
//! operation removes these entries first, and does not begin while they can't be removed. A task tries it meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use reeve_model::Error;

use crate::Actions;

/// How often it is tried.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The entries that are to be removed.
#[derive(Debug, Default)]
pub(crate) struct Overdue(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    numbers: Vec<i64>,
    /// A task is at it.
    tried: bool,
}

impl Overdue {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one; true when somebody has to begin to try.
    fn add(&self, number: i64) -> bool {
        let mut entries = self.lock();
        entries.numbers.push(number);
        !std::mem::replace(&mut entries.tried, true)
    }

    /// Whether there is none, and nobody tries any more.
    fn is_over(&self) -> bool {
        let mut entries = self.lock();
        entries.tried = !entries.numbers.is_empty();
        !entries.tried
    }
}

impl Actions {
    /// Ends an operation that is done, or undone. That is so whether its entry can be removed now or not.
    pub(super) async fn end_operation(self: &Arc<Self>, number: i64) {
        let Err(error) = self.store(move |store| store.end_operations(&[number])).await else { return };
        tracing::warn!(operation = number, %error, "an operation is over, and the journal does not take it; it is tried again");
        if self.overdue.add(number) {
            tokio::spawn(keep_trying(Arc::downgrade(self)));
        }
    }

    /// Removes the entries of operations that are over.
    pub(super) async fn end_overdue_operations(&self) -> Result<(), Error> {
        let numbers = self.overdue.lock().numbers.clone();
        if numbers.is_empty() {
            return Ok(());
        }
        let ended = numbers.clone();
        self.store(move |store| store.end_operations(&ended)).await?;
        self.overdue.lock().numbers.retain(|number| !numbers.contains(number));
        Ok(())
    }
}

async fn keep_trying(actions: Weak<Actions>) {
    loop {
        tokio::time::sleep(TRY_AGAIN).await;
        let Some(actions) = actions.upgrade() else { return };
        if let Err(error) = actions.end_overdue_operations().await {
            tracing::debug!(%error, "operations that are over are in the journal still");
        }
        if actions.overdue.is_over() {
            return;
        }
    }
}
