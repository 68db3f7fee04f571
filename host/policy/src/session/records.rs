//! Records, enumerations and variants of the contract as JSON: kebab-case names, unknown ones refused.

use serde::{Deserialize, Serialize};

use crate::bindings::exports::reeve::hooks::{network_events, task};
use crate::bindings::exports::reeve::tune::ksm_tune;
use crate::bindings::reeve::domain::{config, domains};
use crate::bindings::reeve::events::events;
use crate::bindings::reeve::log::log;
use crate::bindings::reeve::network::networks;
use crate::bindings::reeve::node::{host, ksm};
use crate::bindings::reeve::types::{errors, policy};

/// A record of the contract: the same fields, both ways.
macro_rules! record {
    ($name:ident = $contract:path { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)*
        }

        impl From<$contract> for $name {
            fn from(record: $contract) -> Self {
                Self { $($field: record.$field.into(),)* }
            }
        }

        impl From<$name> for $contract {
            fn from(record: $name) -> Self {
                Self { $($field: record.$field.into(),)* }
            }
        }
    };
}

/// An enumeration of the contract: the same words, both ways.
macro_rules! words {
    ($name:ident = $contract:path { $($word:ident),* $(,)? }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum $name {
            $($word,)*
        }

        impl From<$contract> for $name {
            fn from(word: $contract) -> Self {
                match word {
                    $(<$contract>::$word => Self::$word,)*
                }
            }
        }

        impl From<$name> for $contract {
            fn from(word: $name) -> Self {
                match word {
                    $($name::$word => Self::$word,)*
                }
            }
        }
    };
}

pub(super) use {record, words};

words!(
    Code = errors::Code {
        NotFound,
        AlreadyExists,
        Denied,
        Invalid,
        WrongState,
        Busy,
        Unsupported,
        Deadline,
        Internal,
    }
);
record!(Error = errors::Error { code: Code, message: String });

words!(State = config::State { Running, Idle, Paused, InShutdown, ShutOff, Crashed, PmSuspended });
record!(
    Summary =
        domains::Summary { uuid: String, name: String, state: State, persistent: bool, autostart: bool }
);
record!(Commitment = domains::Commitment { active: u32, memory: u64, vcpus: u32 });

record!(Info = host::Info { hostname: String, cpus: u32, memory: u64, numa_cells: u32 });
record!(
    Memory = host::Memory {
        total: u64,
        free: u64,
        available: u64,
        cached: u64,
        buffers: u64,
        swap_total: u64,
        swap_free: u64,
    }
);
record!(Ksm = ksm::KsmState {
    run: u8,
    pages_to_scan: u64,
    sleep_millisecs: u64,
    merge_across_nodes: Option<bool>,
    pages_shared: u64,
    pages_sharing: u64,
    pages_unshared: u64,
    pages_volatile: u64,
    full_scans: u64,
});

words!(Level = log::Level { Debug, Info, Warn, Error });

words!(
    DomainChange = events::DomainChange {
        Defined,
        Undefined,
        Started,
        Suspended,
        Resumed,
        ShutdownRequested,
        Rebooted,
        Stopped,
        Released,
        Crashed,
        Reconnected,
        DeviceAttached,
        DeviceDetached,
        Changed,
    }
);
words!(DaemonChange = events::DaemonChange { Started, Stopping, Reloaded });
record!(
    DomainEvent = events::DomainEvent {
        seq: u64,
        uuid: String,
        name: String,
        change: DomainChange,
        state: State,
        reason: String,
    }
);

words!(Wake = ksm_tune::Wake { Interval, DomainsChanged });
record!(
    Snapshot =
        ksm_tune::Snapshot { memory: Memory, ksm: Ksm, committed: u64, active_domains: u32, wake: Wake }
);

/// One change a tuner wants, e.g. `{"pages-to-scan": 1250}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Adjustment {
    Run(u8),
    PagesToScan(u64),
    SleepMillisecs(u64),
}

impl From<ksm_tune::Adjustment> for Adjustment {
    fn from(adjustment: ksm_tune::Adjustment) -> Self {
        match adjustment {
            ksm_tune::Adjustment::Run(run) => Self::Run(run),
            ksm_tune::Adjustment::PagesToScan(pages) => Self::PagesToScan(pages),
            ksm_tune::Adjustment::SleepMillisecs(sleep) => Self::SleepMillisecs(sleep),
        }
    }
}

record!(DiskCache = policy::DiskCache { target: String, cache: String });
record!(InterfaceSource = policy::InterfaceSource { mac: String, attribute: String, value: String });

/// One change a guard wants, e.g. `{"set-disk-cache": {"target": "vda", "cache": "none"}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Edit {
    SetMemory(u64),
    SetCurrentMemory(u64),
    SetVcpus(u32),
    SetCpuShares(u64),
    SetDiskCache(DiskCache),
    SetInterfaceSource(InterfaceSource),
    SetTitle(String),
    SetCmdline(String),
    SetMetadata(String),
    AddDevice(String),
    RemoveDevice(String),
    Replace(String),
}

impl From<policy::Edit> for Edit {
    fn from(edit: policy::Edit) -> Self {
        match edit {
            policy::Edit::SetMemory(bytes) => Self::SetMemory(bytes),
            policy::Edit::SetCurrentMemory(bytes) => Self::SetCurrentMemory(bytes),
            policy::Edit::SetVcpus(count) => Self::SetVcpus(count),
            policy::Edit::SetCpuShares(shares) => Self::SetCpuShares(shares),
            policy::Edit::SetDiskCache(disk) => Self::SetDiskCache(disk.into()),
            policy::Edit::SetInterfaceSource(source) => Self::SetInterfaceSource(source.into()),
            policy::Edit::SetTitle(title) => Self::SetTitle(title),
            policy::Edit::SetCmdline(cmdline) => Self::SetCmdline(cmdline),
            policy::Edit::SetMetadata(xml) => Self::SetMetadata(xml),
            policy::Edit::AddDevice(xml) => Self::AddDevice(xml),
            policy::Edit::RemoveDevice(alias) => Self::RemoveDevice(alias),
            policy::Edit::Replace(xml) => Self::Replace(xml),
        }
    }
}

/// Who caused a call: `"daemon"`, `{"client": 1000}` or `{"policy": "x"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Actor {
    Client(u32),
    Policy(String),
    #[default]
    Daemon,
}

impl From<policy::Actor> for Actor {
    fn from(actor: policy::Actor) -> Self {
        match actor {
            policy::Actor::Client(uid) => Self::Client(uid),
            policy::Actor::Policy(name) => Self::Policy(name),
            policy::Actor::Daemon => Self::Daemon,
        }
    }
}

impl From<Actor> for policy::Actor {
    fn from(actor: Actor) -> Self {
        match actor {
            Actor::Client(uid) => Self::Client(uid),
            Actor::Policy(name) => Self::Policy(name),
            Actor::Daemon => Self::Daemon,
        }
    }
}

impl From<Ksm> for reeve_model::node::KsmState {
    fn from(ksm: Ksm) -> Self {
        Self {
            run: ksm.run,
            pages_to_scan: ksm.pages_to_scan,
            sleep_millisecs: ksm.sleep_millisecs,
            merge_across_nodes: ksm.merge_across_nodes,
            pages_shared: ksm.pages_shared,
            pages_sharing: ksm.pages_sharing,
            pages_unshared: ksm.pages_unshared,
            pages_volatile: ksm.pages_volatile,
            full_scans: ksm.full_scans,
        }
    }
}

words!(
    NetworkMode = networks::Mode { Isolated, Nat, Route, Open, Bridge, Private, Vepa, Passthrough, Hostdev }
);
record!(Network = networks::Network {
    uuid: String,
    name: String,
    mode: NetworkMode,
    active: bool,
    persistent: bool,
    autostart: bool,
    bridge: Option<String>,
    addresses: Vec<String>,
    connections: u32,
});
record!(Port = networks::Port {
    domain: String,
    mac: String,
    link: String,
    network: Option<String>,
    filter: Option<String>,
    addresses: Vec<String>,
});
record!(
    Lease = networks::Lease {
        mac: Option<String>,
        ip: String,
        hostname: Option<String>,
        expires: Option<u64>,
    }
);
record!(
    Counters = networks::Counters {
        received_bytes: u64,
        received_packets: u64,
        received_dropped: u64,
        sent_bytes: u64,
        sent_packets: u64,
        sent_dropped: u64,
    }
);
words!(
    NetworkChange = network_events::Change {
        Defined,
        Undefined,
        Started,
        Stopped,
        Updated,
        PortPlugged,
        PortUnplugged,
        LeaseAcquired,
        LeaseExpired,
        ServiceRestarted,
        FilterChanged,
    }
);
record!(
    NetworkEvent =
        network_events::NetworkEvent { uuid: String, name: String, change: NetworkChange, detail: String }
);

record!(Timing = task::Timing { due: u64, catch_up: bool });

/// Why a task runs, e.g. `{"manual": ["--dry-run"]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Occasion {
    Manual(Vec<String>),
    Schedule(Timing),
    Domain(DomainEvent),
    Daemon(DaemonChange),
}

impl From<task::Occasion> for Occasion {
    fn from(occasion: task::Occasion) -> Self {
        match occasion {
            task::Occasion::Manual(arguments) => Self::Manual(arguments),
            task::Occasion::Schedule(timing) => Self::Schedule(timing.into()),
            task::Occasion::Domain(event) => Self::Domain(event.into()),
            task::Occasion::Daemon(change) => Self::Daemon(change.into()),
        }
    }
}

impl From<Occasion> for task::Occasion {
    fn from(occasion: Occasion) -> Self {
        match occasion {
            Occasion::Manual(arguments) => Self::Manual(arguments),
            Occasion::Schedule(timing) => Self::Schedule(timing.into()),
            Occasion::Domain(event) => Self::Domain(event.into()),
            Occasion::Daemon(change) => Self::Daemon(change.into()),
        }
    }
}
