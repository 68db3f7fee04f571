//! A console between a guest and whoever opened it: a serial port or one port of a virtio console.
//!
//! ```text
//!   device: output() ──> backlog ring ──> session socket ──> client     (never blocks: a slow client loses the oldest)
//!   device: input()  <─────────────────── session socket <── client     (pulled when the guest has room)
//! ```
//!
//! What was written before somebody opened a console is replayed to him. A channel carries a conversation: it keeps nothing for
//! who comes later, and loses nothing of who is there. Its device asks for room before it takes what the guest wrote.
//!
//! The console outlives resets of the machine. Everything is non-blocking; the event loop calls [`Console::ready`] when
//! the session's socket changed (edge-triggered), and devices pull input when they have room again.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::protocol::CONSOLE_BACKLOG;

/// Called when input may have arrived; does not block.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// One console. Shared by its device, the event loop and the control protocol.
pub struct Console {
    alias: String,
    on_output: Wake,
    silent: AtomicBool,
    /// Somebody in the guest has it open, as far as the guest says.
    guest_open: AtomicBool,
    state: Mutex<State>,
    wake: Mutex<Option<Wake>>,
}

struct State {
    kind: Kind,
    /// The last bytes the guest wrote.
    backlog: VecDeque<u8>,
    /// Bytes the guest wrote altogether.
    written: u64,
    session: Option<Session>,
    log: Option<File>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Console,
    Channel,
}

struct Session {
    socket: UnixStream,
    /// Position in `written` up to which the client got everything.
    sent: u64,
}

impl Console {
    /// A console that calls `on_output` when the guest writes to it for the first time, and copies all output to `log`.
    pub fn new(alias: &str, log: Option<File>, on_output: Wake) -> Arc<Self> {
        Self::of(Kind::Console, alias, log, on_output)
    }

    /// A channel, with what [`Console::new`] takes.
    pub fn channel(alias: &str, log: Option<File>, on_output: Wake) -> Arc<Self> {
        Self::of(Kind::Channel, alias, log, on_output)
    }

    fn of(kind: Kind, alias: &str, log: Option<File>, on_output: Wake) -> Arc<Self> {
        let state = State { kind, backlog: VecDeque::new(), written: 0, session: None, log };
        Arc::new(Self {
            alias: alias.to_owned(),
            on_output,
            silent: AtomicBool::new(true),
            guest_open: AtomicBool::new(false),
            state: Mutex::new(state),
            wake: Mutex::new(None),
        })
    }

    /// Name it is opened by.
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// The guest wrote `bytes`. Never blocks and never fails.
    pub fn output(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.silent.swap(false, Ordering::Relaxed) {
            (self.on_output)();
        }
        let mut state = self.state();
        if let Some(log) = &mut state.log
            && let Err(error) = log.write_all(bytes)
            && error.kind() != ErrorKind::WouldBlock
        {
            state.log = None;
        }
        state.push(bytes);
        state.flush();
    }

    /// Whether the device may take `bytes` bytes from the guest now; it is told to ask again by its [`Wake`].
    pub fn has_room(&self, bytes: usize) -> bool {
        let state = self.state();
        let unsent = state.session.as_ref().map_or(0, |session| state.written - session.sent);
        // What is larger than the backlog goes by itself, and loses its first bytes to a client that is too slow for it.
        state.kind == Kind::Console || unsent == 0 || unsent + bytes as u64 <= CONSOLE_BACKLOG as u64
    }

    /// The guest says that somebody in it opened or closed the console.
    pub fn set_guest_open(&self, open: bool) {
        self.guest_open.store(open, Ordering::Relaxed);
    }

    /// Whether somebody in the guest has it open. Only ports of a virtio console are told.
    pub fn is_guest_open(&self) -> bool {
        self.guest_open.load(Ordering::Relaxed)
    }

    /// Takes what a client wrote, as much as fits `buffer`; 0 when there is nothing now. A device that was told of input
    /// calls it until it returns 0 or the guest has no room, and again when the guest has room.
    pub fn input(&self, buffer: &mut [u8]) -> usize {
        let mut state = self.state();
        let Some(session) = &mut state.session else { return 0 };
        loop {
            match session.socket.read(buffer) {
                Ok(0) if !buffer.is_empty() => break,
                Ok(count) => return count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
                Err(_) => break,
            }
        }
        state.session = None;
        0
    }

    /// True while a client has it open.
    pub fn is_open(&self) -> bool {
        self.state().session.is_some()
    }

    /// Sets whom to tell of input: the device, each time one is built for this console.
    pub fn set_wake(&self, wake: Option<Wake>) {
        *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = wake;
    }

    /// Makes `socket` (a stream socket, non-blocking) the session; one that was open ends. The backlog of a console goes out first.
    pub fn open(&self, socket: UnixStream) {
        let mut state = self.state();
        if state.kind == Kind::Channel {
            state.backlog.clear();
        }
        let sent = state.written - state.backlog.len() as u64;
        state.session = Some(Session { socket, sent });
        state.flush();
    }

    /// The session's socket can be read or written again, or was closed.
    pub fn ready(&self) {
        self.state().flush();
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, bytes: &[u8]) {
        if self.kind == Kind::Channel && self.session.is_none() {
            return;
        }
        self.written += bytes.len() as u64;
        let tail = &bytes[bytes.len().saturating_sub(CONSOLE_BACKLOG)..];
        let overflow = (self.backlog.len() + tail.len()).saturating_sub(CONSOLE_BACKLOG);
        self.backlog.drain(..overflow);
        self.backlog.extend(tail);
    }

    /// Sends what the client did not get yet, as far as the socket takes it.
    fn flush(&mut self) {
        let Some(session) = &mut self.session else { return };
        let oldest = self.written - self.backlog.len() as u64;
        session.sent = session.sent.max(oldest);
        while session.sent < self.written {
            let skip = (session.sent - oldest) as usize;
            let (front, back) = self.backlog.as_slices();
            let chunk = front
                .get(skip..)
                .filter(|rest| !rest.is_empty())
                .unwrap_or_else(|| &back[skip - front.len()..]);
            match session.socket.write(chunk) {
                Ok(count) => session.sent += count as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.session = None;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console() -> Arc<Console> {
        Console::new("serial0", None, Box::new(|| {}))
    }

    fn connect(console: &Console) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        console.open(ours);
        theirs
    }

    fn take(client: &mut UnixStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_backlog_is_replayed_and_then_output_follows() {
        let console = console();
        console.output(b"before ");
        let mut client = connect(&console);
        console.output(b"after");
        assert_eq!(take(&mut client, 12), b"before after");
        drop(client);
        let mut again = connect(&console);
        assert_eq!(take(&mut again, 12), b"before after");
    }

    #[test]
    fn the_backlog_keeps_the_last_bytes() {
        let console = console();
        for round in 0..200u8 {
            console.output(&[round; 1000]);
        }
        let mut client = connect(&console);
        let bytes = take(&mut client, CONSOLE_BACKLOG);
        assert_eq!((bytes[0], bytes[CONSOLE_BACKLOG - 1]), (134, 199));
        client.set_nonblocking(true).unwrap();
        assert!(client.read(&mut [0]).is_err());
    }

    #[test]
    fn a_client_that_does_not_read_loses_the_oldest_and_blocks_nobody() {
        let console = console();
        let mut client = connect(&console);
        for round in 0..4000u32 {
            console.output(&[round as u8; 1024]);
        }
        client.set_nonblocking(true).unwrap();
        let mut last = 0;
        let mut buffer = [0; 4096];
        loop {
            match client.read(&mut buffer) {
                Ok(count) => last = buffer[count - 1],
                Err(_) if last == (3999u32 as u8) => break,
                Err(_) => console.ready(),
            }
        }
    }

    #[test]
    fn input_is_pulled_and_a_closed_session_ends() {
        let console = console();
        let mut client = connect(&console);
        client.write_all(b"help\n").unwrap();
        let mut buffer = [0; 3];
        assert_eq!((console.input(&mut buffer), &buffer), (3, b"hel"));
        assert_eq!((console.input(&mut buffer), &buffer[..2]), (2, b"p\n".as_slice()));
        assert_eq!(console.input(&mut buffer), 0);
        assert!(console.is_open());
        drop(client);
        assert_eq!(console.input(&mut buffer), 0);
        assert!(!console.is_open());
    }

    #[test]
    fn a_channel_replays_nothing_and_waits_for_its_client() {
        let channel = Console::channel("agent", None, Box::new(|| {}));
        assert!(channel.has_room(1 << 30));
        channel.output(b"nobody hears this");
        let mut client = connect(&channel);
        let mut taken = 0u32;
        while channel.has_room(1024) {
            channel.output(&[taken as u8; 1024]);
            taken += 1;
        }
        for block in 0..taken {
            assert_eq!(take(&mut client, 1024), [block as u8; 1024], "block {block} of {taken}");
            channel.ready();
        }
        assert!(channel.has_room(1024));
        while channel.has_room(1024) {
            channel.output(&[7; 1024]);
        }
        drop(client);
        channel.ready();
        assert!(!channel.is_open() && channel.has_room(1 << 30), "the guest does not wait for who is gone");
    }

    #[test]
    fn a_log_that_is_full_loses_bytes_and_stays() {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap();
        let console = Console::new("serial0", Some(writer.into()), Box::new(|| {}));
        (0..100).for_each(|_| console.output(&[b'x'; 4096]));
        let mut reader = File::from(reader);
        let mut buffer = vec![0; 1 << 20];
        let full = reader.read(&mut buffer).unwrap();
        assert!(full < 100 * 4096, "{full}");
        console.output(b"more");
        assert_eq!(reader.read(&mut buffer).unwrap(), 4);
    }

    #[test]
    fn the_first_output_is_told_once() {
        let (told, count) = (Arc::new(Mutex::new(0)), 2);
        let told_by = Arc::clone(&told);
        let console = Console::new("c", None, Box::new(move || *told_by.lock().unwrap() += 1));
        (0..count).for_each(|_| console.output(b"x"));
        assert_eq!(*told.lock().unwrap(), 1);
    }
}
