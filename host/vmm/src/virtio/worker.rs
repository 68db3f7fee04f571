//! The threads of devices: an epoll loop around handlers that own the queues of their devices.
//!
//! A device has a thread of its own, or one that it shares with others: an I/O thread ([`WorkerThread::start`]), which is there before its
//! first device and after its last. Devices come to it and leave it by orders that it answers between two events, so that none of them waits
//! for more than what its companions do at that moment (decisions/0023).
//!
//! Before a thread sleeps it looks for more work for some microseconds: to be woken takes longer than most requests of a busy driver are
//! apart, and a driver need not notify who looks (decisions/0026).

mod window;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use self::window::Window;
use super::interrupt::Interrupt;
use super::queue::QueueError;
use crate::sandbox::{self, ThreadRole};

/// Token of the inbox of a thread.
const INBOX: u64 = u64::MAX;
/// A token has the number of its seat in the upper bits, and what the handler calls it below.
const SEAT_SHIFT: u32 = 56;
/// Most handlers of a thread; more than a machine has devices.
const SEATS: usize = 64;
const EVENTS_AT_ONCE: usize = 16;
/// Waits of epoll.
const AT_ONCE: i32 = 0;
const FOREVER: i32 = -1;

/// What happens in a device's thread.
pub trait Handler: Send + 'static {
    /// System calls its thread may use.
    fn role(&self) -> ThreadRole {
        ThreadRole::Device
    }

    /// Registers what the handler waits for. Tokens are the handler's own, below 2⁵⁶.
    fn register(&mut self, poll: &Poll) -> io::Result<()>;

    /// Something registered under `token` is ready. An error stops the device until it is reset.
    fn handle(&mut self, token: u64, ready: EventSet, poll: &Poll) -> Result<(), QueueError>;

    /// Whether it finds work by looking, so that its thread does so for a while before it sleeps.
    fn can_look(&self) -> bool {
        false
    }

    /// Does what there is to do without having been told of it, and says whether there was something. What it costs to find nothing is paid
    /// again and again. An error is as one of [`handle`](Self::handle).
    fn look(&mut self) -> Result<bool, QueueError> {
        Ok(false)
    }

    /// Its thread is about to sleep: from now on events must tell of everything. True when something came before they could, which the next
    /// [`look`](Self::look) finds.
    fn rest(&mut self) -> Result<bool, QueueError> {
        Ok(false)
    }

    /// The handler leaves its thread: complete what is in flight.
    fn quiesce(&mut self);
}

/// What a handler waits for.
pub struct Poll {
    epoll: Arc<Epoll>,
    seat: usize,
    watched: RefCell<BTreeSet<RawFd>>,
}

impl Poll {
    fn new(epoll: &Arc<Epoll>, seat: usize) -> Self {
        Self { epoll: Arc::clone(epoll), seat, watched: RefCell::default() }
    }

    /// Waits for `events` on `fd`. Where the thread is shared it must be [removed](Self::remove) before it is closed while the handler
    /// is there.
    pub fn add(&self, fd: RawFd, events: EventSet, token: u64) -> io::Result<()> {
        self.epoll.ctl(ControlOperation::Add, fd, self.event(events, token))?;
        self.watched.borrow_mut().insert(fd);
        Ok(())
    }

    /// Changes what is waited for on `fd`; no events leaves only hang-up and error.
    pub fn modify(&self, fd: RawFd, events: EventSet, token: u64) -> io::Result<()> {
        self.epoll.ctl(ControlOperation::Modify, fd, self.event(events, token))
    }

    /// Waits for `fd` no longer.
    pub fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.watched.borrow_mut().remove(&fd);
        self.epoll.ctl(ControlOperation::Delete, fd, EpollEvent::default())
    }

    fn event(&self, events: EventSet, token: u64) -> EpollEvent {
        debug_assert_eq!(token >> SEAT_SHIFT, 0, "a token of a handler is below 2^56");
        EpollEvent::new(events, (self.seat as u64) << SEAT_SHIFT | token)
    }

    fn remove_all(&self) {
        for fd in self.watched.take() {
            // One that is closed already is not waited for any more.
            let _ = self.epoll.ctl(ControlOperation::Delete, fd, EpollEvent::default());
        }
    }
}

/// A handler of any kind, with the way back to who lent it.
trait Member: Send {
    fn register(&mut self, poll: &Poll) -> io::Result<()>;
    fn handle(&mut self, token: u64, ready: EventSet, poll: &Poll) -> Result<(), QueueError>;
    fn can_look(&self) -> bool;
    fn look(&mut self) -> Result<bool, QueueError>;
    fn rest(&mut self) -> Result<bool, QueueError>;
    /// Tells the driver that a reset is needed, and completes what is in flight.
    fn fail(&mut self);
    /// Gives the handler back. One that has not failed completes what is in flight before.
    fn leave(self: Box<Self>, failed: bool);
}

struct Lent<H> {
    handler: H,
    interrupt: Arc<Interrupt>,
    back: SyncSender<H>,
}

impl<H: Handler> Member for Lent<H> {
    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        self.handler.register(poll)
    }

    fn handle(&mut self, token: u64, ready: EventSet, poll: &Poll) -> Result<(), QueueError> {
        self.handler.handle(token, ready, poll)
    }

    fn can_look(&self) -> bool {
        self.handler.can_look()
    }

    fn look(&mut self) -> Result<bool, QueueError> {
        self.handler.look()
    }

    fn rest(&mut self) -> Result<bool, QueueError> {
        self.handler.rest()
    }

    fn fail(&mut self) {
        self.interrupt.set_needs_reset();
        self.handler.quiesce();
    }

    fn leave(mut self: Box<Self>, failed: bool) {
        if !failed {
            self.handler.quiesce();
        }
        // Who lent it may be gone; then nobody wants it.
        let _ = self.back.send(self.handler);
    }
}

/// What a thread is told to do.
enum Order {
    /// Serve a handler from now on; answered with its seat. One that can't be served is given back.
    Enter(Box<dyn Member>, SyncSender<io::Result<usize>>),
    /// Give the handler of a seat back.
    Leave(usize),
    /// End. Handlers that are there are given back.
    End,
}

/// A thread that serves handlers.
pub struct WorkerThread {
    orders: SyncSender<Order>,
    wake: EventFd,
    thread: Option<JoinHandle<()>>,
}

impl WorkerThread {
    /// Starts a thread without a handler; every handler that comes to it must be content with the system calls of `role`. `prepare` runs in
    /// it first, and where that fails there is no thread.
    pub fn start(
        name: &str,
        role: ThreadRole,
        prepare: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let (orders, inbox) = sync_channel(SEATS);
        let epoll = Arc::new(Epoll::new()?);
        let wake = EventFd::new(EFD_NONBLOCK)?;
        epoll.ctl(ControlOperation::Add, wake.as_raw_fd(), EpollEvent::new(EventSet::IN, INBOX))?;
        let bell = wake.try_clone()?;
        let (ready, started) = sync_channel(1);
        let thread = sandbox::spawn(name, role, move || {
            let prepared = prepare();
            let failed = prepared.is_err();
            // The other side waits for exactly this message.
            let _ = ready.send(prepared);
            if !failed {
                Seats { epoll, seats: Vec::new(), window: Window::default() }.run(&inbox, &bell);
            }
        })?;
        started.recv().map_err(|_| ended())??;
        Ok(Arc::new(Self { orders, wake, thread: Some(thread) }))
    }

    fn order(&self, order: Order) -> io::Result<()> {
        self.orders.send(order).map_err(|_| ended())?;
        // An eventfd refuses a write only when its counter is full, and then it is readable anyway.
        let _ = self.wake.write(1);
        Ok(())
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread has ended")
}

impl Drop for WorkerThread {
    fn drop(&mut self) {
        // One that has ended needs no order.
        let _ = self.order(Order::End);
        let joined = self.thread.take().map(JoinHandle::join);
        debug_assert!(!matches!(joined, Some(Err(_))), "device threads do not panic");
    }
}

/// A handler that a thread serves, or one whose thread could not take it.
pub struct Worker<H>(Place<H>);

enum Place<H> {
    Thread {
        thread: Arc<WorkerThread>,
        seat: usize,
        back: Receiver<H>,
    },
    Here(H),
    /// Its thread ended in the middle.
    Lost,
}

impl<H: Handler> Worker<H> {
    /// Starts a thread for the handler. It stops early when the handler fails; `interrupt` then tells the driver that a reset is needed. What
    /// could not be started is kept to be stopped all the same: what the handler owns is needed after the driver's reset.
    pub fn start(name: &str, handler: H, interrupt: Arc<Interrupt>) -> (Self, io::Result<()>) {
        match WorkerThread::start(name, handler.role(), || Ok(())) {
            Ok(thread) => Self::start_on(thread, handler, interrupt),
            Err(error) => (Self(Place::Here(handler)), Err(error)),
        }
    }

    /// The same on a thread that others may be on.
    pub fn start_on(
        thread: Arc<WorkerThread>,
        handler: H,
        interrupt: Arc<Interrupt>,
    ) -> (Self, io::Result<()>) {
        let (lent, back) = sync_channel(1);
        let (reply, entered) = sync_channel(1);
        let order = Order::Enter(Box::new(Lent { handler, interrupt, back: lent }), reply);
        match thread.order(order).and_then(|()| entered.recv().map_err(|_| ended())?) {
            Ok(seat) => (Self(Place::Thread { thread, seat, back }), Ok(())),
            Err(error) => (Self(back.recv().map_or(Place::Lost, Place::Here)), Err(error)),
        }
    }

    /// What asks a thread of its own for the handler. None where there is no thread, and nobody to wait for.
    pub fn caller(&self) -> Option<Caller> {
        match &self.0 {
            Place::Thread { thread, seat, .. } => Some(Caller(Arc::downgrade(thread), *seat)),
            _ => None,
        }
    }

    /// Ends it and returns the handler with everything it owns. A thread of its own ends with it.
    pub fn stop(self) -> Option<H> {
        match self.0 {
            Place::Thread { thread, seat, back } => {
                // A thread that has ended has given it back already.
                let _ = thread.order(Order::Leave(seat));
                let handler = back.recv();
                debug_assert!(handler.is_ok(), "device threads do not panic");
                handler.ok()
            }
            Place::Here(handler) => Some(handler),
            Place::Lost => None,
        }
    }
}

/// Asks a thread of its own for its handler, and does not wait for it. Nobody else comes to its seat.
pub struct Caller(Weak<WorkerThread>, usize);

impl Caller {
    /// Asks for it, if it is there still.
    pub fn call(&self) {
        if let Some(thread) = self.0.upgrade() {
            // One that has ended needs no order.
            let _ = thread.order(Order::Leave(self.1));
        }
    }
}

struct Seat {
    member: Box<dyn Member>,
    poll: Poll,
    failed: bool,
}

/// The handlers of a thread, each at its number.
struct Seats {
    epoll: Arc<Epoll>,
    seats: Vec<Option<Seat>>,
    window: Window,
}

impl Seats {
    /// Runs until it is told to end.
    fn run(mut self, inbox: &Receiver<Order>, bell: &EventFd) {
        while self.round(inbox, bell) {}
        (0..self.seats.len()).for_each(|seat| self.leave(seat));
    }

    /// Looks for work, waits for events if there is none, and deals with them. False at the end.
    fn round(&mut self, inbox: &Receiver<Order>, bell: &EventFd) -> bool {
        let mut events = [EpollEvent::default(); EVENTS_AT_ONCE];
        let begun = Instant::now();
        let found = self.look_until(begun + self.window.length()) || self.ask(|member| member.rest());
        let timeout = if found { AT_ONCE } else { FOREVER };
        let ready = match self.epoll.wait(timeout, &mut events) {
            Ok(ready) => ready,
            Err(error) => return error.kind() == io::ErrorKind::Interrupted,
        };
        if !found && self.seats.iter().flatten().any(|seat| seat.member.can_look()) {
            self.window.learn(begun.elapsed());
        }
        for event in &events[..ready] {
            if event.data() == INBOX {
                drain(bell);
                // What is left of the events may be of handlers that are gone by now; what still waits is told again.
                return inbox.try_iter().all(|order| self.obey(order));
            }
            self.handle(event);
        }
        true
    }

    /// Whether one of the handlers found something to do before `end`; all of them look at least once.
    fn look_until(&mut self, end: Instant) -> bool {
        loop {
            if self.ask(|member| member.look()) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            std::hint::spin_loop();
        }
    }

    /// Whether one of the handlers says yes; each is asked.
    fn ask(&mut self, question: impl Fn(&mut dyn Member) -> Result<bool, QueueError>) -> bool {
        let mut found = false;
        for seat in self.seats.iter_mut().flatten().filter(|seat| !seat.failed) {
            match question(&mut *seat.member) {
                Ok(yes) => found |= yes,
                Err(_) => seat.fail(),
            }
        }
        found
    }

    /// False for the end.
    fn obey(&mut self, order: Order) -> bool {
        match order {
            Order::Enter(member, reply) => {
                // Who asks waits for exactly this message.
                let _ = reply.send(self.enter(member));
            }
            Order::Leave(seat) => self.leave(seat),
            Order::End => return false,
        }
        true
    }

    fn enter(&mut self, mut member: Box<dyn Member>) -> io::Result<usize> {
        let number = self.seats.iter().position(Option::is_none).unwrap_or(self.seats.len());
        if number >= SEATS {
            member.leave(true);
            return Err(io::Error::other("the thread has as many devices as it can have"));
        }
        let poll = Poll::new(&self.epoll, number);
        if let Err(error) = member.register(&poll) {
            poll.remove_all();
            member.leave(true);
            return Err(error);
        }
        let seat = Some(Seat { member, poll, failed: false });
        match self.seats.get_mut(number) {
            Some(place) => *place = seat,
            None => self.seats.push(seat),
        }
        Ok(number)
    }

    fn leave(&mut self, number: usize) {
        let Some(seat) = self.seats.get_mut(number).and_then(Option::take) else { return };
        seat.poll.remove_all();
        seat.member.leave(seat.failed);
    }

    fn handle(&mut self, event: &EpollEvent) {
        let (number, token) = (event.data() >> SEAT_SHIFT, event.data() & ((1 << SEAT_SHIFT) - 1));
        let Some(Some(seat)) = self.seats.get_mut(number as usize) else { return };
        // One that failed in this round has events left.
        if !seat.failed && seat.member.handle(token, event.event_set(), &seat.poll).is_err() {
            seat.fail();
        }
    }
}

impl Seat {
    fn fail(&mut self) {
        self.failed = true;
        self.poll.remove_all();
        self.member.fail();
    }
}

/// Empties an eventfd that epoll reported.
pub fn drain(event: &EventFd) {
    // Non-blocking: an empty eventfd is one that someone else drained.
    let _ = event.read();
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
