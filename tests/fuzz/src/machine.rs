//! A virtio device on its real transport, in guest memory of its own, without KVM.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reeve_vmm::pci::PciFunction;
use reeve_vmm::pci::msix::{MsiLine, MsiLines, MsiMessage};
use reeve_vmm::virtio::{Doorbells, Memory, PciTransport, TransportState, VirtioDevice};
use vm_memory::{Bytes, GuestAddress};
use vmm_sys_util::eventfd::EventFd;

/// Bytes of guest memory.
pub const MEMORY: u64 = 1 << 20;
/// Descriptors of a queue.
pub const SIZE: u16 = 16;
/// From here on memory holds what the attacker put there; rings are below.
pub const BUFFERS: u64 = 0x4_0000;

const RING_STRIDE: u64 = 0x4000;
const AVAIL: u64 = 0x1000;
const USED: u64 = 0x2000;

/// Registers of the common configuration in BAR 0 (virtio 1.2, 4.1.4.3), and the doorbells behind it.
const OFFER_SELECT: u64 = 0x00;
const OFFER: u64 = 0x04;
const FEATURE_SELECT: u64 = 0x08;
const FEATURES: u64 = 0x0c;
const QUEUES: u64 = 0x12;
const STATUS: u64 = 0x14;
const QUEUE_SELECT: u64 = 0x16;
const DOORBELLS: u64 = 0x3000;

const VERSION_1: u64 = 1 << 32;
const FEATURES_OK: u8 = 11;
const DRIVER_OK: u8 = 15;

/// Doorbells without KVM: every notification takes the slow way through the transport.
pub struct NoDoorbells;

impl Doorbells for NoDoorbells {
    fn register(&self, _address: u64, _event: &EventFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn unregister(&self, _address: u64, _event: &EventFd) -> io::Result<()> {
        Ok(())
    }
}

/// Interrupt lines that count.
#[derive(Clone, Default)]
pub struct Lines(Arc<AtomicU64>);

impl MsiLines for Lines {
    fn create(&self) -> io::Result<Box<dyn MsiLine>> {
        Ok(Box::new(self.clone()))
    }
}

impl MsiLine for Lines {
    fn route(&self, _message: MsiMessage) -> io::Result<()> {
        Ok(())
    }

    fn raise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A device and the memory of its guest.
pub struct Machine {
    transport: PciTransport,
    /// Guest memory.
    pub memory: Memory,
    /// Queues the device has.
    pub queues: u16,
}

impl Machine {
    /// A device after power-on.
    pub fn new(device: Box<dyn VirtioDevice>) -> Self {
        Self::with(device, memory())
    }

    /// The same, whose guest has this memory of [`MEMORY`] bytes.
    pub fn with(device: Box<dyn VirtioDevice>, memory: Memory) -> Self {
        let transport = PciTransport::new(device, memory.clone(), &Lines::default(), Arc::new(NoDoorbells));
        let mut machine =
            Self { transport: transport.expect("counting lines are never refused"), memory, queues: 0 };
        let mut queues = [0; 2];
        machine.transport.read_bar(0, QUEUES, &mut queues);
        machine.queues = u16::from_le_bytes(queues);
        machine
    }

    /// What to save of the device, which stops for that.
    pub fn save(&mut self) -> TransportState {
        self.transport.pause();
        self.transport.state()
    }

    /// Loads saved state, and lets the device run with it where it takes it, stop and go on.
    pub fn go_on_from(&mut self, state: &TransportState) {
        if self.transport.restore(state).is_ok() {
            self.transport.resume();
            self.transport.pause();
            self.transport.resume();
        }
    }

    /// Goes from reset to DRIVER_OK as a well-behaved driver does, all queues with [`SIZE`] descriptors. Of `features`, it
    /// takes what the device offers.
    pub fn start(&mut self, features: u64) {
        assert_eq!(self.try_start(features), DRIVER_OK, "the device starts");
    }

    /// The same with a device that may not start: its status then.
    pub fn try_start(&mut self, features: u64) -> u8 {
        for status in [0, 1, 3] {
            self.write(STATUS, &[status]);
        }
        for half in 0..2u32 {
            let mut offered = [0; 4];
            self.write(OFFER_SELECT, &half.to_le_bytes());
            self.transport.read_bar(0, OFFER, &mut offered);
            let wanted = ((features | VERSION_1) >> (32 * half)) as u32 & u32::from_le_bytes(offered);
            self.write(FEATURE_SELECT, &half.to_le_bytes());
            self.write(FEATURES, &wanted.to_le_bytes());
        }
        self.write(STATUS, &[FEATURES_OK]);
        for queue in 0..self.queues {
            let base = ring(queue);
            self.memory
                .write_slice(&[0; RING_STRIDE as usize], GuestAddress(base))
                .expect("rings are memory");
            self.write(QUEUE_SELECT, &queue.to_le_bytes());
            self.write(0x18, &SIZE.to_le_bytes());
            for (register, address) in [(0x20, base), (0x28, base + AVAIL), (0x30, base + USED)] {
                self.write(register, &address.to_le_bytes());
            }
            self.write(0x1c, &1u16.to_le_bytes());
        }
        self.write(STATUS, &[DRIVER_OK]);
        let mut status = [0];
        self.transport.read_bar(0, STATUS, &mut status);
        status[0]
    }

    /// Resets the device, which ends its thread after it served what it was notified of.
    pub fn reset(&mut self) {
        self.write(STATUS, &[0]);
    }

    /// Fills descriptor `index` with 16 bytes as they are.
    pub fn descriptor(&self, queue: u16, index: u16, raw: &[u8]) {
        let at = ring(queue) + 16 * u64::from(index % SIZE);
        self.memory.write_slice(raw, GuestAddress(at)).expect("rings are memory");
    }

    /// Fills the available ring and says that it goes up to `claimed`.
    pub fn available(&self, queue: u16, heads: &[u16], claimed: u16) {
        let avail = ring(queue) + AVAIL;
        for (at, head) in (0..u64::from(SIZE)).zip(heads) {
            self.memory.write_obj(*head, GuestAddress(avail + 4 + 2 * at)).expect("rings are memory");
        }
        self.memory.write_obj(claimed, GuestAddress(avail + 2)).expect("rings are memory");
    }

    /// Rings the doorbell of a queue.
    pub fn notify(&mut self, queue: u16) {
        self.write(DOORBELLS + 4 * u64::from(queue), &queue.to_le_bytes());
    }

    /// Writes into BAR 0.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        self.transport.write_bar(0, offset, data);
    }
}

/// Guest memory, zeroed.
pub fn memory() -> Memory {
    Memory::from_ranges(&[(GuestAddress(0), MEMORY as usize)]).expect("a megabyte can be mapped")
}

fn ring(queue: u16) -> u64 {
    RING_STRIDE * (u64::from(queue) + 1)
}
