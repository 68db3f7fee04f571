//! The thread of a device: an epoll loop around a handler that owns the device's queues.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
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

/// A running device thread.
pub struct Worker<H> {
    kill: EventFd,
    thread: JoinHandle<H>,
}

impl<H: Handler> Worker<H> {
    /// Starts the thread. It ends early when the handler fails; `interrupt` then tells the driver that a reset is needed.
    pub fn start(name: &str, mut handler: H, interrupt: Arc<Interrupt>) -> io::Result<Self> {
        let kill = EventFd::new(EFD_NONBLOCK)?;
        let poll = Poll(Epoll::new()?);
        poll.add(kill.as_raw_fd(), EventSet::IN, KILL)?;
        handler.register(&poll)?;
        let thread = sandbox::spawn(name, handler.role(), move || {
            if run(&mut handler, &poll).is_err() {
                interrupt.set_needs_reset();
            }
            handler.quiesce();
            handler
        })?;
        Ok(Self { kill, thread })
    }

    /// Tells the thread to end, and does not wait for that.
    pub fn tell_to_end(&self) {
        // An eventfd refuses a write only when its counter is full, and then it is readable anyway.
        let _ = self.kill.write(1);
    }

    /// Ends the thread and returns the handler with everything it owns.
    pub fn stop(self) -> Option<H> {
        self.tell_to_end();
        let handler = self.thread.join();
        debug_assert!(handler.is_ok(), "device threads do not panic");
        handler.ok()
    }
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
