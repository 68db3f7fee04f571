//! The network device's thread: frames between tap and queues.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vmm_sys_util::epoll::EventSet;

use super::metrics::NetMetrics;
use super::tap::{HEADER_SIZE, MAX_FRAME, NUM_BUFFERS, Tap};
use crate::virtio::Memory;
use crate::virtio::queue::{DeviceQueue, QueueError};
use crate::virtio::worker::{Handler, Poll, drain};

const RECEIVE: u64 = 0;
const TRANSMIT: u64 = 1;
const TAP: u64 = 2;
/// The kernel takes no longer buffer lists.
const MAX_BUFFERS: usize = libc::UIO_MAXIOV as usize;

/// Owns the queues while the device runs.
pub(super) struct NetHandler {
    pub tap: Arc<Tap>,
    pub memory: Memory,
    pub receive: Option<DeviceQueue>,
    pub transmit: Option<DeviceQueue>,
    pub link: Arc<AtomicBool>,
    pub metrics: Arc<NetMetrics>,
    /// Where frames of the tap land before they go to the guest: only here it shows whether they fit its buffers.
    pub frame: Box<[u8]>,
    /// Whether the tap is watched: only while the guest has room.
    pub watching: bool,
}

impl NetHandler {
    pub(super) fn frame() -> Box<[u8]> {
        vec![0; MAX_FRAME].into_boxed_slice()
    }

    /// Gives frames of the tap to the guest, at most a ring full before other events get their turn.
    fn receive(&mut self, poll: &Poll) -> Result<(), QueueError> {
        let Some(queue) = &mut self.receive else { return Ok(()) };
        let memory = &self.memory;
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
            let Some(length) = self.tap.receive(&mut self.frame) else {
                queue.unpop();
                break;
            };
            if length > chain.writable.len() as usize || !self.link.load(Ordering::Relaxed) {
                queue.unpop();
                NetMetrics::drop_one(&self.metrics.rx_dropped);
                continue;
            }
            let frame = &mut self.frame[..length];
            frame[NUM_BUFFERS..HEADER_SIZE].copy_from_slice(&1u16.to_le_bytes());
            chain.writable.write(memory, frame);
            queue.complete(memory, chain.head, length as u32)?;
            self.metrics.received(length - HEADER_SIZE);
            given = true;
        }
        if given {
            queue.notify(memory)?;
        }
        self.watch(poll, room);
        Ok(())
    }

    /// Watches the tap or not; it is level-triggered, so frames the guest has no room for would wake the thread forever.
    fn watch(&mut self, poll: &Poll, wanted: bool) {
        let events = if wanted { EventSet::IN } else { EventSet::empty() };
        if wanted != self.watching && poll.modify(self.tap.as_raw_fd(), events, TAP).is_ok() {
            self.watching = wanted;
        }
    }

    /// Gives frames of the guest to the tap.
    fn transmit(&mut self) -> Result<(), QueueError> {
        let Some(queue) = &mut self.transmit else { return Ok(()) };
        let (memory, tap, metrics) = (&self.memory, &self.tap, &self.metrics);
        let up = self.link.load(Ordering::Relaxed);
        queue.serve(memory, |chain| {
            let length = chain.readable.len() as usize;
            let buffers = chain.readable.iovecs(memory);
            let fits = (HEADER_SIZE + 1..=MAX_FRAME).contains(&length) && buffers.len() <= MAX_BUFFERS;
            if up && fits && tap.send(&buffers) {
                metrics.sent(length - HEADER_SIZE);
            } else {
                NetMetrics::drop_one(&metrics.tx_dropped);
            }
            Ok(0)
        })?;
        Ok(())
    }
}

impl Handler for NetHandler {
    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        let watch = |queue: &Option<DeviceQueue>, token| match queue {
            Some(queue) => poll.add(queue.event().as_raw_fd(), EventSet::IN, token),
            None => Ok(()),
        };
        watch(&self.receive, RECEIVE)?;
        watch(&self.transmit, TRANSMIT)?;
        poll.add(self.tap.as_raw_fd(), EventSet::empty(), TAP)
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
                self.transmit()
            }
            // The interface was deleted; nothing comes from it any more, and it would be reported forever.
            _ if ready.intersects(EventSet::ERROR | EventSet::HANG_UP) && !ready.contains(EventSet::IN) => {
                let _ = poll.remove(self.tap.as_raw_fd());
                Ok(())
            }
            _ => self.receive(poll),
        }
    }

    fn quiesce(&mut self) {}
}
