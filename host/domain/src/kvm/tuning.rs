//! What of a worker is tuned from outside: affinity of its threads and its control groups. A start applies a configuration in the same way
//! as a change of a running machine; everything is read back from the kernel.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use reeve_model::domain::{
    BlkioDevice, BlkioTune, CpuTune, DomainConfig, MemTune, NumaTune, ScheduledThreads,
};
use reeve_model::tuning::{
    BlockLimits, CpuStats, CpuTime, MemoryLimits, NumaPolicy, Schedule, Tuning, VcpuInfo, VcpuState,
};
use reeve_model::{Bytes, CpuSet};
use reeve_sys::cgroup::{
    BlockValues, CgroupError, Controller, DeviceNumber, Group, MemoryValues, Part, Quota,
};
use reeve_sys::threads::{self, Scheduler, Thread};
use reeve_vmm::config::IothreadConfig;
use rustix::io::Errno;

use super::fit;
use super::launch::{self, Site};
use crate::driver::DriverError;

/// Part of a group for all threads that are no vCPU and no I/O thread.
const EMULATOR: &str = "emulator";
/// How often the threads of a worker are listed while some come.
const LISTS: u32 = 8;
/// Weight of block I/O that the kernel gives everybody.
const DEFAULT_WEIGHT: u64 = 100;

/// What a worker is tuned to before anybody tunes it. It has pinned its threads itself.
fn untuned(config: &DomainConfig) -> DomainConfig {
    let CpuTune { vcpupin, emulatorpin, iothreadpin, .. } = config.cputune.clone();
    let mut config = config.clone();
    config.cputune = CpuTune { vcpupin, emulatorpin, iothreadpin, ..CpuTune::default() };
    config.memtune = MemTune::default();
    config.blkiotune = BlkioTune::default();
    config.numatune = NumaTune::default();
    config
}

impl Site {
    /// Applies a configuration to a worker that was just launched.
    pub async fn tune_first(&self, config: &DomainConfig) -> Result<(), DriverError> {
        let (site, config) = (self.clone(), fit::followed(config, self.cgroups()));
        launch::blocking(move || site.change(&untuned(&config), &config, true)).await
    }

    /// Changes the worker from what one configuration says to what another does. Stops at the first thing that is refused.
    pub fn tune(&self, old: &DomainConfig, new: &DomainConfig) -> Result<(), DriverError> {
        let known = fit::absent(old);
        if let Some(reason) = fit::absent(new).into_iter().find(|reason| !known.contains(reason)) {
            return Err(DriverError::Unsupported(reason));
        }
        let cgroups = self.cgroups();
        let (before, after) = (fit::followed(old, cgroups), fit::followed(new, cgroups));
        if before == after && old != new {
            let note = fit::notes(new, cgroups).into_iter().next();
            return Err(DriverError::Unsupported(note.unwrap_or_default()));
        }
        self.change(&before, &after, false)
    }

    fn change(&self, old: &DomainConfig, new: &DomainConfig, first: bool) -> Result<(), DriverError> {
        let pid = self.process()?.pid();
        let threads = Threads::told(
            || Threads::of(pid),
            |threads| {
                threads.pin(old, new)?;
                threads.schedule(old, new)
            },
        )?;
        let Some(group) = self.found_group() else {
            return fit::without_groups(old, new)
                .map_or(Ok(()), |sentence| Err(DriverError::Unsupported(sentence)));
        };
        let change = Change { group: &group, threads: &threads, pid, first };
        change.make(old, new).map_err(refused)
    }

    /// What is in force now, of a machine with this configuration.
    pub fn tuning(&self, config: &DomainConfig) -> Result<Tuning, DriverError> {
        let threads = Threads::of(self.process()?.pid());
        let host = threads::online_cpus();
        let mut tuning = Tuning::of(config, &host);
        tuning.max_vcpus = Some(config.vcpu.max);
        for pin in &mut tuning.vcpu_pins {
            if let Some(cpus) = threads.vcpu(pin.vcpu).and_then(|thread| affinity(thread, &host)) {
                pin.cpuset = cpus;
            }
        }
        for pin in &mut tuning.iothread_pins {
            if let Some(cpus) = threads.iothread(pin.iothread).and_then(|thread| affinity(thread, &host)) {
                pin.cpuset = cpus;
            }
        }
        tuning.emulator_pin =
            threads.others().next().and_then(|thread| affinity(thread, &host)).or(tuning.emulator_pin);
        match self.found_group() {
            Some(group) => read_group(&group, config, &mut tuning).map_err(refused)?,
            // Nobody keeps them.
            None => {
                (tuning.schedule, tuning.memory) = (Schedule::default(), MemoryLimits::default());
                tuning.block = BlockLimits::default();
            }
        }
        Ok(tuning)
    }

    /// The vCPUs by number.
    pub fn vcpus(&self) -> Result<Vec<VcpuInfo>, DriverError> {
        let threads = Threads::of(self.process()?.pid());
        let host = threads::online_cpus();
        let info = |thread: &Thread| {
            let (cpu, time_ns) = (thread.last_cpu()?, thread.time_ns()?);
            // A halted vCPU and one of a machine that stands still wait in the kernel.
            let state = if thread.is_running()? { VcpuState::Running } else { VcpuState::Blocked };
            Some(VcpuInfo { vcpu: number(thread)?, cpu, state, time_ns, affinity: affinity(thread, &host)? })
        };
        let mut all: Vec<VcpuInfo> = threads.0.iter().filter_map(info).collect();
        all.sort_by_key(|vcpu| vcpu.vcpu);
        Ok(all)
    }

    /// CPU time by host CPU.
    pub fn cpu_stats(&self) -> Result<CpuStats, DriverError> {
        let group = self.found_group().ok_or_else(|| {
            let sentence = "its CPU time is not kept by CPU: workers have no cgroups here; set workers.cgroup and run the daemon as root";
            DriverError::Unsupported(sentence.to_owned())
        })?;
        let found = group.cpu_use().map_err(refused)?;
        let time = |time: reeve_sys::cgroup::CpuTime| CpuTime {
            cpu_time_ns: time.user_ns + time.system_ns,
            user_ns: time.user_ns,
            system_ns: time.system_ns,
        };
        Ok(CpuStats { cpus: found.cpus.into_iter().map(time).collect(), total: time(found.total) })
    }
}

/// The threads of a worker.
struct Threads(Vec<Thread>);

impl Threads {
    fn of(pid: u32) -> Self {
        Self(threads::of(pid))
    }

    /// Threads that were all told. A device's thread may come or end meanwhile, and one that came has what the thread had that made it: they
    /// are listed until nobody new is among them.
    fn told(
        list: impl Fn() -> Self,
        tell: impl Fn(&Self) -> Result<(), DriverError>,
    ) -> Result<Self, DriverError> {
        let mut threads = list();
        for _ in 0..LISTS {
            tell(&threads)?;
            let now = list();
            let is_same = now.0.iter().all(|thread| threads.0.contains(thread));
            threads = now;
            if is_same {
                break;
            }
        }
        Ok(threads)
    }

    fn vcpu(&self, wanted: u32) -> Option<&Thread> {
        self.0.iter().find(|thread| number(thread) == Some(wanted))
    }

    fn vcpus(&self) -> impl Iterator<Item = (u32, &Thread)> {
        self.0.iter().filter_map(|thread| Some((number(thread)?, thread)))
    }

    fn iothread(&self, wanted: u32) -> Option<&Thread> {
        self.0.iter().find(|thread| iothread_number(thread) == Some(wanted))
    }

    fn others(&self) -> impl Iterator<Item = &Thread> {
        self.0.iter().filter(|thread| number(thread).is_none() && iothread_number(thread).is_none())
    }

    /// An I/O thread that came is scheduled as the thread that made it, until it is told otherwise.
    fn schedule(&self, old: &DomainConfig, new: &DomainConfig) -> Result<(), DriverError> {
        let came = |thread: &Thread| iothread_number(thread).is_some_and(|id| !old.iothreads.has(id));
        for thread in &self.0 {
            let wanted = scheduling(new, thread);
            if wanted == scheduling(old, thread) && !(came(thread) && thread.scheduler().ok() != Some(wanted))
            {
                continue;
            }
            there_still(thread.set_scheduler(wanted)).map_err(|source| DriverError::Host {
                what: format!("another scheduler for its thread '{}'", thread.name),
                source: Box::new(source),
            })?;
        }
        Ok(())
    }

    fn pin(&self, old: &DomainConfig, new: &DomainConfig) -> Result<(), DriverError> {
        let host = threads::online_cpus();
        let (old, new) = (Tuning::of(old, &host), Tuning::of(new, &host));
        let pin = |what: String, thread: &Thread, cpus: &CpuSet| {
            there_still(thread.set_affinity(cpus.iter())).map_err(|source| DriverError::Host {
                what: format!("{what} on host CPUs {cpus}"),
                source: Box::new(source),
            })
        };
        for wanted in new.vcpu_pins.iter().filter(|pin| !old.vcpu_pins.contains(pin)) {
            if let Some(thread) = self.vcpu(wanted.vcpu) {
                pin(format!("vCPU {}", wanted.vcpu), thread, &wanted.cpuset)?;
            }
        }
        for wanted in new.iothread_pins.iter().filter(|pin| !old.iothread_pins.contains(pin)) {
            if let Some(thread) = self.iothread(wanted.iothread) {
                pin(format!("I/O thread {}", wanted.iothread), thread, &wanted.cpuset)?;
            }
        }
        if let Some(cpus) = new.emulator_pin.filter(|cpus| old.emulator_pin.as_ref() != Some(cpus)) {
            for thread in self.others() {
                pin("the emulator".to_owned(), thread, &cpus)?;
            }
        }
        Ok(())
    }
}

/// A thread that has ended needs nothing any more.
fn there_still(told: io::Result<()>) -> io::Result<()> {
    match told {
        Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(()),
        told => told,
    }
}

/// How a configuration has a thread scheduled.
fn scheduling(config: &DomainConfig, thread: &Thread) -> Scheduler {
    let (vcpu, iothread) = (number(thread), iothread_number(thread));
    let is_meant = |threads: &ScheduledThreads| match threads {
        ScheduledThreads::Vcpus(set) => vcpu.is_some_and(|number| set.contains(number)),
        ScheduledThreads::Iothreads(set) => iothread.is_some_and(|number| set.contains(number)),
        ScheduledThreads::Emulator => vcpu.is_none() && iothread.is_none(),
    };
    let found = config.cputune.scheduling.iter().find(|entry| is_meant(&entry.threads));
    let Some(found) = found else { return Scheduler::Normal };
    let priority = found.priority.and_then(|priority| u8::try_from(priority).ok()).unwrap_or(0);
    match found.scheduler.as_str() {
        "batch" => Scheduler::Batch,
        "idle" => Scheduler::Idle,
        "fifo" => Scheduler::Fifo(priority),
        "rr" => Scheduler::RoundRobin(priority),
        _ => Scheduler::Normal,
    }
}

/// The number of a vCPU's thread.
fn number(thread: &Thread) -> Option<u32> {
    thread.name.strip_prefix("vcpu")?.parse().ok()
}

/// The number of an I/O thread.
fn iothread_number(thread: &Thread) -> Option<u32> {
    thread.name.strip_prefix(IothreadConfig::NAME)?.parse().ok()
}

/// Host CPUs of a thread that are there.
fn affinity(thread: &Thread, host: &CpuSet) -> Option<CpuSet> {
    let cpus = thread.affinity().ok()?;
    CpuSet::new(cpus.into_iter().filter(|cpu| host.contains(*cpu)))
}

/// A change of a group.
struct Change<'a> {
    group: &'a Group,
    threads: &'a Threads,
    pid: u32,
    /// The worker was just launched.
    first: bool,
}

impl Change<'_> {
    fn make(&self, old: &DomainConfig, new: &DomainConfig) -> Result<(), CgroupError> {
        let Self { group, threads, pid, first } = self;
        if old.cputune.shares != new.cputune.shares {
            group.set_shares(new.cputune.shares.unwrap_or(Schedule::SHARES))?;
        }
        if limits(&old.memtune) != limits(&new.memtune) {
            group.set_memory(limits(&new.memtune))?;
        }
        if old.blkiotune.weight != new.blkiotune.weight {
            group.set_block_weight(new.blkiotune.weight.unwrap_or(DEFAULT_WEIGHT))?;
        }
        let devices = [&old.blkiotune, &new.blkiotune].into_iter().flat_map(|tune| &tune.devices);
        let paths: BTreeSet<&str> = devices.map(|device| device.path.as_str()).collect();
        for path in paths {
            let (old, new) = (values(&old.blkiotune, path), values(&new.blkiotune, path));
            if old != new {
                group.set_block_device(DeviceNumber::of(Path::new(path))?, old, new)?;
            }
        }
        // With nodes of the guest that are bound by themselves the group has the nodes of all of them; the worker binds each.
        let strict = |tune: &NumaTune| {
            tune.nodes().filter(|_| tune.nodeset.is_some() && tune.strictness() == "strict")
        };
        if let Some(nodes) =
            strict(&new.numatune).filter(|nodes| strict(&old.numatune).as_ref() != Some(nodes))
        {
            // Without the controller the worker has bound its memory all the same.
            match group.set_nodes(&nodes.to_string(), &[*pid]) {
                Err(CgroupError::Missing(_)) if *first => {}
                set => set?,
            }
        }
        let (tune, before) = (&new.cputune, &old.cputune);
        let quota = quota(tune.period, tune.quota);
        if quota != self::quota(before.period, before.quota) {
            for (number, thread) in threads.vcpus() {
                let part = group.part(&format!("vcpu{number}"))?;
                part.set_quota(quota)?;
                part.add_thread(thread.id)?;
            }
        }
        let quota = self::quota(tune.emulator_period, tune.emulator_quota);
        if quota != self::quota(before.emulator_period, before.emulator_quota) {
            let part = group.part(EMULATOR)?;
            part.set_quota(quota)?;
            threads.others().try_for_each(|thread| part.add_thread(thread.id))?;
        }
        self.limit_iothreads(old, new)
    }

    /// An I/O thread that came is where the thread is that made it, and what limits the emulator is not for it.
    fn limit_iothreads(&self, old: &DomainConfig, new: &DomainConfig) -> Result<(), CgroupError> {
        let of = |tune: &CpuTune| self::quota(tune.iothread_period, tune.iothread_quota);
        let quota = of(&new.cputune);
        let is_other = quota != of(&old.cputune);
        let is_limited = self.group.found_part(EMULATOR).is_some() || quota.quota.is_some();
        let concerned = |id: &u32| is_other || is_limited && !old.iothreads.has(*id);
        for id in new.iothreads.ids().into_iter().filter(concerned) {
            let part = self.group.part(&IothreadConfig::thread_name(id))?;
            part.set_quota(quota)?;
            if let Some(thread) = self.threads.iothread(id) {
                part.add_thread(thread.id)?;
            }
        }
        Ok(())
    }
}

fn read_group(group: &Group, config: &DomainConfig, tuning: &mut Tuning) -> Result<(), CgroupError> {
    let part = |name: &str| group.found_part(name).as_ref().map(Part::quota).transpose();
    let none = quota(None, None);
    let (vcpu, emulator) = (part("vcpu0")?.unwrap_or(none), part(EMULATOR)?.unwrap_or(none));
    let written =
        |quota: Quota| Some(quota.quota.and_then(|us| i64::try_from(us).ok()).unwrap_or(Schedule::UNLIMITED));
    tuning.schedule = Schedule {
        cpu_shares: Some(group.shares()?),
        vcpu_period: Some(vcpu.period),
        vcpu_quota: written(vcpu),
        emulator_period: Some(emulator.period),
        emulator_quota: written(emulator),
    };
    tuning.memory = match known(group.memory())? {
        Some(MemoryValues { hard, soft, swap, min }) => MemoryLimits {
            hard_limit: hard.map(Bytes),
            soft_limit: soft.map(Bytes),
            swap_hard_limit: swap.map(Bytes),
            min_guarantee: min.map(Bytes),
        },
        None => MemoryLimits::default(),
    };
    tuning.block = BlockLimits { weight: known(group.block_weight())?.flatten(), devices: Vec::new() };
    for BlkioDevice { path, .. } in &config.blkiotune.devices {
        let number = DeviceNumber::of(Path::new(path));
        let found = known(number.and_then(|number| group.block_device(number)))?;
        let Some(BlockValues { weight, limits: [read_bytes, write_bytes, read_iops, write_iops] }) = found
        else {
            continue;
        };
        tuning.block.devices.push(BlkioDevice {
            path: path.clone(),
            weight,
            read_bytes_sec: read_bytes,
            write_bytes_sec: write_bytes,
            read_iops_sec: read_iops,
            write_iops_sec: write_iops,
        });
    }
    let nodes = known(group.nodes())?.flatten().and_then(|nodes| nodes.parse().ok());
    tuning.numa = NumaPolicy {
        mode: config.numatune.nodeset.as_ref().map(|_| config.numatune.strictness().to_owned()),
        nodeset: nodes.or_else(|| config.numatune.nodeset.clone()),
    };
    Ok(())
}

/// None for what the host does not have.
fn known<T>(read: Result<T, CgroupError>) -> Result<Option<T>, CgroupError> {
    match read {
        Err(CgroupError::Missing(_)) => Ok(None),
        read => read.map(Some),
    }
}

/// Whether a configuration needs a controller that groups of this host lack.
pub(super) fn needs(config: &DomainConfig, controller: Controller) -> bool {
    match controller {
        Controller::Memory => limits(&config.memtune) != MemoryValues::default(),
        Controller::BlockIo => config.blkiotune.weight.is_some() || !config.blkiotune.devices.is_empty(),
        Controller::Cpu => {
            let tune = &config.cputune;
            let quotas = [
                (tune.period, tune.quota),
                (tune.emulator_period, tune.emulator_quota),
                (tune.iothread_period, tune.iothread_quota),
            ];
            tune.shares.is_some() || quotas.iter().any(|(period, us)| quota(*period, *us).quota.is_some())
        }
        Controller::Accounting | Controller::Nodes => false,
    }
}

fn limits(tune: &MemTune) -> MemoryValues {
    let bytes = |limit: Option<Bytes>| limit.map(|limit| limit.0);
    MemoryValues {
        hard: bytes(tune.hard_limit),
        soft: bytes(tune.soft_limit),
        swap: bytes(tune.swap_hard_limit),
        min: bytes(tune.min_guarantee),
    }
}

fn values(tune: &BlkioTune, path: &str) -> BlockValues {
    let device = tune.devices.iter().find(|device| device.path == path);
    device.map_or_else(BlockValues::default, |device| BlockValues {
        weight: device.weight,
        limits: [device.read_bytes_sec, device.write_bytes_sec, device.read_iops_sec, device.write_iops_sec],
    })
}

fn quota(period: Option<u64>, quota: Option<i64>) -> Quota {
    Quota {
        period: period.filter(|us| *us > 0).unwrap_or(Schedule::PERIOD),
        quota: quota.and_then(|us| u64::try_from(us).ok()).filter(|us| *us > 0),
    }
}

fn refused(error: CgroupError) -> DriverError {
    match error {
        CgroupError::Missing(sentence) => DriverError::Unsupported(sentence),
        error => DriverError::Host { what: "its tuning".to_owned(), source: Box::new(error) },
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::thread::JoinHandle;

    use reeve_model::domain::ThreadScheduling;

    use super::*;

    fn document() -> DomainConfig {
        let text = r#"{
            "domain_type": "kvm", "name": "web", "uuid": "00000000-0000-0000-0000-000000000001",
            "memory": 67108864, "current_memory": 67108864, "vcpu": {"max": 1},
            "os": {"os_type": "hvm", "kernel": "/boot/vmlinuz"},
            "on_poweroff": "destroy", "on_reboot": "restart", "on_crash": "preserve"
        }"#;
        serde_json::from_str(text).unwrap()
    }

    /// A thread that ends when it is told to.
    fn thread(name: &str) -> (Thread, SyncSender<()>, JoinHandle<()>) {
        let (here, there) = sync_channel(1);
        let (end, ends) = sync_channel::<()>(1);
        let body = move || {
            here.send(()).unwrap();
            let _ = ends.recv();
        };
        let handle = std::thread::Builder::new().name(name.to_owned()).spawn(body).unwrap();
        there.recv().unwrap();
        (found(name).unwrap(), end, handle)
    }

    fn found(name: &str) -> Option<Thread> {
        threads::of(std::process::id()).into_iter().find(|thread| thread.name == name)
    }

    #[test]
    fn threads_that_end_or_come_meanwhile_are_no_fault() {
        let old = document();
        let mut new = old.clone();
        new.cputune.emulatorpin = CpuSet::new([threads::online_cpus().iter().next().unwrap()]);
        new.cputune.scheduling.push(ThreadScheduling {
            threads: ScheduledThreads::Emulator,
            scheduler: "batch".to_owned(),
            priority: None,
        });
        let (gone, end, handle) = thread("told-gone");
        drop(end);
        handle.join().unwrap();
        while found("told-gone").is_some() {
            std::thread::yield_now();
        }
        assert!(gone.set_scheduler(Scheduler::Batch).is_err(), "the kernel knows it no more");
        let (late, end, handle) = thread("told-late");
        let lists = Cell::new(0);
        let list = || {
            lists.set(lists.get() + 1);
            Threads(vec![if lists.get() == 1 { gone.clone() } else { late.clone() }])
        };
        let told = Threads::told(list, |threads| {
            threads.pin(&old, &new)?;
            threads.schedule(&old, &new)
        });
        assert_eq!((told.unwrap().0, lists.get()), (vec![late.clone()], 3));
        assert_eq!(late.scheduler().unwrap(), Scheduler::Batch);
        let pinned = late.affinity().unwrap();
        assert_eq!(CpuSet::new(pinned), new.cputune.emulatorpin);
        drop(end);
        handle.join().unwrap();
    }
}
