//! Who has consoles open: the daemon for its clients, and who came by a socket of the console's own.
//!
//! A console has one session at a time. The daemon's replaces what is there, unless its client wants to leave others alone; clients of
//! a listening socket wait for their turn in its queue.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::net::{SocketFlags, accept_with};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

use super::watch;
use crate::console::Console;
use crate::protocol::{ErrorCode, Failure};

/// A console's own socket on the host.
pub(super) enum OwnSocket {
    /// It listens.
    Listener(OwnedFd),
    /// It is connected.
    Peer(OwnedFd),
}

/// All sessions, by the token that the event loop knows them by.
pub(super) struct Sessions {
    next: u64,
    open: BTreeMap<u64, Session>,
    listeners: BTreeMap<u64, Listener>,
}

struct Session {
    /// Another descriptor of the session's socket, which is watched.
    socket: UnixStream,
    console: Arc<Console>,
    /// It did not come by the daemon.
    outside: bool,
    /// Its client says nothing any more: it is gone, or only listens.
    silent: bool,
}

struct Listener {
    socket: OwnedFd,
    console: Arc<Console>,
    watched: bool,
}

impl Sessions {
    /// None; tokens begin at `first`.
    pub fn new(first: u64) -> Self {
        Self { next: first, open: BTreeMap::new(), listeners: BTreeMap::new() }
    }

    /// Opens a console for the daemon and returns the client's end; refused where it is to be `exclusive` and somebody has it.
    pub fn open_console(
        &mut self,
        poll: &Epoll,
        console: &Arc<Console>,
        exclusive: bool,
    ) -> Result<OwnedFd, Failure> {
        let taken = |session: &Session| !session.silent && Arc::ptr_eq(&session.console, console);
        if exclusive && self.open.values().any(taken) {
            let reason = format!("somebody has console '{}' open", console.alias());
            return Err(Failure::new(ErrorCode::State, reason));
        }
        self.open(poll, console)
    }

    fn open(&mut self, poll: &Epoll, console: &Arc<Console>) -> Result<OwnedFd, Failure> {
        let refused = |error: io::Error| {
            let alias = console.alias();
            Failure::new(ErrorCode::Host, format!("console '{alias}' can't be opened: {error}"))
        };
        let (ours, theirs) = UnixStream::pair().map_err(refused)?;
        self.begin(poll, ours, console, false).map_err(refused)?;
        Ok(theirs.into())
    }

    /// As [`Sessions::open`], for a conversation with somebody in the guest.
    pub fn open_channel(&mut self, poll: &Epoll, channel: &Arc<Console>) -> Result<OwnedFd, Failure> {
        let alias = channel.alias();
        if !channel.is_guest_open() {
            let reason = format!("nobody in the guest has channel '{alias}' open");
            return Err(Failure::new(ErrorCode::State, reason));
        }
        let taken = |session: &Session| session.outside && Arc::ptr_eq(&session.console, channel);
        if self.open.values().any(taken) {
            let reason = format!("channel '{alias}' is in use by a client that is connected to its socket");
            return Err(Failure::new(ErrorCode::State, reason));
        }
        self.open(poll, channel)
    }

    /// Serves the own socket of a console from now on.
    pub fn serve(&mut self, poll: &Epoll, console: Arc<Console>, end: OwnSocket) -> io::Result<()> {
        match end {
            OwnSocket::Peer(socket) => self.begin(poll, UnixStream::from(socket), &console, true),
            OwnSocket::Listener(socket) => {
                let token = self.token();
                watch(poll, socket.as_raw_fd(), EventSet::IN, token)?;
                self.listeners.insert(token, Listener { socket, console, watched: true });
                Ok(())
            }
        }
    }

    /// What is registered under `token` is ready.
    pub fn ready(&mut self, poll: &Epoll, token: u64, events: EventSet) {
        if let Some(listener) = self.listeners.get(&token) {
            let accepted = accept_with(&listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
            let console = Arc::clone(&listener.console);
            // It went away again, or there is no descriptor for it now.
            if let Ok(socket) = accepted {
                let _ = self.begin(poll, UnixStream::from(socket), &console, true);
            }
            return;
        }
        let Some(Session { console, silent, .. }) = self.open.get_mut(&token) else { return };
        *silent |= events.intersects(EventSet::READ_HANG_UP);
        console.ready();
        if events.intersects(EventSet::HANG_UP | EventSet::ERROR) || !console.is_open() {
            self.end(poll, token);
        }
    }

    fn begin(
        &mut self,
        poll: &Epoll,
        ours: UnixStream,
        console: &Arc<Console>,
        outside: bool,
    ) -> io::Result<()> {
        ours.set_nonblocking(true)?;
        let socket = ours.try_clone()?;
        let token = self.token();
        let events = EventSet::IN | EventSet::OUT | EventSet::READ_HANG_UP | EventSet::EDGE_TRIGGERED;
        watch(poll, socket.as_raw_fd(), events, token)?;
        // A new session ends the one before.
        self.open.retain(|_, session| !Arc::ptr_eq(&session.console, console));
        console.open(ours);
        self.open.insert(token, Session { socket, console: Arc::clone(console), outside, silent: false });
        self.listen(poll, console);
        Ok(())
    }

    fn end(&mut self, poll: &Epoll, token: u64) {
        if let Some(Session { socket, console, .. }) = self.open.remove(&token) {
            drop(socket);
            self.listen(poll, &console);
        }
    }

    /// Watches the listener of a console while nobody has it open.
    fn listen(&mut self, poll: &Epoll, console: &Arc<Console>) {
        let free = !self.open.values().any(|session| Arc::ptr_eq(&session.console, console));
        for (token, listener) in &mut self.listeners {
            if !Arc::ptr_eq(&listener.console, console) || listener.watched == free {
                continue;
            }
            // It was registered before; only a lack of memory can refuse it now, and then clients wait.
            let event = EpollEvent::new(if free { EventSet::IN } else { EventSet::empty() }, *token);
            let _ = poll.ctl(ControlOperation::Modify, listener.socket.as_raw_fd(), event);
            listener.watched = free;
        }
    }

    fn token(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}
