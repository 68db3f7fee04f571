//! The stream of a migration: the other side may be silent for a while, and an operator need not wait for it.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_migrate::Controls;

/// How long the other side may be silent.
pub(super) const SILENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether an operator ended the migration meanwhile.
const LOOK: Duration = Duration::from_millis(100);
/// How long the other side may take after that, to hear why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One end, blocking.
pub(super) struct Stream {
    socket: UnixStream,
    controls: Arc<Controls>,
    /// When it was seen that the migration was ended.
    ended: Option<Instant>,
}

impl Stream {
    pub(super) fn new(socket: UnixStream, controls: Arc<Controls>) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(LOOK))?;
        socket.set_write_timeout(Some(LOOK))?;
        Ok(Self { socket, controls, ended: None })
    }

    fn patiently(&mut self, mut attempt: impl FnMut(&UnixStream) -> io::Result<usize>) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            if self.controls.aborted().is_some()
                && self.ended.get_or_insert_with(Instant::now).elapsed() >= LAST_WORDS
            {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            match attempt(&self.socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if begun.elapsed() >= SILENCE {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                done => return done,
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patiently(|mut socket| socket.read(buffer))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(|mut socket| socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use reeve_migrate::Limits;

    use super::*;

    #[test]
    fn who_ends_a_migration_does_not_wait_for_a_silent_host() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let controls = Arc::new(Controls::new(Limits::default()));
        let mut stream = Stream::new(ours, Arc::clone(&controls)).unwrap();
        theirs.write_all(b"hello").unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).unwrap();
        let begun = Instant::now();
        let waiting = std::thread::spawn(move || {
            let full = stream.write_all(&vec![0; 64 << 20]).unwrap_err();
            (full.kind(), stream.read(&mut [0]).unwrap_err().kind())
        });
        controls.abort("an operator ended it");
        let ended = ErrorKind::ConnectionAborted;
        assert_eq!(waiting.join().unwrap(), (ended, ended));
        assert!(begun.elapsed() < SILENCE / 2, "{:?}", begun.elapsed());
    }
}
