//! The host's end of the cable: what frames come from and go to.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::net::{SocketType, sockopt};
use vmm_sys_util::epoll::EventSet;

use super::multicast::Multicast;
use super::tap::{HEADER_SIZE, MAX_FRAME, Tap, TapError};
use super::tunnel::Tunnel;
use crate::sandbox::ThreadRole;
use crate::virtio::Memory;
use crate::virtio::chain::Segments;
use crate::virtio::worker::Poll;

/// Token of what frames come from. Tunnels have one for each peer from here on.
pub(super) const FIRST_TOKEN: u64 = 16;
/// The kernel takes no longer buffer lists.
const MAX_BUFFERS: usize = libc::UIO_MAXIOV as usize;

/// Why descriptors cannot be the host's side of a network interface.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// It is no tap of the right kind.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// It is another kind of descriptor.
    #[error("the descriptor of a network interface is not {0}")]
    Kind(&'static str),
    /// It cannot be set up.
    #[error("cannot set up the socket of a network interface: {0}")]
    SetUp(#[from] io::Error),
}

impl From<rustix::io::Errno> for BackendError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::SetUp(errno.into())
    }
}

/// What became of a frame of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The host has it.
    Yes,
    /// The host had no room for it.
    Dropped,
    /// The host refused it.
    Refused,
}

impl Sent {
    pub(super) fn from_result(result: io::Result<()>) -> Self {
        match result {
            Ok(()) => Self::Yes,
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS)) => Self::Dropped,
            Err(_) => Self::Refused,
        }
    }
}

/// What there was to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// A frame of so many bytes, with its header.
    Frame(usize),
    /// Something that is no frame.
    Garbage,
    /// Nothing now.
    Nothing,
}

/// The host's side of an interface, non-blocking.
pub struct Backend {
    kind: Kind,
    /// Whether a tap is waited for at all: one that is gone or detached would be reported forever.
    registered: bool,
    /// Where frames of the guest are put together for a socket.
    outgoing: Vec<u8>,
}

enum Kind {
    Tap(Tap),
    Multicast(Multicast),
    Tunnel(Tunnel),
}

impl Backend {
    /// A tap or macvtap.
    pub fn tap(file: File) -> Result<Self, BackendError> {
        Ok(Self::new(Kind::Tap(Tap::new(file)?)))
    }

    /// A multicast group: a socket that is bound to it and one that is connected to it.
    pub fn multicast(receive: OwnedFd, send: OwnedFd) -> Result<Self, BackendError> {
        for socket in [&receive, &send] {
            expect(socket, SocketType::DGRAM, "a UDP socket")?;
        }
        Ok(Self::new(Kind::Multicast(Multicast::new(receive, send)?)))
    }

    /// The client's end of a tunnel.
    pub fn client(socket: OwnedFd) -> Result<Self, BackendError> {
        expect(&socket, SocketType::STREAM, "a connected TCP socket")?;
        rustix::net::getpeername(&socket).map_err(|_| BackendError::Kind("a connected TCP socket"))?;
        Ok(Self::new(Kind::Tunnel(Tunnel::client(socket)?)))
    }

    /// The server's end of tunnels.
    pub fn server(socket: OwnedFd) -> Result<Self, BackendError> {
        expect(&socket, SocketType::STREAM, "a listening TCP socket")?;
        if !sockopt::socket_acceptconn(&socket)? {
            return Err(BackendError::Kind("a listening TCP socket"));
        }
        Ok(Self::new(Kind::Tunnel(Tunnel::server(socket)?)))
    }

    fn new(kind: Kind) -> Self {
        Self { kind, registered: false, outgoing: Vec::new() }
    }

    /// Its tap; none of sockets, to whose other guests nothing can be left.
    pub(super) fn as_tap(&self) -> Option<&Tap> {
        match &self.kind {
            Kind::Tap(tap) => Some(tap),
            Kind::Multicast(_) | Kind::Tunnel(_) => None,
        }
    }

    /// System calls its thread may use.
    pub(super) fn role(&self) -> ThreadRole {
        match &self.kind {
            Kind::Tunnel(tunnel) if tunnel.is_server() => ThreadRole::Listener,
            _ => ThreadRole::Device,
        }
    }

    /// Whether frames must be taken even when the guest has no room: others wait for them too.
    pub(super) fn never_waits(&self) -> bool {
        matches!(&self.kind, Kind::Tunnel(tunnel) if tunnel.is_server())
    }

    /// Registers what it waits for.
    pub(super) fn register(&mut self, poll: &Poll) -> io::Result<()> {
        self.registered = true;
        match &mut self.kind {
            Kind::Tap(tap) => poll.add(tap.as_raw_fd(), EventSet::empty(), FIRST_TOKEN),
            Kind::Multicast(multicast) => poll.add(multicast.as_raw_fd(), EventSet::empty(), FIRST_TOKEN),
            Kind::Tunnel(tunnel) => tunnel.register(poll),
        }
    }

    /// Waits for frames or not. It is level-triggered, so frames that nobody takes would wake the thread forever.
    pub(super) fn watch(&mut self, poll: &Poll, wanted: bool) -> io::Result<()> {
        let events = if wanted { EventSet::IN } else { EventSet::empty() };
        match &mut self.kind {
            Kind::Tap(tap) if self.registered => poll.modify(tap.as_raw_fd(), events, FIRST_TOKEN),
            Kind::Tap(_) => Ok(()),
            Kind::Multicast(multicast) => poll.modify(multicast.as_raw_fd(), events, FIRST_TOKEN),
            Kind::Tunnel(tunnel) => tunnel.watch(poll, wanted),
        }
    }

    /// Its queue was attached to the tap or detached from it. Nothing is waited for until [`watch`](Self::watch) says so.
    pub(super) fn attached(&mut self, poll: &Poll, attached: bool) -> io::Result<()> {
        let Kind::Tap(tap) = &self.kind else { return Ok(()) };
        if std::mem::replace(&mut self.registered, attached) {
            // It may have been registered with the thread before, and not with this one.
            let _ = poll.remove(tap.as_raw_fd());
        }
        if attached {
            poll.add(tap.as_raw_fd(), EventSet::empty(), FIRST_TOKEN)?;
        }
        Ok(())
    }

    /// Something it registered is ready. True when there may be frames.
    pub(super) fn ready(&mut self, token: u64, ready: EventSet, poll: &Poll) -> bool {
        let over = ready.intersects(EventSet::ERROR | EventSet::HANG_UP) && !ready.contains(EventSet::IN);
        match &mut self.kind {
            Kind::Tunnel(tunnel) => tunnel.ready(token, ready, poll),
            // The interface was deleted; nothing comes from it any more, and it would be reported forever.
            Kind::Tap(tap) if over => {
                let _ = poll.remove(tap.as_raw_fd());
                self.registered = false;
                false
            }
            Kind::Tap(_) | Kind::Multicast(_) => true,
        }
    }

    /// Takes a frame, behind a header of zeroes where the host has none.
    pub(super) fn receive(&mut self, poll: &Poll, buffer: &mut [u8]) -> Received {
        let received = match &mut self.kind {
            Kind::Tap(tap) => return tap.receive(buffer).map_or(Received::Nothing, Received::Frame),
            Kind::Multicast(multicast) => multicast.receive(&mut buffer[HEADER_SIZE..]),
            Kind::Tunnel(tunnel) => tunnel.receive(poll, &mut buffer[HEADER_SIZE..]),
        };
        match received {
            Received::Frame(length) => {
                buffer[..HEADER_SIZE].fill(0);
                Received::Frame(length + HEADER_SIZE)
            }
            other => other,
        }
    }

    /// Sends a frame of the guest with its header.
    pub(super) fn send(&mut self, poll: &Poll, memory: &Memory, frame: &mut Segments) -> Sent {
        let length = frame.len() as usize;
        if !(HEADER_SIZE + 1..=MAX_FRAME).contains(&length) {
            return Sent::Refused;
        }
        if let Kind::Tap(tap) = &self.kind {
            let buffers = frame.iovecs(memory);
            return if buffers.len() <= MAX_BUFFERS { tap.send(&buffers) } else { Sent::Refused };
        }
        self.outgoing.resize(length, 0);
        frame.read(memory, &mut self.outgoing);
        self.send_outgoing(poll)
    }

    /// Sends a frame that is not the guest's.
    pub(super) fn send_own(&mut self, poll: &Poll, frame: &[u8]) -> Sent {
        self.outgoing.clear();
        self.outgoing.resize(HEADER_SIZE, 0);
        self.outgoing.extend_from_slice(frame);
        self.send_outgoing(poll)
    }

    fn send_outgoing(&mut self, poll: &Poll) -> Sent {
        let frame = &self.outgoing[HEADER_SIZE..];
        match &mut self.kind {
            Kind::Tap(tap) => tap.write(&self.outgoing),
            Kind::Multicast(multicast) => multicast.send(frame),
            Kind::Tunnel(tunnel) => tunnel.send(poll, frame),
        }
    }
}

fn expect(socket: &OwnedFd, kind: SocketType, name: &'static str) -> Result<(), BackendError> {
    match sockopt::socket_type(socket.as_fd()) {
        Ok(found) if found == kind => Ok(rustix::io::ioctl_fionbio(socket, true)?),
        _ => Err(BackendError::Kind(name)),
    }
}
