//! The network device's thread: frames between the host's side and queues.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::eventfd::EventFd;

use super::announce::{ANNOUNCE, Announcement};
use super::backend::{Backend, Received, Sent};
use super::device::Link;
use super::metrics::NetMetrics;
use super::tap::{HEADER_SIZE, MAX_FRAME, NUM_BUFFERS};
use crate::sandbox::ThreadRole;
use crate::virtio::Memory;
use crate::virtio::queue::{DeviceQueue, QueueError};
use crate::virtio::worker::{Handler, Poll, drain};

const RECEIVE: u64 = 0;
const TRANSMIT: u64 = 1;
const LINK: u64 = 2;
/// Frames dropped before other events get their turn.
const DROPS_AT_ONCE: usize = 256;

/// Owns the queues while the device runs.
pub(super) struct NetHandler {
    pub backend: Backend,
    pub memory: Memory,
    pub receive: Option<DeviceQueue>,
    pub transmit: Option<DeviceQueue>,
    pub link: Arc<Link>,
    pub link_event: EventFd,
    pub metrics: Arc<NetMetrics>,
    /// Where frames of the host land before they go to the guest: only here it shows whether they fit its buffers.
    pub frame: Box<[u8]>,
    /// Whether frames of the host are waited for: only while the guest has room.
    pub watching: bool,
    /// What the host's networks are told of a guest that came from elsewhere.
    pub announced: Option<Announcement>,
}

impl NetHandler {
    pub(super) fn frame() -> Box<[u8]> {
        vec![0; MAX_FRAME].into_boxed_slice()
    }

    /// Gives frames of the host to the guest, at most a ring full before other events get their turn.
    fn receive(&mut self, poll: &Poll) -> Result<(), QueueError> {
        if !self.link.is_up() {
            self.drop_incoming(poll);
            return Ok(());
        }
        let Some(queue) = &mut self.receive else { return Ok(()) };
        let (memory, metrics) = (&self.memory, &self.metrics);
        let mut given = false;
        let mut room = true;
        for _ in 0..queue.size() {
            queue.disable_notification(memory)?;
            let mut next = queue.pop(memory)?;
            if next.is_none() && queue.enable_notification(memory)? {
                next = queue.pop(memory)?;
            }
            let Some(mut chain) = next else {
                room = false;
                break;
            };
            let length = match self.backend.receive(poll, &mut self.frame) {
                Received::Frame(length) => length,
                Received::Garbage => {
                    queue.unpop();
                    NetMetrics::count(&metrics.rx_errors);
                    continue;
                }
                Received::Nothing => {
                    queue.unpop();
                    break;
                }
            };
            if length > chain.writable.len() as usize || !self.link.is_up() {
                queue.unpop();
                NetMetrics::count(&metrics.rx_dropped);
                continue;
            }
            let frame = &mut self.frame[..length];
            frame[NUM_BUFFERS..HEADER_SIZE].copy_from_slice(&1u16.to_le_bytes());
            chain.writable.write(memory, frame);
            queue.complete(memory, chain.head, length as u32)?;
            metrics.received(length - HEADER_SIZE);
            given = true;
        }
        if given {
            queue.notify(memory)?;
        }
        if !room && self.backend.never_waits() {
            self.drop_incoming(poll);
        } else {
            self.watch(poll, room);
        }
        Ok(())
    }

    /// Takes frames that nobody gets. What is left is reported again.
    fn drop_incoming(&mut self, poll: &Poll) {
        for _ in 0..DROPS_AT_ONCE {
            match self.backend.receive(poll, &mut self.frame) {
                Received::Frame(_) => NetMetrics::count(&self.metrics.rx_dropped),
                Received::Garbage => NetMetrics::count(&self.metrics.rx_errors),
                Received::Nothing => break,
            }
        }
        self.watch(poll, true);
    }

    fn watch(&mut self, poll: &Poll, wanted: bool) {
        if wanted != self.watching && self.backend.watch(poll, wanted).is_ok() {
            self.watching = wanted;
        }
    }

    /// Says where the guest is. A frame that gets lost is followed by others.
    fn announce(&mut self, poll: &Poll) {
        if let Some(frame) = self.announced.as_mut().and_then(Announcement::next)
            && self.link.is_up()
        {
            self.backend.send_own(poll, frame);
        }
    }

    /// Gives frames of the guest to the host.
    fn transmit(&mut self, poll: &Poll) -> Result<(), QueueError> {
        let Some(queue) = &mut self.transmit else { return Ok(()) };
        let (memory, backend, metrics) = (&self.memory, &mut self.backend, &self.metrics);
        let up = self.link.is_up();
        queue.serve(memory, |chain| {
            let length = chain.readable.len() as usize;
            let sent = if up { backend.send(poll, memory, &mut chain.readable) } else { Sent::Dropped };
            match sent {
                Sent::Yes => metrics.sent(length - HEADER_SIZE),
                Sent::Dropped => NetMetrics::count(&metrics.tx_dropped),
                Sent::Refused => NetMetrics::count(&metrics.tx_errors),
            }
            Ok(0)
        })?;
        Ok(())
    }
}

impl Handler for NetHandler {
    fn role(&self) -> ThreadRole {
        self.backend.role()
    }

    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        let watch = |queue: &Option<DeviceQueue>, token| match queue {
            Some(queue) => poll.add(queue.event().as_raw_fd(), EventSet::IN, token),
            None => Ok(()),
        };
        watch(&self.receive, RECEIVE)?;
        watch(&self.transmit, TRANSMIT)?;
        poll.add(self.link_event.as_raw_fd(), EventSet::IN, LINK)?;
        self.backend.register(poll)?;
        if let Some(announced) = &mut self.announced {
            announced.register(poll)?;
            self.announce(poll);
        }
        Ok(())
    }

    fn handle(&mut self, token: u64, ready: EventSet, poll: &Poll) -> Result<(), QueueError> {
        let heard = |queue: &Option<DeviceQueue>| queue.iter().for_each(|queue| drain(queue.event()));
        match token {
            RECEIVE => {
                heard(&self.receive);
                self.receive(poll)
            }
            TRANSMIT => {
                heard(&self.transmit);
                self.transmit(poll)
            }
            LINK => {
                drain(&self.link_event);
                // What came before or while it was out, and the guest had no room for, must not arrive later.
                if self.link.went_down() {
                    self.drop_incoming(poll);
                }
                self.receive(poll)
            }
            ANNOUNCE => {
                if let Some(announced) = &mut self.announced {
                    announced.woken();
                }
                self.announce(poll);
                Ok(())
            }
            token if self.backend.ready(token, ready, poll) => self.receive(poll),
            _ => Ok(()),
        }
    }

    fn quiesce(&mut self) {}
}
