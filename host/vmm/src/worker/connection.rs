//! The connection to one daemon, non-blocking in both directions.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use crate::protocol::{Decoder, Frame, FrameError, MAX_FDS, Message, encode, send_first};

/// Bytes a daemon may leave unread before it is given up.
const MAX_UNSENT: usize = 8 << 20;

/// One daemon.
pub(super) struct Connection {
    socket: UnixStream,
    decoder: Decoder,
    outbox: VecDeque<Outgoing>,
    unsent: usize,
    /// Its Hello was answered.
    pub(super) greeted: bool,
}

/// How much was read.
pub(super) enum Filled {
    /// Everything there was.
    All,
    /// There may be more.
    More,
    /// Everything; the daemon closed the connection.
    Closed,
}

struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    fd: Option<OwnedFd>,
}

impl Connection {
    /// A connection that was just accepted.
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            decoder: Decoder::new(MAX_FDS),
            outbox: VecDeque::new(),
            unsent: 0,
            greeted: false,
        })
    }

    /// Reads what there is, up to a large frame's worth.
    pub(super) fn fill(&mut self) -> Result<Filled, FrameError> {
        loop {
            match self.decoder.fill(&self.socket) {
                Ok(true) if self.decoder.is_full() => return Ok(Filled::More),
                Ok(true) => {}
                Ok(false) => return Ok(Filled::Closed),
                Err(FrameError::Socket(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Filled::All);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The next whole frame that was read.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        self.decoder.next_frame()
    }

    /// Puts a message into the outbox and sends what the socket takes.
    pub(super) fn send(&mut self, message: &Message, fd: Option<OwnedFd>) -> Result<(), FrameError> {
        let bytes = encode(message)?;
        self.unsent += bytes.len();
        self.outbox.push_back(Outgoing { bytes, sent: 0, fd });
        if self.unsent > MAX_UNSENT {
            return Err(FrameError::Socket(io::Error::other("the daemon does not read its messages")));
        }
        self.flush()
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), FrameError> {
        while let Some(next) = self.outbox.front_mut() {
            let rest = &next.bytes[next.sent..];
            let sent = match &next.fd {
                Some(fd) => send_first(&self.socket, rest, &[fd.as_fd()]),
                None => (&self.socket).write(rest).map_err(FrameError::from),
            };
            match sent {
                Ok(count) => {
                    next.fd = None;
                    next.sent += count;
                    self.unsent -= count;
                    if next.sent == next.bytes.len() {
                        self.outbox.pop_front();
                    }
                }
                Err(FrameError::Socket(error)) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(FrameError::Socket(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what is left, waiting for the daemon to take it. For the last message of a worker.
    pub(super) fn finish(mut self) {
        // A daemon that is gone does not miss the message.
        let _ = self.socket.set_nonblocking(false).map_err(FrameError::from).and_then(|()| self.flush());
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
