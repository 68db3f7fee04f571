//! The entropy device's thread.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::timerfd::TimerFd;

use crate::config::RngRate;
use crate::virtio::Memory;
use crate::virtio::queue::{DeviceQueue, QueueError};
use crate::virtio::worker::{Handler, Poll, drain};

const QUEUE: u64 = 0;
const REFILL: u64 = 1;
/// Most bytes of one request; a driver that wants more asks again.
const CHUNK: usize = 4096;

/// How much may be given out. A period begins with the first byte that is given out in it.
pub(super) struct Limit {
    rate: RngRate,
    left: u64,
    timer: TimerFd,
    /// Whether the end of the period is being waited for.
    running: bool,
}

impl Limit {
    pub(super) fn new(rate: RngRate) -> io::Result<Self> {
        Ok(Self { rate, left: rate.bytes, timer: TimerFd::new()?, running: false })
    }

    fn take(&mut self, bytes: u64) {
        self.left -= bytes;
        if !self.running {
            let period = Duration::from_millis(self.rate.period_ms);
            self.running = self.timer.reset(period, None).is_ok();
        }
    }

    fn refill(&mut self) {
        // The timer is readable, so this does not block.
        let _ = self.timer.wait();
        self.left = self.rate.bytes;
        self.running = false;
    }
}

/// Owns the queue while the device runs.
pub(super) struct RngHandler {
    pub queue: DeviceQueue,
    pub source: Arc<File>,
    pub memory: Memory,
    pub limit: Option<Limit>,
}

impl RngHandler {
    /// Serves requests as far as the limit goes. A request gets what is left, which the protocol allows to be less than
    /// it asked for; requests that get nothing wait for the next period.
    fn fill(&mut self) -> Result<(), QueueError> {
        let memory = &self.memory;
        let mut random = [0; CHUNK];
        let mut given = false;
        for _ in 0..self.queue.size() {
            let left = self.limit.as_ref().map_or(u64::MAX, |limit| limit.left);
            if left == 0 {
                break;
            }
            self.queue.disable_notification(memory)?;
            let mut next = self.queue.pop(memory)?;
            if next.is_none() && self.queue.enable_notification(memory)? {
                next = self.queue.pop(memory)?;
            }
            let Some(mut chain) = next else { break };
            let wanted = u64::from(chain.writable.len()).min(left).min(CHUNK as u64) as usize;
            let got = (&*self.source).read(&mut random[..wanted]).unwrap_or(0);
            chain.writable.write(memory, &random[..got]);
            self.queue.complete(memory, chain.head, got as u32)?;
            given = true;
            if let Some(limit) = &mut self.limit {
                limit.take(got as u64);
            }
        }
        if given {
            // Whatever came meanwhile is looked at in the next round.
            self.queue.kick();
            self.queue.notify(memory)?;
        }
        Ok(())
    }
}

impl Handler for RngHandler {
    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        poll.add(self.queue.event().as_raw_fd(), EventSet::IN, QUEUE)?;
        match &self.limit {
            Some(limit) => poll.add(limit.timer.as_raw_fd(), EventSet::IN, REFILL),
            None => Ok(()),
        }
    }

    fn handle(&mut self, token: u64, _ready: EventSet, _poll: &Poll) -> Result<(), QueueError> {
        if token == QUEUE {
            drain(self.queue.event());
        } else if let Some(limit) = &mut self.limit {
            limit.refill();
        }
        self.fill()
    }

    fn quiesce(&mut self) {}
}
