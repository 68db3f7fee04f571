//! CPU, memory and block I/O of a domain as operators tune them (guide 14.6.3, 14.7.2, 14.13, 14.19 - 14.21).

use serde::{Deserialize, Serialize};

use crate::domain::{BlkioDevice, DomainConfig, Extra, Iothread, IothreadPin, MemoryDevice, VcpuPin};
use crate::{Bytes, CpuSet};

/// What of a domain can be tuned. As a change, what is left out stays as it is; as an answer, what is left out is not limited, or
/// nobody keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Memory at most; of a definition only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<Bytes>,
    /// Memory that the balloon leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_memory: Option<Bytes>,
    /// vCPUs at most; of a definition only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_vcpus: Option<u32>,
    /// vCPUs that are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u32>,
    /// Host CPUs of vCPUs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vcpu_pins: Vec<VcpuPin>,
    /// Host CPUs of I/O threads; as an answer all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub iothread_pins: Vec<IothreadPin>,
    /// I/O threads that come; of a change only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub iothreads_added: Vec<u32>,
    /// I/O threads that go, their pins with them; of a change only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub iothreads_removed: Vec<u32>,
    /// Host CPUs of everything in the worker that is no vCPU and no I/O thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub emulator_pin: Option<CpuSet>,
    /// Scheduler.
    #[serde(default)]
    pub schedule: Schedule,
    /// Memory limits of the worker.
    #[serde(default)]
    pub memory: MemoryLimits,
    /// Block I/O of the worker.
    #[serde(default)]
    pub block: BlockLimits,
    /// NUMA nodes of guest memory.
    #[serde(default)]
    pub numa: NumaPolicy,
    /// Memory that is plugged into the running guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugged: Vec<PluggedMemory>,
}

/// Memory of one device that is plugged into a running guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PluggedMemory {
    /// Number of the device in the document, from 0.
    pub number: u32,
    /// Its alias; not part of a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The most that the guest can have of it; not part of a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
    /// What the guest shall have.
    pub requested: Bytes,
    /// What the guest has; of a running guest only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Bytes>,
}

/// Scheduler parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Weight among domains; twice as much is twice the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u64>,
    /// Length of a period of each vCPU in microseconds, 1000 to 1000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpu_period: Option<u64>,
    /// Microseconds each vCPU may run in a period, from 1000; negative is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpu_quota: Option<i64>,
    /// Length of a period of everything that is no vCPU, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emulator_period: Option<u64>,
    /// Microseconds that everything that is no vCPU may run in a period; negative is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emulator_quota: Option<i64>,
}

/// Memory limits of a worker: guest memory and overhead together. In a change, 0 takes a limit away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MemoryLimits {
    /// Most memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_limit: Option<Bytes>,
    /// What it is pushed back to while memory is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_limit: Option<Bytes>,
    /// Most memory and swap together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_hard_limit: Option<Bytes>,
    /// Memory that is not taken from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_guarantee: Option<Bytes>,
}

/// Block I/O of a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BlockLimits {
    /// Weight among domains, 100 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u64>,
    /// Block devices of the host. In a change, 0 takes a value of a device away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<BlkioDevice>,
}

/// NUMA nodes of guest memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NumaPolicy {
    /// `strict`, `preferred` or `interleave`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub nodeset: Option<CpuSet>,
}

/// What is tuned: the running machine, the definition, or what the state suggests where neither is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct TuneOptions {
    /// The running machine.
    #[serde(default)]
    pub live: bool,
    /// The definition.
    #[serde(default)]
    pub config: bool,
}

/// What a vCPU does at the moment (guide 14.13.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum VcpuState {
    /// It uses a host CPU, or would.
    Running,
    /// It waits: its guest halted it or switched it off, or the machine stands still.
    Blocked,
}

impl VcpuState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Blocked => "blocked",
        }
    }
}

/// One vCPU of a running domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VcpuInfo {
    /// Number, from 0.
    pub vcpu: u32,
    /// Host CPU it ran on last.
    pub cpu: u32,
    /// What it does.
    pub state: VcpuState,
    /// CPU time, nanoseconds.
    pub time_ns: u64,
    /// Host CPUs it may run on.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub affinity: CpuSet,
}

/// CPU time of a domain on one host CPU, or on all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CpuTime {
    /// CPU time, the guest's included, nanoseconds.
    pub cpu_time_ns: u64,
    /// Of it in user mode, where the guest is too.
    pub user_ns: u64,
    /// Of it in the kernel.
    pub system_ns: u64,
}

/// CPU time of a domain by host CPU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CpuStats {
    /// One entry a host CPU, from CPU 0; empty where the host does not keep them apart.
    pub cpus: Vec<CpuTime>,
    /// All of them together.
    pub total: CpuTime,
}

impl Schedule {
    /// What the kernel gives everybody.
    pub const SHARES: u64 = 1024;
    /// The kernel's period in microseconds.
    pub const PERIOD: u64 = 100_000;
    /// No limit.
    pub const UNLIMITED: i64 = -1;
}

impl Tuning {
    /// What a document says, `host` being the CPUs of whatever is not pinned.
    pub fn of(config: &DomainConfig, host: &CpuSet) -> Self {
        let (tune, vcpu) = (&config.cputune, &config.vcpu);
        let everywhere = vcpu.cpuset.as_ref().unwrap_or(host);
        let pin = |number: u32| tune.vcpupin.iter().find(|pin| pin.vcpu == number).map(|pin| &pin.cpuset);
        let pins = (0..vcpu.max)
            .map(|vcpu| VcpuPin { vcpu, cpuset: pin(vcpu).unwrap_or(everywhere).clone() })
            .collect();
        let pin = |id: u32| tune.iothreadpin.iter().find(|pin| pin.iothread == id).map(|pin| &pin.cpuset);
        let iothread_pins = config.iothreads.ids().into_iter();
        let iothread_pins = iothread_pins
            .map(|id| IothreadPin { iothread: id, cpuset: pin(id).unwrap_or(everywhere).clone() })
            .collect();
        let period = |period: Option<u64>| Some(period.filter(|us| *us > 0).unwrap_or(Schedule::PERIOD));
        let quota = |quota: Option<i64>| Some(quota.filter(|us| *us > 0).unwrap_or(Schedule::UNLIMITED));
        Self {
            max_memory: Some(config.memory),
            current_memory: Some(config.current_memory),
            max_vcpus: Some(vcpu.max),
            vcpus: Some(vcpu.at_boot()),
            vcpu_pins: pins,
            iothread_pins,
            iothreads_added: Vec::new(),
            iothreads_removed: Vec::new(),
            emulator_pin: Some(tune.emulatorpin.as_ref().unwrap_or(everywhere).clone()),
            schedule: Schedule {
                cpu_shares: Some(tune.shares.unwrap_or(Schedule::SHARES)),
                vcpu_period: period(tune.period),
                vcpu_quota: quota(tune.quota),
                emulator_period: period(tune.emulator_period),
                emulator_quota: quota(tune.emulator_quota),
            },
            memory: MemoryLimits {
                hard_limit: config.memtune.hard_limit,
                soft_limit: config.memtune.soft_limit,
                swap_hard_limit: config.memtune.swap_hard_limit,
                min_guarantee: config.memtune.min_guarantee,
            },
            block: BlockLimits { weight: config.blkiotune.weight, devices: config.blkiotune.devices.clone() },
            numa: NumaPolicy {
                mode: config.numatune.nodeset.as_ref().map(|_| config.numatune.strictness().to_owned()),
                nodeset: config.numatune.nodeset.clone(),
            },
            plugged: (0..).zip(&config.devices.memories).map(PluggedMemory::from).collect(),
        }
    }

    /// Puts the change into a document. Whether the result keeps the rules of a document is for the caller to check.
    pub fn apply(&self, config: &mut DomainConfig) {
        if let Some(memory) = self.max_memory {
            config.memory = memory;
            config.current_memory = config.current_memory.min(memory);
        }
        config.current_memory = self.current_memory.unwrap_or(config.current_memory);
        if let Some(max) = self.max_vcpus {
            config.vcpu.max = max;
            config.vcpu.current = config.vcpu.current.map(|current| current.min(max));
        }
        config.vcpu.current = self.vcpus.or(config.vcpu.current);
        let (tune, threads) = (&mut config.cputune, &mut config.iothreads.threads);
        threads.retain(|thread| !self.iothreads_removed.contains(&thread.id));
        tune.iothreadpin.retain(|pin| !self.iothreads_removed.contains(&pin.iothread));
        threads.extend(self.iothreads_added.iter().map(|id| Iothread { id: *id, extra: Extra::default() }));
        for pin in &self.iothread_pins {
            tune.iothreadpin.retain(|other| other.iothread != pin.iothread);
            tune.iothreadpin.push(pin.clone());
            tune.iothreadpin.sort_by_key(|pin| pin.iothread);
        }
        for pin in &self.vcpu_pins {
            tune.vcpupin.retain(|other| other.vcpu != pin.vcpu);
            tune.vcpupin.push(pin.clone());
            tune.vcpupin.sort_by_key(|pin| pin.vcpu);
        }
        tune.emulatorpin = self.emulator_pin.clone().or(tune.emulatorpin.take());
        let schedule = &self.schedule;
        tune.shares = schedule.cpu_shares.or(tune.shares);
        tune.period = schedule.vcpu_period.or(tune.period);
        tune.quota = schedule.vcpu_quota.or(tune.quota);
        tune.emulator_period = schedule.emulator_period.or(tune.emulator_period);
        tune.emulator_quota = schedule.emulator_quota.or(tune.emulator_quota);
        let (limits, tune) = (&self.memory, &mut config.memtune);
        let change = |place: &mut Option<Bytes>, limit: Option<Bytes>| {
            *place = limit.or(*place).filter(|limit| limit.0 > 0);
        };
        change(&mut tune.hard_limit, limits.hard_limit);
        change(&mut tune.soft_limit, limits.soft_limit);
        change(&mut tune.swap_hard_limit, limits.swap_hard_limit);
        change(&mut tune.min_guarantee, limits.min_guarantee);
        let tune = &mut config.blkiotune;
        tune.weight = self.block.weight.or(tune.weight);
        self.block.devices.iter().for_each(|device| merge(&mut tune.devices, device));
        let tune = &mut config.numatune;
        tune.mode = self.numa.mode.clone().or(tune.mode.take());
        if let Some(nodes) = &self.numa.nodeset {
            // As libvirt has it, who names nodes leaves them to the host no more.
            (tune.nodeset, tune.placement) = (Some(nodes.clone()), None);
        }
        for change in &self.plugged {
            if let Some(memory) = config.devices.memories.get_mut(change.number as usize) {
                memory.requested = Some(change.requested);
            }
        }
    }
}

impl From<(u32, &MemoryDevice)> for PluggedMemory {
    fn from((number, memory): (u32, &MemoryDevice)) -> Self {
        let alias = memory.common.alias.clone().or_else(|| Some(format!("virtiomem{number}")));
        Self { number, alias, size: Some(memory.size), requested: memory.requested(), current: None }
    }
}

/// Puts what is said of a device into what was said before.
fn merge(devices: &mut Vec<BlkioDevice>, change: &BlkioDevice) {
    let position = devices.iter().position(|device| device.path == change.path).unwrap_or_else(|| {
        devices.push(BlkioDevice { path: change.path.clone(), ..BlkioDevice::default() });
        devices.len() - 1
    });
    let device = &mut devices[position];
    for (place, value) in [
        (&mut device.weight, change.weight),
        (&mut device.read_bytes_sec, change.read_bytes_sec),
        (&mut device.write_bytes_sec, change.write_bytes_sec),
        (&mut device.read_iops_sec, change.read_iops_sec),
        (&mut device.write_iops_sec, change.write_iops_sec),
    ] {
        *place = value.or(*place).filter(|value| *value > 0);
    }
    devices.retain(|device| !device.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_device_are_merged_and_zero_takes_them_away() {
        let device = |weight, read_iops_sec| BlkioDevice {
            path: "/dev/sda".into(),
            weight,
            read_iops_sec,
            ..BlkioDevice::default()
        };
        let mut devices = vec![device(Some(500), None)];
        merge(&mut devices, &device(None, Some(100)));
        assert_eq!(devices, [device(Some(500), Some(100))]);
        merge(&mut devices, &device(Some(0), None));
        assert_eq!(devices, [device(None, Some(100))]);
        merge(&mut devices, &device(None, Some(0)));
        assert_eq!(devices, []);
    }
}
