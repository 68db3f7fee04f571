//! The PCI devices of a machine: from their configuration to functions on the bus.

mod make;
mod stats;

use std::os::fd::OwnedFd;
use std::sync::{Arc, MutexGuard};

use reeve_image::Format;
use time::OffsetDateTime;

use super::function::{Function, FunctionStateError};
use super::iothreads::Iothreads;
use super::{Consoles, FdError, FdTable, MachineChassis, Signals};
use crate::bus::{Bus, BusDevice};
use crate::config::{DeviceConfig, DiskLimits, VmConfig};
use crate::console::Console;
use crate::hypervisor::Vm;
use crate::layout;
use crate::memory::Memory;
use crate::pci::{ConfigPorts, Ecam, Ejected, PciAddress, PciAddressError, PciError, RootComplex, Watchdog};
use crate::protocol::{BalloonStats, DiskStats, DiskSwitch, MemoryStats, Stats};
use crate::state::DeviceState;
use crate::virtio::balloon::BalloonControl;
use crate::virtio::block::{
    BlockControl, BlockJob, BlockMetrics, Disk, DiskError, JobError, LeavingDisk, ResizeError, Task,
};
use crate::virtio::fs::{FsControl, FsError};
use crate::virtio::mem::MemControl;
use crate::virtio::net::{BackendError, NetControl, NetMetrics};
use crate::virtio::vsock::{Dial, VsockControl};
use crate::virtio::{PciTransport, TransportError};

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
    /// The device has no sockets.
    #[error("device '{0}' has no sockets")]
    NoSockets(String),
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
    /// The device named by its alias has its state in another process.
    #[error(
        "device '{0}' shares a directory of this host, and what its guest has open there is known to who serves it only: shut the guest down instead"
    )]
    Shares(String),
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
    /// Who serves its directory does not.
    #[error(transparent)]
    Share(#[from] FsError),
    /// Its memory is none that the machine was made with.
    #[error("memory can only be plugged into what the machine was started with")]
    NoRegion,
    /// There is no such I/O thread.
    #[error("there is no I/O thread {0}; add it first")]
    NoIothread(u32),
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
    pub iothreads: &'a Iothreads,
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
    Vsock(Arc<VsockControl>),
    Filesystem(Arc<FsControl>),
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
        let (function, handle) = make::make(board, device)?;
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

    /// Connections to the host that programs of the guest want, with the device that wants each.
    pub(super) fn take_dials(&self) -> Vec<(String, Dial)> {
        let dials = |plugged: &Plugged| match &plugged.handle {
            Handle::Vsock(control) => {
                control.take_dials().into_iter().map(|dial| (plugged.alias.clone(), dial)).collect()
            }
            _ => Vec::new(),
        };
        self.plugged.iter().flat_map(dials).collect()
    }

    /// Directories that nobody serves any more since this was last asked, by the aliases of their devices.
    pub(super) fn take_losses(&self) -> Vec<String> {
        let lost = |plugged: &&Plugged| match &plugged.handle {
            Handle::Filesystem(control) => control.take_loss(),
            _ => false,
        };
        self.plugged.iter().filter(lost).map(|plugged| plugged.alias.clone()).collect()
    }

    /// All directories that nobody serves any more, by the aliases of their devices.
    pub(super) fn losses(&self) -> Vec<String> {
        let lost = |plugged: &&Plugged| match &plugged.handle {
            Handle::Filesystem(control) => control.is_lost(),
            _ => false,
        };
        self.plugged.iter().filter(lost).map(|plugged| plugged.alias.clone()).collect()
    }

    /// Refuses to have the state of devices taken, part of which is in another process.
    pub(super) fn refuse_shares(&self) -> Result<(), DeviceError> {
        let shares = |plugged: &&Plugged| matches!(plugged.handle, Handle::Filesystem(_));
        match self.plugged.iter().find(shares) {
            Some(plugged) => Err(DeviceError::Shares(plugged.alias.clone())),
            None => Ok(()),
        }
    }

    /// Gives a program of the guest the connection that it wanted, or tells it that nobody is there.
    pub(super) fn answer_dial(
        &self,
        alias: &str,
        number: u64,
        connection: Option<OwnedFd>,
    ) -> Result<(), DeviceError> {
        match &self.find(alias)?.handle {
            Handle::Vsock(control) => control.answer(number, connection),
            _ => return Err(DeviceError::NoSockets(alias.to_owned())),
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
            // The image of now may be the first below the new one, which reads its tables when it is opened.
            control.settle().map_err(|error| failed(error.into()))?;
            let new = make::disk(fds, alias, *fd, *format, backing, control.disk().options().clone());
            let new = new.map_err(failed)?;
            control.check_successor(&new).map_err(|error| failed(error.into()))?;
            Ok(Successor { control: Arc::clone(control), disk: new })
        };
        switches.iter().map(open).collect()
    }

    /// Opens another medium for a drive, which may be of any size. The device must be stopped; nothing has changed yet.
    pub(super) fn open_medium(&self, switch: &DiskSwitch, fds: &FdTable) -> Result<Successor, DeviceError> {
        let control = self.disk(&switch.alias)?;
        let failed = |cause| DeviceError::Failed { alias: switch.alias.clone(), cause };
        control.check_drive().map_err(|error| failed(error.into()))?;
        let DiskSwitch { alias, fd, format, backing } = switch;
        let options = control.disk().options().clone();
        let disk = make::disk(fds, alias, *fd, *format, backing, options).map_err(failed)?;
        Ok(Successor { control: Arc::clone(control), disk })
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

    /// A disk, to be read while the guest goes to another worker.
    pub(super) fn leaving_disk(&self, alias: &str, shallow: bool) -> Result<LeavingDisk, DeviceError> {
        Ok(LeavingDisk::new(self.disk(alias)?, alias, shallow))
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
        self.tell_to_stop();
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
        self.tell_to_stop();
        self.root.reset();
    }

    /// Tells those that wait for another process when they stop, before one after the other is stopped.
    fn tell_to_stop(&self) {
        for plugged in &self.plugged {
            if let Handle::Filesystem(filesystem) = &plugged.handle {
                filesystem.tell_to_stop();
            }
        }
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
                Handle::Watchdog(_) | Handle::Vsock(_) | Handle::Filesystem(_) | Handle::Other => {}
            }
        }
    }
}
