//! The modern virtio PCI transport (virtio 1.2, 4.1) around one device.
//!
//! ```text
//! BAR 0  0x0000 common configuration    BAR 1  0x000 MSI-X table
//!        0x1000 ISR status                     0x800 pending bits
//!        0x2000 device configuration
//!        0x3000 one 4-byte doorbell a queue (ioeventfd)
//! ```
//!
//! Device status only ever grows until it is written as zero:
//! ACKNOWLEDGE -> DRIVER -> FEATURES_OK (features frozen, queues may be set up) -> DRIVER_OK (device runs).

mod capabilities;
mod common_config;
mod state;

use std::io;
use std::sync::Arc;

use virtio_bindings::virtio_config::VIRTIO_F_VERSION_1;
use virtio_bindings::virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};
use virtio_queue::{Queue, QueueT};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use self::capabilities::Access;
use super::device::{Activation, VirtioDevice};
use super::interrupt::Interrupt;
use super::queue::{DeviceQueue, QueueState};
use super::{Memory, worker};
use crate::pci::msix::{self, MsiLines, Msix};
use crate::pci::{ConfigSpace, Identity, PciFunction};

pub use self::state::{TransportState, TransportStateError};

const VIRTIO_VENDOR: u16 = 0x1af4;
/// Modern devices have PCI device id 0x1040 plus their virtio id.
const MODERN_DEVICE: u16 = 0x1040;
const SUBSYSTEM: u16 = 0x1100;

const REGISTERS_BAR: usize = 0;
const MSIX_BAR: usize = 1;
const REGISTERS_SIZE: u32 = 0x4000;
const MSIX_SIZE: u32 = 0x1000;
const COMMON: u32 = 0x0000;
const ISR: u32 = 0x1000;
const DEVICE: u32 = 0x2000;
const DOORBELLS: u32 = 0x3000;
const REGION: u32 = 0x1000;
const DOORBELL_SIZE: u32 = 4;

/// Features of the transport and its rings.
pub(super) const TRANSPORT_FEATURES: u64 =
    1 << VIRTIO_F_VERSION_1 | 1 << VIRTIO_RING_F_EVENT_IDX | 1 << VIRTIO_RING_F_INDIRECT_DESC;

/// Lets a write to an address signal an eventfd without leaving the kernel. Where that fails the write comes to the
/// transport, which signals the eventfd itself.
pub trait Doorbells: Send + Sync {
    /// Signals `event` when the guest writes to `address`, whatever it writes.
    fn register(&self, address: u64, event: &EventFd) -> io::Result<()>;

    /// Undoes [`register`](Self::register).
    fn unregister(&self, address: u64, event: &EventFd) -> io::Result<()>;
}

/// Why a device cannot be put on the PCI bus.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// An interrupt line was refused.
    #[error("cannot create the interrupt lines of a virtio device with {vectors} vectors: {source}")]
    Msi {
        /// Vectors wanted.
        vectors: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// An eventfd was refused.
    #[error("cannot create the event of a virtio queue: {0}")]
    Event(#[source] io::Error),
}

/// What the driver wrote into the common configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Registers {
    device_feature_select: u32,
    driver_feature_select: u32,
    driver_features: u64,
    queue_select: u16,
    status: u8,
}

/// A virtio device as a PCI function.
pub struct PciTransport {
    config: ConfigSpace,
    access: Access,
    msix_control: usize,
    device: Box<dyn VirtioDevice>,
    memory: Memory,
    msix: Arc<Msix>,
    interrupt: Arc<Interrupt>,
    doorbells: Arc<dyn Doorbells>,
    doorbell_base: Option<u64>,
    registers: Registers,
    queues: Vec<Queue>,
    events: Vec<EventFd>,
    running: bool,
    /// It was loaded from saved state and did not run since.
    moved: bool,
    /// Features of the transport and its rings that are offered.
    offered: u64,
}

impl PciTransport {
    /// Wraps `device`. Its memory is `memory`, its interrupts come from `lines`, its doorbells go to `doorbells`.
    pub fn new(
        device: Box<dyn VirtioDevice>,
        memory: Memory,
        lines: &dyn MsiLines,
        doorbells: Arc<dyn Doorbells>,
    ) -> Result<Self, TransportError> {
        let sizes = device.queue_sizes();
        let vectors = sizes.len() + 1;
        let msix = Msix::new(vectors, lines).map_err(|source| TransportError::Msi { vectors, source })?;
        let msix = Arc::new(msix);
        let mut config = ConfigSpace::new(Identity {
            vendor: VIRTIO_VENDOR,
            device: MODERN_DEVICE + device.id(),
            revision: 1,
            class: device.pci_class(),
            subsystem_vendor: VIRTIO_VENDOR,
            subsystem: SUBSYSTEM,
        });
        config.add_memory_bar(REGISTERS_BAR, REGISTERS_SIZE);
        config.add_memory_bar(MSIX_BAR, MSIX_SIZE);
        let msix_at = config.add_capability(msix::CAPABILITY_ID, &msix.capability(MSIX_BAR as u8));
        config.make_writable(msix_at + msix::CONTROL, &Msix::control_mask());
        let access = capabilities::add(&mut config, sizes.len());
        let queues = sizes.iter().map(|size| Queue::new(*size).expect("devices offer queues of valid sizes"));
        let events = sizes.iter().map(|_| EventFd::new(EFD_NONBLOCK)).collect::<io::Result<_>>();
        Ok(Self {
            config,
            access,
            msix_control: msix_at + msix::CONTROL,
            memory,
            interrupt: Arc::new(Interrupt::new(Arc::clone(&msix), sizes.len())),
            msix,
            doorbells,
            doorbell_base: None,
            registers: Registers::default(),
            queues: queues.collect(),
            events: events.map_err(TransportError::Event)?,
            running: false,
            moved: false,
            offered: TRANSPORT_FEATURES,
            device,
        })
    }

    /// The same, whose driver can say by flags alone when it wants to be notified.
    pub fn without_event_idx(mut self) -> Self {
        self.offered &= !(1 << VIRTIO_RING_F_EVENT_IDX);
        self
    }

    /// Stops the device and takes its queues back, so that memory and state stand still. Idempotent.
    pub fn pause(&mut self) {
        for (index, queue) in self.device.stop() {
            self.queues[usize::from(index)] = queue;
        }
        self.running = false;
    }

    /// Lets a paused device go on, if its driver had it running. Idempotent.
    pub fn resume(&mut self) {
        let moved = std::mem::take(&mut self.moved);
        if self.is_driver_ok() && !self.running && !self.interrupt.needs_reset() {
            self.start();
            if moved {
                let ready = (0..).zip(&self.queues).filter(|(_, queue)| queue.ready());
                self.interrupt.rouse(ready.map(|(index, _)| index));
            }
        }
    }

    /// All features offered.
    fn features(&self) -> u64 {
        self.device.features() | self.offered
    }

    /// Hands the enabled queues to the device and starts it.
    fn start(&mut self) {
        let event_idx = self.registers.driver_features & 1 << VIRTIO_RING_F_EVENT_IDX != 0;
        let mut queues = Vec::with_capacity(self.queues.len());
        for (index, queue) in self.queues.iter_mut().enumerate() {
            queue.set_event_idx(event_idx);
            if !queue.ready() {
                queues.push(None);
                continue;
            }
            let copy = Queue::try_from(QueueState::from(&*queue));
            let (Ok(copy), Ok(event)) = (copy, self.events[index].try_clone()) else {
                return self.interrupt.set_needs_reset();
            };
            if !copy.is_valid(&self.memory) {
                return self.interrupt.set_needs_reset();
            }
            let interrupt = Arc::clone(&self.interrupt);
            queues.push(Some(DeviceQueue::new(index as u16, copy, event, interrupt)));
        }
        let activation = Activation {
            features: self.registers.driver_features,
            memory: self.memory.clone(),
            queues,
            interrupt: Arc::clone(&self.interrupt),
        };
        match self.device.activate(activation) {
            Ok(()) => {
                self.running = true;
                // What the driver added before it was heard, or before a pause, is looked at now.
                self.events.iter().for_each(|event| drop(event.write(1)));
            }
            Err(_) => self.interrupt.set_needs_reset(),
        }
    }

    /// The driver wrote zero to the status, or the machine is reset.
    fn reset_device(&mut self) {
        drop(self.device.stop());
        self.device.reset();
        self.running = false;
        self.registers = Registers::default();
        self.queues.iter_mut().for_each(Queue::reset);
        self.interrupt.reset();
        self.events.iter().for_each(worker::drain);
    }

    fn read_register(&mut self, offset: u32, data: &mut [u8]) {
        let inner = u64::from(offset % REGION);
        match offset / REGION * REGION {
            COMMON => self.read_common(inner as usize, data),
            ISR if inner == 0 => data[0] = self.interrupt.take_isr(),
            DEVICE => self.device.read_config(inner, data),
            _ => {}
        }
    }

    fn write_register(&mut self, offset: u32, data: &[u8]) {
        let inner = offset % REGION;
        match offset / REGION * REGION {
            COMMON => self.write_common(inner as usize, data),
            DEVICE => self.device.write_config(u64::from(inner), data),
            DOORBELLS => {
                if let Some(event) = self.events.get((inner / DOORBELL_SIZE) as usize) {
                    // An eventfd refuses a write only when its counter is full, and then it is readable anyway.
                    let _ = event.write(1);
                }
            }
            _ => {}
        }
    }

    /// Moves the doorbells. What cannot be registered works through [`Self::write_register`].
    fn ring_at(&mut self, base: Option<u64>) {
        let address = |base: u64, queue: usize| base + u64::from(DOORBELLS + queue as u32 * DOORBELL_SIZE);
        for (queue, event) in self.events.iter().enumerate() {
            if let Some(old) = self.doorbell_base {
                let _ = self.doorbells.unregister(address(old, queue), event);
            }
            if let Some(new) = base {
                let _ = self.doorbells.register(address(new, queue), event);
            }
        }
        self.doorbell_base = base;
    }
}

impl PciFunction for PciTransport {
    fn config(&self) -> &ConfigSpace {
        &self.config
    }

    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.config
    }

    fn read_config(&mut self, offset: usize, data: &mut [u8]) {
        if self.access.touches_data(offset, data.len())
            && let Some(target) = self.access.target(&self.config)
        {
            let mut value = [0; 4];
            self.read_bar(target.bar, target.offset, &mut value[..target.length]);
            self.config.put(self.access.data(), &value);
        }
        self.config.read(offset, data);
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        self.config.write(offset, data);
        self.msix.set_control(self.config.u16_at(self.msix_control));
        if self.access.touches_data(offset, data.len())
            && let Some(target) = self.access.target(&self.config)
        {
            let value = self.config.u32_at(self.access.data()).to_le_bytes();
            self.write_bar(target.bar, target.offset, &value[..target.length]);
        }
    }

    fn read_bar(&mut self, bar: usize, offset: u64, data: &mut [u8]) {
        match bar {
            REGISTERS_BAR => self.read_register(offset as u32, data),
            _ => self.msix.read(offset, data),
        }
    }

    fn write_bar(&mut self, bar: usize, offset: u64, data: &[u8]) {
        match bar {
            REGISTERS_BAR => self.write_register(offset as u32, data),
            _ => self.msix.write(offset, data),
        }
    }

    fn bar_moved(&mut self, bar: usize, base: Option<u64>) {
        if bar == REGISTERS_BAR {
            self.ring_at(base);
        }
    }

    fn reset(&mut self) {
        self.reset_device();
        self.config.reset();
        self.msix.reset();
    }
}

impl Drop for PciTransport {
    fn drop(&mut self) {
        drop(self.device.stop());
        self.ring_at(None);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
