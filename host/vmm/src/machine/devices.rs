//! The PCI devices of a machine: from their configuration to functions on the bus.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_image::{Access, Format, ImageFile};
use time::OffsetDateTime;

use super::{Consoles, FdError, FdTable, MachineChassis, Signals};
use crate::bus::{Bus, BusDevice};
use crate::config::{
    BackingConfig, BalloonConfig, BlockConfig, ConsoleConfig, DeviceConfig, DeviceKind, DiskLimits, FdIndex,
    NetBackend, NetConfig, PluggableConfig, VmConfig,
};
use crate::console::Console;
use crate::hypervisor::Vm;
use crate::layout;
use crate::memory::Memory;
use crate::pci::{
    ConfigPorts, Ecam, Ejected, Panic, PanicFunction, PciAddress, PciAddressError, PciError, PciFunction,
    RootComplex, Watchdog, WatchdogFunction,
};
use crate::protocol::{BalloonStats, DiskStats, DiskSwitch, InterfaceStats, MemoryStats, Stats};
use crate::state::DeviceState;
use crate::virtio::balloon::{Balloon, BalloonControl};
use crate::virtio::block::{Block, BlockControl, BlockMetrics, Disk, DiskError, DiskOptions, ResizeError};
use crate::virtio::console::{ConsoleDevice, ConsolePort};
use crate::virtio::mem::{Mem, MemControl};
use crate::virtio::net::{Backend, BackendError, Net, NetControl, NetMetrics, NetOptions};
use crate::virtio::rng::Rng;
use crate::virtio::{PciTransport, TransportError, TransportStateError, VirtioDevice};

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
        cause: TransportStateError,
    },
    /// The device named by its alias is none that can be saved.
    #[error(
        "the state of device '{0}' can't be saved: a domain with a watchdog or a panic device must be shut down instead"
    )]
    NotSaved(String),
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
    /// Where it is a virtio device.
    transport: Option<Arc<Mutex<PciTransport>>>,
    handle: Handle,
}

impl Plugged {
    fn transport(&self) -> Option<MutexGuard<'_, PciTransport>> {
        let transport = self.transport.as_ref()?;
        Some(transport.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
        let Made { function, transport, handle } = make(board, device)?;
        self.root.attach(Some(address), function)?;
        Ok(Plugged { alias, address, transport, handle })
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

    /// The first device that can't be saved, by its alias: watchdogs and panic devices are no virtio devices.
    pub(super) fn unsavable(&self) -> Option<&str> {
        let found = self.plugged.iter().find(|plugged| plugged.transport.is_none());
        found.map(|plugged| plugged.alias.as_str())
    }

    /// What to save of every device. They must be stopped.
    pub(super) fn state(&self) -> Vec<DeviceState> {
        let state = |plugged: &Plugged| {
            Some(DeviceState {
                alias: plugged.alias.clone(),
                slot: plugged.address.slot(),
                transport: plugged.transport()?.state(),
            })
        };
        self.plugged.iter().filter_map(state).collect()
    }

    /// Loads what was saved into devices that are as new. They go on when they are resumed.
    pub(super) fn restore(&self, states: &[DeviceState]) -> Result<(), DeviceError> {
        for state in states {
            let plugged = self.find(&state.alias)?;
            let Some(mut transport) = plugged.transport() else {
                return Err(DeviceError::NotSaved(state.alias.clone()));
            };
            let restored = transport.restore(&state.transport);
            restored.map_err(|cause| DeviceError::State { alias: state.alias.clone(), cause })?;
        }
        self.root.remap();
        Ok(())
    }

    fn transports(&self) -> impl Iterator<Item = MutexGuard<'_, PciTransport>> {
        self.plugged.iter().filter_map(Plugged::transport)
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
    pub(super) fn add_stats(&self, stats: &mut Stats) {
        for Plugged { alias, handle, .. } in &self.plugged {
            match handle {
                Handle::Disk(metrics, _) => stats.disks.push(disk_stats(alias, metrics)),
                Handle::Interface(metrics, _) => stats.interfaces.push(interface_stats(alias, metrics)),
                Handle::Balloon(balloon) => {
                    stats.balloon = Some(BalloonStats {
                        alias: alias.clone(),
                        target: balloon.target(),
                        actual: balloon.actual(),
                        guest: balloon.statistics(),
                    });
                }
                Handle::Memory(memory) => {
                    let (requested, plugged) = (memory.requested(), memory.plugged());
                    stats.memory.push(MemoryStats { alias: alias.clone(), requested, plugged });
                }
                Handle::Watchdog(_) | Handle::Other => {}
            }
        }
    }
}

type Virtio = (Box<dyn VirtioDevice>, Handle);

/// A device that is not on the bus yet.
struct Made {
    function: Arc<Mutex<dyn PciFunction>>,
    /// The same, where it is a virtio device.
    transport: Option<Arc<Mutex<PciTransport>>>,
    handle: Handle,
}

fn make(board: &Board<'_>, device: &DeviceConfig) -> Result<Made, DeviceCause> {
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
            return Ok(Made { function, transport: None, handle: Handle::Watchdog(watchdog) });
        }
        DeviceKind::Panic => {
            let (chassis, signals) = (Arc::clone(board.chassis), Arc::clone(board.signals));
            let told = move |panic| match panic {
                Panic::Final => chassis.crash("the guest has panicked".to_owned()),
                Panic::Handled => signals.panic_handled(),
            };
            let function = Arc::new(Mutex::new(PanicFunction::new(Box::new(told))));
            return Ok(Made { function, transport: None, handle: Handle::Other });
        }
    }?;
    let transport = PciTransport::new(device, board.memory.clone(), board.vm.as_ref(), board.vm.clone())?;
    let transport = Arc::new(Mutex::new(transport));
    Ok(Made { function: transport.clone(), transport: Some(transport), handle })
}

fn block(board: &Board<'_>, alias: &str, config: &BlockConfig) -> Result<Virtio, DeviceCause> {
    let options = DiskOptions {
        readonly: config.readonly,
        serial: config.serial.clone().unwrap_or_default(),
        cache: config.cache,
        discard: config.discard,
    };
    let disk = disk(board.fds, alias, config.fd, config.format, &config.backing, options)?;
    let block = Block::new(disk, &config.limits)?;
    let handle = Handle::Disk(block.metrics(), block.control());
    Ok((Box::new(block), handle))
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

fn disk_stats(alias: &str, metrics: &BlockMetrics) -> DiskStats {
    DiskStats {
        alias: alias.to_owned(),
        read_requests: metrics.read_requests.load(Ordering::Relaxed),
        read_bytes: metrics.read_bytes.load(Ordering::Relaxed),
        write_requests: metrics.write_requests.load(Ordering::Relaxed),
        write_bytes: metrics.write_bytes.load(Ordering::Relaxed),
        flush_requests: metrics.flush_requests.load(Ordering::Relaxed),
        errors: metrics.errors.load(Ordering::Relaxed),
        read_time_ns: metrics.read_time_ns.load(Ordering::Relaxed),
        write_time_ns: metrics.write_time_ns.load(Ordering::Relaxed),
        flush_time_ns: metrics.flush_time_ns.load(Ordering::Relaxed),
    }
}

fn interface_stats(alias: &str, metrics: &NetMetrics) -> InterfaceStats {
    InterfaceStats {
        alias: alias.to_owned(),
        rx_packets: metrics.rx_packets.load(Ordering::Relaxed),
        rx_bytes: metrics.rx_bytes.load(Ordering::Relaxed),
        tx_packets: metrics.tx_packets.load(Ordering::Relaxed),
        tx_bytes: metrics.tx_bytes.load(Ordering::Relaxed),
        rx_errors: metrics.rx_errors.load(Ordering::Relaxed),
        rx_dropped: metrics.rx_dropped.load(Ordering::Relaxed),
        tx_errors: metrics.tx_errors.load(Ordering::Relaxed),
        tx_dropped: metrics.tx_dropped.load(Ordering::Relaxed),
    }
}

fn virtio_console(board: &Board<'_>, config: &ConsoleConfig) -> Result<Box<dyn VirtioDevice>, DeviceCause> {
    let ports = config.ports.iter().filter_map(|port| {
        let console = board.consoles.get(&port.alias)?;
        Some(ConsolePort { console: Arc::clone(console), name: port.name.clone() })
    });
    Ok(Box::new(ConsoleDevice::new(ports.collect())?))
}
