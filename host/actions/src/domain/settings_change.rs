//! The journaled operation that changes settings of a running domain and of its definition: the definition first, then the machine.
//!
//! A change of one of the two is made whole by itself, and is not noted.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::{Request, Turn};
use reeve_model::api::SetDescription;
use reeve_model::domain::DomainConfig;
use reeve_model::tuning::Tuning;
use reeve_model::{Actor, Error};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::definition_change::{ChangeDefinition, ChangesDefinition, replace};
use crate::Actions;
use crate::error::explain;
use crate::journal::{Next, Operation, Step};

/// What of a running domain is changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LiveSettings {
    /// Title and description.
    Description(SetDescription),
    /// CPU, memory and block I/O.
    Tuning(Box<Tuning>),
    /// Seconds between two statistics of the guest's memory; 0 is never.
    StatsPeriod(u32),
}

impl LiveSettings {
    fn request(&self) -> Request {
        match self {
            Self::Description(_) => Request::Configure,
            Self::Tuning(_) => Request::Tune,
            Self::StatsPeriod(_) => Request::SetMemory,
        }
    }

    /// Changes the machine, of which some may be done.
    async fn make(&self, actions: &Actions, turn: &Turn) -> Result<(), Error> {
        match self {
            Self::Description(change) => turn.describe(change.clone()).await.map_err(explain),
            Self::StatsPeriod(seconds) => turn.set_stats_period(*seconds).await.map_err(explain),
            Self::Tuning(change) => {
                let now = actions.domains.snapshot(turn.uuid()).map_err(explain)?.config;
                tune(turn, &now, change.as_ref().clone()).await
            }
        }
    }
}

async fn tune(turn: &Turn, now: &DomainConfig, mut change: Tuning) -> Result<(), Error> {
    let (memory, vcpus) = (change.current_memory.take(), change.vcpus.take());
    change.iothreads_added.retain(|id| !now.iothreads.has(*id));
    change.iothreads_removed.retain(|id| now.iothreads.has(*id));
    if let Some(count) = vcpus.filter(|count| *count != now.vcpu.at_boot()) {
        turn.set_vcpus(count).await.map_err(explain)?;
    }
    turn.tune(change).await.map_err(explain)?;
    match memory {
        Some(memory) => turn.set_memory(memory).await.map_err(explain),
        None => Ok(()),
    }
}

impl Actions {
    /// Changes a definition from what it was to what it will be, the running domain, or both.
    pub(super) async fn change_settings(
        self: &Arc<Self>,
        actor: &Actor,
        turn: Turn,
        definition: Option<(Arc<DomainConfig>, DomainConfig)>,
        live: Option<LiveSettings>,
    ) -> Result<(), Error> {
        match (definition, live) {
            (None, None) => Ok(()),
            (Some((before, after)), None) => replace(self, actor, &before, after).await,
            (None, Some(live)) => live.make(self, &turn).await,
            (Some((before, after)), Some(live)) => {
                let (uuid, actor_of, turn) = (turn.uuid(), actor.clone(), Some(turn));
                let before = before.as_ref().clone();
                let operation = ChangeSettings { uuid, actor: actor_of, before, after, live, turn };
                self.perform(actor, operation).await.map(drop)
            }
        }
    }
}

/// Settings are changed.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChangeSettings {
    uuid: Uuid,
    actor: Actor,
    /// The definition as it was.
    before: DomainConfig,
    /// The definition as it will be.
    after: DomainConfig,
    live: LiveSettings,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Operation for ChangeSettings {
    const KIND: &'static str = "domain-settings";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&ChangeDefinition, &ChangeMachine]
    }
}

impl ChangesDefinition for ChangeSettings {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn definition(&self) -> Option<(&DomainConfig, &DomainConfig)> {
        Some((&self.before, &self.after))
    }
}

/// The running domain has them too.
struct ChangeMachine;

#[async_trait]
impl Step<ChangeSettings> for ChangeMachine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, actions: &Arc<Actions>, change: &mut ChangeSettings) -> Result<(), Error> {
        match &change.turn {
            Some(turn) => change.live.make(actions, turn).await,
            // Another daemon goes on with it.
            None => {
                let turn = actions.turn(&Actor::Daemon, change.uuid, change.live.request()).await?;
                change.live.make(actions, &turn).await
            }
        }
    }

    async fn undo(&self, _actions: &Arc<Actions>, _change: &mut ChangeSettings) -> Result<(), Error> {
        // The last step: what a machine refuses does not get into its live configuration.
        Ok(())
    }

    fn after_crash(&self, actions: &Actions, change: &ChangeSettings) -> Next {
        // To tell a machine once more does no harm; one that has ended can't be told.
        let runs = actions.domains.phase(change.uuid).is_ok_and(|phase| phase.has_machine());
        if runs { Next::Again } else { Next::Back }
    }
}
