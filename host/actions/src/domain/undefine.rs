//! Removing definitions.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::{Request, Turn};
use reeve_model::api::UndefineOptions;
use reeve_model::{Actor, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Subject;
use crate::Actions;
use crate::definitions::Unread;
use crate::error::explain;
use crate::journal::{Next, Operation, Step};

impl Actions {
    /// Removes a definition. An active domain goes on as a transient one (guide 14.8.5).
    pub async fn undefine(self: &Arc<Self>, actor: &Actor, key: &str) -> Result<(), Error> {
        self.undefine_with(actor, key, UndefineOptions::default()).await
    }

    /// Removes a definition as `options` say (guide 14.8.5).
    pub async fn undefine_with(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        options: UndefineOptions,
    ) -> Result<(), Error> {
        let unread = self.unread(actor, Verb::DomainUndefine, key)?;
        // One that could not be loaded is on disk alone.
        let (subject, turn) = match unread {
            Some(Unread { row, .. }) => (Subject { uuid: row.uuid, name: row.name }, None),
            None => {
                let subject = self.subject(actor, Verb::DomainUndefine, key)?;
                self.permits(&subject, Request::Undefine)?;
                let turn = self.turn(actor, subject.uuid, Request::Undefine).await?;
                (subject, Some(turn))
            }
        };
        if !options.managed_save && self.managed_image(subject.uuid).exists() {
            let message =
                format!("domain '{}' has a managed save, which nobody could start any more", subject.name);
            return Err(Error::new(ErrorCode::WrongState, message)
                .with_hint("give --managed-save to remove it too, or start the domain"));
        }
        // Also of one that runs: once it has ended nobody could, and another domain of its identity would have them.
        if !options.snapshots_metadata && self.has_snapshots(subject.uuid).await? {
            let message =
                format!("domain '{}' has snapshots, which nobody could go back to any more", subject.name);
            return Err(Error::new(ErrorCode::WrongState, message)
                .with_hint("give --snapshots-metadata to forget them too; what is in its images stays"));
        }
        // What it has would be gone, and it would be there.
        if turn.is_some() && self.domains.definition(subject.uuid).map_err(explain)?.is_none() {
            let message = format!("domain '{}' is transient: it has no definition", subject.name);
            return Err(Error::new(ErrorCode::WrongState, message));
        }
        let operation = Undefine {
            uuid: subject.uuid,
            actor: actor.clone(),
            managed_save: options.managed_save,
            snapshots: options.snapshots_metadata,
            unread: turn.is_none(),
            turn,
        };
        self.perform(actor, operation).await.map(drop)
    }
}

/// A definition goes, with what is kept of its domain: what nobody could find any more goes first, so nothing is left when it is gone.
#[derive(Serialize, Deserialize)]
pub(crate) struct Undefine {
    uuid: Uuid,
    actor: Actor,
    managed_save: bool,
    snapshots: bool,
    /// It could not be loaded: one that somebody has mended meanwhile stays.
    unread: bool,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Operation for Undefine {
    const KIND: &'static str = "domain-undefine";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&Belongings, &Definition]
    }
}

/// Managed save and snapshots are forgotten.
struct Belongings;

#[async_trait]
impl Step<Undefine> for Belongings {
    fn name(&self) -> &'static str {
        "belongings"
    }

    async fn run(&self, actions: &Arc<Actions>, undefine: &mut Undefine) -> Result<(), Error> {
        if undefine.managed_save {
            actions.discard_managed(undefine.uuid).await?;
        }
        if undefine.snapshots {
            actions.forget_snapshots(undefine.uuid).await?;
        }
        Ok(())
    }

    async fn undo(&self, _actions: &Arc<Actions>, _undefine: &mut Undefine) -> Result<(), Error> {
        // What could not be removed is there, and its domain too.
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _undefine: &Undefine) -> Next {
        Next::Again
    }
}

/// The definition is gone.
struct Definition;

#[async_trait]
impl Step<Undefine> for Definition {
    fn name(&self) -> &'static str {
        "definition"
    }

    async fn run(&self, actions: &Arc<Actions>, undefine: &mut Undefine) -> Result<(), Error> {
        let (actor, uuid, turn) = (undefine.actor.clone(), undefine.uuid, undefine.turn.take());
        let unread = undefine.unread;
        actions
            .definitions(move |definitions| {
                let removed = match unread {
                    true => definitions.remove_unread(uuid),
                    false => definitions.remove(&actor, uuid),
                };
                drop(turn);
                removed
            })
            .await
    }

    async fn undo(&self, _actions: &Arc<Actions>, _undefine: &mut Undefine) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, actions: &Actions, undefine: &Undefine) -> Next {
        let is_defined = actions.domains.definition(undefine.uuid).is_ok_and(|found| found.is_some());
        match is_defined || actions.definitions.is_unread(undefine.uuid) {
            true => Next::Again,
            false => Next::Forward,
        }
    }
}
