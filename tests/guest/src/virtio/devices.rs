//! All virtio devices of the machine, in the order of their PCI slots.

use alloc::vec::Vec;

use virtio_drivers::device::blk::{BlkReq, BlkResp, SECTOR_SIZE, VirtIOBlk};
use virtio_drivers::device::net::VirtIONet;
use virtio_drivers::transport::DeviceType;

use super::balloon::Balloon;
use super::console::Console;
use super::dma::Identity;
use super::entropy::Entropy;
use super::pluggable::Pluggable;
use super::shared::Shared;
use super::sockets::Sockets;
use super::transport::{Registers, Transport};
use super::wide::Wide;
use crate::interrupts;
use crate::pci::{Access, Function, MsixEntry};

/// Receive buffers of a network device.
const NET_QUEUE: usize = 16;
const NET_BUFFER: usize = 2048;

/// A block device.
pub type Disk = VirtIOBlk<Identity, Transport>;
/// A network device.
pub type Network = VirtIONet<Identity, Transport, NET_QUEUE>;

/// A driver with what belongs to its place in the machine.
pub struct Slot<D> {
    /// The driver.
    pub device: D,
    /// Slot on bus 0.
    pub slot: u8,
    /// Its interrupt vector.
    pub vector: u8,
    /// Its MSI-X entry, if it has one.
    pub msix: Option<MsixEntry>,
    /// Where the transport's registers are.
    registers: Registers,
    served: u64,
    primed: bool,
}

impl<D> Slot<D> {
    /// Whether the device interrupted since the last call; always true the first time and without MSI-X. For news in
    /// its configuration, which are dear to look at. Not for a queue: a driver that leaves used buffers in it gets no
    /// further interrupts, so whoever is awake looks into the queue.
    pub fn interrupted(&mut self) -> bool {
        let count = interrupts::count(self.vector);
        let new = !self.primed || count != self.served || self.msix.is_none();
        self.primed = true;
        self.served = count;
        new
    }

    /// Makes the device forget everything, so that its driver's memory can be used for something else.
    pub fn stop(&self) {
        self.registers.reset();
    }
}

impl Slot<Network> {
    /// Whether the device says that its cable is in.
    pub fn link_up(&self) -> bool {
        const STATUS: u64 = 6;
        self.registers.config_u16(STATUS).is_some_and(|status| status & 1 == 1)
    }
}

impl Slot<Disk> {
    /// Sectors that the disk has now.
    pub fn capacity(&self) -> u64 {
        let half = |offset| self.registers.config_u32(offset).map_or(0, u64::from);
        half(4) << 32 | half(0)
    }

    /// What the device says of its blocks and how it is notified.
    pub fn blocks(&self) -> Option<Blocks> {
        const GEOMETRY: u32 = 4;
        const TOPOLOGY: u32 = 10;
        const EVENT_IDX: u32 = 29;
        let (offered, taken) = self.registers.features();
        let has = |bit: u32| offered & 1 << bit != 0;
        let logical = self.registers.config_u32(20)?;
        let exponent = self.registers.config_u32(24)? & 0xff;
        let geometry = self.registers.config_u32(16)?;
        Some(Blocks {
            logical,
            physical: if has(TOPOLOGY) { logical << exponent.min(16) } else { logical },
            discard: self.registers.config_u32(44)? << 9,
            geometry: has(GEOMETRY).then_some((
                geometry as u16,
                (geometry >> 16) as u8,
                (geometry >> 24) as u8,
            )),
            event_idx: taken & 1 << EVENT_IDX != 0,
        })
    }

    /// Lets requests that are done interrupt, or not; changes of the disk's size always do.
    pub fn interrupt_on_requests(&self, on: bool) {
        self.registers.interrupt_on(0, on);
    }
}

/// What a disk says of its blocks, in bytes.
pub struct Blocks {
    /// Least that may be read or written at once.
    pub logical: u32,
    /// Least that is written without reading around it.
    pub physical: u32,
    /// What is freed is whole pieces of this.
    pub discard: u32,
    /// Cylinders, heads and sectors.
    pub geometry: Option<(u16, u8, u8)>,
    /// Whether the driver took EVENT_IDX.
    pub event_idx: bool,
}

/// The devices by kind.
#[derive(Default)]
pub struct Devices {
    /// Block devices.
    pub disks: Vec<Slot<Disk>>,
    /// Network devices.
    pub networks: Vec<Slot<Network>>,
    /// The first console.
    pub console: Option<Slot<Console>>,
    /// The first entropy source.
    pub entropy: Option<Slot<Entropy>>,
    /// The first balloon.
    pub balloon: Option<Slot<Balloon>>,
    /// The first memory that comes in blocks.
    pub pluggable: Option<Slot<Pluggable>>,
    /// The first device of sockets.
    pub sockets: Option<Slot<Sockets>>,
    /// Directories of the host.
    pub shared: Vec<Slot<Shared>>,
    /// Functions whose driver did not start.
    pub failed: Vec<(u8, virtio_drivers::Error)>,
}

impl Devices {
    /// Starts every virtio device on bus 0, each with a vector of its own on `cpu`.
    pub fn discover(access: Access, cpu: u8) -> Self {
        let mut devices = Self::default();
        for (function, vector) in
            access.functions().into_iter().zip(interrupts::FIRST_PCI..interrupts::SPURIOUS)
        {
            devices.open(function, vector, cpu);
        }
        devices
    }

    /// Starts a network device with those of the wanted features that it has.
    pub fn open_wide(function: Function, vector: u8, cpu: u8, features: u64) -> virtio_drivers::Result<Wide> {
        let transport = Transport::open(function, vector, cpu).ok_or(virtio_drivers::Error::Unsupported)?;
        Wide::new(transport, features)
    }

    /// Starts the virtio device of a function, if it is one.
    pub fn open(&mut self, function: Function, vector: u8, cpu: u8) {
        let Some(transport) = Transport::open(function, vector, cpu) else { return };
        let slot = function.slot();
        if let Err(error) = self.start(transport, slot, vector) {
            self.failed.push((slot, error));
        }
    }

    fn start(&mut self, transport: Transport, slot: u8, vector: u8) -> virtio_drivers::Result {
        use virtio_drivers::transport::Transport as _;
        let (msix, registers) = (transport.msix(), transport.registers());
        match transport.device_type() {
            DeviceType::Block => {
                // Requests are waited for by looking at the queue; `irq` lets them interrupt to test that.
                self.disks.push(Slot::new(Disk::new(transport)?, slot, vector, msix, registers));
            }
            DeviceType::Network => {
                self.networks.push(Slot::new(
                    Network::new(transport, NET_BUFFER)?,
                    slot,
                    vector,
                    msix,
                    registers,
                ));
            }
            DeviceType::Console => {
                self.console = Some(Slot::new(Console::new(transport)?, slot, vector, msix, registers))
            }
            DeviceType::EntropySource => {
                self.entropy = Some(Slot::new(Entropy::new(transport)?, slot, vector, msix, registers));
            }
            DeviceType::MemoryBalloon => {
                self.balloon = Some(Slot::new(Balloon::new(transport)?, slot, vector, msix, registers));
            }
            DeviceType::Memory => {
                self.pluggable = Some(Slot::new(Pluggable::new(transport)?, slot, vector, msix, registers));
            }
            DeviceType::_9P => {
                self.shared.push(Slot::new(Shared::new(transport)?, slot, vector, msix, registers));
            }
            DeviceType::Socket => {
                self.sockets = Some(Slot::new(Sockets::new(transport)?, slot, vector, msix, registers));
            }
            _ => {}
        }
        Ok(())
    }
}

impl<D> Slot<D> {
    fn new(device: D, slot: u8, vector: u8, msix: Option<MsixEntry>, registers: Registers) -> Self {
        Self { device, slot, vector, msix, registers, served: 0, primed: false }
    }
}

/// Reads a sector. The queue is only looked at after each `wait`.
pub fn read_sector(
    disk: &mut Disk,
    sector: usize,
    bytes: &mut [u8; SECTOR_SIZE],
    mut wait: impl FnMut(),
) -> virtio_drivers::Result {
    let (mut request, mut response) = (BlkReq::default(), BlkResp::default());
    // SAFETY: all three stay here untouched until the token comes back.
    let token = unsafe { disk.read_blocks_nb(sector, &mut request, bytes, &mut response)? };
    wait();
    while disk.peek_used() != Some(token) {
        wait();
    }
    // SAFETY: these are what was passed when the token was made.
    unsafe { disk.complete_read_blocks(token, &request, bytes, &mut response) }
}
