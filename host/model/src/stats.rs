//! What a domain and the host are using, as read at one moment.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::DomainConfig;
use crate::{Bytes, DomainState, StateReason};

/// One row of a domain list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DomainSummary {
    /// Number of the running instance, from 1; none while not active (libvirt's `Id`).
    pub id: Option<u32>,
    /// Identity of the domain.
    pub uuid: Uuid,
    /// Unique name.
    pub name: String,
    /// What it is doing.
    pub state: DomainState,
    /// Why.
    pub reason: StateReason,
    /// True when a definition is kept after it stops.
    pub persistent: bool,
    /// True when the daemon starts it by itself.
    pub autostart: bool,
    /// Driver that runs it: `kvm` or `sim`.
    pub driver: String,
    /// True when its next start goes on from a managed save.
    #[serde(default)]
    pub managed_save: bool,
    /// Why its definition could not be loaded; it is kept as it is on disk until it is defined anew or undefined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// Everything `domain info` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DomainInfo {
    /// The list row.
    #[serde(flatten)]
    pub summary: DomainSummary,
    /// Title from the document.
    pub title: Option<String>,
    /// Kind of system that it boots, from the document: `hvm`.
    pub os_type: String,
    /// Memory the domain may have at most.
    pub max_memory: Bytes,
    /// Memory it has now (maximum less balloon).
    pub memory: Bytes,
    /// vCPUs present.
    pub vcpus: u32,
    /// CPU time used since start, nanoseconds.
    pub cpu_time_ns: u64,
    /// Process id of the worker, while active.
    pub worker_pid: Option<u32>,
}

/// Counters of a running domain; every counter starts at 0 when the domain starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DomainStats {
    /// CPU time of the whole worker, nanoseconds.
    pub cpu_time_ns: u64,
    /// CPU time of each vCPU thread, nanoseconds.
    pub vcpu_time_ns: Vec<u64>,
    /// Resident memory of the worker process.
    pub resident: Bytes,
    /// Memory the balloon gives to the guest now.
    pub balloon_current: Bytes,
    /// What the guest says about its memory, through its balloon.
    #[serde(default)]
    pub memory: MemoryStats,
    /// VM exits handled in user space.
    pub exits: u64,
    /// One entry a disk.
    pub disks: Vec<DiskStats>,
    /// One entry an interface.
    pub interfaces: Vec<InterfaceStats>,
}

/// What a guest says about its memory; none where it does not say. It is asked each time, and the next answer is the newer one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemoryStats {
    /// Brought in from swap since its start.
    pub swap_in: Option<Bytes>,
    /// Brought out to swap since its start.
    pub swap_out: Option<Bytes>,
    /// Page faults that needed a disk.
    pub major_faults: Option<u64>,
    /// Page faults that did not.
    pub minor_faults: Option<u64>,
    /// Used for nothing at all.
    pub unused: Option<Bytes>,
    /// All that it has.
    pub available: Option<Bytes>,
    /// What programs could have without swapping.
    pub usable: Option<Bytes>,
    /// What could be had by dropping caches of disks.
    pub disk_caches: Option<Bytes>,
    /// Huge pages that were had.
    pub hugetlb_allocations: Option<u64>,
    /// Huge pages that were not.
    pub hugetlb_failures: Option<u64>,
}

/// Counters of one disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskStats {
    /// Target name, e.g. `vda`.
    pub target: String,
    /// Read requests.
    pub read_requests: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Write requests.
    pub write_requests: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Flush requests.
    pub flush_requests: u64,
    /// Requests that ended in an error.
    pub errors: u64,
    /// Nanoseconds that read requests took together.
    #[serde(default)]
    pub read_time_ns: u64,
    /// Nanoseconds that write requests took together.
    #[serde(default)]
    pub write_time_ns: u64,
    /// Nanoseconds that flush requests took together.
    #[serde(default)]
    pub flush_time_ns: u64,
    /// The error that the disk stands on; the domain is paused for it.
    #[serde(default)]
    pub error: Option<String>,
}

/// Counters of one network interface, seen from the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InterfaceStats {
    /// Target (tap) name.
    pub target: String,
    /// Frames the guest received.
    pub rx_packets: u64,
    /// Bytes the guest received.
    pub rx_bytes: u64,
    /// Frames the guest sent.
    pub tx_packets: u64,
    /// Bytes the guest sent.
    pub tx_bytes: u64,
    /// Frames dropped in either direction.
    pub dropped: u64,
    /// Frames for the guest that were no frames.
    #[serde(default)]
    pub rx_errors: u64,
    /// Frames for the guest that it had no room for, or that came while the link was down.
    #[serde(default)]
    pub rx_dropped: u64,
    /// Frames of the guest that the host refused.
    #[serde(default)]
    pub tx_errors: u64,
    /// Frames of the guest that the host had no room for, or that came while the link was down.
    #[serde(default)]
    pub tx_dropped: u64,
}

/// A definition together with what is true of it now; what guards, drivers and lists work from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainSnapshot {
    /// The list row.
    pub summary: DomainSummary,
    /// The live configuration while active, else the definition.
    pub config: DomainConfig,
}
