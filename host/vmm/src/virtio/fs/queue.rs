//! The thread of the device: it starts and stops who serves the directory, and carries its interrupts.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use virtio_queue::QueueT;
use vm_memory::{Bytes, GuestAddress};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::eventfd::EventFd;

use super::backend::Backend;
use super::control::FsControl;
use crate::sandbox::ThreadRole;
use crate::virtio::Memory;
use crate::virtio::interrupt::Interrupt;
use crate::virtio::queue::{DeviceQueue, QueueError};
use crate::virtio::worker::{Handler, Poll, drain};

const BEGIN: u64 = 0;
const BACKEND: u64 = 1;
/// Token of the first queue's calls.
const CALLS: u64 = 16;
/// Where the position in a used ring is.
const USED_INDEX: u64 = 2;

/// Owns the queues while the device runs.
pub(super) struct FsHandler {
    pub backend: Backend,
    pub control: Arc<FsControl>,
    pub features: u64,
    pub memory: Memory,
    pub interrupt: Arc<Interrupt>,
    pub queues: Vec<DeviceQueue>,
    /// What is signalled when requests of a queue are done, in the order of the queues.
    pub calls: Vec<EventFd>,
    /// Readable at once: this thread begins, for who starts it may not talk to anybody.
    pub begin: EventFd,
    /// It works on the queues.
    pub begun: bool,
    /// Hears when they stand still.
    pub still: SyncSender<()>,
}

impl FsHandler {
    fn lose(&self) -> QueueError {
        self.backend.cut();
        self.control.lose();
        QueueError::Gone
    }

    fn called(&self, number: usize) {
        if let (Some(call), Some(queue)) = (self.calls.get(number), self.queues.get(number))
            && call.read().is_ok()
        {
            self.interrupt.queue_used(queue.index());
        }
    }

    fn end(&mut self) {
        for queue in &mut self.queues {
            let Ok(next) = self.backend.end(queue.index()) else {
                self.backend.cut();
                self.control.lose();
                break;
            };
            let used = queue.rings().used_ring().saturating_add(USED_INDEX);
            let used = self.memory.read_obj::<u16>(GuestAddress(used)).map(u16::from_le);
            queue.move_to(next, used.unwrap_or(next));
        }
    }
}

impl Handler for FsHandler {
    fn role(&self) -> ThreadRole {
        ThreadRole::Backend
    }

    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        poll.add(self.begin.as_raw_fd(), EventSet::IN, BEGIN)?;
        poll.add(self.backend.as_raw_fd(), EventSet::IN | EventSet::READ_HANG_UP, BACKEND)?;
        (CALLS..)
            .zip(&self.calls)
            .try_for_each(|(token, call)| poll.add(call.as_raw_fd(), EventSet::IN, token))
    }

    fn handle(&mut self, token: u64, _ready: EventSet, _poll: &Poll) -> Result<(), QueueError> {
        match token {
            BEGIN => {
                drain(&self.begin);
                let begun = self.backend.begin(self.features, &self.memory, &self.queues, &self.calls);
                self.begun = true;
                begun.map_err(|_| self.lose())
            }
            BACKEND => Err(self.lose()),
            call => {
                self.called((call - CALLS) as usize);
                Ok(())
            }
        }
    }

    fn quiesce(&mut self) {
        if std::mem::take(&mut self.begun) && !self.control.is_lost() {
            self.end();
        }
        // What it said to be done before it stood still.
        (0..self.calls.len()).for_each(|number| self.called(number));
        // Who has waited long enough is not there.
        let _ = self.still.try_send(());
    }
}
