//! NUMA nodes of a guest: `<numa>` of `<cpu>`, `<memnode>` of `<numatune>` (guide 20.9, 20.11).

use std::collections::BTreeSet;

use super::{Checked, broken, word};
use crate::domain::{CpuConfig, DomainConfig};

/// Most NUMA nodes of a guest.
const MAX: usize = 64;
/// Farthest distance: of nodes that can't be reached.
const FARTHEST: u32 = 255;

pub(super) fn check(config: &DomainConfig) -> Checked {
    let none = CpuConfig::default();
    let cpu = config.cpu.as_ref().unwrap_or(&none);
    check_cells(config, cpu)?;
    let known = |node: u32| (node as usize) < cpu.numa.len();
    let mut bound = BTreeSet::new();
    for (index, node) in config.numatune.memnodes.iter().enumerate() {
        let path = format!("/domain/numatune/memnode[{}]", index + 1);
        word(
            format!("{path}/@mode"),
            node.mode.as_deref(),
            &["strict", "preferred", "interleave", "restrictive"],
        )?;
        if !known(node.cell) {
            let message = format!(
                "NUMA node {} of the guest does not exist; <cpu><numa> has {}",
                node.cell,
                cpu.numa.len()
            );
            return broken(format!("{path}/@cellid"), message);
        }
        if !bound.insert(node.cell) {
            return broken(
                format!("{path}/@cellid"),
                format!("node {} is bound twice; keep one <memnode>", node.cell),
            );
        }
    }
    if !bound.is_empty() && config.numatune.placement.as_deref() == Some("auto") {
        let message = "<memnode> says where memory comes from, and placement='auto' leaves it to the host; keep one of the two";
        return broken("/domain/numatune/memory/@placement", message);
    }
    for (index, memory) in config.devices.memories.iter().enumerate() {
        let path = format!("/domain/devices/memory[{}]/target/node", index + 1);
        match memory.node {
            Some(node) if !known(node) => {
                return broken(
                    path,
                    format!(
                        "NUMA node {node} of the guest does not exist; <cpu><numa> has {}",
                        cpu.numa.len()
                    ),
                );
            }
            None if !cpu.numa.is_empty() => {
                return broken(
                    path,
                    "the guest has NUMA nodes, so memory that is plugged is of one; add <node>0</node>",
                );
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_cells(config: &DomainConfig, cpu: &CpuConfig) -> Checked {
    if cpu.numa.len() > MAX {
        return broken(
            "/domain/cpu/numa",
            format!("a guest has {MAX} NUMA nodes at most, not {}", cpu.numa.len()),
        );
    }
    let mut placed = BTreeSet::new();
    for (index, cell) in cpu.numa.iter().enumerate() {
        let path = format!("/domain/cpu/numa/cell[{}]", index + 1);
        if cell.id as usize != index {
            let message =
                format!("NUMA nodes are numbered from 0 without a gap, and node {} is none of them", cell.id);
            return broken(format!("{path}/@id"), message);
        }
        for vcpu in cell.cpus.iter().flat_map(|cpus| cpus.iter()) {
            if vcpu >= config.vcpu.max {
                let message = format!("vCPU {vcpu} does not exist; the domain has {}", config.vcpu.max);
                return broken(format!("{path}/@cpus"), message);
            }
            if !placed.insert(vcpu) {
                return broken(
                    format!("{path}/@cpus"),
                    format!("vCPU {vcpu} is of two NUMA nodes; leave it to one"),
                );
            }
        }
        if cell.memory.0 == 0 {
            return broken(
                format!("{path}/@memory"),
                format!("NUMA node {} has no memory; give it some", cell.id),
            );
        }
        for (to, distance) in &cell.distances {
            let own = *to == cell.id;
            let possible = if own {
                *distance == CpuConfig::LOCAL_DISTANCE
            } else {
                (CpuConfig::LOCAL_DISTANCE + 1..=FARTHEST).contains(distance)
            };
            if *to as usize >= cpu.numa.len() || !possible {
                let message = format!(
                    "{distance} can't be how far node {to} is from node {}: it is 10 to itself and 11 to {FARTHEST} to others",
                    cell.id
                );
                return broken(format!("{path}/distances/sibling/@value"), message);
            }
        }
    }
    match cpu.numa_memory() {
        Some(sum) if sum != config.memory => {
            let message = format!(
                "the NUMA nodes of the guest have {sum} together, and the domain {}; make them agree",
                config.memory
            );
            broken("/domain/cpu/numa", message)
        }
        _ => Ok(()),
    }
}
