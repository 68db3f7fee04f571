//! Guest memory, and where on the host it comes from.

use serde::{Deserialize, Serialize};

/// Guest memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryConfig {
    /// Size in bytes, a multiple of 1 MiB (of the huge page size when given), at least 4 MiB.
    pub bytes: u64,
    /// May be merged by KSM (false for `<nosharepages/>`).
    #[serde(default)]
    pub mergeable: bool,
    /// Huge page size in bytes, 2 MiB or 1 GiB; none means ordinary pages.
    #[serde(default)]
    pub hugepages: Option<u64>,
    /// Kept in RAM (`<locked/>`); the daemon raises RLIMIT_MEMLOCK of the worker for it.
    #[serde(default)]
    pub locked: bool,
    /// NUMA nodes of the host it comes from; none leaves that to the kernel.
    #[serde(default)]
    pub numa: Option<NumaConfig>,
}

/// Where guest memory comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumaConfig {
    /// How the nodes are used.
    pub mode: NumaMode,
    /// Numbers of nodes, each below 1024.
    pub nodes: Vec<u32>,
}

/// How NUMA nodes are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumaMode {
    /// From these nodes only.
    Strict,
    /// From the first of these nodes while it has some.
    Preferred,
    /// From each of these nodes in turn.
    Interleave,
}

impl NumaConfig {
    /// First number of a node that is refused.
    pub const LIMIT: u32 = 1024;
}
