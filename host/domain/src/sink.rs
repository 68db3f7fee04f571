//! Where changes of domains are told.

use reeve_model::event::DomainChange;
use reeve_model::{Actor, DomainState, StateReason};
use uuid::Uuid;

/// A domain changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainNotice {
    /// On whose behalf.
    pub actor: Actor,
    /// Which domain.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// What happened to it.
    pub change: DomainChange,
    /// Its state afterwards.
    pub state: DomainState,
    /// Why it is in that state.
    pub reason: StateReason,
}

/// Receives every change, in order per domain. Called with a lock held: it must not block nor call back.
pub trait EventSink: Send + Sync {
    /// Takes one change.
    fn emit(&self, notice: DomainNotice);
}
