//! `<vcpu>` and `<cpu>` (guide 20.5, 20.11).

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::CpuSet;

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
