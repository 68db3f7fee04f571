//! What the registry holds for one domain, active or not.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_model::domain::{ClockConfig, DomainConfig};
use reeve_model::event::DomainChange;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, StateReason};
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

use crate::admission::{Admission, Ticket};
use crate::driver::Machine;
use crate::owner::Command;
use crate::record::WorkerProcess;
use crate::sink::{DomainNotice, EventSink};
use crate::state::{Occurrence, Phase};

/// One domain of the registry.
pub(crate) struct Entry {
    /// Identity; never changes.
    pub uuid: Uuid,
    /// Name; never changes.
    pub name: String,
    inner: Mutex<Inner>,
    /// Told whenever somebody begins to wait for a turn.
    pub offered: Notify,
}

/// What changes. Locked for moments only, never across an await.
pub(crate) struct Inner {
    /// The persistent definition; none for a transient domain.
    pub definition: Option<Arc<DomainConfig>>,
    /// Started with the host.
    pub autostart: bool,
    /// Where it is in its life. Changed by its owner task, or by a turn that starts one.
    pub phase: Phase,
    /// What exists while it is active.
    pub live: Option<Live>,
    /// What the guest has made of its clock, which the definition does not know yet.
    pub clock_set: Option<ClockConfig>,
    /// Who may change it.
    pub admission: Admission,
    /// How to tell those who wait that it is their turn; a dropped sender says that a destroy overtook them.
    pub waiting: HashMap<Ticket, oneshot::Sender<()>>,
}

/// What exists while a domain is active or changing.
pub(crate) struct Live {
    /// Number of this instance.
    pub id: u32,
    /// The configuration it runs with.
    pub config: Arc<DomainConfig>,
    /// The machine; none while it is being made.
    pub machine: Option<Arc<dyn Machine>>,
    /// The process that runs it.
    pub process: Option<WorkerProcess>,
    /// Its control socket.
    pub socket: Option<PathBuf>,
    /// The owner task.
    pub owner: mpsc::Sender<Command>,
}

impl Entry {
    /// A domain that is off.
    pub fn new(config: &DomainConfig, definition: Option<Arc<DomainConfig>>, autostart: bool) -> Self {
        Self {
            uuid: config.uuid,
            name: config.name.clone(),
            inner: Mutex::new(Inner {
                definition,
                autostart,
                phase: Phase::Off(StateReason::Unknown),
                live: None,
                clock_set: None,
                admission: Admission::default(),
                waiting: HashMap::new(),
            }),
            offered: Notify::new(),
        }
    }

    /// The changing part.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row for a list.
    pub fn summary(&self, inner: &Inner) -> DomainSummary {
        DomainSummary {
            id: inner.live.as_ref().filter(|_| inner.phase != Phase::Starting).map(|live| live.id),
            uuid: self.uuid,
            name: self.name.clone(),
            state: inner.phase.state(),
            reason: inner.phase.reason(),
            persistent: inner.definition.is_some(),
            autostart: inner.autostart,
            driver: inner.config().map_or_else(String::new, |config| config.domain_type.as_str().to_owned()),
            // Where saves are kept is not known here.
            managed_save: false,
            unreadable: None,
        }
    }

    /// Tells what happened, in the state that holds now.
    pub fn emit(&self, inner: &Inner, sink: &dyn EventSink, actor: &Actor, change: DomainChange) {
        sink.emit(DomainNotice {
            actor: actor.clone(),
            uuid: self.uuid,
            name: self.name.clone(),
            change,
            state: inner.phase.state(),
            reason: inner.phase.reason(),
        });
    }

    /// Lets somebody go first who may go beside a job on images; what to wait for then until the ticket's turn is back.
    pub fn lend(&self, ticket: Ticket) -> Option<oneshot::Receiver<()>> {
        let mut inner = self.lock();
        let next = inner.admission.lend(ticket)?;
        let (told, waits) = oneshot::channel();
        inner.waiting.insert(ticket, told);
        let gone = inner.waiting.remove(&next).is_none_or(|waiting| waiting.send(()).is_err());
        drop(inner);
        if gone {
            self.leave(next);
        }
        Some(waits)
    }

    /// Lets go of a ticket and wakes who is next. A next that stopped waiting is passed over.
    pub fn leave(&self, ticket: Ticket) {
        let mut inner = self.lock();
        inner.waiting.remove(&ticket);
        let mut next = inner.admission.leave(ticket);
        while let Some(ticket) = next {
            let told = inner.waiting.remove(&ticket).is_some_and(|waiting| waiting.send(()).is_ok());
            next = if told { None } else { inner.admission.leave(ticket) };
        }
    }
}

impl Inner {
    /// The live configuration while there is one, else the definition.
    pub fn config(&self) -> Option<&Arc<DomainConfig>> {
        self.live.as_ref().map(|live| &live.config).or(self.definition.as_ref())
    }

    /// Moves on; false when `occurrence` can't happen in this phase, which then stays.
    pub fn advance(&mut self, occurrence: Occurrence) -> bool {
        let next = self.phase.after(occurrence);
        if let Some(phase) = next {
            self.phase = phase;
        }
        next.is_some()
    }
}
