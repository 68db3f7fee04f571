//! The PCI devices of a machine: from their configuration to functions on the bus.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::{Consoles, FdError, FdTable, Signals};
use crate::bus::{Bus, BusDevice};
use crate::config::{
    BalloonConfig, BlockConfig, ConsoleConfig, DeviceConfig, DeviceKind, NetConfig, VmConfig,
};
use crate::console::Console;
use crate::hypervisor::Vm;
use crate::layout;
use crate::memory::Memory;
use crate::pci::{ConfigPorts, Ecam, PciAddress, PciAddressError, PciError, RootComplex};
use crate::protocol::{BalloonStats, DiskStats, InterfaceStats, Stats};
use crate::virtio::balloon::{Balloon, BalloonControl};
use crate::virtio::block::{Block, BlockMetrics, Disk, DiskError, DiskOptions};
use crate::virtio::console::{ConsoleDevice, ConsolePort};
use crate::virtio::net::{Net, NetMetrics, NetOptions, Tap, TapError};
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
    /// Its descriptor is no tap.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// It has no place on the PCI bus.
    #[error(transparent)]
    Pci(#[from] PciError),
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
    pub slots: &'a [u8],
    pub fds: &'a FdTable,
    pub consoles: &'a Consoles,
    pub signals: Arc<Signals>,
    pub memory: &'a Memory,
    pub vm: &'a Arc<Vm>,
    pub memory_bus: &'a Arc<Bus>,
}

/// The devices of a machine.
pub struct Devices {
    root: Arc<RootComplex>,
    disks: Vec<(String, Arc<BlockMetrics>)>,
    interfaces: Vec<(String, Arc<NetMetrics>)>,
    balloon: Option<(String, BalloonControl)>,
}

/// The console of an alias.
pub(super) fn console(consoles: &Consoles, alias: &str) -> Result<Arc<Console>, DeviceError> {
    consoles.get(alias).cloned().ok_or_else(|| DeviceError::NoConsole(alias.to_owned()))
}

impl Devices {
    /// Makes every device of the configuration and puts it on a new PCI bus.
    pub(super) fn attach(board: &Board<'_>) -> Result<Self, DeviceError> {
        let root = RootComplex::new(Arc::clone(board.memory_bus), layout::PCI_MMIO32);
        let mut devices = Self { root, disks: Vec::new(), interfaces: Vec::new(), balloon: None };
        for (device, slot) in board.config.devices.iter().zip(board.slots) {
            let failed = |cause| DeviceError::Failed { alias: device.alias.clone(), cause };
            let virtio = devices.make(board, device).map_err(failed)?;
            devices.plug(board, virtio, *slot).map_err(failed)?;
        }
        Ok(devices)
    }

    fn make(
        &mut self,
        board: &Board<'_>,
        device: &DeviceConfig,
    ) -> Result<Box<dyn VirtioDevice>, DeviceCause> {
        match &device.kind {
            DeviceKind::Block(config) => self.block(board, &device.alias, config),
            DeviceKind::Console(config) => virtio_console(board, config),
            DeviceKind::Net(config) => self.net(board, &device.alias, config),
            DeviceKind::Rng(config) => Ok(Box::new(Rng::new(board.fds.file(config.fd)?, config.rate))),
            DeviceKind::Balloon(config) => self.balloon(board, &device.alias, config),
        }
    }

    fn plug(&self, board: &Board<'_>, device: Box<dyn VirtioDevice>, slot: u8) -> Result<(), DeviceCause> {
        let address = PciAddress::new(0, 0, slot, 0)?;
        let transport = PciTransport::new(device, board.memory.clone(), board.vm.as_ref(), board.vm.clone())?;
        self.root.attach(Some(address), Arc::new(Mutex::new(transport)))?;
        Ok(())
    }

    fn block(
        &mut self,
        board: &Board<'_>,
        alias: &str,
        config: &BlockConfig,
    ) -> Result<Box<dyn VirtioDevice>, DeviceCause> {
        let options = DiskOptions {
            readonly: config.readonly,
            serial: config.serial.clone().unwrap_or_default(),
            cache: config.cache,
            discard: config.discard,
        };
        let block = Block::new(Disk::new(board.fds.file(config.fd)?, options)?);
        self.disks.push((alias.to_owned(), block.metrics()));
        Ok(Box::new(block))
    }

    fn net(
        &mut self,
        board: &Board<'_>,
        alias: &str,
        config: &NetConfig,
    ) -> Result<Box<dyn VirtioDevice>, DeviceCause> {
        let options = NetOptions { mac: config.mac, mtu: config.mtu, link_up: config.link_up };
        let net = Net::new(Tap::new(board.fds.file(config.fd)?)?, options);
        self.interfaces.push((alias.to_owned(), net.metrics()));
        Ok(Box::new(net))
    }

    fn balloon(
        &mut self,
        board: &Board<'_>,
        alias: &str,
        config: &BalloonConfig,
    ) -> Result<Box<dyn VirtioDevice>, DeviceCause> {
        let signals = Arc::clone(&board.signals);
        let on_change = Box::new(move |bytes| signals.balloon(bytes));
        let balloon = Balloon::new(board.config.memory.bytes, config.target, config.stats, on_change)?;
        self.balloon = Some((alias.to_owned(), balloon.control()));
        Ok(Box::new(balloon))
    }

    /// PCI configuration space in memory.
    pub(super) fn ecam(&self) -> Arc<dyn BusDevice> {
        Arc::new(Ecam::new(Arc::clone(&self.root)))
    }

    /// PCI configuration space by ports.
    pub(super) fn config_ports(&self) -> Arc<dyn BusDevice> {
        Arc::new(ConfigPorts::new(Arc::clone(&self.root)))
    }

    /// Puts all devices back to power-on. The vCPUs must stand still.
    pub(super) fn reset(&self) {
        self.root.reset();
    }

    /// Asks the guest to keep `bytes` of its memory. False when there is no balloon.
    pub fn set_balloon(&self, bytes: u64) -> bool {
        self.balloon.as_ref().map(|(_, balloon)| balloon.set_target(bytes)).is_some()
    }

    /// Adds the counters of all devices.
    pub(super) fn add_stats(&self, stats: &mut Stats) {
        stats.disks.extend(self.disks.iter().map(|(alias, metrics)| disk_stats(alias, metrics)));
        stats
            .interfaces
            .extend(self.interfaces.iter().map(|(alias, metrics)| interface_stats(alias, metrics)));
        stats.balloon = self.balloon.as_ref().map(|(alias, balloon)| BalloonStats {
            alias: alias.clone(),
            target: balloon.target(),
            actual: balloon.actual(),
            guest: balloon.statistics(),
        });
    }
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
    }
}

fn interface_stats(alias: &str, metrics: &NetMetrics) -> InterfaceStats {
    InterfaceStats {
        alias: alias.to_owned(),
        rx_packets: metrics.rx_packets.load(Ordering::Relaxed),
        rx_bytes: metrics.rx_bytes.load(Ordering::Relaxed),
        tx_packets: metrics.tx_packets.load(Ordering::Relaxed),
        tx_bytes: metrics.tx_bytes.load(Ordering::Relaxed),
        dropped: metrics.rx_dropped.load(Ordering::Relaxed) + metrics.tx_dropped.load(Ordering::Relaxed),
    }
}

fn virtio_console(board: &Board<'_>, config: &ConsoleConfig) -> Result<Box<dyn VirtioDevice>, DeviceCause> {
    let ports = config.ports.iter().filter_map(|port| {
        let console = board.consoles.get(&port.alias)?;
        Some(ConsolePort { console: Arc::clone(console), name: port.name.clone() })
    });
    Ok(Box::new(ConsoleDevice::new(ports.collect())?))
}
