//! The threads of the network device, one a pair of queues: frames between the host's side and queues.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use virtio_bindings::virtio_net::{VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_NONE};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::eventfd::EventFd;

use super::announce::{ANNOUNCE, Announcement};
use super::backend::{Backend, Received, Sent};
use super::metrics::NetMetrics;
use super::pairs::Pairs;
use super::tap::{FLAGS, GSO_TYPE, HEADER_SIZE, MAX_FRAME, NUM_BUFFERS};
use crate::sandbox::ThreadRole;
use crate::virtio::Memory;
use crate::virtio::chain::Chain;
use crate::virtio::queue::{DeviceQueue, QueueError};
use crate::virtio::worker::{Handler, Poll, drain};

const RECEIVE: u64 = 0;
const TRANSMIT: u64 = 1;
const CHANGED: u64 = 2;
const CONTROL: u64 = 4;
/// Frames dropped before other events get their turn.
const DROPS_AT_ONCE: usize = 256;

/// Owns a pair of queues while the device runs.
pub(super) struct NetHandler {
    /// Its number, from 0.
    pub pair: u16,
    pub backend: Backend,
    pub memory: Memory,
    pub receive: Option<DeviceQueue>,
    pub transmit: Option<DeviceQueue>,
    /// The first pair has the control queue too.
    pub control: Option<DeviceQueue>,
    /// The driver knows of several pairs.
    pub several: bool,
    pub pairs: Arc<Pairs>,
    /// Fires when the link or the number of pairs has changed.
    pub event: EventFd,
    pub metrics: Arc<NetMetrics>,
    /// The driver takes a frame in several buffers.
    pub merges: bool,
    /// The driver takes frames that lack their checksum, or are longer than the cable's.
    pub takes_offloads: bool,
    /// Where frames of the host land before they go to the guest: only here it shows whether they fit its buffers.
    pub frame: Box<[u8]>,
    /// Bytes of a frame in it for which the guest had too few buffers yet.
    pub held: Option<usize>,
    /// Whether frames of the host are waited for: only while the guest has room.
    pub watching: bool,
    /// The link was out, and not all that came until then is dropped yet.
    pub dropping: bool,
    /// What the host's networks are told of a guest that came from elsewhere.
    pub announced: Option<Announcement>,
}

/// The buffers that a frame goes into.
enum Room {
    Enough(Vec<Chain>),
    /// Not yet: the guest may offer more.
    Later,
    /// Not in all that the queue holds.
    Never,
}

impl NetHandler {
    pub(super) fn frame() -> Box<[u8]> {
        vec![0; MAX_FRAME].into_boxed_slice()
    }

    /// Gives frames of the host to the guest, at most a ring full before other events get their turn.
    fn receive(&mut self, poll: &Poll) -> Result<(), QueueError> {
        if self.dropping || !self.pairs.link_is_up() {
            self.drop_incoming(poll);
            return Ok(());
        }
        let Some(queue) = &mut self.receive else { return Ok(()) };
        let (memory, metrics) = (&self.memory, &self.metrics);
        let mut given = false;
        let mut room = true;
        // Frames that the backend has read already are not reported again, and a full ring does not ask for notifications.
        let mut more = true;
        for _ in 0..queue.size() {
            let Some(first) = next(queue, memory)? else {
                (room, more) = (false, false);
                break;
            };
            let received = match self.held.take() {
                Some(length) => Received::Frame(length),
                None => self.backend.receive(poll, &mut self.frame),
            };
            let length = match received {
                Received::Frame(length) => length,
                Received::Garbage => {
                    queue.unpop();
                    NetMetrics::count(&metrics.rx_errors);
                    continue;
                }
                Received::Nothing => {
                    queue.unpop();
                    more = false;
                    break;
                }
            };
            let frame = &mut self.frame[..length];
            if !self.pairs.link_is_up() || !self.takes_offloads && has_offloads(frame) {
                queue.unpop();
                NetMetrics::count(&metrics.rx_dropped);
                continue;
            }
            let chains = match gather(queue, memory, first, length, self.merges)? {
                Room::Enough(chains) => chains,
                Room::Later => {
                    self.held = Some(length);
                    (room, more) = (false, false);
                    break;
                }
                Room::Never => {
                    NetMetrics::count(&metrics.rx_dropped);
                    continue;
                }
            };
            if !self.takes_offloads {
                frame[FLAGS] = 0;
            }
            frame[NUM_BUFFERS..HEADER_SIZE].copy_from_slice(&(chains.len() as u16).to_le_bytes());
            let mut rest = &frame[..];
            let mut used = Vec::with_capacity(chains.len());
            for mut chain in chains {
                let written = chain.writable.write(memory, rest);
                rest = &rest[written..];
                used.push((chain.head, written as u32));
            }
            queue.complete_together(memory, &used)?;
            metrics.received(length - HEADER_SIZE);
            given = true;
        }
        if given {
            queue.notify(memory)?;
        }
        if more {
            queue.kick();
        }
        if !room && self.backend.never_waits() {
            self.drop_incoming(poll);
        } else {
            self.watch(poll, room);
        }
        Ok(())
    }

    /// Takes frames that nobody gets. The queue then notifies itself of what is left.
    fn drop_incoming(&mut self, poll: &Poll) {
        if self.held.take().is_some() {
            NetMetrics::count(&self.metrics.rx_dropped);
        }
        let mut more = true;
        for _ in 0..DROPS_AT_ONCE {
            match self.backend.receive(poll, &mut self.frame) {
                Received::Frame(_) => NetMetrics::count(&self.metrics.rx_dropped),
                Received::Garbage => NetMetrics::count(&self.metrics.rx_errors),
                Received::Nothing => {
                    more = false;
                    break;
                }
            }
        }
        // Whether the link is in or out: what was there before is gone.
        self.dropping &= more;
        if more && let Some(queue) = &self.receive {
            queue.kick();
        }
        self.watch(poll, true);
    }

    fn watch(&mut self, poll: &Poll, wanted: bool) {
        if wanted != self.watching && self.backend.watch(poll, wanted).is_ok() {
            self.watching = wanted;
        }
    }

    /// The link or the number of pairs has changed.
    fn changed(&mut self, poll: &Poll) -> Result<(), QueueError> {
        if self.pairs.count() > 1 {
            let attached = self.pair < self.pairs.active();
            // One that can't be waited for is as a cable that is out.
            let _ = self.backend.attached(poll, attached);
            self.watching = false;
        }
        // What came before or while it was out, and the guest had no room for, must not arrive later.
        self.dropping |= self.pairs.link_went_down(self.pair);
        self.receive(poll)
    }

    /// Carries out what the driver asks for on the control queue.
    fn control(&mut self) -> Result<(), QueueError> {
        let Some(queue) = &mut self.control else { return Ok(()) };
        let (memory, pairs, several) = (&self.memory, &self.pairs, self.several);
        queue.serve(memory, |chain| Ok(pairs.control(memory, chain, several)))?;
        Ok(())
    }

    /// Says where the guest is. A frame that gets lost is followed by others.
    fn announce(&mut self, poll: &Poll) {
        if let Some(frame) = self.announced.as_mut().and_then(Announcement::next)
            && self.pairs.link_is_up()
        {
            self.backend.send_own(poll, frame);
        }
    }

    /// Gives frames of the guest to the host.
    fn transmit(&mut self, poll: &Poll) -> Result<(), QueueError> {
        let Some(queue) = &mut self.transmit else { return Ok(()) };
        let (memory, backend, metrics) = (&self.memory, &mut self.backend, &self.metrics);
        let up = self.pairs.link_is_up();
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
        watch(&self.control, CONTROL)?;
        poll.add(self.event.as_raw_fd(), EventSet::IN, CHANGED)?;
        if self.pair < self.pairs.active() {
            self.backend.register(poll)?;
        }
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
            CONTROL => {
                heard(&self.control);
                self.control()
            }
            CHANGED => {
                drain(&self.event);
                self.changed(poll)
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

/// The next buffer of the guest. After none it notifies of new ones.
fn next(queue: &mut DeviceQueue, memory: &Memory) -> Result<Option<Chain>, QueueError> {
    queue.disable_notification(memory)?;
    let mut next = queue.pop(memory)?;
    if next.is_none() && queue.enable_notification(memory)? {
        next = queue.pop(memory)?;
    }
    Ok(next)
}

/// Buffers for a frame, from `first` on; those of a frame that does not fit are put back.
fn gather(
    queue: &mut DeviceQueue,
    memory: &Memory,
    first: Chain,
    length: usize,
    merges: bool,
) -> Result<Room, QueueError> {
    let mut found = first.writable.len() as usize;
    let mut chains = vec![first];
    let most = if merges { usize::from(queue.size()) } else { 1 };
    while found < length
        && chains.len() < most
        && let Some(chain) = next(queue, memory)?
    {
        found += chain.writable.len() as usize;
        chains.push(chain);
    }
    if found >= length {
        return Ok(Room::Enough(chains));
    }
    chains.iter().for_each(|_| queue.unpop());
    Ok(if chains.len() == most { Room::Never } else { Room::Later })
}

/// Whether a frame is one that only a driver with offloads takes: it may have come before the driver was changed for another.
fn has_offloads(frame: &[u8]) -> bool {
    u32::from(frame[FLAGS]) & VIRTIO_NET_HDR_F_NEEDS_CSUM != 0
        || u32::from(frame[GSO_TYPE]) != VIRTIO_NET_HDR_GSO_NONE
}
