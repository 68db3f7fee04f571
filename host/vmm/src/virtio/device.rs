//! What a device is to the transport.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use virtio_queue::Queue;

use super::Memory;
use super::interrupt::Interrupt;
use super::queue::DeviceQueue;
use crate::config::MemoryRegion;

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

/// What a device knows besides what its transport does, as saved. Whether a link is up is the configuration's to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OwnState {
    /// Nothing: a network interface with one pair of queues, a source of random bytes.
    Nothing {},
    /// A network interface with several pairs of queues.
    Net {
        /// Pairs that its driver uses.
        pairs: u16,
    },
    /// A disk.
    Block {
        /// Its bytes.
        capacity: u64,
    },
    /// A console.
    Console {
        /// What was said on the control queues; none before the driver started.
        conversation: Option<ConversationState>,
        /// Ports that somebody in the guest has open.
        guest_open: Vec<bool>,
    },
    /// Sockets: connections do not survive.
    Vsock {},
    /// A balloon.
    Balloon {
        /// Pages the guest shall give away.
        wanted: u32,
        /// Pages the guest says it gave away.
        actual: u32,
    },
    /// Memory that is plugged in blocks.
    Memory {
        /// Where it is.
        region: MemoryRegion,
        /// Bytes the guest shall have.
        requested: u64,
        /// Runs of blocks that it has: the first, and the one after the last.
        plugged: Vec<(u32, u32)>,
    },
}

/// What was said on the control queues of a console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConversationState {
    /// Messages to the driver that it did not take yet, oldest first.
    pub outgoing: Vec<Vec<u8>>,
    /// Ports the driver has taken over.
    pub ready: Vec<bool>,
    /// Ports of which the driver was told that somebody listens.
    pub open: Vec<bool>,
}

/// Why a device can't go on from saved state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnStateError {
    /// It is of another kind of device.
    #[error("the saved state is of another kind of device")]
    Kind,
    /// The disk is smaller than what the guest was told.
    #[error("the disk has {now} bytes now, but {then} when the guest was saved")]
    Smaller {
        /// Bytes of the disk.
        now: u64,
        /// Bytes it had.
        then: u64,
    },
    /// Something is out of range.
    #[error("the saved state has {0}")]
    Range(&'static str),
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

    /// What it knows besides what the transport does, after [`stop`](Self::stop).
    fn state(&self) -> OwnState;

    /// Goes back to what was saved, before it is activated.
    fn restore(&mut self, state: &OwnState) -> Result<(), OwnStateError>;

    /// Forgets what the driver set, after [`stop`](Self::stop).
    fn reset(&mut self);
}

/// Reads from a configuration space that is laid out as bytes.
pub(super) fn read_bytes(config: &[u8], offset: u64, data: &mut [u8]) {
    let config = usize::try_from(offset).ok().and_then(|start| config.get(start..)).unwrap_or_default();
    data.iter_mut().zip(config).for_each(|(target, byte)| *target = *byte);
}
