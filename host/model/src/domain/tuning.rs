//! `<memoryBacking>`, `<cputune>`, `<numatune>` (guide 20.6 - 20.9).

use serde::{Deserialize, Serialize};

use super::Extra;
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
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<vcpupin vcpu='…' cpuset='…'/>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VcpuPin {
    /// vCPU number, from 0.
    pub vcpu: u32,
    /// Host CPUs it may run on.
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
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}
