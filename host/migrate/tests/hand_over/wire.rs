//! Sockets that break at a chosen place.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// One end of a socket pair that is cut off after so many bytes that it sent or received.
pub struct Wire {
    stream: UnixStream,
    left_to_send: Option<usize>,
    left_to_receive: Option<usize>,
    /// Bytes that went through.
    pub sent: usize,
    pub received: usize,
    /// A bit of what is sent that is turned over.
    pub flip: Option<usize>,
}

/// Two ends without a cut; whoever waits for more than a while has found a deadlock.
pub fn pair() -> (Wire, Wire) {
    let (one, other) = UnixStream::pair().unwrap();
    (Wire::new(one), Wire::new(other))
}

impl Wire {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream, left_to_send: None, left_to_receive: None, sent: 0, received: 0, flip: None }
    }

    /// Breaks once that many bytes were sent.
    pub fn cut_sending(mut self, after: usize) -> Self {
        self.left_to_send = Some(after);
        self
    }

    /// Breaks once that many bytes were received.
    pub fn cut_receiving(mut self, after: usize) -> Self {
        self.left_to_receive = Some(after);
        self
    }

    fn broken(&self) -> io::Error {
        let _ = self.stream.shutdown(Shutdown::Both);
        io::ErrorKind::ConnectionReset.into()
    }
}

impl Read for &mut Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.left_to_receive.unwrap_or(usize::MAX).min(buffer.len());
        if room == 0 && !buffer.is_empty() {
            return Err(self.broken());
        }
        let count = self.stream.read(&mut buffer[..room])?;
        self.received += count;
        self.left_to_receive = self.left_to_receive.map(|left| left - count);
        Ok(count)
    }
}

impl Write for &mut Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let room = self.left_to_send.unwrap_or(usize::MAX).min(buffer.len());
        if room == 0 && !buffer.is_empty() {
            return Err(self.broken());
        }
        let mut bytes = buffer[..room].to_vec();
        if let Some(bit) = self.flip
            && let Some(byte) = (bit / 8).checked_sub(self.sent).and_then(|at| bytes.get_mut(at))
        {
            *byte ^= 1 << (bit % 8);
        }
        let count = self.stream.write(&bytes)?;
        self.sent += count;
        self.left_to_send = self.left_to_send.map(|left| left - count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire {
    /// Another handle of its socket.
    pub fn closer(&self) -> UnixStream {
        self.stream.try_clone().unwrap()
    }

    /// Ends the connection, as the end of a process does.
    pub fn hang_up(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
