//! The walk of a start.
//!
//! ```text
//!   authorize ─▶ may it start? ─▶ find volumes ─▶ guard domain-prepare (may rewrite) ─▶ driver's check ─▶ turn on the domain
//!     ─▶ journal [ guard: domain-start (may still deny) │ ports │ machine: directory, disks, taps, cgroup, worker; record; managed save out of
//!                  use; vCPUs │ image ]
//! ```
//! The definition stays as it is: what guards rewrite holds for this run only. The machine is one step because its driver
//! undoes its own halves, and sweeps those of a killed daemon away at the next start.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::{DomainError, Request, StartOptions, Turn};
use reeve_model::api::StartOptions as StartHow;
use reeve_model::domain::DomainConfig;
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, DomainState, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};

use super::restore::Origin;
use super::startup::Occasion;
use super::{Question, define};
use crate::Actions;
use crate::error::explain;
use crate::journal::{Next, Operation, Step, Unnoted};

/// How often a definition may be replaced while its start is prepared.
const ATTEMPTS: usize = 3;

impl Actions {
    /// Starts a defined domain.
    pub async fn start(self: &Arc<Self>, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        self.start_with(actor, key, StartHow::default()).await
    }

    /// Starts a defined domain with its vCPUs stopped.
    pub async fn start_paused(self: &Arc<Self>, actor: &Actor, key: &str) -> Result<DomainSummary, Error> {
        self.start_with(actor, key, StartHow { paused: true, ..StartHow::default() }).await
    }

    /// Starts a defined domain as `how` says: from its managed save where it has one, which then goes (guide 14.8.3).
    pub async fn start_with(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        how: StartHow,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainStart, key)?;
        let is_saved = self.managed_image(subject.uuid).exists();
        if is_saved && !how.force_boot {
            self.permits(&subject, Request::Start)?;
            return Box::pin(self.start_saved(actor, subject.uuid, how.paused, how.bypass_cache)).await;
        }
        let origin = if is_saved { Origin::BootAnyway } else { Origin::Boot };
        for _ in 0..ATTEMPTS {
            self.permits(&subject, Request::Start)?;
            let definition = self.domains.definition(subject.uuid).map_err(explain)?;
            let Some(definition) = definition else {
                let message =
                    format!("domain '{}' is transient: it has no definition to start", subject.name);
                return Err(Error::new(ErrorCode::WrongState, message));
            };
            let config = Box::pin(self.prepare(actor, definition.as_ref().clone(), Occasion::Boot)).await?;
            let turn = self.turn(actor, subject.uuid, Request::Start).await?;
            let now = self.domains.definition(subject.uuid).map_err(explain)?;
            if now.is_some_and(|now| Arc::ptr_eq(&now, &definition)) {
                return self.bring_up(actor, turn, config, how.paused, origin).await;
            }
        }
        let message = format!("domain '{}' is being redefined all the time", subject.name);
        Err(Error::new(ErrorCode::Busy, message).with_hint("start it when its definition has settled"))
    }

    /// The effective configuration of a start: its volumes found, what may be missing left out, rewritten by guards, valid, and accepted by its driver.
    pub(super) async fn prepare(
        &self,
        actor: &Actor,
        mut config: DomainConfig,
        occasion: Occasion,
    ) -> Result<DomainConfig, Error> {
        let (hook, state) = (Hook::DomainPrepare, DomainState::ShutOff);
        self.leave_out_missing(&mut config, occasion).await;
        self.find_disks(&mut config).await?;
        let question = Question { hook, actor, state, config, device: None, forced: false };
        let mut config = self.ask(question).await?;
        define::check(&config)?;
        self.leave_out_missing(&mut config, occasion).await;
        self.find_disks(&mut config).await?;
        let refusals = self.domains.check(&config);
        if refusals.is_empty() {
            return Ok(config);
        }
        let (name, driver) = (config.name, config.domain_type.as_str().to_owned());
        Err(explain(DomainError::Refused { name, driver, refusals }))
    }

    /// Asks the last guard of a start, of a domain that is reserved; what it makes of the configuration is checked.
    pub(super) async fn ask_start(&self, actor: &Actor, config: DomainConfig) -> Result<DomainConfig, Error> {
        let (hook, state) = (Hook::DomainStart, DomainState::ShutOff);
        let question = Question { hook, actor, state, config, device: None, forced: false };
        let mut config = self.ask(question).await?;
        define::check(&config)?;
        self.find_disks(&mut config).await?;
        Ok(config)
    }

    /// The journaled part of a start.
    pub(super) async fn bring_up(
        self: &Arc<Self>,
        actor: &Actor,
        turn: Turn,
        config: DomainConfig,
        paused: bool,
        origin: Origin,
    ) -> Result<DomainSummary, Error> {
        let start = Start::new(actor, turn, config, paused, origin);
        self.perform_start(actor, start).await
    }

    /// The same, where [`Self::ask_start`] was asked before.
    pub(super) async fn bring_up_asked(
        self: &Arc<Self>,
        actor: &Actor,
        turn: Turn,
        config: DomainConfig,
        paused: bool,
        origin: Origin,
    ) -> Result<DomainSummary, Error> {
        let start = Start { is_asked: true, ..Start::new(actor, turn, config, paused, origin) };
        self.perform_start(actor, start).await
    }

    async fn perform_start(self: &Arc<Self>, actor: &Actor, start: Start) -> Result<DomainSummary, Error> {
        let uuid = start.config.uuid;
        let operation = self.perform(actor, start).await?;
        let row = self.row(uuid);
        drop(operation);
        row
    }
}

/// A domain is started, from its definition or as a transient one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Start {
    config: DomainConfig,
    /// The number that its machine has; entries of earlier daemons don't say.
    #[serde(default)]
    instance: Option<u32>,
    paused: bool,
    #[serde(default)]
    origin: Origin,
    /// The last guard was asked before.
    #[serde(default)]
    is_asked: bool,
    actor: Actor,
    /// The right to change the domain; let go when the operation ends.
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Start {
    fn new(actor: &Actor, turn: Turn, config: DomainConfig, paused: bool, origin: Origin) -> Self {
        let instance = Some(turn.next_instance());
        let (actor, turn) = (actor.clone(), Some(turn));
        Self { config, instance, paused, origin, is_asked: false, actor, turn }
    }
}

impl Operation for Start {
    const KIND: &'static str = "domain-start";

    fn subject(&self) -> String {
        self.config.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&AskGuards, &PlugPorts, &MakeMachine, &UseUpImage]
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
        if !start.is_asked {
            start.config = actions.ask_start(&start.actor, start.config.clone()).await?;
        }
        Ok(())
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
        if actions.is_another(start.config.uuid, start.instance) {
            return Ok(());
        }
        actions.unplug_all(&start.actor, start.config.uuid, None).await
    }
}

/// The machine is made and runs. A managed save is out of use before that: what it knows of the disks is not so any more.
struct MakeMachine;

#[async_trait]
impl Step<Start> for MakeMachine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, actions: &Arc<Actions>, start: &mut Start) -> Result<(), Error> {
        let Some(turn) = &start.turn else { return actions.finish_start(start).await };
        let options = StartOptions { config: start.config.clone(), paused: start.paused };
        let image = match &start.origin {
            Origin::Image(image) => Some(image.data().await?),
            Origin::Boot | Origin::BootAnyway => None,
        };
        let started = match (start.origin.ends_managed_save(), image) {
            (true, image) => {
                let (actions, uuid) = (Arc::clone(actions), start.config.uuid);
                let before = async move {
                    actions.set_aside_managed(uuid).await?;
                    actions.faults.pass("domain-start:machine:used");
                    Ok(())
                };
                turn.start_after(options, image, Box::pin(before)).await
            }
            (false, Some(image)) => turn.restore(options, image).await,
            (false, None) => turn.start(options).await,
        };
        started.map(drop).map_err(explain)
    }

    async fn undo(&self, actions: &Arc<Actions>, start: &mut Start) -> Result<(), Error> {
        let used = actions.used_image(start.config.uuid);
        if start.turn.is_none() && used.exists() {
            let (domain, image) = (&start.config.name, used.display());
            tracing::warn!(%domain, %image, "its guest may have run for a moment: what it went on from is kept, and used by nobody");
        }
        // A start that failed has left nothing.
        actions.end_machine(start.config.uuid, start.instance, start.turn.as_ref()).await
    }

    fn after_crash(&self, actions: &Actions, start: &Start) -> Next {
        // One that was recorded was found and taken over.
        if actions.has_instance(start.config.uuid, start.instance) { Next::Again } else { Next::Back }
    }
}

/// Nothing is left of a managed save once the domain runs.
struct UseUpImage;

#[async_trait]
impl Step<Start> for UseUpImage {
    fn name(&self) -> &'static str {
        "image"
    }

    async fn run(&self, actions: &Arc<Actions>, start: &mut Start) -> Result<(), Error> {
        if start.turn.is_none() {
            // Daemons of before put it out of use no earlier than here. The guest runs.
            if let Err(error) = actions.put_out_of_use(start).await {
                tracing::error!(domain = start.config.name, %error, "its next start must not go on from there");
            }
        }
        if start.origin.ends_managed_save() {
            actions.remove_used(start.config.uuid).await;
        }
        Ok(())
    }

    async fn undo(&self, _actions: &Arc<Actions>, _start: &mut Start) -> Result<(), Error> {
        Ok(())
    }

    fn unnoted(&self) -> Unnoted {
        // The guest runs.
        Unnoted::OnAnyway
    }

    fn after_crash(&self, _actions: &Actions, _start: &Start) -> Next {
        Next::Again
    }
}

impl Actions {
    /// Lets a machine run that was made and recorded before the daemon died, if it does not yet. One that may have run is not ended because of
    /// anything that fails here.
    async fn finish_start(self: &Arc<Self>, start: &Start) -> Result<(), Error> {
        let uuid = start.config.uuid;
        let stands = self.domains.phase(uuid).is_ok_and(|phase| phase.permits(Request::Resume).is_ok());
        match self.put_out_of_use(start).await {
            // It has not run while that is in its place, but for machines of earlier daemons.
            Err(error) if stands => return Err(error),
            Err(error) => {
                tracing::error!(domain = start.config.name, %error, "its next start must not go on from there");
            }
            Ok(()) => {}
        }
        if start.paused || !stands {
            return Ok(());
        }
        let resumed = match self.turn(&Actor::Daemon, uuid, Request::Resume).await {
            Ok(turn) => turn.resume().await.map_err(explain),
            Err(error) => Err(error),
        };
        if let Err(error) = resumed {
            tracing::warn!(domain = start.config.name, %error, "a domain that was being started stays paused");
        }
        Ok(())
    }

    /// Puts the managed save out of use that an interrupted start goes on from, unless that has ended since.
    async fn put_out_of_use(&self, start: &Start) -> Result<(), Error> {
        let is_there = self.has_instance(start.config.uuid, start.instance);
        match is_there && start.origin.ends_managed_save() {
            true => self.set_aside_managed(start.config.uuid).await,
            false => Ok(()),
        }
    }
}
