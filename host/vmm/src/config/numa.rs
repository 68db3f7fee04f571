//! NUMA nodes that a guest is told of.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{DeviceKind, MemoryConfig, NumaConfig, VmConfig};
use crate::layout;

/// A NUMA node of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellConfig {
    /// Bytes of RAM, a multiple of what all RAM is one of.
    pub bytes: u64,
    /// Numbers of its vCPUs, those that may come too. What is of no node is of the first.
    #[serde(default)]
    pub vcpus: Vec<u32>,
    /// How far each node is from it, 10 for itself.
    pub distances: Vec<u8>,
    /// Nodes of the host that its memory comes from; none is where all of the guest's comes from.
    #[serde(default)]
    pub numa: Option<NumaConfig>,
}

/// Guest memory of one NUMA node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeRange {
    /// Number of the node.
    pub node: u32,
    /// First address.
    pub start: u64,
    /// Bytes.
    pub bytes: u64,
    /// It comes and goes.
    pub pluggable: bool,
}

/// What a guest is told of its NUMA nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numa {
    /// The nodes; none where it is told of none.
    pub cells: Vec<CellConfig>,
    /// Where their memory is.
    pub ranges: Vec<NodeRange>,
}

impl Numa {
    /// The node of a vCPU; none where there are no nodes.
    pub fn node_of(&self, vcpu: u32) -> Option<u32> {
        let found = (0..).zip(&self.cells).find(|(_, cell)| cell.vcpus.contains(&vcpu));
        found.map(|(node, _)| node).or((!self.cells.is_empty()).then_some(0))
    }
}

/// Memory that comes from other nodes of the host than the rest: where it is, and which.
pub type Binding<'a> = (NodeRange, &'a NumaConfig);

impl MemoryConfig {
    /// Where the RAM of each node is: one after the other, around the hole below 4 GiB.
    fn ram_of_nodes(&self) -> Vec<NodeRange> {
        let mut ram = layout::ram_ranges(self.bytes).into_iter();
        let (mut start, mut left) = (0, 0);
        let mut ranges = Vec::new();
        for (node, cell) in (0..).zip(&self.cells) {
            let mut wanted = cell.bytes;
            while wanted > 0 {
                if left == 0 {
                    let Some(next) = ram.next() else { return ranges };
                    (start, left) = next;
                }
                let bytes = wanted.min(left);
                ranges.push(NodeRange { node, start, bytes, pluggable: false });
                (start, left, wanted) = (start + bytes, left - bytes, wanted - bytes);
            }
        }
        ranges
    }

    /// RAM that comes from other nodes of the host than the rest.
    pub(crate) fn bindings(&self) -> Vec<Binding<'_>> {
        self.bound(self.ram_of_nodes())
    }

    fn bound(&self, ranges: Vec<NodeRange>) -> Vec<Binding<'_>> {
        let of = |range: NodeRange| Some((range, self.cells.get(range.node as usize)?.numa.as_ref()?));
        ranges.into_iter().filter_map(of).collect()
    }
}

impl VmConfig {
    /// Most NUMA nodes of a guest.
    pub const MAX_CELLS: usize = 64;

    /// What the guest is told of its NUMA nodes.
    pub fn numa(&self) -> Numa {
        if self.memory.cells.is_empty() {
            return Numa::default();
        }
        let mut ranges = self.memory.ram_of_nodes();
        ranges.extend(self.pluggable_of_nodes());
        Numa { cells: self.memory.cells.clone(), ranges }
    }

    /// Memory that is plugged in blocks and comes from other nodes of the host than the rest.
    pub(crate) fn pluggable_bindings(&self) -> Vec<Binding<'_>> {
        self.memory.bound(self.pluggable_of_nodes())
    }

    fn pluggable_of_nodes(&self) -> Vec<NodeRange> {
        let nodes = self.devices.iter().filter_map(|device| match &device.kind {
            DeviceKind::Memory(memory) => Some(memory.node.unwrap_or(0)),
            _ => None,
        });
        let of = |(region, node): (super::MemoryRegion, u32)| NodeRange {
            node,
            start: region.start,
            bytes: region.bytes,
            pluggable: true,
        };
        self.memory_regions().into_iter().zip(nodes).map(of).collect()
    }

    /// What the guest's NUMA nodes can't be; none when they can.
    pub(super) fn numa_fault(&self) -> Option<String> {
        let (cells, memory) = (&self.memory.cells, &self.memory);
        let unknown = |device: &super::DeviceConfig| match &device.kind {
            DeviceKind::Memory(memory) => memory.node.is_some_and(|node| node as usize >= cells.len()),
            _ => false,
        };
        if let Some(device) = self.devices.iter().find(|device| unknown(device)) {
            return Some(format!(
                "device '{}' is memory of a node that the guest does not have",
                device.alias
            ));
        }
        if cells.is_empty() {
            return None;
        }
        if cells.len() > Self::MAX_CELLS {
            return Some(format!("{} are more than {}", cells.len(), Self::MAX_CELLS));
        }
        let unit = memory.hugepages.unwrap_or(1 << 20);
        let sum = cells.iter().try_fold(0u64, |sum, cell| sum.checked_add(cell.bytes));
        let whole = |cell: &CellConfig| cell.bytes > 0 && cell.bytes.is_multiple_of(unit);
        if sum != Some(memory.bytes) || !cells.iter().all(whole) {
            return Some(format!("they are not whole pieces of {unit} bytes, {} together", memory.bytes));
        }
        let mut seen = BTreeSet::new();
        for (node, cell) in cells.iter().enumerate() {
            if cell.vcpus.iter().any(|vcpu| *vcpu >= self.vcpu_limit() || !seen.insert(*vcpu)) {
                return Some(format!("node {node} has a vCPU that there is not, or that another has"));
            }
            let far =
                |(to, distance): (usize, &u8)| if to == node { *distance == 10 } else { *distance > 10 };
            if cell.distances.len() != cells.len() || !cell.distances.iter().enumerate().all(far) {
                return Some(format!("node {node} does not say how far it is from each, 10 from itself"));
            }
            if cell.numa.as_ref().is_some_and(|numa| !numa.is_possible()) {
                return Some(format!("node {node} is bound to nodes that no host has"));
            }
        }
        None
    }
}
