//! What the threads of a machine tell the event loop. Each kind of message has one place, so a guest that repeats itself
//! costs no memory.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use crate::pci::Ejected;

/// How a guest came to a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestStop {
    /// It switched itself off.
    PowerOff,
    /// It pulled a reset line.
    Reset,
    /// It suspended itself to memory.
    Suspend,
    /// It suspended itself to its disk.
    Hibernate,
    /// It failed; a sentence says how.
    Crash(String),
}

/// What happened since it was last taken.
#[derive(Default)]
pub struct Happened {
    /// When the guest wrote to a console for the first time.
    pub first_output: Option<Instant>,
    /// Bytes the guest keeps now, when the balloon changed.
    pub balloon: Option<u64>,
    /// The first stop of the guest; what other vCPUs say afterwards does not count.
    pub stop: Option<GuestStop>,
    /// The guest has panicked and looks at what is left by itself.
    pub panic_handled: bool,
    /// Functions the guest let go of, at most one a request of the host.
    pub ejected: Vec<Ejected>,
    /// The guest let go of vCPUs.
    pub vcpus: bool,
    /// The thread that saves the machine has ended.
    pub saved: bool,
    /// A job on the images of a disk came to another state.
    pub job_moved: bool,
    /// A disk stands on an error.
    pub disk_stopped: bool,
    /// Something has happened that wakes a suspended guest.
    pub wake: bool,
    /// The guest has set the real-time clock, which is so many seconds ahead of its basis.
    pub clock_set: Option<i64>,
    /// A program of the guest wants a connection.
    pub dialed: bool,
    /// Who serves a directory to the guest has gone.
    pub backend_lost: bool,
}

/// The mailbox of the event loop.
pub struct Signals {
    happened: Mutex<Happened>,
    wake: EventFd,
}

impl Signals {
    /// An empty mailbox.
    pub fn new() -> io::Result<Self> {
        Ok(Self { happened: Mutex::default(), wake: EventFd::new(EFD_NONBLOCK)? })
    }

    /// The guest wrote to a console for the first time.
    pub fn first_output(&self) {
        self.lock().first_output.get_or_insert_with(Instant::now);
        self.wake();
    }

    /// The guest keeps `bytes` of its memory now.
    pub fn balloon(&self, bytes: u64) {
        self.lock().balloon = Some(bytes);
        self.wake();
    }

    /// The guest came to a stop.
    pub fn stop(&self, stop: GuestStop) {
        self.lock().stop.get_or_insert(stop);
        self.wake();
    }

    /// The guest has panicked and looks at what is left by itself.
    pub fn panic_handled(&self) {
        self.lock().panic_handled = true;
        self.wake();
    }

    /// The guest let go of a function.
    pub fn ejected(&self, ejected: Ejected) {
        self.lock().ejected.push(ejected);
        self.wake();
    }

    /// The guest let go of a vCPU.
    pub fn vcpus_changed(&self) {
        self.lock().vcpus = true;
        self.wake();
    }

    /// The thread that saves the machine ends.
    pub fn saved(&self) {
        self.lock().saved = true;
        self.wake();
    }

    /// A job on the images of a disk came to another state.
    pub fn job_moved(&self) {
        self.lock().job_moved = true;
        self.wake();
    }

    /// A disk stands on an error.
    pub fn disk_stopped(&self) {
        self.lock().disk_stopped = true;
        self.wake();
    }

    /// Something has happened that wakes a suspended guest.
    pub fn wake_wanted(&self) {
        self.lock().wake = true;
        self.wake();
    }

    /// The guest has set the real-time clock.
    pub fn clock_set(&self, adjustment: i64) {
        self.lock().clock_set = Some(adjustment);
        self.wake();
    }

    /// A program of the guest wants a connection.
    pub fn dialed(&self) {
        self.lock().dialed = true;
        self.wake();
    }

    /// Who serves a directory to the guest has gone.
    pub fn backend_lost(&self) {
        self.lock().backend_lost = true;
        self.wake();
    }

    /// Everything since the last time.
    pub fn take(&self) -> Happened {
        // Empty when another call came first.
        let _ = self.wake.read();
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Happened> {
        self.happened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // Refused only when the counter is full, and then the descriptor is readable anyway.
        let _ = self.wake.write(1);
    }
}

impl AsRawFd for Signals {
    /// Readable when there is something to take.
    fn as_raw_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }
}
