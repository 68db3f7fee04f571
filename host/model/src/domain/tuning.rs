//! `<memoryBacking>`, `<cputune>`, `<memtune>`, `<numatune>`, `<blkiotune>` (guide 20.5 - 20.9).

use serde::{Deserialize, Serialize};

use super::{Extra, IothreadPin};
use crate::{Bytes, CpuSet};

/// `<memoryBacking>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryBacking {
    /// `<hugepages/>` present; page sizes asked for, empty means the host's default size.
    #[serde(default)]
    pub hugepages: Option<Vec<Bytes>>,
    /// `<nosharepages/>`: KSM must not merge this guest.
    #[serde(default)]
    pub nosharepages: bool,
    /// `<locked/>`: never swapped.
    #[serde(default)]
    pub locked: bool,
    /// `<access mode='…'/>`: whether other processes of the host can be given it; none leaves that to the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<cputune>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTune {
    /// `<vcpupin>` entries.
    #[serde(default)]
    pub vcpupin: Vec<VcpuPin>,
    /// `<emulatorpin cpuset='…'/>`.
    #[serde(default)]
    pub emulatorpin: Option<CpuSet>,
    /// `<iothreadpin>` entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub iothreadpin: Vec<IothreadPin>,
    /// `<shares>`: relative weight.
    #[serde(default)]
    pub shares: Option<u64>,
    /// `<period>`: enforcement interval of a vCPU in microseconds, 1000 to 1000000.
    #[serde(default)]
    pub period: Option<u64>,
    /// `<quota>`: microseconds a vCPU may run per period; negative means no limit.
    #[serde(default)]
    pub quota: Option<i64>,
    /// `<emulator_period>` in microseconds.
    #[serde(default)]
    pub emulator_period: Option<u64>,
    /// `<emulator_quota>` in microseconds; negative means no limit.
    #[serde(default)]
    pub emulator_quota: Option<i64>,
    /// `<iothread_period>` in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iothread_period: Option<u64>,
    /// `<iothread_quota>` of each I/O thread in microseconds; negative means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iothread_quota: Option<i64>,
    /// `<vcpusched>`, `<iothreadsched>` and `<emulatorsched>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scheduling: Vec<ThreadScheduling>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// How the kernel schedules some threads of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadScheduling {
    /// Which threads.
    pub threads: ScheduledThreads,
    /// `scheduler`: `batch`, `idle`, `fifo` or `rr`.
    pub scheduler: String,
    /// `priority` of the last two, 1 to 99.
    #[serde(default)]
    pub priority: Option<u32>,
}

/// Threads that are scheduled in their own way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduledThreads {
    /// `<vcpusched vcpus='…'>`.
    Vcpus(CpuSet),
    /// `<iothreadsched iothreads='…'>`.
    Iothreads(CpuSet),
    /// `<emulatorsched>`: all others.
    Emulator,
}

/// `<vcpupin vcpu='…' cpuset='…'/>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VcpuPin {
    /// vCPU number, from 0.
    pub vcpu: u32,
    /// Host CPUs it may run on.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub cpuset: CpuSet,
}

/// `<numatune>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumaTune {
    /// `<memory mode='…'>`: `strict`, `preferred` or `interleave`.
    #[serde(default)]
    pub mode: Option<String>,
    /// `<memory nodeset='…'>`: host NUMA nodes.
    #[serde(default)]
    pub nodeset: Option<CpuSet>,
    /// `<memory placement='…'>`: `static` or `auto`.
    #[serde(default)]
    pub placement: Option<String>,
    /// `<memnode>` entries: where memory of one NUMA node of the guest comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memnodes: Vec<MemNode>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<memnode cellid='…' mode='…' nodeset='…'/>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemNode {
    /// NUMA node of the guest.
    pub cell: u32,
    /// `strict`, `preferred` or `interleave`.
    #[serde(default)]
    pub mode: Option<String>,
    /// Host NUMA nodes.
    pub nodeset: CpuSet,
}

impl NumaTune {
    /// All host nodes that memory of the domain may come from; none is all there are.
    pub fn nodes(&self) -> Option<CpuSet> {
        if self.memnodes.is_empty() {
            return self.nodeset.clone();
        }
        // Memory of nodes that are not named comes from where that of the whole domain does, or from anywhere.
        let named = self.memnodes.iter().map(|node| &node.nodeset).chain(self.nodeset.as_ref());
        CpuSet::new(named.flat_map(CpuSet::iter))
    }

    /// The mode, `strict` where none is written.
    pub fn strictness(&self) -> &str {
        self.mode.as_deref().unwrap_or("strict")
    }
}

/// `<memtune>`: limits of the whole process, guest memory and overhead together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemTune {
    /// `<hard_limit>`: most memory.
    #[serde(default)]
    pub hard_limit: Option<Bytes>,
    /// `<soft_limit>`: what it is pushed back to while memory is short.
    #[serde(default)]
    pub soft_limit: Option<Bytes>,
    /// `<swap_hard_limit>`: most memory and swap together.
    #[serde(default)]
    pub swap_hard_limit: Option<Bytes>,
    /// `<min_guarantee>`: memory that is not taken from it.
    #[serde(default)]
    pub min_guarantee: Option<Bytes>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<blkiotune>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlkioTune {
    /// `<weight>` of the domain, 100 to 1000.
    #[serde(default)]
    pub weight: Option<u64>,
    /// `<device>` entries, one a block device of the host.
    #[serde(default)]
    pub devices: Vec<BlkioDevice>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<device>` of `<blkiotune>`: a block device of the host that disks of the domain are on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlkioDevice {
    /// `<path>`, absolute.
    pub path: String,
    /// `<weight>`, 100 to 1000.
    #[serde(default)]
    pub weight: Option<u64>,
    /// `<read_bytes_sec>`.
    #[serde(default)]
    pub read_bytes_sec: Option<u64>,
    /// `<write_bytes_sec>`.
    #[serde(default)]
    pub write_bytes_sec: Option<u64>,
    /// `<read_iops_sec>`.
    #[serde(default)]
    pub read_iops_sec: Option<u64>,
    /// `<write_iops_sec>`.
    #[serde(default)]
    pub write_iops_sec: Option<u64>,
}

impl BlkioDevice {
    /// True when it says nothing about its device.
    pub fn is_empty(&self) -> bool {
        let all =
            [self.weight, self.read_bytes_sec, self.write_bytes_sec, self.read_iops_sec, self.write_iops_sec];
        all.iter().all(Option::is_none)
    }
}
