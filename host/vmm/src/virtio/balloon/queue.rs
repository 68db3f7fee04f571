//! The balloon's thread.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::eventfd::EventFd;
use vmm_sys_util::timerfd::TimerFd;

use super::device::Shared;
use super::reclaim;
use crate::virtio::Memory;
use crate::virtio::queue::{DeviceQueue, QueueError};
use crate::virtio::worker::{Handler, Poll, drain};

const INFLATE: u64 = 0;
const DEFLATE: u64 = 1;
const STATS: u64 = 2;
const REPORTING: u64 = 3;
const REFRESH: u64 = 4;
const TIMER: u64 = 5;

/// Most pages of one request that are looked at; Linux sends 256.
const MAX_PAGES: usize = 1 << 14;
/// Bytes of struct virtio_balloon_stat.
const STAT_SIZE: usize = 10;
/// Most statistics that are kept; the specification knows 16.
const MAX_STATS: usize = 32;

/// Owns the queues while the device runs.
pub(super) struct BalloonHandler {
    pub memory: Memory,
    pub shared: Arc<Shared>,
    pub inflate: Option<DeviceQueue>,
    pub deflate: Option<DeviceQueue>,
    pub stats: Option<DeviceQueue>,
    pub reporting: Option<DeviceQueue>,
    /// Fires when somebody wants new statistics.
    pub refresh: EventFd,
    /// Fires when the guest is to be asked by itself.
    pub timer: TimerFd,
    /// The guest's statistics buffer, kept until new ones are wanted.
    pub held: Option<u16>,
}

impl BalloonHandler {
    /// The guest gives pages away.
    fn inflate(&mut self) -> Result<(), QueueError> {
        let Some(queue) = &mut self.inflate else { return Ok(()) };
        let memory = &self.memory;
        queue.serve(memory, |chain| {
            let length = (chain.readable.len() as usize).min(4 * MAX_PAGES);
            let mut raw = vec![0; length];
            chain.readable.read(memory, &mut raw);
            let (words, _) = raw.as_chunks::<4>();
            for (start, length) in reclaim::runs(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
            {
                reclaim::free(memory, start, length);
            }
            Ok(0)
        })?;
        Ok(())
    }

    /// The guest takes pages back; they come when it touches them.
    fn deflate(&mut self) -> Result<(), QueueError> {
        let Some(queue) = &mut self.deflate else { return Ok(()) };
        queue.serve(&self.memory, |_| Ok(0))?;
        Ok(())
    }

    /// The guest reports ranges that are free and that it does not count on.
    fn reported(&mut self) -> Result<(), QueueError> {
        let Some(queue) = &mut self.reporting else { return Ok(()) };
        let memory = &self.memory;
        queue.serve(memory, |chain| {
            for (address, length) in chain.writable.parts() {
                reclaim::free(memory, address.0, u64::from(*length));
            }
            Ok(0)
        })?;
        Ok(())
    }

    /// Takes statistics and keeps the buffer: handing it back asks for new ones.
    fn stats(&mut self) -> Result<(), QueueError> {
        let Some(queue) = &mut self.stats else { return Ok(()) };
        for _ in 0..queue.size() {
            let mut next = queue.pop(&self.memory)?;
            if next.is_none() && queue.enable_notification(&self.memory)? {
                next = queue.pop(&self.memory)?;
            }
            let Some(mut chain) = next else { break };
            let mut raw = vec![0; (chain.readable.len() as usize).min(MAX_STATS * STAT_SIZE)];
            chain.readable.read(&self.memory, &mut raw);
            let (stats, _) = raw.as_chunks::<STAT_SIZE>();
            let stats = stats
                .iter()
                .map(|[t0, t1, value @ ..]| (u16::from_le_bytes([*t0, *t1]), u64::from_le_bytes(*value)));
            self.shared.set_statistics(stats.collect());
            if let Some(older) = self.held.replace(chain.head) {
                queue.complete(&self.memory, older, 0)?;
            }
        }
        Ok(())
    }

    /// Asks again when the period is over.
    fn set_timer(&mut self) {
        let set = match self.shared.period() {
            0 => self.timer.clear(),
            seconds => self.timer.reset(Duration::from_secs(seconds.into()), None),
        };
        debug_assert!(set.is_ok(), "a timer can be set");
    }

    fn refresh(&mut self) -> Result<(), QueueError> {
        if let (Some(queue), Some(head)) = (&mut self.stats, self.held.take()) {
            queue.complete(&self.memory, head, 0)?;
            queue.notify(&self.memory)?;
        }
        Ok(())
    }
}

impl Handler for BalloonHandler {
    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        let queues = [(&self.inflate, INFLATE), (&self.deflate, DEFLATE), (&self.stats, STATS)];
        for (queue, token) in queues.into_iter().chain([(&self.reporting, REPORTING)]) {
            if let Some(queue) = queue {
                poll.add(queue.event().as_raw_fd(), EventSet::IN, token)?;
            }
        }
        self.set_timer();
        poll.add(self.timer.as_raw_fd(), EventSet::IN, TIMER)?;
        poll.add(self.refresh.as_raw_fd(), EventSet::IN, REFRESH)
    }

    fn handle(&mut self, token: u64, _ready: EventSet, _poll: &Poll) -> Result<(), QueueError> {
        let heard = |queue: &Option<DeviceQueue>| queue.iter().for_each(|queue| drain(queue.event()));
        match token {
            INFLATE => {
                heard(&self.inflate);
                self.inflate()
            }
            DEFLATE => {
                heard(&self.deflate);
                self.deflate()
            }
            STATS => {
                heard(&self.stats);
                self.stats()
            }
            REPORTING => {
                heard(&self.reporting);
                self.reported()
            }
            TIMER => {
                self.set_timer();
                self.refresh()
            }
            _ => {
                drain(&self.refresh);
                self.set_timer();
                self.refresh()
            }
        }
    }

    /// A kept statistics buffer goes back to the driver, which sends it again when the device goes on.
    fn quiesce(&mut self) {
        let _ = self.refresh();
    }
}
