//! What happened, as clients, policies and the journal learn it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::network::NetworkChange;
use crate::secret::SecretChange;
use crate::storage::PoolChange;
use crate::{Actor, DomainState, StateReason};

/// One event on the bus. Numbers grow by one; a gap means that events were dropped for this listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Position on the bus, from 1, per daemon run.
    pub seq: u64,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub time: OffsetDateTime,
    /// On whose behalf.
    pub actor: Actor,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EventKind {
    /// A domain changed: defined, undefined, started, stopped…
    Domain {
        /// Which one.
        uuid: Uuid,
        /// Its name.
        name: String,
        /// What happened to it.
        change: DomainChange,
        /// Its state afterwards.
        state: DomainState,
        /// Why it is in that state.
        reason: StateReason,
    },
    /// The daemon itself.
    Daemon {
        /// What happened to it.
        change: DaemonChange,
    },
    /// A virtual network changed, or what is plugged into it.
    Network {
        /// Which one.
        uuid: Uuid,
        /// Its name.
        name: String,
        /// What happened to it.
        change: NetworkChange,
        /// What is plugged or leased: the link or the address; may be empty.
        detail: String,
    },
    /// A packet filter was defined, replaced or removed.
    Filter {
        /// Which one.
        uuid: Uuid,
        /// Its name.
        name: String,
        /// What happened to it.
        change: FilterChange,
    },
    /// A storage pool changed, or one of its volumes.
    Pool {
        /// Which one.
        uuid: Uuid,
        /// Its name.
        name: String,
        /// What happened to it.
        change: PoolChange,
        /// Name of the volume; empty for the pool itself.
        detail: String,
    },
    /// A secret was defined, removed, or got another value, which is told nobody.
    Secret {
        /// Which one.
        uuid: Uuid,
        /// What it is for, or its UUID.
        name: String,
        /// What happened to it.
        change: SecretChange,
    },
    /// A policy was loaded, replaced, parked…
    Policy {
        /// Its name.
        name: String,
        /// What happened to it.
        change: PolicyChange,
        /// One sentence of detail, may be empty.
        detail: String,
    },
}

/// What can happen to a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DomainChange {
    /// A definition was added or replaced.
    Defined,
    /// The definition was removed.
    Undefined,
    /// It runs.
    Started,
    /// vCPUs were stopped.
    Suspended,
    /// vCPUs run again.
    Resumed,
    /// The guest was asked to shut down.
    ShutdownRequested,
    /// The machine was reset or the guest rebooted.
    Rebooted,
    /// It ended: power-off, shutdown or destroy.
    Stopped,
    /// All resources of a stopped domain are given back.
    Released,
    /// The guest or its worker failed.
    Crashed,
    /// A restarted daemon found it alive.
    Reconnected,
    /// A device was plugged.
    DeviceAttached,
    /// A device was unplugged.
    DeviceDetached,
    /// A job on the images of a disk has moved all there was, and waits for a decision.
    BlockJobReady,
    /// A job on the images of a disk has ended well.
    BlockJobCompleted,
    /// A job on the images of a disk has failed.
    BlockJobFailed,
    /// A job on the images of a disk was given up.
    BlockJobCanceled,
    /// The guest suspended itself to memory and waits to be woken.
    PmSuspended,
    /// It woke up.
    PmWoken,
    /// The guest has set its real-time clock; the live configuration has what is kept of that.
    ClockChanged,
    /// Autostart, title or another setting changed.
    Changed,
}

/// What can happen to a packet filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FilterChange {
    /// A definition was added or replaced.
    Defined,
    /// The definition was removed.
    Undefined,
    /// The rules of an interface could not be renewed; the old ones stay.
    Failed,
}

/// What can happen to the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DaemonChange {
    /// It serves.
    Started,
    /// It is about to end.
    Stopping,
    /// Configuration and policies were read again.
    Reloaded,
}

/// What can happen to a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PolicyChange {
    /// It was loaded for the first time.
    Loaded,
    /// A new version took over.
    Replaced,
    /// It was removed.
    Unloaded,
    /// A new version was refused; the old one stays.
    Refused,
    /// The circuit breaker stopped it.
    Parked,
    /// An operator let it run again.
    Resumed,
    /// Its mode changed between monitor and enforce.
    ModeChanged,
    /// It is asked again after it was disabled.
    Enabled,
    /// It is kept, but not asked any more.
    Disabled,
    /// Its configuration or another of its settings changed.
    Configured,
    /// An earlier version was put back.
    RolledBack,
}
