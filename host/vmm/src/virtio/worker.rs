//! The thread of a device: an epoll loop around a handler that owns the device's queues.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::interrupt::Interrupt;
use super::queue::QueueError;
use crate::sandbox::{self, ThreadRole};

const KILL: u64 = u64::MAX;
const EVENTS_AT_ONCE: usize = 16;

/// What happens in a device's thread.
pub trait Handler: Send + 'static {
    /// System calls its thread may use.
    fn role(&self) -> ThreadRole {
        ThreadRole::Device
    }

    /// Registers what the handler waits for. Tokens are the handler's own, below `u64::MAX`.
    fn register(&mut self, poll: &Poll) -> io::Result<()>;

    /// Something registered under `token` is ready. An error stops the device until it is reset.
    fn handle(&mut self, token: u64, ready: EventSet, poll: &Poll) -> Result<(), QueueError>;

    /// The thread ends: complete what is in flight.
    fn quiesce(&mut self);
}

/// What a handler waits for.
pub struct Poll(Epoll);

impl Poll {
    /// Waits for `events` on `fd`.
    pub fn add(&self, fd: RawFd, events: EventSet, token: u64) -> io::Result<()> {
        self.0.ctl(ControlOperation::Add, fd, EpollEvent::new(events, token))
    }

    /// Changes what is waited for on `fd`; no events leaves only hang-up and error.
    pub fn modify(&self, fd: RawFd, events: EventSet, token: u64) -> io::Result<()> {
        self.0.ctl(ControlOperation::Modify, fd, EpollEvent::new(events, token))
    }

    /// Waits for `fd` no longer.
    pub fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.0.ctl(ControlOperation::Delete, fd, EpollEvent::default())
    }
}

/// A device thread, or the handler of one that could not be started.
pub struct Worker<H>(Place<H>);

enum Place<H> {
    Thread {
        kill: EventFd,
        thread: JoinHandle<Option<H>>,
    },
    Here(H),
    /// The thread that makes threads ended in the middle.
    Lost,
}

impl<H: Handler> Worker<H> {
    /// Starts the thread. It ends early when the handler fails; `interrupt` then tells the driver that a reset is needed. What could not be
    /// started is kept to be stopped all the same: what the handler owns is needed after the driver's reset.
    pub fn start(name: &str, mut handler: H, interrupt: Arc<Interrupt>) -> (Self, io::Result<()>) {
        let ready = prepare(&mut handler);
        let (kill, poll) = match ready {
            Ok(ready) => ready,
            Err(error) => return (Self(Place::Here(handler)), Err(error)),
        };
        let role = handler.role();
        // A thread that can't be made takes along what it was given.
        let given = Arc::new(Mutex::new(Some(handler)));
        let taken = Arc::clone(&given);
        let thread = sandbox::spawn(name, role, move || {
            let mut handler = take(&taken)?;
            if run(&mut handler, &poll).is_err() {
                interrupt.set_needs_reset();
            }
            handler.quiesce();
            Some(handler)
        });
        match thread {
            Ok(thread) => (Self(Place::Thread { kill, thread }), Ok(())),
            Err(error) => (Self(take(&given).map_or(Place::Lost, Place::Here)), Err(error)),
        }
    }

    /// Ends the thread and returns the handler with everything it owns.
    pub fn stop(self) -> Option<H> {
        match self.0 {
            Place::Thread { kill, thread } => {
                // An eventfd refuses a write only when its counter is full, and then it is readable anyway.
                let _ = kill.write(1);
                let handler = thread.join();
                debug_assert!(handler.is_ok(), "device threads do not panic");
                handler.ok().flatten()
            }
            Place::Here(handler) => Some(handler),
            Place::Lost => None,
        }
    }
}

/// What the thread waits for, with everything of the handler in it.
fn prepare<H: Handler>(handler: &mut H) -> io::Result<(EventFd, Poll)> {
    let kill = EventFd::new(EFD_NONBLOCK)?;
    let poll = Poll(Epoll::new()?);
    poll.add(kill.as_raw_fd(), EventSet::IN, KILL)?;
    handler.register(&poll)?;
    Ok((kill, poll))
}

fn take<H>(place: &Mutex<Option<H>>) -> Option<H> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Runs until the kill event (Ok) or an error of the handler.
fn run<H: Handler>(handler: &mut H, poll: &Poll) -> Result<(), QueueError> {
    let mut events = [EpollEvent::default(); EVENTS_AT_ONCE];
    loop {
        let ready = match poll.0.wait(-1, &mut events) {
            Ok(ready) => ready,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Ok(()),
        };
        for event in &events[..ready] {
            if event.data() == KILL {
                return Ok(());
            }
            handler.handle(event.data(), event.event_set(), poll)?;
        }
    }
}

/// Empties an eventfd that epoll reported.
pub fn drain(event: &EventFd) {
    // Non-blocking: an empty eventfd is one that someone else drained.
    let _ = event.read();
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixListener;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use crate::virtio::testing::{Driver, NEEDS_RESET};
    use crate::virtio::vsock::Vsock;

    /// Set for the process that has no room for a thread.
    const ALONE: &str = "REEVE_TEST_NO_THREADS";

    #[test]
    fn a_device_whose_thread_could_not_be_started_starts_after_a_reset() {
        if std::env::var_os(ALONE).is_none() {
            // The limit is of the whole process, and other tests are in this one.
            let name =
                "virtio::worker::tests::a_device_whose_thread_could_not_be_started_starts_after_a_reset";
            #[expect(clippy::disallowed_methods, reason = "the test runs itself in a process of its own")]
            let mut again = std::process::Command::new(std::env::current_exe().unwrap());
            let run = again.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
            let said = String::from_utf8_lossy(&run.stdout);
            assert!(
                run.status.success() && said.contains("1 passed"),
                "{said}{}",
                String::from_utf8_lossy(&run.stderr)
            );
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let listener = OwnedFd::from(UnixListener::bind(folder.path().join("vsock")).unwrap());
        let mut driver = Driver::new(Box::new(Vsock::new(3, listener, Box::new(|| {})).unwrap()));
        let limit = getrlimit(Resource::As);
        setrlimit(Resource::As, Rlimit { current: Some(1 << 20), ..limit }).unwrap();
        driver.start(0, 64);
        let refused = driver.status();
        setrlimit(Resource::As, limit).unwrap();
        assert_eq!(refused & NEEDS_RESET, NEEDS_RESET, "there was no room for a thread");
        driver.start(0, 64);
        assert_eq!(driver.status(), 15, "it has all that it needs");
    }
}
