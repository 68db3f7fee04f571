//! The host machine.

use serde::{Deserialize, Serialize};

use crate::{Bytes, CpuSet};

/// What `node info` shows (guide 14.7.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeInfo {
    /// Host name.
    pub hostname: String,
    /// CPU architecture, e.g. `x86_64`.
    pub arch: String,
    /// CPU model name as the kernel gives it.
    pub cpu_model: String,
    /// Online CPUs.
    pub cpus: u32,
    /// CPU frequency in MHz, 0 when unknown.
    pub mhz: u32,
    /// Sockets per NUMA cell.
    pub sockets: u32,
    /// Cores per socket.
    pub cores_per_socket: u32,
    /// Threads per core.
    pub threads_per_core: u32,
    /// NUMA cells.
    pub numa_cells: u32,
    /// Memory of the host.
    pub memory: Bytes,
    /// True when /dev/kvm can be opened.
    pub kvm: bool,
}

/// CPUs of the host (guide 14.7.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeCpus {
    /// Those that are there, whether they run or not.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub present: CpuSet,
    /// Those of them that run.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub online: CpuSet,
}

/// Which CPU of the host is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct NodeCpuFilter {
    /// Its number; none is all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
}

/// What CPUs of the host did since it was started, nanoseconds of all of them together (guide 14.7.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeCpuTime {
    /// In programs, guests among them.
    pub user_ns: u64,
    /// In the kernel, its interrupts among it.
    pub system_ns: u64,
    /// With nothing to do.
    pub idle_ns: u64,
    /// With nothing to do but wait for disks.
    pub iowait_ns: u64,
}

/// A NUMA cell of the host (guide 14.7.3). A host without NUMA is one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeCell {
    /// Its number.
    pub cell: u32,
    /// CPUs in it that run; none of a cell that is memory alone.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub cpus: Option<CpuSet>,
    /// All of its memory.
    pub memory: Bytes,
    /// Memory of it that is not used.
    pub free: Bytes,
}

/// How a described CPU stands to that of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CpuRelation {
    /// The host has all of it and nothing more.
    Identical,
    /// The host has all of it and more.
    Superset,
    /// The host lacks something of it.
    Incompatible,
}

/// A described CPU and that of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CpuComparison {
    /// How they stand.
    pub relation: CpuRelation,
    /// Features that the host lacks.
    pub missing: Vec<String>,
}

/// A model of CPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CpuModel {
    /// Its name.
    pub name: String,
    /// Maker of such CPUs; none for a model that fits all.
    pub vendor: Option<String>,
    /// The host has all of its features.
    pub usable: bool,
    /// Features that the host lacks.
    pub missing: Vec<String>,
}

/// Memory of the host at one moment, from /proc/meminfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeMemory {
    /// All memory.
    pub total: Bytes,
    /// Unused memory (MemFree).
    pub free: Bytes,
    /// Memory that can be had without swapping (MemAvailable).
    pub available: Bytes,
    /// Page cache.
    pub cached: Bytes,
    /// Buffers.
    pub buffers: Bytes,
    /// Swap, all of it.
    pub swap_total: Bytes,
    /// Swap, unused.
    pub swap_free: Bytes,
}

/// Kernel samepage merging: /sys/kernel/mm/ksm (guide ch. 7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KsmState {
    /// 0 stopped, 1 running, 2 stopped and all pages unmerged.
    pub run: u8,
    /// Pages to scan before ksmd sleeps.
    pub pages_to_scan: u64,
    /// Milliseconds ksmd sleeps between scans.
    pub sleep_millisecs: u64,
    /// Merge across NUMA nodes; none where the kernel has no such switch.
    pub merge_across_nodes: Option<bool>,
    /// Shared pages in use.
    pub pages_shared: u64,
    /// Sites that share them (what is saved).
    pub pages_sharing: u64,
    /// Pages that are unique but checked again and again.
    pub pages_unshared: u64,
    /// Pages that change too fast.
    pub pages_volatile: u64,
    /// How often all mergeable memory was scanned.
    pub full_scans: u64,
}

/// A change to KSM; a field that is none stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KsmChange {
    /// 0, 1 or 2.
    pub run: Option<u8>,
    /// Pages to scan before ksmd sleeps.
    pub pages_to_scan: Option<u64>,
    /// Milliseconds ksmd sleeps between scans.
    pub sleep_millisecs: Option<u64>,
    /// Only allowed while no page is shared.
    pub merge_across_nodes: Option<bool>,
}

/// How a host sleeps (guide 14.7.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SuspendTarget {
    /// Its memory is kept: S3.
    Mem,
    /// Its memory is written to the disk: S4.
    Disk,
    /// Both.
    Hybrid,
}

impl SuspendTarget {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mem, Self::Disk, Self::Hybrid];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mem => "mem",
            Self::Disk => "disk",
            Self::Hybrid => "hybrid",
        }
    }

    /// What the kernel calls the state.
    pub fn state(self) -> &'static str {
        match self {
            Self::Mem => "mem",
            Self::Disk | Self::Hybrid => "disk",
        }
    }
}

impl std::fmt::Display for SuspendTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for SuspendTarget {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|target| target.as_str() == word);
        found.ok_or_else(|| format!("a host does not sleep like '{word}'; there are mem, disk, hybrid"))
    }
}

/// A host is sent to sleep, and its clock wakes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeSuspend {
    /// How.
    pub target: SuspendTarget,
    /// Seconds after which it wakes, 60 or more.
    pub duration: u64,
}
