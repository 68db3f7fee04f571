//! The PCI devices of a machine: from their configuration to functions on the bus.

mod stats;

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};

use reeve_image::{Access, Format, ImageFile, LuksCipher};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::function::{Function, FunctionStateError};
use super::{Consoles, FdError, FdTable, MachineChassis, Signals};
use crate::bus::{Bus, BusDevice};
use crate::config::{
    BackingConfig, BalloonConfig, BlockConfig, ConsoleConfig, DeviceConfig, DeviceKind, DiskLimits,
    EncryptionConfig, FdIndex, NetBackend, NetConfig, PluggableConfig, VmConfig,
};
use crate::console::Console;
use crate::hypervisor::Vm;
use crate::layout;
use crate::memory::Memory;
use crate::pci::{
    ConfigPorts, Ecam, Ejected, Panic, PanicFunction, PciAddress, PciAddressError, PciError, RootComplex,
    Watchdog, WatchdogFunction,
};
use crate::protocol::{BalloonStats, DiskStats, DiskSwitch, MemoryStats, Stats};
use crate::state::DeviceState;
use crate::virtio::balloon::{Balloon, BalloonControl};
use crate::virtio::block::{
    Block, BlockControl, BlockJob, BlockMetrics, Disk, DiskError, DiskOptions, JobError, ResizeError, Task,
};
use crate::virtio::console::{ConsoleDevice, ConsolePort};
use crate::virtio::mem::{Mem, MemControl};
use crate::virtio::net::{Backend, BackendError, Net, NetControl, NetMetrics, NetOptions};
use crate::virtio::rng::Rng;
use crate::virtio::{PciTransport, TransportError, VirtioDevice};

/// Why a device can't be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Something about the device named by its alias.
    #[error("device '{alias}': {cause}")]
    Failed {
        /// The device.
        alias: String,
        /// Reason.
        cause: DeviceCause,
    },
    /// There is no console of that alias.
    #[error("console '{0}' does not exist")]
    NoConsole(String),
    /// There is no device of that alias.
    #[error("the machine has no device '{0}'")]
    NoDevice(String),
    /// The device is no network interface.
    #[error("device '{0}' is no network interface")]
    NoInterface(String),
    /// The device is no memory.
    #[error("device '{0}' is no memory that can be plugged")]
    NoMemory(String),
    /// The device is no disk.
    #[error("device '{0}' is no disk")]
    NoDisk(String),
    /// The device named by its alias can't go on from saved state.
    #[error("device '{alias}': {cause}")]
    State {
        /// The device.
        alias: String,
        /// Reason.
        cause: FunctionStateError,
    },
    /// The disk named by its alias stands on an error.
    #[error(
        "disk '{alias}' stands on an error ({error}): mend that and let the domain run before its state is taken"
    )]
    Stands {
        /// The disk.
        alias: String,
        /// What it stands on.
        error: String,
    },
    /// The disk named by its alias can't have that job.
    #[error("device '{alias}': {cause}")]
    Job {
        /// The disk.
        alias: String,
        /// Reason.
        cause: JobError,
    },
    /// The disk named by its alias can't have that size.
    #[error("device '{alias}': {cause}")]
    Size {
        /// The disk.
        alias: String,
        /// Reason.
        cause: ResizeError,
    },
}

/// Why one device can't be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceCause {
    /// Its descriptor is missing.
    #[error(transparent)]
    Fd(#[from] FdError),
    /// Its image is no disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Its descriptors are no network.
    #[error(transparent)]
    Net(#[from] BackendError),
    /// It has no place on the PCI bus.
    #[error(transparent)]
    Pci(#[from] PciError),
    /// Its memory is none that the machine was made with.
    #[error("memory can only be plugged into what the machine was started with")]
    NoRegion,
    /// Its slot does not exist.
    #[error(transparent)]
    Slot(#[from] PciAddressError),
    /// Its PCI function can't be made.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The host refused something.
    #[error("the host refused it: {0}")]
    Host(#[from] std::io::Error),
}

/// What devices are made with.
pub(super) struct Board<'a> {
    pub config: &'a VmConfig,
    pub fds: &'a FdTable,
    pub consoles: &'a Consoles,
    pub signals: &'a Arc<Signals>,
    pub chassis: &'a Arc<MachineChassis>,
    pub memory: &'a Memory,
    pub vm: &'a Arc<Vm>,
}

/// The devices of a machine.
pub struct Devices {
    root: Arc<RootComplex>,
    config_ports: Arc<ConfigPorts>,
    plugged: Vec<Plugged>,
}

/// A disk that is to take the place of another.
pub struct Successor {
    control: Arc<BlockControl>,
    disk: Disk,
}

impl Successor {
    /// Takes its place. The device must be stopped.
    pub(super) fn step_in(self) {
        self.control.replace(self.disk);
    }
}

/// One device, as the control plane reaches it.
struct Plugged {
    alias: String,
    address: PciAddress,
    function: Function,
    handle: Handle,
}

enum Handle {
    Disk(Arc<BlockMetrics>, Arc<BlockControl>),
    Interface(Arc<NetMetrics>, Arc<NetControl>),
    Balloon(BalloonControl),
    Memory(MemControl),
    Watchdog(Arc<Watchdog>),
    Other,
}

/// The console of an alias.
pub(super) fn console(consoles: &Consoles, alias: &str) -> Result<Arc<Console>, DeviceError> {
    consoles.get(alias).cloned().ok_or_else(|| DeviceError::NoConsole(alias.to_owned()))
}

impl Devices {
    /// Makes every device of the configuration and puts it on a new PCI bus.
    pub(super) fn attach(
        board: &Board<'_>,
        slots: &[u8],
        memory_bus: &Arc<Bus>,
    ) -> Result<Self, DeviceError> {
        let root = RootComplex::new(Arc::clone(memory_bus), layout::PCI_MMIO32);
        let config_ports = Arc::new(ConfigPorts::new(Arc::clone(&root)));
        let mut devices = Self { root, config_ports, plugged: Vec::new() };
        for (device, slot) in board.config.devices.iter().zip(slots) {
            devices.add(board, device, *slot)?;
        }
        Ok(devices)
    }

    /// Makes one device and puts it into a slot.
    pub(super) fn add(
        &mut self,
        board: &Board<'_>,
        device: &DeviceConfig,
        slot: u8,
    ) -> Result<(), DeviceError> {
        let plugged = self
            .plug(board, device, slot)
            .map_err(|cause| DeviceError::Failed { alias: device.alias.clone(), cause })?;
        self.plugged.push(plugged);
        Ok(())
    }

    fn plug(&self, board: &Board<'_>, device: &DeviceConfig, slot: u8) -> Result<Plugged, DeviceCause> {
        let alias = device.alias.clone();
        let address = PciAddress::new(0, 0, slot, 0)?;
        let (function, handle) = make(board, device)?;
        self.root.attach(Some(address), function.on_bus())?;
        Ok(Plugged { alias, address, function, handle })
    }

    /// The slot of a device.
    pub(super) fn slot(&self, alias: &str) -> Result<u8, DeviceError> {
        Ok(self.find(alias)?.address.slot())
    }

    /// Takes a device off the bus while the guest runs.
    pub(super) fn detach(&self, alias: &str) -> Result<Option<Ejected>, DeviceError> {
        let address = self.find(alias)?.address;
        let function = self.root.detach(address);
        Ok(function.map(|function| Ejected { slot: address.slot(), function }))
    }

    /// Forgets the device of a slot that is off the bus, and says its alias.
    pub(super) fn forget(&mut self, slot: u8) -> Option<String> {
        let position = self.plugged.iter().position(|plugged| plugged.address.slot() == slot)?;
        Some(self.plugged.remove(position).alias)
    }

    /// Plugs the cable of a network interface in or out.
    pub(super) fn set_link(&self, alias: &str, up: bool) -> Result<(), DeviceError> {
        match &self.find(alias)?.handle {
            Handle::Interface(_, control) => control.set_link(up),
            _ => return Err(DeviceError::NoInterface(alias.to_owned())),
        }
        Ok(())
    }

    /// Gives a disk another capacity and tells the guest.
    pub(super) fn resize_disk(&self, alias: &str, bytes: u64, shrink: bool) -> Result<(), DeviceError> {
        let resized = self.disk(alias)?.resize(bytes, shrink);
        resized.map_err(|cause| DeviceError::Size { alias: alias.to_owned(), cause })
    }

    /// Opens what is to take the place of images of disks. The devices must be stopped; nothing has changed yet.
    pub(super) fn open_successors(
        &self,
        switches: &[DiskSwitch],
        fds: &FdTable,
    ) -> Result<Vec<Successor>, DeviceError> {
        let open = |switch: &DiskSwitch| {
            let control = self.disk(&switch.alias)?;
            let failed = |cause| DeviceError::Failed { alias: switch.alias.clone(), cause };
            let DiskSwitch { alias, fd, format, backing } = switch;
            let new = disk(fds, alias, *fd, *format, backing, control.disk().options().clone());
            let new = new.map_err(failed)?;
            control.check_successor(&new).map_err(|error| failed(error.into()))?;
            Ok(Successor { control: Arc::clone(control), disk: new })
        };
        switches.iter().map(open).collect()
    }

    /// Makes a snapshot within the image of each disk, or none. The devices must be stopped.
    pub(super) fn snapshot_disks(
        &self,
        aliases: &[String],
        name: &str,
        taken: OffsetDateTime,
    ) -> Result<(), DeviceError> {
        for (number, alias) in aliases.iter().enumerate() {
            if let Err(error) = self.disk(alias)?.snapshot(name, taken) {
                // What can't be deleted either is found by who reads the image.
                let _ = self.drop_disk_snapshots(&aliases[..number], name, taken);
                return Err(DeviceError::Failed { alias: alias.clone(), cause: error.into() });
            }
        }
        Ok(())
    }

    /// Begins a job on the images of a disk. The device must be stopped.
    pub(super) fn begin_job(
        &self,
        alias: &str,
        task: Task,
        bandwidth: u64,
        told: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<BlockJob, DeviceError> {
        let begun = self.disk(alias)?.begin_job(alias, task, bandwidth, told);
        begun.map_err(|cause| DeviceError::Job { alias: alias.to_owned(), cause })
    }

    /// Puts a disk where its job has left it. The device must be stopped.
    pub(super) fn end_job(&self, alias: &str) -> Result<(), DeviceError> {
        let ended = self.disk(alias)?.end_job();
        ended.map_err(|cause| DeviceError::Job { alias: alias.to_owned(), cause })
    }

    /// The files of a disk with their formats, from the one that is written down.
    pub(super) fn disk_files(&self, alias: &str) -> Result<Vec<(OwnedFd, Format)>, DeviceError> {
        let files = self.disk(alias)?.files();
        files.map_err(|cause| DeviceError::Job { alias: alias.to_owned(), cause: cause.into() })
    }

    /// Deletes the snapshot of a name and time within the image of each disk that has one.
    pub(super) fn drop_disk_snapshots(
        &self,
        aliases: &[String],
        name: &str,
        taken: OffsetDateTime,
    ) -> Result<(), DeviceError> {
        for alias in aliases {
            let dropped = self.disk(alias)?.drop_snapshot(name, taken);
            dropped.map_err(|error| DeviceError::Failed { alias: alias.clone(), cause: error.into() })?;
        }
        Ok(())
    }

    fn disk(&self, alias: &str) -> Result<&Arc<BlockControl>, DeviceError> {
        match &self.find(alias)?.handle {
            Handle::Disk(_, control) => Ok(control),
            _ => Err(DeviceError::NoDisk(alias.to_owned())),
        }
    }

    /// Disks that stand on an error, with it.
    pub fn stopped_disks(&self) -> Vec<(String, String)> {
        let stopped = |plugged: &Plugged| match &plugged.handle {
            Handle::Disk(_, control) => control.error().map(|error| (plugged.alias.clone(), error)),
            _ => None,
        };
        self.plugged.iter().filter_map(stopped).collect()
    }

    /// Makes requests once more that disks stand on.
    pub(super) fn go_on(&self) {
        for plugged in &self.plugged {
            if let Handle::Disk(_, control) = &plugged.handle {
                control.go_on();
            }
        }
    }

    /// Gives a disk other limits.
    pub(super) fn limit_disk(&self, alias: &str, limits: &DiskLimits) -> Result<(), DeviceError> {
        self.disk(alias)?.limit(limits);
        Ok(())
    }

    fn find(&self, alias: &str) -> Result<&Plugged, DeviceError> {
        let found = self.plugged.iter().find(|plugged| plugged.alias == alias);
        found.ok_or_else(|| DeviceError::NoDevice(alias.to_owned()))
    }

    /// The watchdog, if there is one.
    pub(super) fn watchdog(&self) -> Option<&Arc<Watchdog>> {
        self.plugged.iter().find_map(|plugged| match &plugged.handle {
            Handle::Watchdog(watchdog) => Some(watchdog),
            _ => None,
        })
    }

    /// The PCI bus.
    pub(super) fn root(&self) -> Arc<RootComplex> {
        Arc::clone(&self.root)
    }

    /// PCI configuration space in memory.
    pub(super) fn ecam(&self) -> Arc<dyn BusDevice> {
        Arc::new(Ecam::new(Arc::clone(&self.root)))
    }

    /// PCI configuration space by ports.
    pub(super) fn config_ports(&self) -> Arc<ConfigPorts> {
        Arc::clone(&self.config_ports)
    }

    /// Stops all devices: what is in flight is completed, and memory is not touched any more. The vCPUs must stand still.
    pub(super) fn pause(&self) {
        self.transports().for_each(|mut transport| transport.pause());
    }

    /// Lets devices that were stopped go on.
    pub(super) fn resume(&self) {
        self.transports().for_each(|mut transport| transport.resume());
    }

    /// What to save of every device. They must be stopped.
    pub(super) fn state(&self) -> Vec<DeviceState> {
        let state = |plugged: &Plugged| DeviceState {
            alias: plugged.alias.clone(),
            slot: plugged.address.slot(),
            function: plugged.function.state(),
        };
        self.plugged.iter().map(state).collect()
    }

    /// Loads what was saved into devices that are as new. They go on when they are resumed.
    pub(super) fn restore(&self, states: &[DeviceState]) -> Result<(), DeviceError> {
        for state in states {
            let restored = self.find(&state.alias)?.function.restore(&state.function);
            restored.map_err(|cause| DeviceError::State { alias: state.alias.clone(), cause })?;
        }
        self.root.remap();
        Ok(())
    }

    fn transports(&self) -> impl Iterator<Item = MutexGuard<'_, PciTransport>> {
        self.plugged.iter().filter_map(|plugged| plugged.function.transport())
    }

    /// Puts all devices back to power-on. The vCPUs must stand still.
    pub(super) fn reset(&self) {
        self.root.reset();
    }

    /// Asks the guest to keep `bytes` of its memory. False when there is no balloon.
    pub fn set_balloon(&self, bytes: u64) -> bool {
        self.balloon().map(|balloon| balloon.set_target(bytes)).is_some()
    }

    /// Asks the guest for statistics every so often. False when there is no balloon.
    pub fn set_stats_period(&self, seconds: u32) -> bool {
        self.balloon().map(|balloon| balloon.set_period(seconds)).is_some()
    }

    fn balloon(&self) -> Option<&BalloonControl> {
        self.plugged.iter().find_map(|plugged| match &plugged.handle {
            Handle::Balloon(balloon) => Some(balloon),
            _ => None,
        })
    }

    /// Says how much of a device's memory the guest shall have.
    pub(super) fn request_memory(&self, alias: &str, bytes: u64) -> Result<(), DeviceError> {
        match &self.find(alias)?.handle {
            Handle::Memory(memory) => {
                memory.request(bytes);
                Ok(())
            }
            _ => Err(DeviceError::NoMemory(alias.to_owned())),
        }
    }

    /// Adds the counters of all devices.
    pub(super) fn add_stats(&self, all: &mut Stats) {
        for Plugged { alias, handle, .. } in &self.plugged {
            match handle {
                Handle::Disk(metrics, control) => {
                    all.disks.push(DiskStats { error: control.error(), ..stats::disk(alias, metrics) });
                }
                Handle::Interface(metrics, _) => all.interfaces.push(stats::interface(alias, metrics)),
                Handle::Balloon(balloon) => {
                    all.balloon = Some(BalloonStats {
                        alias: alias.clone(),
                        target: balloon.target(),
                        actual: balloon.actual(),
                        guest: balloon.statistics(),
                    });
                }
                Handle::Memory(memory) => {
                    let (requested, plugged) = (memory.requested(), memory.plugged());
                    all.memory.push(MemoryStats { alias: alias.clone(), requested, plugged });
                }
                Handle::Watchdog(_) | Handle::Other => {}
            }
        }
    }
}

type Virtio = (Box<dyn VirtioDevice>, Handle);

fn make(board: &Board<'_>, device: &DeviceConfig) -> Result<(Function, Handle), DeviceCause> {
    let (device, handle) = match &device.kind {
        DeviceKind::Block(config) => block(board, &device.alias, config),
        DeviceKind::Console(config) => Ok((virtio_console(board, config)?, Handle::Other)),
        DeviceKind::Net(config) => net(board, config),
        DeviceKind::Rng(config) => {
            let rng = Rng::new(board.fds.file(config.fd)?, config.rate);
            Ok::<Virtio, DeviceCause>((Box::new(rng), Handle::Other))
        }
        DeviceKind::Balloon(config) => balloon(board, config),
        DeviceKind::Memory(config) => memory(board, &device.alias, config),
        DeviceKind::Watchdog(_) => {
            let watchdog = Watchdog::new()?;
            let function = Arc::new(Mutex::new(WatchdogFunction::new(Arc::clone(&watchdog))));
            return Ok((Function::Watchdog(function), Handle::Watchdog(watchdog)));
        }
        DeviceKind::Panic => {
            let (chassis, signals) = (Arc::clone(board.chassis), Arc::clone(board.signals));
            let told = move |panic| match panic {
                Panic::Final => chassis.crash("the guest has panicked".to_owned()),
                Panic::Handled => signals.panic_handled(),
            };
            let function = Arc::new(Mutex::new(PanicFunction::new(Box::new(told))));
            return Ok((Function::Panic(function), Handle::Other));
        }
    }?;
    let transport = PciTransport::new(device, board.memory.clone(), board.vm.as_ref(), board.vm.clone())?;
    Ok((Function::Virtio(Arc::new(Mutex::new(transport))), handle))
}

fn block(board: &Board<'_>, alias: &str, config: &BlockConfig) -> Result<Virtio, DeviceCause> {
    let options = DiskOptions {
        readonly: config.readonly,
        serial: config.serial.clone().unwrap_or_default(),
        cache: config.cache,
        discard: config.discard,
        errors: config.errors,
        io: config.io,
    };
    let disk = match config.encryption {
        None => disk(board.fds, alias, config.fd, config.format, &config.backing, options)?,
        Some(encryption) => {
            let cipher = cipher(board.fds, encryption)?;
            Disk::encrypted(board.fds.file(config.fd)?, cipher, encryption.payload, options)?
        }
    };
    let block = Block::new(disk, &config.limits)?;
    let signals = Arc::clone(board.signals);
    block.control().watch(Arc::new(move || signals.disk_stopped()));
    let handle = Handle::Disk(block.metrics(), block.control());
    Ok((Box::new(block), handle))
}

/// The cipher of an encrypted disk. Its key is cleared from memory when the cipher has it.
fn cipher(fds: &FdTable, encryption: EncryptionConfig) -> Result<LuksCipher, DeviceCause> {
    let mut key = Zeroizing::new([0; LuksCipher::KEY_MAX + 1]);
    let mut length = 0;
    let mut pipe = fds.file(encryption.key)?;
    while length < key.len() {
        match pipe.read(&mut key[length..]).map_err(DiskError::Key)? {
            0 => break,
            count => length += count,
        }
    }
    let wrong = || DiskError::Key(io::Error::new(io::ErrorKind::InvalidData, "it has another length"));
    Ok(LuksCipher::new(&key[..length]).ok_or_else(wrong)?)
}

/// A raw file or an image on its backing files. The worker knows no paths: errors call them by the disk's alias.
fn disk(
    fds: &FdTable,
    alias: &str,
    fd: FdIndex,
    format: Format,
    backing: &[BackingConfig],
    options: DiskOptions,
) -> Result<Disk, DeviceCause> {
    if format == Format::Raw {
        return Ok(Disk::new(fds.file(fd)?, options)?);
    }
    let file = |fd, name| Ok::<_, DeviceCause>(ImageFile::new(fds.file(fd)?, name).map_err(DiskError::from)?);
    let mut chain = vec![(file(fd, alias.to_owned())?, format)];
    for (number, below) in (1..).zip(backing) {
        chain.push((file(below.fd, format!("backing file {number} of {alias}"))?, below.format));
    }
    let access = if options.readonly { Access::Read } else { Access::Write };
    let image = reeve_image::open_chain(chain, access).map_err(DiskError::from)?;
    Ok(Disk::in_image(image, options)?)
}

fn net(board: &Board<'_>, config: &NetConfig) -> Result<Virtio, DeviceCause> {
    let options = NetOptions { mac: config.mac, mtu: config.mtu, link_up: config.link_up };
    let backend = match config.backend {
        NetBackend::Tap { fd } => Backend::tap(board.fds.file(fd)?)?,
        NetBackend::Multicast { receive, send } => {
            Backend::multicast(board.fds.get(receive)?, board.fds.get(send)?)?
        }
        NetBackend::Client { fd } => Backend::client(board.fds.get(fd)?)?,
        NetBackend::Server { fd } => Backend::server(board.fds.get(fd)?)?,
    };
    let net = Net::new(backend, options)?;
    let handle = Handle::Interface(net.metrics(), net.control());
    Ok((Box::new(net), handle))
}

fn balloon(board: &Board<'_>, config: &BalloonConfig) -> Result<Virtio, DeviceCause> {
    let signals = Arc::clone(board.signals);
    let on_change = Box::new(move |bytes| signals.balloon(bytes));
    let balloon = Balloon::new(board.config.memory.bytes, config.target, config.stats, on_change)?;
    let balloon = balloon.offering(config.deflate_on_oom, config.reporting);
    let control = balloon.control();
    control.set_period(config.stats_period.unwrap_or(0));
    Ok((Box::new(balloon), Handle::Balloon(control)))
}

fn memory(board: &Board<'_>, alias: &str, config: &PluggableConfig) -> Result<Virtio, DeviceCause> {
    let mut devices =
        board.config.devices.iter().filter(|device| matches!(device.kind, DeviceKind::Memory(_)));
    let number = devices.position(|device| device.alias == alias);
    let blocks = number.and_then(|number| board.vm.blocks().get(number)).ok_or(DeviceCause::NoRegion)?;
    let memory = Mem::new(Arc::clone(blocks), config.requested);
    let control = memory.control();
    Ok((Box::new(memory), Handle::Memory(control)))
}

fn virtio_console(board: &Board<'_>, config: &ConsoleConfig) -> Result<Box<dyn VirtioDevice>, DeviceCause> {
    let ports = config.ports.iter().filter_map(|port| {
        let console = board.consoles.get(&port.alias)?;
        Some(ConsolePort { console: Arc::clone(console), name: port.name.clone() })
    });
    Ok(Box::new(ConsoleDevice::new(ports.collect())?))
}
