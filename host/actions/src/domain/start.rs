//! The walk of a start.
//!
//! ```text
//!   authorize ─▶ may it start? ─▶ find volumes ─▶ guard domain-prepare (may rewrite) ─▶ driver's check ─▶ turn on the domain
//!     ─▶ journal [ guard: domain-start (may still deny) │ machine: directory, disks, taps, cgroup, worker, vCPUs ]
//! ```
//! The definition stays as it is: what guards rewrite holds for this run only. The machine is one step because its driver
//! undoes its own halves, and sweeps those of a killed daemon away at the next start.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::{DomainError, Request, StartOptions, Turn};
use reeve_model::domain::DomainConfig;
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, DomainState, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};

use super::{Question, define};
use crate::Actions;
use crate::error::explain;
use crate::journal::{Next, Operation, Step};

/// How often a definition may be replaced while its start is prepared.
const ATTEMPTS: usize = 3;

impl Actions {
    /// Starts a defined domain.
    pub async fn start(self: &Arc<Self>, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        self.start_domain(actor, key, false).await
    }

    /// Starts a defined domain with its vCPUs stopped.
    pub async fn start_paused(self: &Arc<Self>, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        self.start_domain(actor, key, true).await
    }

    async fn start_domain(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        paused: bool,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainStart, key)?;
        for _ in 0..ATTEMPTS {
            self.permits(&subject, Request::Start)?;
            let definition = self.domains.definition(subject.uuid).map_err(explain)?;
            let Some(definition) = definition else {
                let message =
                    format!("domain '{}' is transient: it has no definition to start", subject.name);
                return Err(Error::new(ErrorCode::WrongState, message));
            };
            let config = self.prepare(actor, definition.as_ref().clone()).await?;
            let turn = self.turn(actor, subject.uuid, Request::Start).await?;
            let now = self.domains.definition(subject.uuid).map_err(explain)?;
            if now.is_some_and(|now| Arc::ptr_eq(&now, &definition)) {
                return self.bring_up(actor, turn, config, paused).await;
            }
        }
        let message = format!("domain '{}' is being redefined all the time", subject.name);
        Err(Error::new(ErrorCode::Busy, message).with_hint("start it when its definition has settled"))
    }

    /// The effective configuration of a start: its volumes found, rewritten by guards, valid, and accepted by its driver.
    pub(super) async fn prepare(
        &self,
        actor: &Actor,
        mut config: DomainConfig,
    ) -> Result<DomainConfig, Error> {
        let (hook, state) = (Hook::DomainPrepare, DomainState::ShutOff);
        self.find_volumes(&mut config).await?;
        let question = Question { hook, actor, state, config, device: None, forced: false };
        let mut config = self.ask(question).await?;
        define::check(&config)?;
        self.find_volumes(&mut config).await?;
        let refusals = self.domains.check(&config);
        if refusals.is_empty() {
            return Ok(config);
        }
        let (name, driver) = (config.name, config.domain_type.as_str().to_owned());
        Err(explain(DomainError::Refused { name, driver, refusals }))
    }

    /// The journaled part of a start.
    pub(super) async fn bring_up(
        self: &Arc<Self>,
        actor: &Actor,
        turn: Turn,
        config: DomainConfig,
        paused: bool,
    ) -> Result<DomainSummary, Error> {
        let uuid = config.uuid;
        let operation = Start { config, paused, actor: actor.clone(), turn: Some(turn) };
        let operation = self.perform(actor, operation).await?;
        let row = self.row(uuid);
        drop(operation);
        row
    }
}

/// A domain is started, from its definition or as a transient one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Start {
    config: DomainConfig,
    paused: bool,
    actor: Actor,
    /// The right to change the domain; let go when the operation ends.
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Operation for Start {
    const KIND: &'static str = "domain-start";

    fn subject(&self) -> String {
        self.config.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&AskGuards, &PlugPorts, &MakeMachine]
    }
}

/// Guard hook domain-start: the domain is reserved, its machine comes next.
struct AskGuards;

#[async_trait]
impl Step<Start> for AskGuards {
    fn name(&self) -> &'static str {
        "guard"
    }

    async fn run(&self, actions: &Arc<Actions>, start: &mut Start) -> Result<(), Error> {
        let (hook, state, config) = (Hook::DomainStart, DomainState::ShutOff, start.config.clone());
        let question = Question { hook, actor: &start.actor, state, config, device: None, forced: false };
        start.config = actions.ask(question).await?;
        define::check(&start.config)?;
        actions.find_volumes(&mut start.config).await
    }

    async fn undo(&self, _actions: &Arc<Actions>, _start: &mut Start) -> Result<(), Error> {
        Ok(())
    }
}

/// The interfaces are plugged, with their packet filters in force.
struct PlugPorts;

#[async_trait]
impl Step<Start> for PlugPorts {
    fn name(&self) -> &'static str {
        "ports"
    }

    async fn run(&self, actions: &Arc<Actions>, start: &mut Start) -> Result<(), Error> {
        let actor = start.actor.clone();
        actions.plug_all(&actor, &mut start.config).await
    }

    async fn undo(&self, actions: &Arc<Actions>, start: &mut Start) -> Result<(), Error> {
        actions.unplug_all(&start.actor, start.config.uuid, None).await
    }
}

/// The machine is made and runs.
struct MakeMachine;

#[async_trait]
impl Step<Start> for MakeMachine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, _actions: &Arc<Actions>, start: &mut Start) -> Result<(), Error> {
        let turn = start.turn.as_ref().expect("a start that was interrupted is not run again");
        let options = StartOptions { config: start.config.clone(), paused: start.paused };
        turn.start(options).await.map(drop).map_err(explain)
    }

    async fn undo(&self, actions: &Arc<Actions>, start: &mut Start) -> Result<(), Error> {
        match &start.turn {
            // A start that failed has left nothing; one that a later step undoes has a machine.
            Some(turn) if turn.check(Request::Destroy).is_ok() => turn.destroy().await.map_err(explain),
            Some(_) => Ok(()),
            None => actions.end_machine(start.config.uuid).await,
        }
    }

    fn after_crash(&self, actions: &Actions, start: &Start) -> Next {
        match actions.domains.phase(start.config.uuid) {
            // Its record was complete, so it was found and taken over.
            Ok(phase) if phase.has_machine() => Next::Forward,
            _ => Next::Back,
        }
    }
}
