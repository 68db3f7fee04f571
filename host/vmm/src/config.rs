//! What a machine is made of, as plain data. It holds no path: every file, disk, tap and device node is an index into the
//! list of file descriptors that arrives with the message that carries the configuration.
//!
//! [`VmConfig::validate`] is the one place that says whether a configuration can be built; it looks at no descriptor.

mod block;
mod clock;
mod console;
mod cpu;
mod errors;
mod filesystem;
mod iothread;
mod memory;
mod net;
mod numa;
mod sandbox;
mod smbios;
mod vsock;
mod watchdog;

use std::collections::BTreeSet;

use reeve_image::Format;
use serde::{Deserialize, Serialize};

use crate::layout;
use console::{MAX_PORT_NAME, is_port_name};

pub use block::{
    BackingConfig, BlockConfig, BlockGeometry, BlockShape, CacheMode, DiskLimits, EncryptionConfig, IoEngine,
    RateLimit,
};
pub use clock::{ClockConfig, MissedTicks, RtcConfig, ZoneOffset};
pub use console::{ConsoleConfig, ConsoleEnd, ConsolePort};
pub use cpu::{CpuConfig, CpuTopology, CpuidWord};
pub use errors::{ErrorAction, ErrorPolicy};
pub use filesystem::FilesystemConfig;
pub use iothread::IothreadConfig;
pub use memory::{MemoryConfig, MemoryRegion, NumaConfig, NumaMode, PluggableConfig};
pub use net::{NetBackend, NetConfig, Offloads, Segmentation};
pub(crate) use numa::Binding;
pub use numa::{CellConfig, NodeRange, Numa};
pub use sandbox::{SandboxConfig, SeccompMode};
pub use smbios::{BiosInfo, BoardInfo, ChassisInfo, SmbiosConfig, SystemInfo};
pub use vsock::VsockConfig;
pub use watchdog::{WatchdogAction, WatchdogConfig};

/// Index into the descriptors that came with the message, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FdIndex(pub u32);

/// A whole machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VmConfig {
    /// Name of the domain, for messages only.
    pub name: String,
    /// `/dev/kvm`, opened read-write.
    pub kvm: FdIndex,
    /// Guest memory.
    pub memory: MemoryConfig,
    /// Number of vCPUs that are there, from 1 to [`VmConfig::MAX_VCPUS`].
    pub vcpus: u32,
    /// Number of vCPUs that can be there; none means no more than there are.
    #[serde(default)]
    pub max_vcpus: Option<u32>,
    /// What they say they are.
    #[serde(default)]
    pub cpu: CpuConfig,
    /// What it tells the time by.
    #[serde(default)]
    pub clock: ClockConfig,
    /// Host CPUs each vCPU thread may run on; a missing or empty list means anywhere the process may.
    #[serde(default)]
    pub vcpu_pinning: Vec<Vec<u32>>,
    /// Host CPUs the other threads of the worker may run on; empty means anywhere.
    #[serde(default)]
    pub emulator_pinning: Vec<u32>,
    /// Threads that disks can share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub iothreads: Vec<IothreadConfig>,
    /// What to boot.
    pub boot: BootConfig,
    /// What the guest is told about the machine it is in.
    #[serde(default)]
    pub smbios: SmbiosConfig,
    /// 16550 serial ports, COM1 first; at most four.
    #[serde(default)]
    pub serials: Vec<SerialConfig>,
    /// Devices on the PCI bus, in slot order.
    #[serde(default)]
    pub devices: Vec<DeviceConfig>,
    /// The guest may suspend itself to memory (S3).
    #[serde(default = "default_true")]
    pub suspend_to_mem: bool,
    /// The guest may suspend itself to its disk (S4).
    #[serde(default = "default_true")]
    pub suspend_to_disk: bool,
    /// What to do when the guest powers off.
    #[serde(default)]
    pub on_poweroff: LifecycleAction,
    /// What to do when the guest resets itself.
    #[serde(default = "LifecycleAction::restart")]
    pub on_reboot: LifecycleAction,
    /// What to do when the guest fails.
    #[serde(default)]
    pub on_crash: LifecycleAction,
    /// True to stop before the first guest instruction; a Resume starts it.
    #[serde(default)]
    pub start_paused: bool,
    /// How the worker locks itself in before the guest runs.
    #[serde(default)]
    pub sandbox: SandboxConfig,
}

/// What to boot. The protocol is found in the file: a bzImage, or an ELF with a PVH note, or any 64-bit ELF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootConfig {
    /// Kernel file, read-only.
    pub kernel: FdIndex,
    /// Initial RAM disk, read-only.
    #[serde(default)]
    pub initrd: Option<FdIndex>,
    /// Kernel command line, without zero bytes.
    #[serde(default)]
    pub cmdline: String,
}

/// A 16550 serial port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialConfig {
    /// Name the console is opened by, e.g. `serial0`.
    pub alias: String,
    /// Log that receives a copy of everything the guest writes, opened for append; or a pipe, which loses what nobody reads.
    #[serde(default)]
    pub log: Option<FdIndex>,
    /// Who else may talk to it.
    #[serde(default)]
    pub end: ConsoleEnd,
}

/// A device on the PCI bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceConfig {
    /// Unique name in the machine, e.g. `virtio-disk0`.
    pub alias: String,
    /// PCI slot on bus 0, 1 to 31; none takes the next free one.
    #[serde(default)]
    pub slot: Option<u8>,
    /// Guest and host may say by number when they want to be notified, where it is a virtio device.
    #[serde(default = "default_true", skip_serializing_if = "is_true")]
    pub event_idx: bool,
    /// What it is.
    pub kind: DeviceKind,
}

/// Kinds of devices; virtio 1.x where nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum DeviceKind {
    /// A disk.
    Block(BlockConfig),
    /// A network interface.
    Net(NetConfig),
    /// A console with one or more ports.
    Console(ConsoleConfig),
    /// A source of random bytes.
    Rng(RngConfig),
    /// A memory balloon; at most one.
    Balloon(BalloonConfig),
    /// A watchdog timer of an Intel 6300ESB; at most one.
    Watchdog(WatchdogConfig),
    /// A device that is told of panics (pvpanic); at most one.
    Panic,
    /// Memory that is plugged in blocks.
    Memory(PluggableConfig),
    /// Sockets between guest and host; at most one.
    Vsock(VsockConfig),
    /// A directory of the host that a program beside the worker serves.
    Filesystem(FilesystemConfig),
}

pub(crate) fn default_true() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

/// A source of random bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RngConfig {
    /// Where the bytes come from, e.g. `/dev/urandom`, read-only.
    pub fd: FdIndex,
    /// Limit; none means as fast as it goes.
    #[serde(default)]
    pub rate: Option<RngRate>,
}

/// Limit of a source of random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RngRate {
    /// Bytes per period, at least 1.
    pub bytes: u64,
    /// Length of a period in milliseconds, at least 1.
    pub period_ms: u64,
}

/// A memory balloon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalloonConfig {
    /// Memory the guest shall keep, in bytes; at most the memory of the machine.
    pub target: u64,
    /// The guest is asked for memory statistics.
    #[serde(default)]
    pub stats: bool,
    /// Seconds after which it is asked by itself, none for when somebody wants to know.
    #[serde(default)]
    pub stats_period: Option<u32>,
    /// The guest may take memory back when it has none left.
    #[serde(default = "default_true")]
    pub deflate_on_oom: bool,
    /// The guest tells of memory that is free, which the host then has.
    #[serde(default = "default_true")]
    pub reporting: bool,
}

/// What happens to the machine when its guest ends in some way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LifecycleAction {
    /// The machine ends and its memory is freed.
    #[default]
    Destroy,
    /// The machine starts again from its kernel, in the same process.
    Restart,
    /// The machine is kept, paused, for a look at it.
    Preserve,
}

impl LifecycleAction {
    fn restart() -> Self {
        Self::Restart
    }
}

/// Why a configuration can't be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The memory size is out of range or not aligned.
    #[error("guest memory of {0} bytes is not possible: it must be a multiple of 1 MiB from 4 MiB to 1 TiB")]
    Memory(u64),
    /// The huge page size does not exist or does not divide the memory size.
    #[error(
        "huge pages of {0} bytes are not possible for this guest: use 2 MiB or 1 GiB and a multiple of it as memory"
    )]
    HugePages(u64),
    /// The NUMA nodes can't be.
    #[error("guest memory must be bound to one NUMA node at least, and their numbers are below {max}", max = NumaConfig::LIMIT)]
    Nodes,
    /// The guest can't have such NUMA nodes.
    #[error("the NUMA nodes of the guest are not possible: {0}")]
    Cells(String),
    /// The vCPU count is out of range.
    #[error("{0} vCPUs are not possible: a guest has 1 to {max}", max = VmConfig::MAX_VCPUS)]
    Vcpus(u32),
    /// More vCPUs than there can be.
    #[error("{count} vCPUs are not possible: this guest can have {max}")]
    TooManyVcpus {
        /// What was asked for.
        count: u32,
        /// What there can be.
        max: u32,
    },
    /// The vCPUs can't be what they should be.
    #[error("the vCPUs are not possible: {0}")]
    Cpu(String),
    /// The clocks and timers can't be what they should be.
    #[error("the clock is not possible: {0}")]
    Clock(String),
    /// The command line is too long or holds a zero byte.
    #[error("the kernel command line of {0} bytes is too long or holds a zero byte (limit {max})", max = layout::CMDLINE_MAX - 1)]
    Cmdline(usize),
    /// The guest can't be told such words about its machine.
    #[error("the SMBIOS of the guest is not possible: {0}")]
    Smbios(String),
    /// The I/O threads can't be what they should be.
    #[error("the I/O threads are not possible: {0}")]
    Iothreads(String),
    /// More serial ports than a PC has.
    #[error("{0} serial ports are not possible: a guest has at most 4")]
    Serials(usize),
    /// Two things have the same alias, or an alias is empty.
    #[error("alias '{0}' is empty or used twice")]
    Alias(String),
    /// The slot is out of range or taken, or there are too many devices.
    #[error("device '{alias}' has no PCI slot: slots go from 1 to 31 and are used once")]
    Slot {
        /// The device.
        alias: String,
    },
    /// Something in a device is out of range.
    #[error("device '{alias}': {reason}")]
    Device {
        /// The device.
        alias: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl VmConfig {
    /// Most vCPUs of a machine (8-bit APIC ids, 0xff is the broadcast).
    pub const MAX_VCPUS: u32 = 254;

    /// vCPUs that can be there.
    pub fn vcpu_limit(&self) -> u32 {
        self.max_vcpus.unwrap_or(self.vcpus)
    }

    /// Checks everything that can be checked without descriptors and returns the slot of each device, in order.
    pub fn validate(&self) -> Result<Vec<u8>, ConfigError> {
        let memory = self.memory.bytes;
        if !(4 << 20..=1 << 40).contains(&memory) || !memory.is_multiple_of(1 << 20) {
            return Err(ConfigError::Memory(memory));
        }
        if let Some(size) = self.memory.hugepages
            && (!matches!(size, 0x20_0000 | 0x4000_0000) || !memory.is_multiple_of(size))
        {
            return Err(ConfigError::HugePages(size));
        }
        if let Some(numa) = &self.memory.numa
            && !numa.is_possible()
        {
            return Err(ConfigError::Nodes);
        }
        if let Some(reason) = self.numa_fault() {
            return Err(ConfigError::Cells(reason));
        }
        let max = self.vcpu_limit();
        if let Some(count) =
            [self.vcpus, max].into_iter().find(|count| !(1..=Self::MAX_VCPUS).contains(count))
        {
            return Err(ConfigError::Vcpus(count));
        }
        if self.vcpus > max {
            return Err(ConfigError::TooManyVcpus { count: self.vcpus, max });
        }
        if let Some(reason) = self.cpu.fault() {
            return Err(ConfigError::Cpu(reason));
        }
        if let Some(reason) = self.clock.fault() {
            return Err(ConfigError::Clock(reason));
        }
        let cmdline = &self.boot.cmdline;
        if cmdline.len() >= layout::CMDLINE_MAX || cmdline.contains('\0') {
            return Err(ConfigError::Cmdline(cmdline.len()));
        }
        if let Some(reason) = self.smbios.fault() {
            return Err(ConfigError::Smbios(reason));
        }
        if self.serials.len() > layout::SERIAL_PORTS.len() {
            return Err(ConfigError::Serials(self.serials.len()));
        }
        self.validate_aliases()?;
        self.validate_iothreads()?;
        for device in &self.devices {
            device.validate(memory)?;
            if matches!(device.kind, DeviceKind::Memory(_))
                && (self.memory.locked || self.memory.hugepages.is_some())
            {
                return Err(
                    device.invalid("memory that is locked or of huge pages can't be plugged in blocks")
                );
            }
            if matches!(device.kind, DeviceKind::Memory(_)) && self.memory.shared {
                return Err(device.invalid(
                    "memory can't be plugged in blocks while the guest's is shared with who serves a directory",
                ));
            }
            if matches!(device.kind, DeviceKind::Filesystem(_)) && !self.memory.shared {
                return Err(device.invalid("who serves a directory needs guest memory that is shared"));
            }
        }
        type IsKind = fn(&DeviceKind) -> bool;
        let singles: [(&str, IsKind); 4] = [
            ("balloon", |kind| matches!(kind, DeviceKind::Balloon(_))),
            ("watchdog", |kind| matches!(kind, DeviceKind::Watchdog(_))),
            ("panic device", |kind| matches!(kind, DeviceKind::Panic)),
            ("socket device", |kind| matches!(kind, DeviceKind::Vsock(_))),
        ];
        for (what, is_kind) in singles {
            if let Some(second) = self.devices.iter().filter(|device| is_kind(&device.kind)).nth(1) {
                return Err(second.invalid(format!("a guest has one {what} at most")));
            }
        }
        self.assign_slots()
    }

    fn validate_aliases(&self) -> Result<(), ConfigError> {
        let mut seen = BTreeSet::new();
        let ports = self.devices.iter().filter_map(|device| match &device.kind {
            DeviceKind::Console(console) => Some(console.ports.iter().map(|port| &port.alias)),
            _ => None,
        });
        let aliases = self.serials.iter().map(|serial| &serial.alias);
        for alias in aliases.chain(self.devices.iter().map(|device| &device.alias)).chain(ports.flatten()) {
            if alias.is_empty() || !seen.insert(alias) {
                return Err(ConfigError::Alias(alias.clone()));
            }
        }
        Ok(())
    }

    fn assign_slots(&self) -> Result<Vec<u8>, ConfigError> {
        let no_slot = |device: &DeviceConfig| ConfigError::Slot { alias: device.alias.clone() };
        let mut taken = [false; 32];
        taken[0] = true;
        for device in &self.devices {
            if let Some(slot) = device.slot {
                match taken.get_mut(usize::from(slot)) {
                    Some(used) if !*used => *used = true,
                    _ => return Err(no_slot(device)),
                }
            }
        }
        let mut slots = Vec::with_capacity(self.devices.len());
        for device in &self.devices {
            let slot = match device.slot {
                Some(slot) => slot,
                None => {
                    let free = taken.iter().position(|used| !used).ok_or_else(|| no_slot(device))?;
                    taken[free] = true;
                    free as u8
                }
            };
            slots.push(slot);
        }
        Ok(slots)
    }
}

impl DeviceConfig {
    fn invalid(&self, reason: impl Into<String>) -> ConfigError {
        ConfigError::Device { alias: self.alias.clone(), reason: reason.into() }
    }

    fn validate(&self, memory: u64) -> Result<(), ConfigError> {
        match &self.kind {
            DeviceKind::Block(BlockConfig { serial: Some(serial), .. })
                if serial.len() > 20 || !serial.is_ascii() =>
            {
                Err(self.invalid(format!("serial '{serial}' is longer than 20 ASCII characters")))
            }
            DeviceKind::Block(block) if block.format == Format::Raw && !block.backing.is_empty() => {
                Err(self.invalid("a raw image has no backing file"))
            }
            DeviceKind::Block(block) if block.encryption.is_some() && block.format != Format::Raw => {
                Err(self.invalid("an encrypted image is raw"))
            }
            DeviceKind::Block(block) if block.removable && !block.readonly => {
                Err(self.invalid("a medium that can be changed is only read"))
            }
            DeviceKind::Block(block) if block.copy_on_read && block.readonly => {
                Err(self.invalid("what is read is only kept in an image that is written"))
            }
            DeviceKind::Block(BlockConfig { shape: Some(shape), .. }) => {
                shape.fault().map_or(Ok(()), |reason| Err(self.invalid(reason)))
            }
            DeviceKind::Net(net) => net.fault().map_or(Ok(()), |reason| Err(self.invalid(reason))),
            DeviceKind::Console(console) if !(1..=16).contains(&console.ports.len()) => {
                Err(self.invalid(format!("{} console ports: there must be 1 to 16", console.ports.len())))
            }
            DeviceKind::Console(console)
                if console.ports.iter().flat_map(|port| &port.name).any(|name| !is_port_name(name)) =>
            {
                Err(self.invalid(format!(
                    "the name of a port must be 1 to {} printable ASCII characters",
                    MAX_PORT_NAME
                )))
            }
            DeviceKind::Rng(RngConfig { rate: Some(rate), .. }) if rate.bytes == 0 || rate.period_ms == 0 => {
                Err(self.invalid("a rate of 0 bytes or a period of 0 ms is no rate"))
            }
            DeviceKind::Balloon(balloon) if balloon.target > memory => Err(self.invalid(format!(
                "balloon target of {} bytes is more than the guest's {memory} bytes",
                balloon.target
            ))),
            DeviceKind::Filesystem(shared) => {
                shared.fault().map_or(Ok(()), |reason| Err(self.invalid(reason)))
            }
            DeviceKind::Vsock(vsock) => vsock.fault().map_or(Ok(()), |reason| Err(self.invalid(reason))),
            DeviceKind::Memory(memory) => match memory.fault() {
                Some(reason) => Err(self.invalid(reason)),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
