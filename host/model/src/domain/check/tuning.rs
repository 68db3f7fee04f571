//! `<cputune>`, `<memtune>`, `<blkiotune>`, `<numatune>` (guide 20.5, 20.7 - 20.9).

use std::collections::BTreeSet;

use super::{Checked, broken, word};
use crate::domain::{BlkioTune, DomainConfig, MemTune, NumaTune, ScheduledThreads};

/// Range of an I/O weight.
const WEIGHTS: std::ops::RangeInclusive<u64> = 100..=1000;

pub(super) fn check_cputune(config: &DomainConfig) -> Checked {
    let (tune, vcpu) = (&config.cputune, &config.vcpu);
    let mut pinned = BTreeSet::new();
    for (index, pin) in tune.vcpupin.iter().enumerate() {
        let path = format!("/domain/cputune/vcpupin[{}]/@vcpu", index + 1);
        if pin.vcpu >= vcpu.max {
            let message = format!(
                "vCPU {} does not exist; the domain has vCPUs 0 to {}",
                pin.vcpu,
                vcpu.max.saturating_sub(1)
            );
            return broken(path, message);
        }
        if !pinned.insert(pin.vcpu) {
            return broken(path, format!("vCPU {} is pinned twice; keep one <vcpupin>", pin.vcpu));
        }
    }
    check_iothreads(config)?;
    check_scheduling(config)?;
    if tune.emulatorpin.is_some() && vcpu.placement.as_deref() == Some("auto") {
        let message = "<emulatorpin> cannot be used with <vcpu placement='auto'>; remove one of them";
        return broken("/domain/cputune/emulatorpin", message);
    }
    check_quota("", tune.period, tune.quota)?;
    check_quota("emulator_", tune.emulator_period, tune.emulator_quota)?;
    check_quota("iothread_", tune.iothread_period, tune.iothread_quota)
}

/// How much threads of a kind may run; the names of its elements begin with the kind.
pub(super) fn check_quota(kind: &str, period: Option<u64>, quota: Option<i64>) -> Checked {
    if period.is_some_and(|period| period != 0 && !(1_000..=1_000_000).contains(&period)) {
        let message = format!("<{kind}period> is in microseconds, 1000 to 1000000, or 0 for none");
        return broken(format!("/domain/cputune/{kind}period"), message);
    }
    if quota.is_some_and(|quota| (1..1_000).contains(&quota) || quota > 18_446_744_073_709_551) {
        let message = format!(
            "<{kind}quota> is in microseconds, 1000 to 18446744073709551, 0 for none, negative for no limit"
        );
        return broken(format!("/domain/cputune/{kind}quota"), message);
    }
    Ok(())
}

/// Each thread is scheduled in one way, and only the real-time ones have priorities.
pub(super) fn check_scheduling(config: &DomainConfig) -> Checked {
    let mut seen = BTreeSet::new();
    for entry in &config.cputune.scheduling {
        let (element, kind, threads) = match &entry.threads {
            ScheduledThreads::Vcpus(set) => ("vcpusched", "vCPU", Some(set)),
            ScheduledThreads::Iothreads(set) => ("iothreadsched", "I/O thread", Some(set)),
            ScheduledThreads::Emulator => ("emulatorsched", "the emulator", None),
        };
        let path = format!("/domain/cputune/{element}");
        let schedulers = ["batch", "idle", "fifo", "rr"];
        word(format!("{path}/@scheduler"), Some(&entry.scheduler), &schedulers)?;
        let real_time = matches!(entry.scheduler.as_str(), "fifo" | "rr");
        let possible = match entry.priority {
            Some(priority) => real_time && (1..=99).contains(&priority),
            None => !real_time,
        };
        if !possible {
            let message = format!(
                "scheduler='{}' {}",
                entry.scheduler,
                if real_time { "needs a priority of 1 to 99" } else { "has no priority; take it out" }
            );
            return broken(format!("{path}/@priority"), message);
        }
        let numbers = threads.map_or_else(|| vec![0], |set| set.iter().collect());
        for number in numbers {
            let exists = match &entry.threads {
                ScheduledThreads::Vcpus(_) => number < config.vcpu.max,
                ScheduledThreads::Iothreads(_) => config.iothreads.has(number),
                ScheduledThreads::Emulator => true,
            };
            if !exists {
                return broken(path, format!("{kind} {number} does not exist"));
            }
            if !seen.insert((element, number)) {
                return broken(path, format!("{kind} {number} is scheduled twice; name each once"));
            }
        }
    }
    Ok(())
}

/// Numbers of I/O threads, and what names them.
fn check_iothreads(config: &DomainConfig) -> Checked {
    let threads = &config.iothreads.threads;
    if threads.len() > DomainConfig::MAX_IOTHREADS {
        let message = format!(
            "a domain has {} I/O threads at most, not {}",
            DomainConfig::MAX_IOTHREADS,
            threads.len()
        );
        return broken("/domain/iothreads", message);
    }
    let mut seen = BTreeSet::new();
    for (index, thread) in threads.iter().enumerate() {
        let path = format!("/domain/iothreadids/iothread[{}]/@id", index + 1);
        if thread.id == 0 {
            return broken(path, "I/O threads are numbered from 1");
        }
        if !seen.insert(thread.id) {
            return broken(path, format!("I/O thread {} is there twice; give one another id", thread.id));
        }
    }
    let known = || match config.iothreads.ids()[..] {
        [] => "the domain has none; add <iothreads>1</iothreads>".to_owned(),
        ref ids => {
            let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
            format!("the domain has {}", ids.join(", "))
        }
    };
    let mut pinned = BTreeSet::new();
    for (index, pin) in config.cputune.iothreadpin.iter().enumerate() {
        let path = format!("/domain/cputune/iothreadpin[{}]/@iothread", index + 1);
        if !seen.contains(&pin.iothread) {
            return broken(path, format!("I/O thread {} does not exist; {}", pin.iothread, known()));
        }
        if !pinned.insert(pin.iothread) {
            let message = format!("I/O thread {} is pinned twice; keep one <iothreadpin>", pin.iothread);
            return broken(path, message);
        }
    }
    for (index, disk) in config.devices.disks.iter().enumerate() {
        let path = format!("/domain/devices/disk[{}]/driver/@iothread", index + 1);
        let Some(id) = disk.driver.iothread else { continue };
        if !seen.contains(&id) {
            let message =
                format!("disk '{}' is on I/O thread {id}, which does not exist; {}", disk.target, known());
            return broken(path, message);
        }
        if disk.bus.as_deref().is_some_and(|bus| bus != "virtio") {
            let message = format!("disk '{}' can't be on an I/O thread: only virtio disks can", disk.target);
            return broken(path, message);
        }
    }
    Ok(())
}

pub(super) fn check_memtune(tune: &MemTune) -> Checked {
    let MemTune { hard_limit, swap_hard_limit, .. } = tune;
    if let (Some(hard), Some(swap)) = (hard_limit, swap_hard_limit)
        && swap <= hard
    {
        let message = format!(
            "<swap_hard_limit> ({swap}) is for memory and swap together and must be above <hard_limit> ({hard})"
        );
        return broken("/domain/memtune/swap_hard_limit", message);
    }
    Ok(())
}

pub(super) fn check_blkiotune(tune: &BlkioTune) -> Checked {
    let path = "/domain/blkiotune";
    let weight = |path: String, weight: Option<u64>| match weight {
        Some(weight) if !WEIGHTS.contains(&weight) => {
            broken(path, format!("an I/O weight is 100 to 1000, not {weight}"))
        }
        _ => Ok(()),
    };
    weight(format!("{path}/weight"), tune.weight)?;
    let mut seen = BTreeSet::new();
    for (index, device) in tune.devices.iter().enumerate() {
        let path = format!("{path}/device[{}]", index + 1);
        weight(format!("{path}/weight"), device.weight)?;
        if !device.path.starts_with('/') {
            let message = format!("'{}' is not an absolute path; write e.g. /dev/sda", device.path);
            return broken(format!("{path}/path"), message);
        }
        if device.is_empty() {
            return broken(path, format!("nothing is said of '{}'; give it a <weight>", device.path));
        }
        if !seen.insert(&device.path) {
            return broken(path, format!("'{}' is named twice; keep one <device>", device.path));
        }
    }
    Ok(())
}

pub(super) fn check_numatune(tune: &NumaTune) -> Checked {
    let path = "/domain/numatune/memory";
    word(
        format!("{path}/@mode"),
        tune.mode.as_deref(),
        &["strict", "preferred", "interleave", "restrictive"],
    )?;
    word(format!("{path}/@placement"), tune.placement.as_deref(), &["static", "auto"])?;
    if tune.placement.as_deref() == Some("static") && tune.nodeset.is_none() {
        return broken(path, "placement='static' needs a nodeset; add nodeset='…'");
    }
    Ok(())
}
