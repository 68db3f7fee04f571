//! The end of an active domain: what is left of it in the records, and how the world hears of it.

use std::sync::Arc;

use reeve_model::Actor;
use reeve_model::event::DomainChange;
use tracing::warn;

use crate::entry::Entry;
use crate::registry::Shared;
use crate::state::Phase;

/// Removes the runtime record. Failing to is not fatal: the next daemon finds the process gone.
pub(crate) async fn forget(shared: &Shared, entry: &Entry) {
    if let Err(error) = shared.keeper.forget(entry.uuid).await {
        let cause = error.0;
        warn!(domain = entry.name, %cause, "the runtime record of an ended domain could not be removed");
    }
}

/// Shows the end to the world.
pub(crate) fn finish(shared: &Shared, entry: &Arc<Entry>, actor: &Actor, last: Phase, change: DomainChange) {
    entry.end(last);
    {
        let inner = entry.lock();
        entry.emit(&inner, shared.sink.as_ref(), actor, change);
        entry.emit(&inner, shared.sink.as_ref(), actor, DomainChange::Released);
    }
    shared.remove_if_transient(entry);
}
