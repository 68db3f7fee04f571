//! One virtqueue in the hands of a device.

use std::num::Wrapping;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use serde::{Deserialize, Serialize};
use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress};
use vmm_sys_util::eventfd::EventFd;

use super::Memory;
use super::chain::{Chain, ChainError};
use super::interrupt::Interrupt;

/// Flag in the available ring: the driver polls and wants no interrupts. Only without EVENT_IDX.
const AVAIL_NO_INTERRUPT: u16 = 1;

/// Why a queue cannot go on. The device needs a reset.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// A descriptor chain breaks the rules.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The rings themselves cannot be used.
    #[error("the rings of queue {index} cannot be used: {source}")]
    Ring {
        /// Which queue.
        index: u16,
        /// What is wrong.
        source: virtio_queue::Error,
    },
    /// Who works on the queues in another process has gone.
    #[error("who serves the device has gone")]
    Gone,
    /// A request lacks a part that its kind of device needs to answer it.
    #[error("a request on queue {index} has no {part}")]
    Incomplete {
        /// Which queue.
        index: u16,
        /// What is missing.
        part: &'static str,
    },
}

/// A queue the driver enabled, with its eventfd and the way back to the driver.
pub struct DeviceQueue {
    index: u16,
    queue: Queue,
    event: EventFd,
    interrupt: Arc<Interrupt>,
    /// Requests handed back since the driver was last told, or since it was found that it need not be.
    untold: u16,
}

/// Bytes in front of the elements of a ring, and bytes of an element of the used one.
const RING_HEADER: u64 = 4;
const USED_ELEMENT: u64 = 8;

impl DeviceQueue {
    /// Takes a configured queue into service.
    pub fn new(index: u16, queue: Queue, event: EventFd, interrupt: Arc<Interrupt>) -> Self {
        Self { index, queue, event, interrupt, untold: 0 }
    }

    /// Number of the queue in its device.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Readable when the driver has notified the queue.
    pub fn event(&self) -> &EventFd {
        &self.event
    }

    /// Number of descriptors; also the most chains that can be in flight.
    pub fn size(&self) -> u16 {
        self.queue.size()
    }

    /// Where its rings are and how far they are done, for a device whose requests are served elsewhere.
    pub fn rings(&self) -> &Queue {
        &self.queue
    }

    /// Says how far who served it elsewhere has come.
    pub fn move_to(&mut self, next_avail: u16, next_used: u16) {
        self.queue.set_next_avail(next_avail);
        self.queue.set_next_used(next_used);
    }

    /// The next request, None when there is none.
    pub fn pop(&mut self, memory: &Memory) -> Result<Option<Chain>, QueueError> {
        let index = self.index;
        let next = self.queue.iter(memory).map_err(|source| QueueError::Ring { index, source })?.next();
        next.map(|raw| Chain::parse(raw, memory)).transpose().map_err(QueueError::from)
    }

    /// Puts the chain popped last back. The next [`pop`](Self::pop) returns it again.
    pub fn unpop(&mut self) {
        self.queue.go_to_previous_position();
    }

    /// Hands a request back; `written` is how many bytes of its writable part the device filled.
    pub fn complete(&mut self, memory: &Memory, head: u16, written: u32) -> Result<(), QueueError> {
        let index = self.index;
        self.untold = self.untold.wrapping_add(1);
        self.queue.add_used(memory, head, written).map_err(|source| QueueError::Ring { index, source })
    }

    /// Hands several requests back of which the driver sees all or none (virtio 1.2, 5.1.6.4.1).
    pub fn complete_together(&mut self, memory: &Memory, used: &[(u16, u32)]) -> Result<(), QueueError> {
        let Some(((head, written), before)) = used.split_last() else { return Ok(()) };
        let next = self.queue.next_used();
        for (position, (head, written)) in (0u16..).zip(before) {
            let slot = u64::from(next.wrapping_add(position) % self.queue.size());
            let mut element = [0; USED_ELEMENT as usize];
            element[..4].copy_from_slice(&u32::from(*head).to_le_bytes());
            element[4..].copy_from_slice(&written.to_le_bytes());
            let at = self.queue.used_ring().saturating_add(RING_HEADER + slot * USED_ELEMENT);
            let written = memory.write_slice(&element, GuestAddress(at));
            written.map_err(|error| self.ring(virtio_queue::Error::GuestMemory(error)))?;
        }
        let count = before.len() as u16;
        self.queue.set_next_used(next.wrapping_add(count));
        self.untold = self.untold.wrapping_add(count);
        self.complete(memory, *head, *written)
    }

    fn ring(&self, source: virtio_queue::Error) -> QueueError {
        QueueError::Ring { index: self.index, source }
    }

    /// Interrupts the driver if it wants to know of what was completed since the last time.
    pub fn notify(&mut self, memory: &Memory) -> Result<(), QueueError> {
        let completed = std::mem::take(&mut self.untold);
        if completed == 0 {
            return Ok(());
        }
        // What was handed back must be seen before what the driver wants to hear of is looked at.
        fence(Ordering::SeqCst);
        let wanted = if self.queue.event_idx_enabled() {
            let next = self.queue.next_used();
            let wanted_at = self.used_event(memory)?;
            next.wrapping_sub(wanted_at).wrapping_sub(1) < completed
        } else {
            !self.driver_polls(memory)
        };
        if wanted {
            self.interrupt.queue_used(self.index);
        }
        Ok(())
    }

    /// The position in the used ring that the driver waits for; it stands behind the available ring.
    fn used_event(&self, memory: &Memory) -> Result<u16, QueueError> {
        let behind = RING_HEADER + 2 * u64::from(self.queue.size());
        let event = memory.read_obj::<u16>(GuestAddress(self.queue.avail_ring().saturating_add(behind)));
        event.map(u16::from_le).map_err(|error| self.ring(virtio_queue::Error::GuestMemory(error)))
    }

    /// Asks the driver to notify of new requests again. True when some came meanwhile.
    pub fn enable_notification(&mut self, memory: &Memory) -> Result<bool, QueueError> {
        let index = self.index;
        self.queue.enable_notification(memory).map_err(|source| QueueError::Ring { index, source })
    }

    /// Tells the driver that the device is looking anyway.
    pub fn disable_notification(&mut self, memory: &Memory) -> Result<(), QueueError> {
        let index = self.index;
        self.queue.disable_notification(memory).map_err(|source| QueueError::Ring { index, source })
    }

    /// Serves requests until there are none, at most one ring full of them: a driver that adds requests without end
    /// must not keep the thread from its other events, so the queue then notifies itself. `serve` returns the bytes
    /// it wrote. Returns the number of requests served.
    pub fn serve(
        &mut self,
        memory: &Memory,
        mut serve: impl FnMut(&mut Chain) -> Result<u32, QueueError>,
    ) -> Result<usize, QueueError> {
        let mut served = 0;
        loop {
            self.disable_notification(memory)?;
            while served < usize::from(self.size())
                && let Some(mut chain) = self.pop(memory)?
            {
                let written = serve(&mut chain)?;
                self.complete(memory, chain.head, written)?;
                served += 1;
            }
            let more = self.enable_notification(memory)?;
            if more && served < usize::from(self.size()) {
                continue;
            }
            if more {
                self.kick();
            }
            if served > 0 {
                self.notify(memory)?;
            }
            return Ok(served);
        }
    }

    /// Makes the queue's own event fire: there is more to do.
    pub fn kick(&self) {
        // An eventfd refuses a write only when its counter is full, and then it is readable anyway.
        let _ = self.event.write(1);
    }

    /// Whether the driver has added requests that were not popped.
    pub fn has_pending(&self, memory: &Memory) -> bool {
        self.queue
            .avail_idx(memory, Ordering::Acquire)
            .is_ok_and(|idx| idx != Wrapping(self.queue.next_avail()))
    }

    /// Gives the queue back to the transport.
    pub fn into_queue(self) -> (u16, Queue) {
        (self.index, self.queue)
    }

    fn driver_polls(&self, memory: &Memory) -> bool {
        let flags = memory.read_obj::<u16>(GuestAddress(self.queue.avail_ring()));
        flags.is_ok_and(|flags| u16::from_le(flags) & AVAIL_NO_INTERRUPT != 0)
    }
}

/// A queue as saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueState {
    /// Most descriptors the device offers.
    pub max_size: u16,
    /// Descriptors the driver chose.
    pub size: u16,
    /// Whether the driver enabled it.
    pub ready: bool,
    /// Address of the descriptor table.
    pub desc_table: u64,
    /// Address of the available ring.
    pub avail_ring: u64,
    /// Address of the used ring.
    pub used_ring: u64,
    /// Position in the available ring.
    pub next_avail: u16,
    /// Position in the used ring.
    pub next_used: u16,
    /// Whether EVENT_IDX was negotiated.
    pub event_idx: bool,
}

impl From<&Queue> for QueueState {
    fn from(queue: &Queue) -> Self {
        let state = queue.state();
        Self {
            max_size: state.max_size,
            size: state.size,
            ready: state.ready,
            desc_table: state.desc_table,
            avail_ring: state.avail_ring,
            used_ring: state.used_ring,
            next_avail: state.next_avail,
            next_used: state.next_used,
            event_idx: state.event_idx_enabled,
        }
    }
}

impl TryFrom<QueueState> for Queue {
    type Error = virtio_queue::Error;

    fn try_from(state: QueueState) -> Result<Self, Self::Error> {
        Queue::try_from(virtio_queue::QueueState {
            max_size: state.max_size,
            next_avail: state.next_avail,
            next_used: state.next_used,
            event_idx_enabled: state.event_idx,
            size: state.size,
            ready: state.ready,
            desc_table: state.desc_table,
            avail_ring: state.avail_ring,
            used_ring: state.used_ring,
        })
    }
}
