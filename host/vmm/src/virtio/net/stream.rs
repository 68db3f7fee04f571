//! Frames on a TCP connection: each behind its length, 32 bits, big-endian.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};

use super::tap::{HEADER_SIZE, MAX_FRAME};

/// Bytes of the length.
const LENGTH: usize = 4;
/// Shortest frame: an Ethernet header.
pub(super) const SMALLEST_FRAME: usize = 14;
/// Longest frame, without a virtio header.
const LONGEST_FRAME: usize = MAX_FRAME - HEADER_SIZE;
/// Bytes of one read.
const READ_AT_ONCE: usize = 64 << 10;
/// Bytes that may wait for the other side.
const MOST_OUTGOING: usize = 256 << 10;

/// The connection can't be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// The other side ended it, or the host did.
    Ended,
    /// The other side does not keep to the format.
    Garbage,
}

/// One connection, non-blocking.
pub(super) struct Stream {
    socket: TcpStream,
    incoming: Vec<u8>,
    /// Bytes of `incoming` that were taken.
    taken: usize,
    outgoing: Vec<u8>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, incoming: Vec::new(), taken: 0, outgoing: Vec::new() }
    }

    /// Whether bytes wait for the other side.
    pub(super) fn is_behind(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// The next frame into `target`, which holds the longest there is. None when there is no whole one now.
    pub(super) fn receive(&mut self, target: &mut [u8]) -> Result<Option<usize>, Closed> {
        loop {
            if let Some(length) = self.take(target)? {
                return Ok(Some(length));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// A frame out of what was read.
    fn take(&mut self, target: &mut [u8]) -> Result<Option<usize>, Closed> {
        let waiting = &self.incoming[self.taken..];
        let Some(length) = waiting.first_chunk::<LENGTH>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if !(SMALLEST_FRAME..=LONGEST_FRAME).contains(&length) {
            return Err(Closed::Garbage);
        }
        let Some(frame) = waiting.get(LENGTH..LENGTH + length) else { return Ok(None) };
        target[..length].copy_from_slice(frame);
        self.taken += LENGTH + length;
        Ok(Some(length))
    }

    /// Reads once; less than a frame is left from before. False when there is nothing now.
    fn fill(&mut self) -> Result<bool, Closed> {
        self.incoming.drain(..self.taken);
        self.taken = 0;
        let before = self.incoming.len();
        self.incoming.resize(before + READ_AT_ONCE, 0);
        let read = self.socket.read(&mut self.incoming[before..]);
        self.incoming.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(Closed::Ended),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(_) => Err(Closed::Ended),
        }
    }

    /// Sends a frame, or puts it behind what waits. False when there is no room for it.
    pub(super) fn send(&mut self, frame: &[u8]) -> Result<bool, Closed> {
        if self.outgoing.len() + LENGTH + frame.len() > MOST_OUTGOING {
            return Ok(false);
        }
        self.outgoing.extend((frame.len() as u32).to_be_bytes());
        self.outgoing.extend(frame);
        self.flush()?;
        Ok(true)
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), Closed> {
        while !self.outgoing.is_empty() {
            match self.socket.write(&self.outgoing) {
                Ok(0) => return Err(Closed::Ended),
                Ok(sent) => drop(self.outgoing.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Closed::Ended),
            }
        }
        Ok(())
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
