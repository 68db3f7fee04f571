//! The device's thread: requests of the driver.

use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use vmm_sys_util::epoll::EventSet;

use super::device::Shared;
use crate::hypervisor::BlockError;
use crate::sandbox::ThreadRole;
use crate::virtio::Memory;
use crate::virtio::queue::{DeviceQueue, QueueError};
use crate::virtio::worker::{Handler, Poll, drain};

/// Bytes of struct virtio_mem_req: type, padding, address, number of blocks, padding.
const REQUEST: usize = 24;
/// Bytes of struct virtio_mem_resp: type, padding, state.
const RESPONSE: usize = 10;

const PLUG: u16 = 0;
const UNPLUG: u16 = 1;
const UNPLUG_ALL: u16 = 2;
const STATE: u16 = 3;

/// What the driver is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Answer {
    Done = 0,
    /// It may have no more.
    Refused = 1,
    /// It may try again later.
    Busy = 2,
    /// The request makes no sense.
    Error = 3,
}

/// State of a range of blocks.
const PLUGGED: u16 = 0;
const UNPLUGGED: u16 = 1;
const MIXED: u16 = 2;

/// Owns the queue while the device runs.
pub(super) struct MemHandler {
    pub memory: Memory,
    pub shared: Arc<Shared>,
    pub queue: Option<DeviceQueue>,
}

impl MemHandler {
    fn requests(&mut self) -> Result<(), QueueError> {
        let Some(queue) = &mut self.queue else { return Ok(()) };
        let (memory, shared) = (&self.memory, &self.shared);
        queue.serve(memory, |chain| {
            let mut request = [0; REQUEST];
            let whole = chain.readable.len() as usize >= REQUEST;
            chain.readable.read(memory, &mut request);
            let (answer, state) = match whole {
                true => shared.answer(&request),
                false => (Answer::Error, 0),
            };
            let mut response = [0; RESPONSE];
            response[..2].copy_from_slice(&(answer as u16).to_le_bytes());
            response[8..].copy_from_slice(&state.to_le_bytes());
            Ok(chain.writable.write(memory, &response) as u32)
        })?;
        Ok(())
    }
}

impl Shared {
    /// Carries a request out; what it answers, and the state of the blocks where that was asked.
    pub(super) fn answer(&self, request: &[u8; REQUEST]) -> (Answer, u16) {
        let [k0, k1, _, _, _, _, _, _, address @ .., n0, n1, _, _, _, _, _, _] = *request;
        let (kind, count) = (u16::from_le_bytes([k0, k1]), u16::from_le_bytes([n0, n1]));
        let blocks = self.range(u64::from_le_bytes(address), count);
        match (kind, blocks) {
            (PLUG, Some(blocks)) => (self.plug(blocks), 0),
            (UNPLUG, Some(blocks)) => (outcome(self.blocks.unplug(blocks)), 0),
            (UNPLUG_ALL, _) => (outcome(self.blocks.unplug_all()), 0),
            (STATE, Some(blocks)) => match self.blocks.count(blocks.clone()) {
                None => (Answer::Error, 0),
                Some(0) => (Answer::Done, UNPLUGGED),
                Some(plugged) if plugged == blocks.len() => (Answer::Done, PLUGGED),
                Some(_) => (Answer::Done, MIXED),
            },
            _ => (Answer::Error, 0),
        }
    }

    /// Whole blocks of the region.
    fn range(&self, address: u64, count: u16) -> Option<Range<u32>> {
        let region = self.blocks.region();
        let offset =
            address.checked_sub(region.start).filter(|offset| offset.is_multiple_of(region.block))?;
        let first = u32::try_from(offset / region.block).ok()?;
        let end = first.checked_add(u32::from(count)).filter(|end| *end <= region.blocks())?;
        (first < end).then_some(first..end)
    }

    fn plug(&self, blocks: Range<u32>) -> Answer {
        match self.blocks.plug(blocks, self.requested()) {
            Ok(false) => Answer::Refused,
            other => outcome(other.map(drop)),
        }
    }
}

fn outcome(done: Result<(), BlockError>) -> Answer {
    match done {
        Ok(()) => Answer::Done,
        Err(BlockError::Invalid) => Answer::Error,
        // The host may have room for it another time.
        Err(BlockError::Busy | BlockError::Host(_)) => Answer::Busy,
    }
}

impl Handler for MemHandler {
    fn role(&self) -> ThreadRole {
        ThreadRole::Memory
    }

    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        match &self.queue {
            Some(queue) => poll.add(queue.event().as_raw_fd(), EventSet::IN, 0),
            None => Ok(()),
        }
    }

    fn handle(&mut self, _token: u64, _ready: EventSet, _poll: &Poll) -> Result<(), QueueError> {
        self.queue.iter().for_each(|queue| drain(queue.event()));
        self.requests()
    }

    fn quiesce(&mut self) {}
}
