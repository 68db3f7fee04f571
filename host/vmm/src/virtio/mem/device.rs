//! The device as transport and machine see it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use virtio_bindings::virtio_ids::VIRTIO_ID_MEM;
use virtio_queue::Queue;

use super::queue::MemHandler;
use crate::hypervisor::MemoryBlocks;
use crate::virtio::device::{Activation, OwnState, OwnStateError, VirtioDevice, read_bytes};
use crate::virtio::interrupt::ConfigNotifier;
use crate::virtio::queue::DeviceQueue;
use crate::virtio::worker::Worker;

/// What is not plugged can't be read either.
const F_UNPLUGGED_INACCESSIBLE: u32 = 1;
/// The configuration says which NUMA node it is of.
const F_ACPI_PXM: u32 = 0;
const QUEUE_SIZE: u16 = 128;

/// What device, thread and control plane share.
pub(super) struct Shared {
    pub blocks: Arc<MemoryBlocks>,
    requested: AtomicU64,
    notifier: ConfigNotifier,
}

impl Shared {
    pub(super) fn requested(&self) -> u64 {
        self.requested.load(Ordering::SeqCst)
    }
}

/// What the control plane does with it.
#[derive(Clone)]
pub struct MemControl(Arc<Shared>);

impl MemControl {
    /// Says how many bytes the guest shall have of it, whole blocks and no more than there are. It takes as long as the guest takes, and a
    /// guest without a driver never has any.
    pub fn request(&self, bytes: u64) {
        self.0.requested.store(bytes, Ordering::SeqCst);
        self.0.notifier.config_changed();
    }

    /// Bytes that the guest shall have.
    pub fn requested(&self) -> u64 {
        self.0.requested()
    }

    /// Bytes that the guest has.
    pub fn plugged(&self) -> u64 {
        self.0.blocks.plugged()
    }
}

/// A region of memory that is plugged in blocks.
pub struct Mem {
    shared: Arc<Shared>,
    node: Option<u32>,
    worker: Option<Worker<MemHandler>>,
}

impl Mem {
    /// A device for blocks of memory of which the guest shall have `requested` bytes, in a NUMA node of its where it has some.
    pub fn new(blocks: Arc<MemoryBlocks>, requested: u64, node: Option<u32>) -> Self {
        let (requested, notifier) = (AtomicU64::new(requested), ConfigNotifier::default());
        Self { shared: Arc::new(Shared { blocks, requested, notifier }), node, worker: None }
    }

    /// The control plane's handle, shared with the running device.
    pub fn control(&self) -> MemControl {
        MemControl(Arc::clone(&self.shared))
    }
}

impl VirtioDevice for Mem {
    fn id(&self) -> u16 {
        VIRTIO_ID_MEM as u16
    }

    fn pci_class(&self) -> u32 {
        0xff_0000
    }

    fn features(&self) -> u64 {
        1 << F_UNPLUGGED_INACCESSIBLE | u64::from(self.node.is_some()) << F_ACPI_PXM
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE]
    }

    /// struct virtio_mem_config: block size, NUMA node, address, size, usable size, plugged size, requested size.
    fn read_config(&self, offset: u64, data: &mut [u8]) {
        let region = self.shared.blocks.region();
        let (plugged, requested) = (self.shared.blocks.plugged(), self.shared.requested());
        let node = u64::from(self.node.unwrap_or(0) as u16);
        let words = [region.block, node, region.start, region.bytes, region.bytes, plugged, requested];
        read_bytes(words.map(u64::to_le_bytes).as_flattened(), offset, data);
    }

    fn write_config(&mut self, _offset: u64, _data: &[u8]) {}

    fn activate(&mut self, mut activation: Activation) -> io::Result<()> {
        let handler = MemHandler {
            queue: activation.take_queue(0),
            memory: activation.memory,
            shared: Arc::clone(&self.shared),
        };
        let (worker, started) = Worker::start("virtio-mem", handler, Arc::clone(&activation.interrupt));
        self.worker = Some(worker);
        started?;
        self.shared.notifier.connect(Some(activation.interrupt));
        Ok(())
    }

    fn stop(&mut self) -> Vec<(u16, Queue)> {
        self.shared.notifier.connect(None);
        let handler = self.worker.take().and_then(Worker::stop);
        handler.and_then(|handler| handler.queue).map(DeviceQueue::into_queue).into_iter().collect()
    }

    fn state(&self) -> OwnState {
        let plugged = self.shared.blocks.runs().into_iter().map(|run| (run.start, run.end)).collect();
        OwnState::Memory { region: self.shared.blocks.region(), requested: self.shared.requested(), plugged }
    }

    fn restore(&mut self, state: &OwnState) -> Result<(), OwnStateError> {
        let OwnState::Memory { region, requested, plugged } = state else { return Err(OwnStateError::Kind) };
        if *region != self.shared.blocks.region() {
            return Err(OwnStateError::Range("memory to plug of another size or at another place"));
        }
        if *requested > region.bytes || !requested.is_multiple_of(region.block) {
            return Err(OwnStateError::Range("more memory than there is"));
        }
        for (start, end) in plugged {
            let all = self.shared.blocks.plug(*start..*end, region.bytes);
            all.map_err(|_| OwnStateError::Range("blocks of memory that can't be plugged"))?;
        }
        self.shared.requested.store(*requested, Ordering::SeqCst);
        Ok(())
    }

    /// A driver that starts again finds its memory as it was.
    fn reset(&mut self) {}
}
