//! Where a domain goes whose document leaves that to the host (`placement='auto'`, guide 20.5, 20.9): to as few NUMA nodes as have the
//! memory for it now, those with the most free memory first, so that domains spread over the host.

use std::borrow::Cow;

use reeve_model::CpuSet;
use reeve_model::domain::DomainConfig;
use reeve_sys::files::Tree;
use reeve_sys::threads::{online_cpus, online_nodes};

const NODES: &str = "/sys/devices/system/node";

/// A NUMA node of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostNode {
    number: u32,
    /// Its CPUs; none of a node of memory alone.
    cpus: Option<CpuSet>,
    /// Bytes that are free.
    free: u64,
}

/// Decides for CPUs and memory that are left to the host. What was decided before, here or elsewhere, is decided anew: the document of a
/// running domain says what the host has decided, so that it is not taken for its operator's word when the guest was saved or moved.
pub(super) fn settle(config: &mut DomainConfig) {
    if is_left(config) {
        settle_on(config, &host_nodes());
    }
}

/// The configuration as it would be settled now, to be judged: nodes that were chosen on another host, or before, bind nobody.
pub(super) fn settled(config: &DomainConfig) -> Cow<'_, DomainConfig> {
    let mut config = Cow::Borrowed(config);
    if is_left(&config) {
        settle(config.to_mut());
    }
    config
}

fn is_auto(placement: Option<&str>) -> bool {
    placement == Some("auto")
}

/// Something of it is left to the host.
fn is_left(config: &DomainConfig) -> bool {
    is_auto(config.vcpu.placement.as_deref()) || is_auto(config.numatune.placement.as_deref())
}

fn settle_on(config: &mut DomainConfig, nodes: &[HostNode]) {
    let (vcpu, tune) = (&config.vcpu, &config.numatune);
    let vcpus = is_auto(vcpu.placement.as_deref());
    // As libvirt has it, memory that nothing is said about goes where the vCPUs go.
    let unsaid = tune.placement.is_none() && tune.nodeset.is_none() && tune.memnodes.is_empty();
    let memory = is_auto(tune.placement.as_deref()) || vcpus && unsaid;
    let pluggable: u64 =
        config.devices.memories.iter().map(|memory| memory.size.0).fold(0, u64::saturating_add);
    let chosen = advise(nodes, config.memory.0.saturating_add(pluggable));
    if vcpus {
        let cpus = CpuSet::new(chosen.iter().filter_map(|node| node.cpus.as_ref()).flat_map(CpuSet::iter));
        config.vcpu.cpuset = Some(cpus.unwrap_or_else(online_cpus));
    }
    // Of one node there is nothing to choose.
    if memory {
        config.numatune.placement = Some("auto".to_owned());
        let numbers = chosen.iter().map(|node| node.number);
        config.numatune.nodeset = CpuSet::new(numbers).filter(|_| nodes.len() > 1);
    }
}

fn host_nodes() -> Vec<HostNode> {
    let tree = Tree::new(NODES);
    let node = |number: u32| {
        let text = |name: &str| tree.text(format!("node{number}/{name}")).unwrap_or_default();
        HostNode { number, cpus: text("cpulist").trim().parse().ok(), free: free_bytes(&text("meminfo")) }
    };
    online_nodes().iter().map(node).collect()
}

/// What is free by the kernel's table of a node's memory.
fn free_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.split_once("MemFree:"));
    let kib = line.and_then(|(_, value)| value.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// As few nodes as have so many bytes free; all of them where they have not.
fn advise(nodes: &[HostNode], bytes: u64) -> Vec<&HostNode> {
    let mut by_room: Vec<&HostNode> = nodes.iter().collect();
    by_room.sort_by_key(|node| (std::cmp::Reverse(node.free), node.number));
    let mut room = 0u64;
    let enough = by_room.iter().position(|node| {
        room = room.saturating_add(node.free);
        room >= bytes
    });
    by_room.truncate(enough.map_or(nodes.len(), |last| last + 1));
    by_room
}

#[cfg(test)]
mod tests {
    use reeve_model::tuning::{NumaPolicy, Tuning};

    use super::*;

    fn node(number: u32, cpus: &str, free: u64) -> HostNode {
        HostNode { number, cpus: cpus.parse().ok(), free }
    }

    #[test]
    fn few_nodes_with_room_are_chosen() {
        let nodes = [node(0, "0-3", 10), node(1, "4-7", 30), node(2, "", 20)];
        let numbers = |bytes| advise(&nodes, bytes).iter().map(|node| node.number).collect::<Vec<_>>();
        assert_eq!(numbers(5), [1]);
        assert_eq!(numbers(31), [1, 2]);
        assert_eq!(numbers(60), [1, 2, 0]);
        assert_eq!(numbers(1000), [1, 2, 0], "there is no more");
    }

    #[test]
    fn what_the_host_has_decided_is_decided_again() {
        let document = r#"{
            "domain_type": "kvm", "name": "web", "uuid": "00000000-0000-0000-0000-000000000001",
            "memory": 67108864, "current_memory": 67108864, "vcpu": {"max": 1, "placement": "auto"},
            "os": {"os_type": "hvm", "kernel": "/boot/vmlinuz"},
            "on_poweroff": "destroy", "on_reboot": "restart", "on_crash": "preserve"
        }"#;
        let mut config: DomainConfig = serde_json::from_str(document).unwrap();
        let nodes = |first, second| [node(0, "0-3", first), node(1, "4-7", second)];
        let place = |config: &DomainConfig| {
            let text = |set: &Option<CpuSet>| set.as_ref().map(ToString::to_string).unwrap_or_default();
            [text(&config.vcpu.cpuset), text(&config.numatune.nodeset)]
        };
        settle_on(&mut config, &nodes(1 << 40, 0));
        assert_eq!(place(&config), ["0-3", "0"]);
        // The guest was saved, and starts where there is room now.
        settle_on(&mut config, &nodes(0, 1 << 40));
        assert_eq!(place(&config), ["4-7", "1"]);
        settle_on(&mut config, &[node(0, "0-1", 1 << 40)]);
        assert_eq!(place(&config), ["0-1", ""], "there is one node");
        // What an operator said stays.
        let numa = NumaPolicy { nodeset: "1".parse().ok(), ..NumaPolicy::default() };
        Tuning { numa, ..Tuning::default() }.apply(&mut config);
        settle_on(&mut config, &nodes(1 << 40, 0));
        assert_eq!(place(&config), ["0-3", "1"]);
    }

    #[test]
    fn free_memory_is_read() {
        let table = "Node 1 MemTotal:       1000 kB\nNode 1 MemFree:         512 kB\n";
        assert_eq!(free_bytes(table), 512 << 10);
        assert_eq!(free_bytes("nothing"), 0);
    }
}
