//! TCP tunnels. A server joins its guest and all its clients to one network, as a hub does: what one sends, all others get.

use std::collections::BTreeMap;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::SocketFlags;
use vmm_sys_util::epoll::EventSet;

use super::backend::{FIRST_TOKEN, Received, Sent};
use super::stream::{Closed, Stream};
use crate::virtio::worker::Poll;

/// Clients of a server at a time. More wait in the socket's queue.
pub(super) const MOST_PEERS: usize = 32;
const LISTENER: u64 = FIRST_TOKEN;

/// One end of tunnels.
pub(super) struct Tunnel {
    /// Where clients of a server come from.
    listener: Option<TcpListener>,
    peers: BTreeMap<u64, Stream>,
    next_token: u64,
    /// Whose frame was taken last: the others come first.
    last: u64,
    /// Whether frames are waited for.
    watching: bool,
    /// Whether clients are waited for.
    accepting: bool,
}

impl Tunnel {
    /// The client's end: a connected socket.
    pub(super) fn client(socket: OwnedFd) -> io::Result<Self> {
        let stream = TcpStream::from(socket);
        // Small frames must not wait for the answer to the one before.
        rustix::net::sockopt::set_tcp_nodelay(&stream, true)?;
        let peers = BTreeMap::from([(LISTENER + 1, Stream::new(stream))]);
        Ok(Self::new(None, peers))
    }

    /// The server's end: a listening socket, from which clients inherit what is set here.
    pub(super) fn server(socket: OwnedFd) -> io::Result<Self> {
        let listener = TcpListener::from(socket);
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        Ok(Self::new(Some(listener), BTreeMap::new()))
    }

    fn new(listener: Option<TcpListener>, peers: BTreeMap<u64, Stream>) -> Self {
        Self { listener, peers, next_token: LISTENER + 2, last: 0, watching: false, accepting: false }
    }

    pub(super) fn is_server(&self) -> bool {
        self.listener.is_some()
    }

    pub(super) fn register(&mut self, poll: &Poll) -> io::Result<()> {
        (self.watching, self.accepting) = (false, false);
        if let Some(listener) = &self.listener {
            poll.add(listener.as_raw_fd(), EventSet::empty(), LISTENER)?;
            self.accept_while_there_is_room(poll);
        }
        self.peers
            .iter()
            .try_for_each(|(token, peer)| poll.add(peer.as_raw_fd(), wanted(peer, false), *token))
    }

    /// A server listens to its clients also for the sake of the other ones.
    pub(super) fn watch(&mut self, poll: &Poll, frames: bool) -> io::Result<()> {
        self.watching = frames || self.is_server();
        self.peers.iter().try_for_each(|(token, peer)| renew(poll, *token, peer, self.watching))
    }

    /// True when there may be frames.
    pub(super) fn ready(&mut self, token: u64, ready: EventSet, poll: &Poll) -> bool {
        if token == LISTENER {
            self.accept(poll);
            return false;
        }
        if ready.contains(EventSet::OUT)
            && let Some(peer) = self.peers.get_mut(&token)
        {
            let flushed = peer.flush();
            self.settle(poll, token, flushed);
        }
        // A hang-up is found out by reading, behind the frames that came before it.
        if ready.intersects(EventSet::ERROR | EventSet::HANG_UP) && !ready.contains(EventSet::IN) {
            self.lose(poll, token);
        }
        ready.contains(EventSet::IN)
    }

    /// The next frame of any peer. A server has given it to the other ones already.
    pub(super) fn receive(&mut self, poll: &Poll, frame: &mut [u8]) -> Received {
        let tokens: Vec<u64> = self
            .peers
            .range(self.last + 1..)
            .chain(self.peers.range(..=self.last))
            .map(|(token, _)| *token)
            .collect();
        for token in tokens {
            let Some(peer) = self.peers.get_mut(&token) else { continue };
            match peer.receive(frame) {
                Ok(Some(length)) => {
                    self.last = token;
                    if self.is_server() {
                        self.give(poll, &frame[..length], Some(token));
                    }
                    return Received::Frame(length);
                }
                Ok(None) => {}
                Err(closed) => {
                    self.lose(poll, token);
                    if closed == Closed::Garbage {
                        return Received::Garbage;
                    }
                }
            }
        }
        Received::Nothing
    }

    /// Sends a frame of the guest to every peer.
    pub(super) fn send(&mut self, poll: &Poll, frame: &[u8]) -> Sent {
        if self.peers.is_empty() && !self.is_server() {
            return Sent::Refused;
        }
        if self.give(poll, frame, None) { Sent::Yes } else { Sent::Dropped }
    }

    /// Gives a frame to all peers but one. False when one of them had no room for it.
    fn give(&mut self, poll: &Poll, frame: &[u8], except: Option<u64>) -> bool {
        let tokens: Vec<u64> = self.peers.keys().copied().filter(|token| Some(*token) != except).collect();
        let mut all = true;
        for token in tokens {
            let Some(peer) = self.peers.get_mut(&token) else { continue };
            let behind = peer.is_behind();
            let sent = peer.send(frame);
            all &= sent == Ok(true);
            if sent.is_err() || peer.is_behind() != behind {
                self.settle(poll, token, sent.map(drop));
            }
        }
        all
    }

    /// Waits for what a peer needs after something was sent to it, or gives it up.
    fn settle(&mut self, poll: &Poll, token: u64, outcome: Result<(), Closed>) {
        let kept = outcome.is_ok_and(|()| {
            self.peers.get(&token).is_some_and(|peer| renew(poll, token, peer, self.watching).is_ok())
        });
        if !kept {
            self.lose(poll, token);
        }
    }

    fn lose(&mut self, poll: &Poll, token: u64) {
        // Closing the socket ends the wait for it.
        self.peers.remove(&token);
        self.accept_while_there_is_room(poll);
    }

    fn accept(&mut self, poll: &Poll) {
        let Some(listener) = &self.listener else { return };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // A client that went away again, or no descriptor for it now.
        let Ok(socket) = rustix::net::accept_with(listener, flags) else { return };
        let peer = Stream::new(TcpStream::from(socket));
        let token = self.next_token;
        self.next_token += 1;
        if poll.add(peer.as_raw_fd(), wanted(&peer, self.watching), token).is_ok() {
            self.peers.insert(token, peer);
        }
        self.accept_while_there_is_room(poll);
    }

    fn accept_while_there_is_room(&mut self, poll: &Poll) {
        let Some(listener) = &self.listener else { return };
        let room = self.peers.len() < MOST_PEERS;
        let events = if room { EventSet::IN } else { EventSet::empty() };
        if room != self.accepting && poll.modify(listener.as_raw_fd(), events, LISTENER).is_ok() {
            self.accepting = room;
        }
    }
}

/// What to wait for on a peer's socket.
fn wanted(peer: &Stream, frames: bool) -> EventSet {
    let incoming = if frames { EventSet::IN } else { EventSet::empty() };
    if peer.is_behind() { incoming | EventSet::OUT } else { incoming }
}

fn renew(poll: &Poll, token: u64, peer: &Stream, frames: bool) -> io::Result<()> {
    poll.modify(peer.as_raw_fd(), wanted(peer, frames), token)
}
