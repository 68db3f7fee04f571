//! Policies as operators see them: hooks, modes, decisions. How they run is the policy crate's business.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Actor;
pub use crate::policy_life::{BadBreaker, BreakerSettings, Parked, PolicySettings, PolicyVersion};

/// A hook point: the interface of `reeve:hooks` (or `reeve:tune`) a component exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// Guard: a definition is added or replaced.
    DomainDefine,
    /// Guard: before any resource of a start is taken; rewrites the effective configuration.
    DomainPrepare,
    /// Guard: the configuration is settled and the domain reserved; the machine is made next.
    DomainStart,
    /// Guard: somebody asks to stop it (shutdown, destroy).
    DomainStop,
    /// Guard: a domain is about to move to another host; rewrites the document that goes with it.
    MigrateOut,
    /// Guard: a domain is about to come from another host; rewrites the document that it runs by here.
    MigrateIn,
    /// Guard: a device is about to be plugged.
    DeviceAttach,
    /// Guard: a device is about to be unplugged.
    DeviceDetach,
    /// Guard: a virtual network is about to start.
    NetworkStart,
    /// Guard: somebody asks to stop a virtual network.
    NetworkStop,
    /// Guard: an interface of a domain is about to be plugged.
    PortPlug,
    /// Guard: a storage pool is about to start.
    PoolStart,
    /// Guard: a volume is about to be made or copied; rewrites its document.
    VolumeCreate,
    /// Guard: a volume is about to get another capacity.
    VolumeResize,
    /// Guard: a volume is about to be deleted.
    VolumeDelete,
    /// Notify: the whole domain life, queued in order per domain.
    DomainEvents,
    /// Notify: daemon start, stop and reload.
    DaemonEvents,
    /// Notify: networks, their ports and leases, packet filters; queued in order per network or filter.
    NetworkEvents,
    /// Notify: storage pools and their volumes; queued in order per pool.
    StorageEvents,
    /// Propose: a MAC address for an interface that has none.
    MacAllocate,
    /// Propose: the packet rules of an interface.
    FilterGenerate,
    /// Propose: the name of a clone that nobody named.
    CloneName,
    /// Propose: how a live migration goes, round after round.
    MigrationStrategy,
    /// Tune: kernel samepage merging.
    KsmTune,
    /// Task: a program that is run by hand, on a schedule or on events.
    Task,
}

impl Hook {
    /// Every hook, in the order of a domain's life.
    pub const ALL: [Self; 25] = [
        Self::DomainDefine,
        Self::DomainPrepare,
        Self::DomainStart,
        Self::DomainStop,
        Self::MigrateOut,
        Self::MigrateIn,
        Self::DeviceAttach,
        Self::DeviceDetach,
        Self::NetworkStart,
        Self::NetworkStop,
        Self::PortPlug,
        Self::PoolStart,
        Self::VolumeCreate,
        Self::VolumeResize,
        Self::VolumeDelete,
        Self::DomainEvents,
        Self::DaemonEvents,
        Self::NetworkEvents,
        Self::StorageEvents,
        Self::MacAllocate,
        Self::FilterGenerate,
        Self::CloneName,
        Self::MigrationStrategy,
        Self::KsmTune,
        Self::Task,
    ];

    /// The hook as it is named in the contract, manifests and the decision log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DomainDefine => "domain-define",
            Self::DomainPrepare => "domain-prepare",
            Self::DomainStart => "domain-start",
            Self::DomainStop => "domain-stop",
            Self::MigrateOut => "migrate-out",
            Self::MigrateIn => "migrate-in",
            Self::DeviceAttach => "device-attach",
            Self::DeviceDetach => "device-detach",
            Self::NetworkStart => "network-start",
            Self::NetworkStop => "network-stop",
            Self::PortPlug => "port-plug",
            Self::PoolStart => "pool-start",
            Self::VolumeCreate => "volume-create",
            Self::VolumeResize => "volume-resize",
            Self::VolumeDelete => "volume-delete",
            Self::DomainEvents => "domain-events",
            Self::DaemonEvents => "daemon-events",
            Self::NetworkEvents => "network-events",
            Self::StorageEvents => "storage-events",
            Self::MacAllocate => "mac-allocate",
            Self::FilterGenerate => "filter-generate",
            Self::CloneName => "clone-name",
            Self::MigrationStrategy => "migration-strategy",
            Self::KsmTune => "ksm-tune",
            Self::Task => "task",
        }
    }
}

impl std::fmt::Display for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a policy's answers count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PolicyMode {
    /// It is asked and logged; its answer changes nothing.
    Monitor,
    /// Its answer counts.
    #[default]
    Enforce,
}

/// What happens when a policy fails to answer: trap, deadline, limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FailureMode {
    /// Guards deny, tuners change nothing.
    #[default]
    Closed,
    /// Guards allow, loudly.
    Open,
    /// The last good version of the policy answers in its place, to guards and proposals; where there is none, and for all other
    /// hooks, it is closed.
    Previous,
}

impl FailureMode {
    /// The mode as it is written in `policies.toml` and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Previous => "previous",
        }
    }

    /// The mode written so, if there is one.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Closed, Self::Open, Self::Previous].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// A loaded policy as `policy list` and `policy show` give it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyInfo {
    /// Unique name.
    pub name: String,
    /// Version from the manifest.
    pub version: String,
    /// One line from the manifest.
    pub description: String,
    /// sha256 of the component, hex.
    pub digest: String,
    /// Hooks it exports.
    pub hooks: Vec<Hook>,
    /// Whether its answers count.
    pub mode: PolicyMode,
    /// What a failure means.
    pub on_failure: FailureMode,
    /// False while it is kept but not asked.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// True when the circuit breaker stopped it.
    pub parked: bool,
    /// Since when and why it is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_since: Option<Parked>,
    /// When the circuit breaker stops it.
    #[serde(default)]
    pub breaker: BreakerSettings,
    /// Digest of the version that answers while this one fails, when that is what a failure means and there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Versions that can be put back, newest first, the present one among them; empty for a policy of the policy directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<PolicyVersion>,
    /// Position in its chains, lowest first.
    pub order: i32,
    /// Grants the manifest asks for, each with its reason.
    pub wanted: Vec<WantedGrant>,
    /// Grants the operator gave.
    pub granted: Vec<String>,
    /// The operator's configuration for it.
    pub config: serde_json::Value,
    /// Counters since it was loaded.
    pub counters: PolicyCounters,
}

fn yes() -> bool {
    true
}

/// A grant that a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WantedGrant {
    /// The grant, e.g. `node.ksm:write`.
    pub grant: String,
    /// Why the policy wants it.
    pub reason: String,
}

/// What a policy did since it was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyCounters {
    /// Invocations.
    pub calls: u64,
    /// Guard denials.
    pub denials: u64,
    /// Rewrites applied.
    pub rewrites: u64,
    /// Traps, deadline misses and exceeded limits.
    pub failures: u64,
}

/// What came of one invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A guard had no objection.
    Allow,
    /// A guard said no.
    Deny,
    /// A guard changed the document.
    Rewrite,
    /// A notify hook ran to its end.
    Notified,
    /// A propose hook answered.
    Proposed,
    /// A tuner answered.
    Adjusted,
    /// A task ran to its end.
    Done,
    /// The policy answered with an error of its own.
    Failed,
    /// It trapped.
    Trap,
    /// It ran past its deadline.
    Deadline,
    /// It used up its instruction budget.
    Fuel,
    /// It wanted more memory than it may have.
    Memory,
    /// It exceeded another limit: log, kv, host calls, table.
    Limit,
    /// Its answer was refused by the host: outside its grant, or not valid.
    Refused,
    /// It was not asked, because it is parked.
    Parked,
    /// A task was not run, because its last run had not ended.
    Skipped,
}

/// One row of the decision log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decision {
    /// Row number, from 1.
    pub id: u64,
    /// When the hook ran.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub time: OffsetDateTime,
    /// All invocations of one chain share this number.
    pub chain: u64,
    /// Which hook.
    pub hook: Hook,
    /// Which policy.
    pub policy: String,
    /// sha256 of the component, hex.
    pub digest: String,
    /// Digest of the version that failed, when this one answered in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_place_of: Option<String>,
    /// On whose behalf the verb ran.
    pub actor: Actor,
    /// Name of the subject (a domain, the node).
    pub subject: String,
    /// Whether the answer counted.
    pub mode: PolicyMode,
    /// What came of it.
    pub outcome: Outcome,
    /// The policy's reason or the failure, one sentence; may be empty.
    pub reason: String,
    /// What a rewrite changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<PathChange>,
    /// Instructions used.
    pub fuel: u64,
    /// Wall-clock time, microseconds.
    pub micros: u64,
    /// Calls into the host.
    pub host_calls: u32,
    /// sha256 of the input (context and document), hex.
    pub input_digest: String,
}

/// One changed value of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PathChange {
    /// Where, e.g. `devices.disks[vda].driver.cache`.
    pub path: String,
    /// Value before, as JSON text; none when it was not there.
    pub before: Option<String>,
    /// Value after, as JSON text; none when it was removed.
    pub after: Option<String>,
}

/// Which rows of the decision log are wanted; an empty filter gives the newest ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
pub struct DecisionFilter {
    /// Only this policy.
    pub policy: Option<String>,
    /// Only this hook.
    pub hook: Option<Hook>,
    /// Only this subject.
    pub subject: Option<String>,
    /// Only this outcome.
    pub outcome: Option<Outcome>,
    /// Rows after this number.
    pub after: Option<u64>,
    /// Only of this moment and later.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = DateTime))]
    pub since: Option<OffsetDateTime>,
    /// Only before this moment.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = DateTime))]
    pub until: Option<OffsetDateTime>,
    /// At most so many (default 100).
    pub limit: Option<u32>,
}
