//! One end of the stream, buffered in both directions.

use std::io::{self, ErrorKind, Read, Write};

use crate::MigrateError;
use crate::frame::{self, Fields, Kind};

const BUFFER: usize = 256 << 10;
/// Longest sentence of a peer in bytes.
const MAX_REASON: usize = 1024;

pub(crate) struct Link<S> {
    stream: S,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// What of `incoming` was not taken yet.
    from: usize,
    payload: Vec<u8>,
    /// Kind of the frame that came last.
    last: Kind,
    /// Bytes that were sent.
    pub sent: u64,
}

impl<S: Read + Write> Link<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            outgoing: Vec::new(),
            incoming: Vec::new(),
            from: 0,
            payload: Vec::new(),
            last: Kind::Abort,
            sent: 0,
        }
    }

    /// Sends a frame, perhaps later.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), MigrateError> {
        let before = self.outgoing.len();
        frame::write(&mut self.outgoing, kind, payload)?;
        self.sent += (self.outgoing.len() - before) as u64;
        if self.outgoing.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Sends what waits. A peer that hung up may have said why.
    pub fn flush(&mut self) -> Result<(), MigrateError> {
        let written = self.stream.write_all(&self.outgoing).and_then(|()| self.stream.flush());
        self.outgoing.clear();
        let Err(error) = written else { return Ok(()) };
        match self.receive() {
            Err(refused @ MigrateError::Refused(_)) => Err(refused),
            _ => Err(error.into()),
        }
    }

    /// The next frame, after everything that waits was sent.
    pub fn next(&mut self) -> Result<(Kind, &[u8]), MigrateError> {
        if !self.outgoing.is_empty() {
            self.flush()?;
        }
        self.receive()?;
        let kind = self.last;
        Ok((kind, &self.payload))
    }

    /// The next frame, which must be of this kind and empty.
    pub fn expect(&mut self, wanted: Kind) -> Result<(), MigrateError> {
        let (kind, payload) = self.next()?;
        if kind != wanted {
            return Err(MigrateError::Peer("a frame out of turn"));
        }
        Fields(payload).end()
    }

    /// Says why this side can't go on, if it still can.
    pub fn abort(&mut self, error: &MigrateError) {
        let mut sentence = error.to_string();
        sentence.truncate(sentence.floor_char_boundary(MAX_REASON));
        // A peer that is gone does not miss it.
        let _ = self.send(Kind::Abort, sentence.as_bytes()).and_then(|()| self.flush());
    }

    fn receive(&mut self) -> Result<(), MigrateError> {
        let mut payload = std::mem::take(&mut self.payload);
        let read = frame::read(&mut Incoming(self), &mut payload);
        self.payload = payload;
        self.last = read?;
        if self.last != Kind::Abort {
            return Ok(());
        }
        let sentence = match std::str::from_utf8(&self.payload) {
            Ok(sentence) if sentence.len() <= MAX_REASON => sentence.replace(char::is_control, " "),
            _ => "it did not say why".to_owned(),
        };
        Err(MigrateError::Refused(sentence))
    }
}

struct Incoming<'a, S>(&'a mut Link<S>);

impl<S: Read> Read for Incoming<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let link = &mut *self.0;
        if link.from == link.incoming.len() {
            if buffer.len() >= BUFFER {
                return retry(|| link.stream.read(buffer));
            }
            link.incoming.resize(BUFFER, 0);
            link.from = 0;
            let read = retry(|| link.stream.read(&mut link.incoming));
            link.incoming.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let count = buffer.len().min(link.incoming.len() - link.from);
        buffer[..count].copy_from_slice(&link.incoming[link.from..link.from + count]);
        link.from += count;
        Ok(count)
    }
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
