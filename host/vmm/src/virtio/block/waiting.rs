//! Requests that limits let wait.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::timerfd::TimerFd;

use super::request::{Operation, Request};
use super::throttle::{Cost, Limiter};
use crate::virtio::worker::{Poll, drain};

const TIMER: u64 = 2;
const CHANGED: u64 = 3;

/// Reads and writes that wait, in the order they came. What changes nothing on the disk never waits.
pub(super) struct Waiting {
    limiter: Arc<Limiter>,
    reads: VecDeque<Request>,
    writes: VecDeque<Request>,
    timer: TimerFd,
}

impl Waiting {
    pub fn new(limiter: Arc<Limiter>) -> io::Result<Self> {
        let timer = TimerFd::new()?;
        Ok(Self { limiter, reads: VecDeque::new(), writes: VecDeque::new(), timer })
    }

    pub fn register(&self, poll: &Poll) -> io::Result<()> {
        poll.add(self.timer.as_raw_fd(), EventSet::IN, TIMER)?;
        poll.add(self.limiter.changed().as_raw_fd(), EventSet::IN, CHANGED)
    }

    /// True for an event of this; it is time to ask for what is [`due`](Self::due).
    pub fn takes(&mut self, token: u64) -> bool {
        match token {
            TIMER => {
                // Not read: what was dealt with before this in the same round may have set it anew, and reading would make everybody on the
                // thread wait for it. What is still to wait sets it again.
                let _ = self.timer.clear();
            }
            CHANGED => drain(self.limiter.changed()),
            _ => return false,
        }
        true
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.reads.len() + self.writes.len()
    }

    /// Gives a request back if it may start now; otherwise it waits behind those of its kind.
    pub fn admit(&mut self, request: Request) -> Option<Request> {
        let Some(cost) = cost(&request) else { return Some(request) };
        let queue = if cost.write { &mut self.writes } else { &mut self.reads };
        if queue.is_empty() {
            match self.limiter.take(cost) {
                Ok(()) => return Some(request),
                Err(wait) => self.wake_in(wait),
            }
        }
        let queue = if cost.write { &mut self.writes } else { &mut self.reads };
        queue.push_back(request);
        None
    }

    /// The next request that may start after it had to wait.
    pub fn due(&mut self) -> Option<Request> {
        let mut soonest = None;
        for queue in [&mut self.reads, &mut self.writes] {
            let Some(cost) = queue.front().and_then(cost) else { continue };
            match self.limiter.take(cost) {
                Ok(()) => return queue.pop_front(),
                Err(wait) => soonest = Some(soonest.map_or(wait, |before: Duration| before.min(wait))),
            }
        }
        if let Some(wait) = soonest {
            self.wake_in(wait);
        }
        None
    }

    /// All that wait, whatever the limits say.
    pub fn take_all(&mut self) -> Vec<Request> {
        self.reads.drain(..).chain(self.writes.drain(..)).collect()
    }

    fn wake_in(&mut self, wait: Duration) {
        // A timer that can't be set would leave requests waiting for the next event; the kernel refuses no valid time.
        let _ = self.timer.reset(wait.max(Duration::from_micros(1)), None);
    }
}

/// What a request takes from the limits; none of what they are not about.
fn cost(request: &Request) -> Option<Cost> {
    let bytes = u64::from(request.data.len());
    match request.operation {
        Operation::Read => Some(Cost { write: false, bytes }),
        Operation::Write => Some(Cost { write: true, bytes }),
        // Their data is a list of ranges.
        Operation::Discard | Operation::WriteZeroes => Some(Cost { write: true, bytes: 0 }),
        Operation::Flush | Operation::Id | Operation::Unknown => None,
    }
}
