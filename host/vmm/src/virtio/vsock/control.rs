//! What the device and the control plane tell each other: who in the guest wants a connection, and the connection.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

/// A program of the guest wants to talk to a port of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dial {
    /// Names it in the answer.
    pub number: u64,
    /// The port.
    pub port: u32,
}

/// Called when there is a dial to take; does not block.
pub type Told = Box<dyn Fn() + Send + Sync>;

/// The control plane's handle. There are never more dials and answers in it than the device has connections.
pub struct VsockControl {
    told: Told,
    dials: Mutex<Dials>,
    answers: Mutex<Vec<(u64, Option<OwnedFd>)>>,
    /// Readable when there is an answer.
    pub(super) event: EventFd,
}

/// Dials that a guest made and nobody has taken, and those that were taken and not answered.
#[derive(Default)]
struct Dials {
    made: Vec<Dial>,
    taken: Vec<(u64, Instant)>,
}

/// Dials that are not answered at a time: a guest that hangs up and dials again makes no more work than that.
const MOST_TAKEN: usize = 32;
/// After this long nobody answers any more: the daemon was another one.
const LONGEST: Duration = Duration::from_secs(30);
/// Answers that wait for the device at most; nobody waits for more.
const MOST_ANSWERS: usize = 256;

impl VsockControl {
    pub(super) fn new(told: Told) -> std::io::Result<Self> {
        let event = EventFd::new(EFD_NONBLOCK)?;
        Ok(Self { told, dials: Mutex::default(), answers: Mutex::default(), event })
    }

    /// Asks for a connection.
    pub(super) fn dial(&self, dial: Dial) {
        lock(&self.dials).made.push(dial);
        (self.told)();
    }

    /// The guest does not want it any more.
    pub(super) fn hang_up(&self, number: u64) {
        lock(&self.dials).made.retain(|dial| dial.number != number);
    }

    /// Dials since the last time, as many as may be in the works.
    pub fn take_dials(&self) -> Vec<Dial> {
        let (mut dials, now) = (lock(&self.dials), Instant::now());
        dials.taken.retain(|(_, since)| now.duration_since(*since) < LONGEST);
        let count = dials.made.len().min(MOST_TAKEN - dials.taken.len().min(MOST_TAKEN));
        let taken: Vec<Dial> = dials.made.drain(..count).collect();
        dials.taken.extend(taken.iter().map(|dial| (dial.number, now)));
        taken
    }

    /// The connection that was asked for, a stream socket; none when nobody is there.
    pub fn answer(&self, number: u64, connection: Option<OwnedFd>) {
        let connection = connection.filter(|connection| rustix::io::ioctl_fionbio(connection, true).is_ok());
        let mut answers = lock(&self.answers);
        if answers.len() < MOST_ANSWERS {
            answers.push((number, connection));
        }
        drop(answers);
        // An eventfd refuses a write only when its counter is full, and then it is readable anyway.
        let _ = self.event.write(1);
        let mut dials = lock(&self.dials);
        dials.taken.retain(|(taken, _)| *taken != number);
        let more = !dials.made.is_empty();
        drop(dials);
        if more {
            (self.told)();
        }
    }

    pub(super) fn take_answers(&self) -> Vec<(u64, Option<OwnedFd>)> {
        std::mem::take(&mut *lock(&self.answers))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
