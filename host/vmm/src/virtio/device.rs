//! What a device is to the transport.

use std::io;
use std::sync::Arc;

use virtio_queue::Queue;

use super::Memory;
use super::interrupt::Interrupt;
use super::queue::DeviceQueue;

/// Everything a device gets when its driver says DRIVER_OK.
pub struct Activation {
    /// The features both sides agreed on.
    pub features: u64,
    /// Guest memory.
    pub memory: Memory,
    /// The queues the driver enabled, each at its index; None for those it did not.
    pub queues: Vec<Option<DeviceQueue>>,
    /// The way to the driver for configuration changes and errors.
    pub interrupt: Arc<Interrupt>,
}

impl Activation {
    /// Takes a queue out. None when the driver did not enable it or the device has no such queue.
    pub fn take_queue(&mut self, index: usize) -> Option<DeviceQueue> {
        self.queues.get_mut(index)?.take()
    }

    /// Whether a feature bit was agreed on.
    pub fn has(&self, bit: u32) -> bool {
        self.features & 1 << bit != 0
    }
}

/// A kind of virtio device. Calls come from vCPU threads and the machine, one at a time.
pub trait VirtioDevice: Send {
    /// Virtio device id.
    fn id(&self) -> u16;

    /// PCI class, subclass and programming interface as `0xccsspp`.
    fn pci_class(&self) -> u32;

    /// The device's own feature bits; the transport adds its own.
    fn features(&self) -> u64;

    /// Most descriptors of each queue; says how many queues there are.
    fn queue_sizes(&self) -> Vec<u16>;

    /// Reads the device's configuration space. Bytes past its end stay zero.
    fn read_config(&self, offset: u64, data: &mut [u8]);

    /// Writes the device's configuration space. What is read-only or past the end is ignored.
    fn write_config(&mut self, offset: u64, data: &[u8]);

    /// Starts the device's thread.
    fn activate(&mut self, activation: Activation) -> io::Result<()>;

    /// Ends the device's thread after what is in flight was completed, and returns the queues it had. The next
    /// [`activate`](Self::activate) may come with the same queues (pause, save) or new ones (reset).
    fn stop(&mut self) -> Vec<(u16, Queue)>;

    /// Forgets what the driver set, after [`stop`](Self::stop).
    fn reset(&mut self);
}

/// Reads from a configuration space that is laid out as bytes.
pub(super) fn read_bytes(config: &[u8], offset: u64, data: &mut [u8]) {
    let config = usize::try_from(offset).ok().and_then(|start| config.get(start..)).unwrap_or_default();
    data.iter_mut().zip(config).for_each(|(target, byte)| *target = *byte);
}
