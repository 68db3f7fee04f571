//! Ending a domain: asked of the guest, or by force.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reeve_agent::ShutdownMode as End;
use reeve_domain::{Request, Turn};
use reeve_model::agent::ShutdownOptions;
use reeve_model::api::DestroyOptions;
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, DomainState, Error, ErrorCode, StateReason, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::agent::{self, Ways};
use super::{Question, Subject};
use crate::Actions;
use crate::error::explain;
use crate::journal::{Next, Operation, Step};
use crate::peer_address::PeerAddress;

/// How long a machine that can't be ended may be about to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Actions {
    /// Asks the guest to shut down; it may take its time, or refuse.
    pub async fn shutdown(&self, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        self.shutdown_by(actor, key, &ShutdownOptions::default()).await
    }

    /// As [`Actions::shutdown`], in the ways that are named.
    pub async fn shutdown_by(
        &self,
        actor: &Actor,
        key: &str,
        options: &ShutdownOptions,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainShutdown, key)?;
        let ways = Ways::new(options)?;
        self.permits(&subject, Request::Shutdown)?;
        let before = self.ask_stop(actor, &subject, false).await?;
        let turn = self.turn(actor, subject.uuid, Request::Shutdown).await?;
        agent::announce(&turn, true).await;
        match self.end_by_agent(&subject, ways, End::PowerDown).await {
            Ok(true) => {
                // A transient domain may be gone by now.
                let _ = turn.shutdown_asked().await;
                return Ok(self.row(subject.uuid).unwrap_or(before));
            }
            Ok(false) => turn.shutdown().await.map_err(explain)?,
            Err(error) => {
                agent::announce(&turn, false).await;
                return Err(error);
            }
        }
        self.row(subject.uuid)
    }

    /// Ends the machine at once; the row as it is afterwards.
    pub async fn destroy(self: &Arc<Self>, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        self.destroy_with(actor, key, DestroyOptions::default()).await
    }

    /// As [`Actions::destroy`], as `options` say.
    pub async fn destroy_with(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        options: DestroyOptions,
    ) -> Result<DomainSummary, Error> {
        let DestroyOptions { graceful } = options;
        let subject = self.subject(actor, Verb::DomainDestroy, key)?;
        self.permits(&subject, Request::Destroy).map_err(|error| self.gone_or(&subject, error))?;
        let mut last = self.ask_stop(actor, &subject, true).await?;
        let begun = Instant::now();
        // Who moves it, saves it or dumps it gives that up for this.
        let turn = self.turn(actor, subject.uuid, Request::Destroy).await;
        // A half of a guest in post-copy is ended, and with it the other one.
        let late = self.migrations.leaving(subject.uuid).is_some();
        let ended = match turn {
            Ok(turn) => {
                let (uuid, instance) = (subject.uuid, self.instance(subject.uuid));
                let destroy = Destroy { uuid, instance, graceful, turn: Some(turn) };
                self.perform(actor, destroy).await.map(drop)
            }
            Err(error) => Err(error),
        };
        if !late && let Some(host) = self.migrations.given(subject.uuid, Some(begun)) {
            return Err(given(&subject.name, &host));
        }
        match ended {
            // One that was on its way here is ended by whoever waited for it.
            Err(error) if !matches!(error.code, ErrorCode::WrongState | ErrorCode::NotFound) => {
                return Err(error);
            }
            Err(error) if self.row(subject.uuid).is_ok_and(|row| row.reason != StateReason::Destroyed) => {
                return Err(error);
            }
            Ok(()) | Err(_) => {}
        }
        // A transient domain is gone by now.
        last.id = None;
        last.state = DomainState::ShutOff;
        last.reason = StateReason::Destroyed;
        Ok(self.row(subject.uuid).unwrap_or(last))
    }

    /// Where a domain is that does not run here because it moved, or the error.
    fn gone_or(&self, subject: &Subject, error: Error) -> Error {
        let moved = self.row(subject.uuid).is_ok_and(|row| row.reason == StateReason::Migrated)
            || self.domains.lasts(subject.uuid) == Some(Request::Migrate.participle());
        let host = self.migrations.given(subject.uuid, None).filter(|_| moved);
        host.map_or(error, |host| given(&subject.name, &host))
    }

    /// Asks the stop guards; the row they were asked about.
    pub(super) async fn ask_stop(
        &self,
        actor: &Actor,
        subject: &Subject,
        forced: bool,
    ) -> Result<DomainSummary, Error> {
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        let (state, config) = (snapshot.summary.state, snapshot.config);
        self.ask(Question { hook: Hook::DomainStop, actor, state, config, device: None, forced }).await?;
        Ok(snapshot.summary)
    }
}

/// The answer where the guest was another host's before it could be ended.
fn given(name: &str, host: &PeerAddress) -> Error {
    let message = format!("domain '{name}' does not run here any more: it was given to the host at '{host}'");
    Error::new(ErrorCode::WrongState, message).with_hint("destroy it there")
}

/// A domain is ended by force. A daemon that dies meanwhile ends it at its next start.
#[derive(Serialize, Deserialize)]
pub(crate) struct Destroy {
    uuid: Uuid,
    /// See [`Actions::instance`].
    #[serde(default)]
    instance: Option<u32>,
    /// Nothing is killed: a worker that does not end is an error.
    #[serde(default)]
    graceful: bool,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Operation for Destroy {
    const KIND: &'static str = "domain-destroy";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&EndMachine]
    }
}

struct EndMachine;

#[async_trait]
impl Step<Destroy> for EndMachine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, actions: &Arc<Actions>, operation: &mut Destroy) -> Result<(), Error> {
        let turn = operation.turn.take();
        if operation.graceful {
            // One that has ended by itself just now is as good.
            let quit = match &turn {
                Some(turn) => turn.quit().await.map_err(explain),
                None => actions.quit_in_turn(operation.uuid, operation.instance).await,
            };
            let there = actions.has_instance(operation.uuid, operation.instance);
            return quit.or_else(|error| if there { Err(error) } else { Ok(()) });
        }
        actions.end_machine(operation.uuid, operation.instance, turn.as_ref()).await
    }

    async fn undo(&self, _actions: &Arc<Actions>, _operation: &mut Destroy) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _operation: &Destroy) -> Next {
        Next::Again
    }
}

impl Actions {
    /// Waits for a save or dump, and gives it up when somebody waits to end the domain by force.
    pub(in crate::domain) async fn unless_destroyed<T>(
        &self,
        turn: &Turn,
        writing: impl Future<Output = T>,
    ) -> T {
        let mut writing = std::pin::pin!(writing);
        tokio::select! {
            written = &mut writing => return written,
            () = turn.to_be_destroyed() => {}
        }
        loop {
            // One that did not begin yet is told again.
            let _ = self.domains.cancel_save(turn.uuid()).await;
            tokio::select! {
                written = &mut writing => return written,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// What an operation notes of the machine of a domain that it is begun for: the number of that instance, 0 where there is none. Entries of
    /// daemons that did not note it have nothing, which stands for any.
    pub(in crate::domain) fn instance(&self, uuid: Uuid) -> Option<u32> {
        Some(self.domains.instance(uuid).unwrap_or(0))
    }

    /// Whether the instance that an operation noted is there: another one is none of its business.
    pub(in crate::domain) fn has_instance(&self, uuid: Uuid, noted: Option<u32>) -> bool {
        self.domains.instance(uuid).is_some_and(|now| noted.is_none_or(|noted| noted == now))
    }

    /// Whether another instance is there than the one that an operation noted.
    pub(in crate::domain) fn is_another(&self, uuid: Uuid, noted: Option<u32>) -> bool {
        self.domains.instance(uuid).is_some() && !self.has_instance(uuid, noted)
    }

    /// Ends an instance of a domain, if it is there. That it ends by itself at the same moment is as good.
    pub(in crate::domain) async fn end_machine(
        &self,
        uuid: Uuid,
        noted: Option<u32>,
        turn: Option<&Turn>,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        while self.has_instance(uuid, noted) {
            let ended = match turn {
                Some(turn) => turn.destroy().await.map_err(explain),
                None => self.end_machine_in_turn(uuid, noted).await,
            };
            match ended {
                Err(_) if begun.elapsed() < PATIENCE => tokio::time::sleep(LOOK_AGAIN).await,
                ended => return ended,
            }
        }
        Ok(())
    }

    async fn quit_in_turn(&self, uuid: Uuid, noted: Option<u32>) -> Result<(), Error> {
        let turn = self.turn(&Actor::Daemon, uuid, Request::Destroy).await?;
        // Somebody may have ended it and started it anew meanwhile.
        if !self.has_instance(uuid, noted) {
            return Ok(());
        }
        turn.quit().await.map_err(explain)
    }

    async fn end_machine_in_turn(&self, uuid: Uuid, noted: Option<u32>) -> Result<(), Error> {
        let turn = self.turn(&Actor::Daemon, uuid, Request::Destroy).await?;
        if !self.has_instance(uuid, noted) {
            return Ok(());
        }
        turn.destroy().await.map_err(explain)
    }
}
