//! A UDP multicast group as a network: one Ethernet frame a datagram.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::backend::{Received, Sent};
use super::stream::SMALLEST_FRAME;

/// Datagrams of our own that are skipped before other events get their turn.
const MOST_ECHOES: usize = 256;

/// Two sockets of one group.
pub(super) struct Multicast {
    receive: UdpSocket,
    send: UdpSocket,
    /// Where our own datagrams come from: the group gives them back.
    own: SocketAddr,
}

impl Multicast {
    /// A socket that is bound to the group and has joined it, and one that is connected to it.
    pub(super) fn new(receive: OwnedFd, send: OwnedFd) -> io::Result<Self> {
        let (receive, send) = (UdpSocket::from(receive), UdpSocket::from(send));
        send.peer_addr()?;
        let own = send.local_addr()?;
        Ok(Self { receive, send, own })
    }

    pub(super) fn receive(&mut self, frame: &mut [u8]) -> Received {
        for _ in 0..MOST_ECHOES {
            match self.receive.recv_from(frame) {
                Ok((_, from)) if from == self.own => {}
                Ok((length, _)) if length < SMALLEST_FRAME => return Received::Garbage,
                Ok((length, _)) => return Received::Frame(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Received::Nothing,
            }
        }
        Received::Nothing
    }

    pub(super) fn send(&self, frame: &[u8]) -> Sent {
        Sent::from_result(self.send.send(frame).map(drop))
    }
}

impl AsRawFd for Multicast {
    /// Readable when there are datagrams.
    fn as_raw_fd(&self) -> RawFd {
        self.receive.as_raw_fd()
    }
}
