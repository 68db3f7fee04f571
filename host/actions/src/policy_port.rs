//! What the verbs ask of policy. The policy crate implements this; nothing here knows Wasm.
//!
//! Guards and proposals are asked through this port and the verb waits for them, each within its binding's deadline.
//! Notify hooks and tuners are not: the policy crate follows the event bus and never blocks a verb.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_migrate::{StrategyAnswer, StrategyQuestion};
use reeve_model::domain::DomainConfig;
use reeve_model::filter::{FilterSubject, FilterTree, Ruleset};
use reeve_model::migrated_disk::MovingDisks;
use reeve_model::migration::{Journey, MigrationLimits};
use reeve_model::network::{NetworkSummary, Port};
use reeve_model::policy::{
    BreakerSettings, Decision, DecisionFilter, FailureMode, Hook, PathChange, PolicyInfo, PolicyMode,
    PolicySettings,
};
use reeve_model::storage::{PoolSummary, VolumeConfig, VolumeSummary};
use reeve_model::task::TaskTriggers;
use reeve_model::{Actor, Bytes, DomainState, Error, Verb};

use crate::artifact_port::PolicyArtifacts;
use crate::record_port::PolicyRecords;
use crate::task_port::PolicyTasks;

/// A question to the guard chain of one hook.
#[derive(Debug, Clone)]
pub struct GuardRequest {
    /// Which hook; one of the guards.
    pub hook: Hook,
    /// On whose behalf the verb runs.
    pub actor: Actor,
    /// State of the domain when it is asked.
    pub state: DomainState,
    /// The effective configuration; a rewrite gives back a changed copy.
    pub config: Arc<DomainConfig>,
    /// XML text of the device to plug or unplug, for the device hooks.
    pub device: Option<String>,
    /// For the stop hook: true for a destroy or reset.
    pub forced: bool,
}

/// What a guard chain says. The first deny wins; rewrites compose from left to right.
#[derive(Debug, Clone)]
pub enum GuardVerdict {
    /// Go on, with this configuration.
    Allow {
        /// The configuration after all rewrites.
        config: Arc<DomainConfig>,
        /// What was rewritten and by whom; empty when nothing was.
        rewrites: Vec<Rewrite>,
    },
    /// Stop.
    Deny {
        /// The policy that said no.
        policy: String,
        /// Its reason, one sentence.
        reason: String,
    },
}

/// What one policy changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// The policy.
    pub policy: String,
    /// Every changed path.
    pub changes: Vec<PathChange>,
}

/// A question to a guard of a migration.
#[derive(Debug, Clone)]
pub struct MigrationGuard {
    /// Which hook: of the source or of the destination.
    pub hook: Hook,
    /// On whose behalf the verb runs.
    pub actor: Actor,
    /// State of the domain when it is asked.
    pub state: DomainState,
    /// The document for the destination; a rewrite gives back a changed copy.
    pub config: Arc<DomainConfig>,
    /// What is asked for.
    pub journey: Arc<Journey>,
    /// What is known of its disks.
    pub disks: Arc<MovingDisks>,
}

/// A migration that wants a strategy.
#[derive(Debug, Clone)]
pub struct StrategyRequest {
    /// On whose behalf the verb runs.
    pub actor: Actor,
    /// State of the domain.
    pub state: DomainState,
    /// The domain as it runs.
    pub config: Arc<DomainConfig>,
    /// What is asked for.
    pub journey: Arc<Journey>,
    /// What is known of its disks.
    pub disks: Arc<MovingDisks>,
    /// The policy that shall steer; none is the first that enforces.
    pub policy: Option<String>,
}

/// A strategy that steers one migration.
#[async_trait]
pub trait Steering: Send + Sync {
    /// Answers what the source's machine asks, within a second, and never beyond what the operator allows now.
    /// [`StrategyAnswer::Nothing`] leaves the rest of the migration to the host.
    async fn answer(&mut self, question: StrategyQuestion, limits: MigrationLimits) -> StrategyAnswer;
}

/// A question to the MAC allocation policy.
#[derive(Debug, Clone)]
pub struct MacRequest {
    /// On whose behalf.
    pub actor: Actor,
    /// The domain the interface belongs to.
    pub config: DomainConfig,
    /// Position of the interface in the document, from 0.
    pub interface: usize,
    /// MAC addresses already in use on this host, lower case.
    pub taken: Vec<String>,
}

/// A question to the filter policy.
#[derive(Debug, Clone)]
pub struct FilterRequest {
    /// On whose behalf the rules are renewed.
    pub actor: Actor,
    /// The interface.
    pub subject: Arc<FilterSubject>,
    /// Its filter with all that it refers to.
    pub tree: Arc<FilterTree>,
}

/// A question to a guard of a network or of what is plugged into one.
#[derive(Debug, Clone)]
pub struct NetworkGuard {
    /// On whose behalf the verb runs.
    pub actor: Actor,
    /// What is about to happen.
    pub question: NetworkQuestion,
}

/// What is about to happen to a network.
#[derive(Debug, Clone)]
pub enum NetworkQuestion {
    /// It starts.
    Start {
        /// The network.
        network: NetworkSummary,
        /// Its document.
        xml: String,
    },
    /// It stops.
    Stop {
        /// The network.
        network: NetworkSummary,
    },
    /// An interface of a domain is plugged.
    Plug {
        /// The domain.
        config: Arc<DomainConfig>,
        /// Its state.
        state: DomainState,
        /// The interface as it will be.
        port: Port,
    },
}

/// A volume as policies see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeView {
    /// The volume; of one that is resized, with the larger of the two capacities.
    pub summary: VolumeSummary,
    /// When it was made, or else last changed: milliseconds since the Unix epoch.
    pub created: Option<u64>,
    /// False while it is being made.
    pub complete: bool,
}

/// A question to a guard of a pool or of its volumes.
#[derive(Debug, Clone)]
pub struct StorageGuard {
    /// On whose behalf the verb runs.
    pub actor: Actor,
    /// The pool.
    pub pool: PoolSummary,
    /// What is about to happen.
    pub question: StorageQuestion,
}

/// What is about to happen to a pool or one of its volumes.
#[derive(Debug, Clone)]
pub enum StorageQuestion {
    /// The pool starts.
    Start {
        /// Its document.
        xml: String,
    },
    /// A volume is made.
    Create {
        /// Its document; a rewrite gives back a changed copy.
        config: Arc<VolumeConfig>,
        /// What a guest will see, where that can be told without the document.
        capacity: Option<Bytes>,
        /// What it is a copy of.
        source: Option<VolumeView>,
    },
    /// A volume gets another capacity.
    Resize {
        /// The volume.
        volume: VolumeView,
        /// What it will have.
        capacity: Bytes,
    },
    /// A volume is deleted.
    Delete {
        /// The volume.
        volume: VolumeView,
    },
}

/// A clone that nobody named.
#[derive(Debug, Clone)]
pub struct CloneRequest {
    /// On whose behalf.
    pub actor: Actor,
    /// Name of the original.
    pub source: String,
    /// Pool of a volume; none of a domain.
    pub pool: Option<String>,
    /// Names that are taken.
    pub taken: Vec<String>,
}

/// The policy that said no, and its reason in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The policy.
    pub policy: String,
    /// Its reason.
    pub reason: String,
}

/// The questions verbs ask while somebody waits.
#[async_trait]
pub trait PolicyPort: Send + Sync {
    /// Asks the chain of a guard hook.
    async fn guard(&self, request: GuardRequest) -> GuardVerdict;

    /// Asks the chain of a guard of networks.
    async fn guard_network(&self, request: NetworkGuard) -> Result<(), Denial>;

    /// Asks the chain of a guard of storage; the document of a new volume where policies rewrote it.
    async fn guard_storage(&self, request: StorageGuard) -> Result<Option<Arc<VolumeConfig>>, Denial>;

    /// Asks the chain of a guard of migrations.
    async fn guard_migration(&self, request: MigrationGuard) -> GuardVerdict;

    /// Who steers a migration; none when no policy does. An error is a policy's objection to it.
    async fn strategy(&self, request: StrategyRequest) -> Result<Option<Box<dyn Steering>>, Error>;

    /// The packet rules of an interface; none when no policy is bound to the hook.
    async fn propose_filter(&self, request: FilterRequest) -> Result<Option<Ruleset>, Error>;

    /// A MAC address for an interface that has none; none when no policy is bound to the hook.
    async fn propose_mac(&self, request: MacRequest) -> Result<Option<String>, Error>;

    /// A name for a clone; none when no policy is bound to the hook.
    async fn propose_clone_name(&self, request: CloneRequest) -> Result<Option<String>, Error>;

    /// How many bytes the volumes of a pool may have together for policy `name` to use `verb` on them; none without a bound.
    fn volume_quota(&self, name: &str, verb: Verb, pool: &str) -> Option<Bytes>;

    /// True when policy `name` was granted `verb` on `subject` (a domain name, a path, or "" for the host).
    fn permits(&self, name: &str, verb: Verb, subject: &str) -> bool;
}

/// What operators do with policies.
#[async_trait]
pub trait PolicyAdmin: PolicyTasks + PolicyArtifacts + PolicyRecords + Send + Sync {
    /// All loaded policies, in chain order.
    fn list(&self) -> Vec<PolicyInfo>;

    /// One loaded policy.
    fn show(&self, name: &str) -> Result<PolicyInfo, Error>;

    /// Compiles, links, grant-checks and smoke-runs a component, then puts it in place of an older version if there is one.
    async fn load(&self, request: LoadRequest) -> Result<PolicyInfo, Error>;

    /// Takes a policy out; calls in flight finish.
    async fn unload(&self, name: &str) -> Result<(), Error>;

    /// Switches between monitor and enforce.
    async fn set_mode(&self, name: &str, mode: PolicyMode) -> Result<PolicyInfo, Error>;

    /// Adds grants, each checked against the vocabulary.
    async fn grant(&self, name: &str, grants: Vec<String>) -> Result<PolicyInfo, Error>;

    /// Takes grants back.
    async fn revoke(&self, name: &str, grants: Vec<String>) -> Result<PolicyInfo, Error>;

    /// Lets a parked policy run again.
    async fn resume(&self, name: &str) -> Result<PolicyInfo, Error>;

    /// Changes settings, all of them or, on an error, none.
    async fn set(&self, name: &str, settings: PolicySettings) -> Result<PolicyInfo, Error>;

    /// Puts an earlier version back: the one that `to` names by digest or version, or the newest good one.
    async fn roll_back(&self, name: &str, to: Option<String>) -> Result<PolicyInfo, Error>;

    /// Rows of the decision log, oldest first.
    async fn decisions(&self, filter: DecisionFilter) -> Result<Vec<Decision>, Error>;
}

/// A component to load and how to bind it. What is none keeps its present value, or the default for a new policy.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    /// The component's bytes.
    pub component: Vec<u8>,
    /// Name to load it under; none takes the manifest's.
    pub name: Option<String>,
    /// Mode to start in.
    pub mode: Option<PolicyMode>,
    /// Grants to give.
    pub grants: Vec<String>,
    /// Configuration for it.
    pub config: Option<serde_json::Value>,
    /// Position in its chains, lowest first (default 0).
    pub order: Option<i32>,
    /// What a failure means (default closed).
    pub on_failure: Option<FailureMode>,
    /// When the circuit breaker stops it (default: five failures within a minute).
    pub breaker: Option<BreakerSettings>,
    /// When its task runs by itself (default: by hand only).
    pub triggers: Option<TaskTriggers>,
}
