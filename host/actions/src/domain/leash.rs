//! Domains that end with the connection of their client (guide 14.8.1, `start --autodestroy`).
//!
//! ```text
//!   start ─▶ journal [ leash: wait until the client is gone or the machine has ended by itself ─▶ guard domain-stop ─▶ end the machine ]
//! ```
//! The entry stays in the journal for as long as the client is there. A daemon that finds one at its start knows that nobody is: it ends the
//! machine at once. A client has its answer when the entry is there; a daemon that dies before leaves a domain that was started as any other.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_model::api::{Defined, StartOptions};
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_store::JournalRow;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Subject;
use crate::Actions;
use crate::journal::{Next, Operation, Step};

/// Is answered, or broken off, when a client has gone.
pub type Gone = oneshot::Receiver<()>;

impl Actions {
    /// As [`Actions::start_with`]; the domain ends when `client` has gone.
    pub async fn start_leashed(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        how: StartOptions,
        client: Gone,
    ) -> Result<DomainSummary, Error> {
        drop(self.subject(actor, Verb::DomainDestroy, key)?);
        let row = self.start_with(actor, key, how).await?;
        self.leash(actor, &row, client).await;
        Ok(row)
    }

    /// As [`Actions::create`] or [`Actions::create_paused`]; the domain ends when `client` has gone.
    pub async fn create_leashed(
        self: &Arc<Self>,
        actor: &Actor,
        xml: &str,
        (strict, paused): (bool, bool),
        client: Gone,
    ) -> Result<Defined, Error> {
        let name = self.read_document(xml, strict)?.config.name;
        self.authorize(actor, Verb::DomainDestroy, &name)?;
        let defined = match paused {
            true => self.create_paused(actor, xml, strict).await?,
            false => self.create(actor, xml, strict).await?,
        };
        self.leash(actor, &defined.domain, client).await;
        Ok(defined)
    }

    /// Ends the instance of a domain that runs now when `client` has gone; noted when this returns.
    async fn leash(self: &Arc<Self>, actor: &Actor, row: &DomainSummary, client: Gone) {
        // One without a number has ended by itself.
        let Some(id) = row.id else { return };
        let (noted, is_noted) = oneshot::channel();
        let (uuid, name) = (row.uuid, row.name.clone());
        let operation = Leash { uuid, id, actor: actor.clone(), held: Some(Held { client, noted }) };
        let (actions, actor) = (Arc::clone(self), actor.clone());
        tokio::spawn(async move {
            if let Err(error) = actions.perform(&actor, operation).await {
                tracing::warn!(domain = name, %error, "its client has gone, and it goes on");
            }
        });
        // Broken off where it can't be noted, which is logged.
        let _ = is_noted.await;
    }

    /// Refuses to move a domain that ends with its client: nobody would end it at another host.
    pub(super) async fn refuse_leashed(&self, subject: &Subject) -> Result<(), Error> {
        let is_held =
            |leash: Leash| leash.uuid == subject.uuid && self.has_instance(leash.uuid, Some(leash.id));
        let held =
            |row: &JournalRow| row.kind == Leash::KIND && serde_json::from_str(&row.data).is_ok_and(is_held);
        if !self.store(|store| store.open_operations()).await?.iter().any(held) {
            return Ok(());
        }
        let message =
            format!("domain '{}' ends with the client that started it, and stays here", subject.name);
        Err(Error::new(ErrorCode::WrongState, message).with_hint("start it without --autodestroy"))
    }
}

/// A domain is ended when its client has gone.
#[derive(Serialize, Deserialize)]
pub(crate) struct Leash {
    uuid: Uuid,
    /// The instance: a later one is another client's.
    id: u32,
    actor: Actor,
    /// None after a restart of the daemon, when no client is there.
    #[serde(skip)]
    held: Option<Held>,
}

struct Held {
    client: Gone,
    /// Is told when the journal knows of it.
    noted: oneshot::Sender<()>,
}

impl Operation for Leash {
    const KIND: &'static str = "domain-leash";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&Hold]
    }
}

struct Hold;

#[async_trait]
impl Step<Leash> for Hold {
    fn name(&self) -> &'static str {
        "leash"
    }

    async fn run(&self, actions: &Arc<Actions>, leash: &mut Leash) -> Result<(), Error> {
        let (uuid, id) = (leash.uuid, Some(leash.id));
        if let Some(Held { mut client, noted }) = leash.held.take() {
            let mut events = actions.bus.subscribe(None);
            // Who asked may have given up waiting.
            let _ = noted.send(());
            while actions.has_instance(uuid, id) {
                tokio::select! {
                    _ = &mut client => break,
                    _ = events.next() => {}
                }
            }
        }
        if !actions.has_instance(uuid, id) {
            return Ok(());
        }
        let subject = actions.subject(&leash.actor, Verb::DomainDestroy, &uuid.to_string())?;
        actions.ask_stop(&leash.actor, &subject, true).await?;
        actions.end_machine(uuid, id, None).await
    }

    async fn undo(&self, _actions: &Arc<Actions>, _leash: &mut Leash) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _leash: &Leash) -> Next {
        Next::Again
    }
}
