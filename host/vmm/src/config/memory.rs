//! Guest memory, and where on the host it comes from.

use serde::{Deserialize, Serialize};

use super::{CellConfig, DeviceKind, VmConfig};
use crate::layout;

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
    /// Of files without names, which another process can be given to work on it. KSM merges nothing of it.
    #[serde(default)]
    pub shared: bool,
    /// NUMA nodes of the guest in the order of their numbers, whose RAM is all there is; none for a guest that is told of none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<CellConfig>,
}

/// Memory that is plugged into a running guest in blocks, by virtio-mem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluggableConfig {
    /// Most bytes, whole blocks.
    pub bytes: u64,
    /// Bytes of a block, a power of two from [`PluggableConfig::MIN_BLOCK`].
    pub block: u64,
    /// Bytes that the guest shall have, whole blocks.
    pub requested: u64,
    /// NUMA node of the guest that it is of; none is the first where there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
}

impl PluggableConfig {
    /// Smallest block: what Linux plugs at least.
    pub const MIN_BLOCK: u64 = 2 << 20;
    /// Most blocks of a device: each is a memory slot of KVM.
    pub const MAX_BLOCKS: u64 = 4096;

    /// What in it can't be; none when all of it can.
    pub(super) fn fault(&self) -> Option<String> {
        let Self { bytes, block, requested, .. } = *self;
        if !block.is_power_of_two() || block < Self::MIN_BLOCK {
            return Some(format!(
                "blocks of {block} bytes are not possible: use 2 MiB or a power of two above"
            ));
        }
        if bytes == 0 || !bytes.is_multiple_of(block) || bytes / block > Self::MAX_BLOCKS {
            let most = Self::MAX_BLOCKS;
            return Some(format!("{bytes} bytes are not 1 to {most} blocks of {block} bytes"));
        }
        self.refusal(requested)
    }

    /// Why the guest can't have so many bytes; none when it can.
    pub fn refusal(&self, requested: u64) -> Option<String> {
        let Self { bytes, block, .. } = *self;
        let possible = requested <= bytes && requested.is_multiple_of(block);
        (!possible).then(|| {
            format!("the guest can't have {requested} bytes of it: there are {bytes} in blocks of {block}")
        })
    }
}

/// Where memory that is plugged in blocks is for the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryRegion {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub bytes: u64,
    /// Bytes of a block.
    pub block: u64,
}

impl MemoryRegion {
    /// Number of blocks.
    pub fn blocks(&self) -> u32 {
        u32::try_from(self.bytes / self.block).unwrap_or(0)
    }
}

impl VmConfig {
    /// Where memory that is plugged in blocks is: above RAM, each at a multiple of a GiB and of its blocks, in the order of the devices.
    pub fn memory_regions(&self) -> Vec<MemoryRegion> {
        let ram = layout::ram_ranges(self.memory.bytes).into_iter().map(|(start, length)| start + length);
        let mut end = ram.max().unwrap_or(0).max(layout::MMIO_HOLE_END);
        let mut regions = Vec::new();
        for device in &self.devices {
            if let DeviceKind::Memory(memory) = &device.kind {
                let start = end.next_multiple_of(memory.block.max(1 << 30));
                regions.push(MemoryRegion { start, bytes: memory.bytes, block: memory.block });
                end = start + memory.bytes;
            }
        }
        regions
    }
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

    /// It names nodes, and none that no host has.
    pub(super) fn is_possible(&self) -> bool {
        !self.nodes.is_empty() && self.nodes.iter().all(|node| *node < Self::LIMIT)
    }
}
