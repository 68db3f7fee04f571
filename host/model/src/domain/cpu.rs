//! `<vcpu>` and `<cpu>` (guide 20.5, 20.11).

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::{Bytes, CpuSet};

/// `<vcpu>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VcpuConfig {
    /// vCPUs at most.
    pub max: u32,
    /// `current`: vCPUs at boot; none means all.
    #[serde(default)]
    pub current: Option<u32>,
    /// `placement`: `static` or `auto`.
    #[serde(default)]
    pub placement: Option<String>,
    /// `cpuset`: host CPUs it may use; those vCPUs without a `vcpupin` of their own.
    #[serde(default)]
    pub cpuset: Option<CpuSet>,
    /// Other attributes.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl VcpuConfig {
    /// vCPUs present at boot.
    pub fn at_boot(&self) -> u32 {
        self.current.unwrap_or(self.max)
    }
}

/// `<cpu>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuConfig {
    /// `mode`: `custom`, `host-model` or `host-passthrough`.
    #[serde(default)]
    pub mode: Option<String>,
    /// `match`: `minimum`, `exact` or `strict`.
    #[serde(default)]
    pub matching: Option<String>,
    /// `<model>` text.
    #[serde(default)]
    pub model: Option<String>,
    /// `fallback` of `<model>`: `allow` or `forbid`.
    #[serde(default)]
    pub fallback: Option<String>,
    /// `vendor_id` of `<model>`: the twelve letters that the guest sees.
    #[serde(default)]
    pub vendor_id: Option<String>,
    /// `<vendor>` text.
    #[serde(default)]
    pub vendor: Option<String>,
    /// `<topology>`.
    #[serde(default)]
    pub topology: Option<CpuTopology>,
    /// `<feature policy='…' name='…'/>` pairs: policy, name.
    #[serde(default)]
    pub features: Vec<CpuFeature>,
    /// `<numa>`: the guest's NUMA nodes, in the order of their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numa: Vec<NumaCell>,
    /// Other attributes and children.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<topology>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTopology {
    /// CPU sockets.
    pub sockets: u32,
    /// Cores per socket.
    pub cores: u32,
    /// Threads per core.
    pub threads: u32,
}

/// `<feature policy='…' name='…'/>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuFeature {
    /// `force`, `require`, `optional`, `disable` or `forbid`.
    pub policy: String,
    /// Feature name.
    pub name: String,
}

/// `<cell>` of `<numa>`: a NUMA node of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumaCell {
    /// `id`, from 0 without a gap.
    pub id: u32,
    /// `cpus`: its vCPUs; none for a node of memory alone. vCPUs of no node are of the first.
    #[serde(default)]
    pub cpus: Option<CpuSet>,
    /// `memory` of it.
    pub memory: Bytes,
    /// `<distances>`: node and distance, 10 to itself, 255 for one that can't be reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distances: Vec<(u32, u32)>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl CpuConfig {
    /// Distance of a node to itself.
    pub const LOCAL_DISTANCE: u32 = 10;
    /// Distance of nodes of which nothing else is said.
    pub const REMOTE_DISTANCE: u32 = 20;

    /// How far it is from one NUMA node to another: what is said, or what is said of the way back.
    pub fn distance(&self, from: u32, to: u32) -> u32 {
        let said = |from: u32, to: u32| {
            let cell = self.numa.iter().find(|cell| cell.id == from)?;
            cell.distances.iter().find(|(node, _)| *node == to).map(|(_, distance)| *distance)
        };
        let unsaid = if from == to { Self::LOCAL_DISTANCE } else { Self::REMOTE_DISTANCE };
        said(from, to).or_else(|| said(to, from)).unwrap_or(unsaid)
    }

    /// Memory of all NUMA nodes; none where there are no nodes.
    pub fn numa_memory(&self) -> Option<Bytes> {
        let sum = self.numa.iter().try_fold(0u64, |sum, cell| sum.checked_add(cell.memory.0));
        (!self.numa.is_empty()).then(|| Bytes(sum.unwrap_or(u64::MAX)))
    }
}
