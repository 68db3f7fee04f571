//! The driver's side, for tests: a real transport and device, driven through its BARs and rings in guest memory.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use vm_memory::{Bytes, GuestAddress};
use vmm_sys_util::eventfd::EventFd;

use super::transport::{Doorbells, PciTransport};
use super::{Memory, VirtioDevice};
use crate::pci::PciFunction;
use crate::pci::msix::tests::RecordedLines;

pub(crate) const NEXT: u16 = 1;
pub(crate) const WRITE: u16 = 2;
pub(crate) const INDIRECT: u16 = 4;

pub(crate) const VERSION_1: u64 = 1 << 32;
pub(crate) const EVENT_IDX: u64 = 1 << 29;
pub(crate) const NEEDS_RESET: u8 = 0x40;

/// Size of guest memory.
pub(crate) const MEMORY_SIZE: usize = 32 << 20;
/// Where buffers start; rings are below.
const BUFFERS: u64 = 8 << 20;
const RING_STRIDE: u64 = 0x1_0000;
const AVAIL: u64 = 0x4000;
const USED: u64 = 0x8000;
const PATIENCE: Duration = Duration::from_secs(20);

/// Doorbells without KVM: every notification takes the slow way through the transport.
pub(crate) struct NoDoorbells;

impl Doorbells for NoDoorbells {
    fn register(&self, _address: u64, _event: &EventFd) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
    fn unregister(&self, _address: u64, _event: &EventFd) -> std::io::Result<()> {
        Ok(())
    }
}

/// A driver of one device.
pub(crate) struct Driver {
    pub transport: PciTransport,
    pub memory: Memory,
    pub lines: RecordedLines,
    next_descriptor: Vec<u16>,
    offered: Vec<u16>,
    seen: Vec<u16>,
    next_buffer: u64,
    /// Whether the device says when it wants to be notified.
    event_idx: bool,
}

impl Driver {
    /// A device after power-on, with memory of its own.
    pub(crate) fn new(device: Box<dyn VirtioDevice>) -> Self {
        Self::with_memory(device, memory())
    }

    pub(crate) fn with_memory(device: Box<dyn VirtioDevice>, memory: Memory) -> Self {
        let lines = RecordedLines::default();
        let queues = device.queue_sizes().len();
        let transport = PciTransport::new(device, memory.clone(), &lines, Arc::new(NoDoorbells)).unwrap();
        Self {
            transport,
            memory,
            lines,
            next_descriptor: vec![0; queues],
            offered: vec![0; queues],
            seen: vec![0; queues],
            next_buffer: BUFFERS,
            event_idx: false,
        }
    }

    /// Goes all the way to DRIVER_OK with `features` and all queues at `size`; vector of a queue is its number plus one.
    pub(crate) fn start(&mut self, features: u64, size: u16) {
        self.event_idx = features & EVENT_IDX != 0;
        self.write(0x14, &[0]);
        self.write(0x14, &[1]);
        self.write(0x14, &[3]);
        for half in 0..2u32 {
            self.write(0x08, &half.to_le_bytes());
            self.write(0x0c, &(((features | VERSION_1) >> (32 * half)) as u32).to_le_bytes());
        }
        self.write(0x14, &[11]);
        assert_eq!(self.status(), 11, "features are accepted");
        self.enable_msix();
        self.write(0x10, &0u16.to_le_bytes());
        for queue in 0..self.offered.len() as u16 {
            self.set_up_queue(queue, size);
        }
        self.write(0x14, &[15]);
    }

    pub(crate) fn set_up_queue(&mut self, queue: u16, size: u16) {
        let base = ring(queue);
        let index = usize::from(queue);
        (self.next_descriptor[index], self.offered[index], self.seen[index]) = (0, 0, 0);
        self.memory.write_slice(&[0; RING_STRIDE as usize], GuestAddress(base)).unwrap();
        self.write(0x16, &queue.to_le_bytes());
        self.write(0x18, &size.to_le_bytes());
        self.write(0x1a, &(queue + 1).to_le_bytes());
        self.write(0x20, &base.to_le_bytes());
        self.write(0x28, &(base + AVAIL).to_le_bytes());
        self.write(0x30, &(base + USED).to_le_bytes());
        self.write(0x1c, &1u16.to_le_bytes());
    }

    fn enable_msix(&mut self) {
        for vector in 0..=self.offered.len() as u64 {
            self.transport.write_bar(1, vector * 16, &0xfee0_0000u64.to_le_bytes());
            self.transport.write_bar(1, vector * 16 + 8, &(0x30 + vector).to_le_bytes());
        }
        let control = self.capability(0x11) + 2;
        self.transport.write_config(control, &0x8000u16.to_le_bytes());
    }

    /// Offset of the first capability with an id.
    pub(crate) fn capability(&mut self, id: u8) -> usize {
        let mut at = self.config_byte(0x34);
        while self.config_byte(at) != usize::from(id) {
            at = self.config_byte(at + 1);
            assert_ne!(at, 0, "capability {id:#x} exists");
        }
        at
    }

    fn config_byte(&mut self, at: usize) -> usize {
        let mut byte = [0];
        self.transport.read_config(at, &mut byte);
        usize::from(byte[0])
    }

    /// Writes the common configuration.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) {
        self.transport.write_bar(0, offset, data);
    }

    /// Reads registers of BAR 0.
    pub(crate) fn read(&mut self, offset: u64, size: usize) -> u64 {
        let mut data = [0; 8];
        self.transport.read_bar(0, offset, &mut data[..size]);
        u64::from_le_bytes(data)
    }

    pub(crate) fn status(&mut self) -> u8 {
        self.read(0x14, 1) as u8
    }

    pub(crate) fn features(&mut self) -> u64 {
        (0..2u32).fold(0, |features, half| {
            self.write(0, &half.to_le_bytes());
            features | self.read(4, 4) << (32 * half)
        })
    }

    /// A fresh buffer with `bytes` in it.
    pub(crate) fn buffer(&mut self, bytes: &[u8]) -> u64 {
        let address = self.next_buffer;
        self.next_buffer += (bytes.len() as u64).next_multiple_of(4096);
        self.memory.write_slice(bytes, GuestAddress(address)).unwrap();
        address
    }

    /// What is in guest memory.
    pub(crate) fn bytes(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
        bytes
    }

    /// Writes a descriptor as it is.
    pub(crate) fn descriptor(
        &mut self,
        queue: u16,
        index: u16,
        address: u64,
        length: u32,
        flags: u16,
        next: u16,
    ) {
        self.descriptor_at(ring(queue) + 16 * u64::from(index), address, length, flags, next);
    }

    pub(crate) fn descriptor_at(&mut self, at: u64, address: u64, length: u32, flags: u16, next: u16) {
        let mut raw = address.to_le_bytes().to_vec();
        raw.extend(length.to_le_bytes());
        raw.extend(flags.to_le_bytes());
        raw.extend(next.to_le_bytes());
        self.memory.write_slice(&raw, GuestAddress(at)).unwrap();
    }

    /// Puts a head into the available ring, and notifies a device that wants to be.
    pub(crate) fn offer(&mut self, queue: u16, size: u16, head: u16) {
        let avail = ring(queue) + AVAIL;
        let offered = self.offered[usize::from(queue)];
        self.memory.write_obj(head, GuestAddress(avail + 4 + 2 * u64::from(offered % size))).unwrap();
        self.offered[usize::from(queue)] = offered.wrapping_add(1);
        self.set_available(queue, offered.wrapping_add(1));
        // As drivers do: the device must see what was added before it is looked at what it wants to hear of.
        fence(Ordering::SeqCst);
        let event = GuestAddress(ring(queue) + USED + 4 + 8 * u64::from(size));
        if !self.event_idx || self.memory.read_obj::<u16>(event).unwrap() == offered {
            self.notify(queue);
        }
    }

    /// Sets the index of the available ring.
    pub(crate) fn set_available(&mut self, queue: u16, index: u16) {
        self.memory.write_obj(index, GuestAddress(ring(queue) + AVAIL + 2)).unwrap();
    }

    pub(crate) fn notify(&mut self, queue: u16) {
        self.write(0x3000 + 4 * u64::from(queue), &queue.to_le_bytes());
    }

    /// Offers a chain of (address, length, device may write) and returns its head.
    pub(crate) fn submit(&mut self, queue: u16, size: u16, buffers: &[(u64, u32, bool)]) -> u16 {
        let first = self.next_descriptor[usize::from(queue)];
        for (position, (address, length, writable)) in buffers.iter().enumerate() {
            let index = (first + position as u16) % size;
            let more = position + 1 < buffers.len();
            let flags = if *writable { WRITE } else { 0 } | if more { NEXT } else { 0 };
            self.descriptor(queue, index, *address, *length, flags, (index + 1) % size);
        }
        self.next_descriptor[usize::from(queue)] = (first + buffers.len() as u16) % size;
        self.offer(queue, size, first);
        first
    }

    /// Number of chains the device handed back.
    pub(crate) fn used(&self, queue: u16) -> u16 {
        self.memory.read_obj(GuestAddress(ring(queue) + USED + 2)).unwrap()
    }

    /// Waits for the next used chain: (head, bytes written).
    pub(crate) fn wait_used(&mut self, queue: u16, size: u16) -> (u32, u32) {
        let seen = self.seen[usize::from(queue)];
        wait_until("a used buffer", || self.used(queue) != seen);
        self.seen[usize::from(queue)] = seen.wrapping_add(1);
        let at = ring(queue) + USED + 4 + 8 * u64::from(seen % size);
        (self.memory.read_obj(GuestAddress(at)).unwrap(), self.memory.read_obj(GuestAddress(at + 4)).unwrap())
    }

    /// Waits until the device asks for a reset.
    pub(crate) fn wait_needs_reset(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.status() & NEEDS_RESET == 0 {
            assert!(Instant::now() < deadline, "the device asks for a reset");
            std::thread::yield_now();
        }
    }
}

pub(crate) fn memory() -> Memory {
    Memory::from_ranges(&[(GuestAddress(0), MEMORY_SIZE)]).unwrap()
}

pub(crate) fn ring(queue: u16) -> u64 {
    RING_STRIDE * (u64::from(queue) + 1)
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} in time");
        std::thread::yield_now();
    }
}
