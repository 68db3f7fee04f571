//! What a configuration needs of the host beyond KVM: huge pages, CPUs and NUMA nodes to be bound to, control groups.

use reeve_model::domain::DomainConfig;
use reeve_model::{Bytes, CpuSet};
use reeve_sys::cgroup::{Cgroups, Controller, Version};
use reeve_sys::files::Tree;
use reeve_sys::threads::{online_cpus, online_nodes};
use rustix::process::{Resource, getrlimit};

use super::tuning;

/// Huge pages of all sizes.
const HUGE_PAGES: &str = "/sys/kernel/mm/hugepages";

/// Every reason why this host can't give what is asked for; whether something of it is free now is left to the start.
pub(super) fn refusals(config: &DomainConfig, cgroups: Option<&Cgroups>) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(huge_pages(config, "nr_hugepages", "reserved"));
    all.extend(locked(config));
    all.extend(absent(config));
    all.extend(partition(config, cgroups));
    all.extend(unlimited(config, cgroups));
    all
}

/// Why its group can't be where it shall be.
fn partition(config: &DomainConfig, cgroups: Option<&Cgroups>) -> Option<String> {
    let partition = config.resource.own_partition()?;
    let Some(cgroups) = cgroups else {
        return Some(format!(
            "it can't be in partition '{partition}': workers have no cgroups here; set workers.cgroup and run the daemon as root, or take <resource> out"
        ));
    };
    let missing = cgroups.in_partition(partition).err();
    missing.map(|missing| format!("{missing}, or take <resource> out"))
}

/// CPUs and NUMA nodes that it shall have and this host has not.
pub(super) fn absent(config: &DomainConfig) -> Vec<String> {
    let mut all = Vec::new();
    let cpus = online_cpus();
    for (what, set) in pins(config).filter(|(_, set)| present(set, &cpus).is_none()) {
        all.push(format!("{what} can't be pinned to host CPUs {set}: this host has {cpus}"));
    }
    let nodes = online_nodes();
    let missing = |set: &&CpuSet| !set.iter().all(|node| nodes.contains(node));
    if let Some(set) = config.numatune.nodeset.as_ref().filter(missing) {
        all.push(format!("its memory can't be bound to NUMA nodes {set}: this host has {nodes}"));
    }
    for node in config.numatune.memnodes.iter().filter(|node| missing(&&node.nodeset)) {
        let (cell, set) = (node.cell, &node.nodeset);
        all.push(format!(
            "memory of its NUMA node {cell} can't be bound to NUMA nodes {set}: this host has {nodes}"
        ));
    }
    all
}

/// Who is to run on which host CPUs.
fn pins(config: &DomainConfig) -> impl Iterator<Item = (String, &CpuSet)> {
    let tune = &config.cputune;
    let vcpus = tune.vcpupin.iter().map(|pin| (format!("vCPU {}", pin.vcpu), &pin.cpuset));
    let iothreads = tune.iothreadpin.iter().map(|pin| (format!("I/O thread {}", pin.iothread), &pin.cpuset));
    let emulator = tune.emulatorpin.iter().map(|set| ("the emulator".to_owned(), set));
    let others = config.vcpu.cpuset.iter().map(|set| ("a vCPU".to_owned(), set));
    vcpus.chain(iothreads).chain(emulator).chain(others)
}

/// The CPUs of a set that are there; none when none is.
fn present(set: &CpuSet, cpus: &CpuSet) -> Option<CpuSet> {
    CpuSet::new(set.iter().filter(|cpu| cpus.contains(*cpu)))
}

/// Pins to CPUs of which only some are there. The kernel leaves the others out, and so does libvirt with those of a document.
pub(super) fn cut_pins(config: &DomainConfig) -> Vec<String> {
    let cpus = &online_cpus();
    let cut = |(what, set): (String, &CpuSet)| {
        let left = present(set, cpus).filter(|left| left != set)?;
        Some(format!("{what} is pinned to host CPUs {set}, and runs on {left}: this host has {cpus}"))
    };
    pins(config).filter_map(cut).collect()
}

/// What is only a hint, and can't be followed on this host.
pub(super) fn notes(config: &DomainConfig, cgroups: Option<&Cgroups>) -> Vec<String> {
    let mut all = Vec::new();
    let (memory, block) = (&config.memtune, &config.blkiotune);
    let has = |controller| cgroups.is_some_and(|cgroups| cgroups.has(controller));
    if config.cputune.shares.is_some() && !has(Controller::Cpu) {
        all.push("its CPU shares are not followed: workers have no cgroups here".to_owned());
    }
    if memory.soft_limit.is_some() && !has(Controller::Memory) {
        all.push(
            "its soft limit of memory is not followed: there is no cgroup controller 'memory'".to_owned(),
        );
    }
    let version1 = cgroups.is_none_or(|cgroups| cgroups.version() == Version::V1);
    if memory.min_guarantee.is_some() && version1 {
        all.push("its minimum of memory is not guaranteed: that takes cgroups of version 2".to_owned());
    }
    let weighed = block.weight.is_some() || block.devices.iter().any(|device| device.weight.is_some());
    if weighed && !has(Controller::BlockIo) {
        all.push("its I/O weight is not followed: there is no cgroup controller 'blkio'".to_owned());
    }
    all
}

/// The configuration without the hints that can't be followed.
pub(super) fn followed(config: &DomainConfig, cgroups: Option<&Cgroups>) -> DomainConfig {
    let mut config = config.clone();
    let has = |controller| cgroups.is_some_and(|cgroups| cgroups.has(controller));
    if !has(Controller::Cpu) {
        config.cputune.shares = None;
    }
    if !has(Controller::Memory) {
        config.memtune.soft_limit = None;
    }
    if cgroups.is_none_or(|cgroups| cgroups.version() == Version::V1) {
        config.memtune.min_guarantee = None;
    }
    if !has(Controller::BlockIo) {
        config.blkiotune.weight = None;
        config.blkiotune.devices.iter_mut().for_each(|device| device.weight = None);
        config.blkiotune.devices.retain(|device| !device.is_empty());
    }
    config
}

/// Limits that nobody would keep.
fn unlimited(config: &DomainConfig, cgroups: Option<&Cgroups>) -> Option<String> {
    let config = followed(config, cgroups);
    let missing =
        [Controller::Cpu, Controller::Memory, Controller::BlockIo].into_iter().find(|controller| {
            tuning::needs(&config, *controller) && !cgroups.is_some_and(|cgroups| cgroups.has(*controller))
        })?;
    let what = match missing {
        Controller::Memory => "memory (<memtune>)",
        Controller::BlockIo => "block I/O (<blkiotune>)",
        Controller::Cpu | Controller::Accounting | Controller::Nodes => "CPU time (<quota>)",
    };
    Some(format!(
        "its {what} can't be limited: this host has no writable cgroup controller for it; mount it, name a workers.cgroup and run the daemon as root"
    ))
}

/// Why a change can't be made in a worker without groups; none when it changes nothing of theirs.
pub(super) fn without_groups(old: &DomainConfig, new: &DomainConfig) -> Option<String> {
    let same = old.cputune.shares == new.cputune.shares && old.memtune == new.memtune;
    if same && old.blkiotune == new.blkiotune {
        return unlimited(new, None);
    }
    Some(
        "it can't be limited: its worker has no cgroups; name a workers.cgroup and run the daemon as root"
            .to_owned(),
    )
}

/// Too few huge pages by the count in a file.
pub(super) fn huge_pages(config: &DomainConfig, file: &str, participle: &str) -> Option<String> {
    let memory = super::plan::memory(config);
    let size = memory.hugepages?;
    let (name, needed) = (format!("hugepages-{}kB", size / 1024), memory.bytes.div_ceil(size));
    let pages = Tree::new(HUGE_PAGES).below(&name);
    let Ok(found) = pages.number(file) else {
        return Some(format!("this host has no huge pages of {}", Bytes(size)));
    };
    (found < needed).then(|| {
        format!(
            "its memory takes {needed} huge pages of {}, and {found} are {participle} on this host; reserve more: echo {} > {HUGE_PAGES}/{name}/nr_hugepages",
            Bytes(size),
            pages.number("nr_hugepages").unwrap_or(0) + needed - found,
        )
    })
}

/// Why the daemon can't have that much memory locked in RAM.
fn locked(config: &DomainConfig) -> Option<String> {
    let memory = super::plan::memory(config);
    let limit = getrlimit(Resource::Memlock).maximum;
    if !memory.locked || limit.is_none_or(|limit| limit >= memory.bytes) || may_raise_limits() {
        return None;
    }
    Some(format!(
        "its {} of memory can't be locked: the daemon may have {} locked and may not raise that; give it CAP_SYS_RESOURCE, or start it with a higher limit of locked memory (RLIMIT_MEMLOCK)",
        Bytes(memory.bytes),
        Bytes(limit.unwrap_or(0)),
    ))
}

/// Whether this process has CAP_SYS_RESOURCE.
fn may_raise_limits() -> bool {
    const SYS_RESOURCE: u32 = 24;
    let status = Tree::new("/proc/self").text("status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> SYS_RESOURCE & 1 == 1)
}
