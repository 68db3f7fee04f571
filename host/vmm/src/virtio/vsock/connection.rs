//! One stream between a program of the host and one of the guest.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

use super::packet::{BUFFER, Credit, MAX_PAYLOAD, NO_RECEIVE, NO_SEND, Op, Ports};

/// Longest line that a program may begin with: "CONNECT 4294967295\n" and some.
const LONGEST_GREETING: usize = 32;
/// The guest hears of new room when this much was taken since it heard last.
const NEWS: u32 = BUFFER / 4;

/// A connection that is not made, or that has no program any more, lasts no longer than that.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How far a connection is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A program of the host has to say which port it wants; what it said so far.
    Greeting(Vec<u8>),
    /// The guest has to accept.
    Requested,
    /// The daemon has to connect; it knows the connection by its number.
    Dialing,
    /// Both can talk.
    Open,
}

/// What the guest is to be told besides bytes.
#[derive(Debug, Default)]
pub(super) struct News {
    pub request: bool,
    pub response: bool,
    pub credit: bool,
    pub shutdown: bool,
}

/// A connection.
pub(super) struct Connection {
    /// None while the daemon connects, and after the host's end has gone.
    pub socket: Option<UnixStream>,
    pub stage: Stage,
    pub ports: Ports,
    pub news: News,
    /// Directions that the guest was told have ended.
    told_shutdown: u32,
    /// Directions that have ended on the host's side.
    shutdown: u32,
    /// The guest's buffer, and bytes that were sent into it.
    room: Credit,
    sent: u32,
    /// Bytes for the program of the host: words of ours, then those of the guest.
    outgoing: VecDeque<u8>,
    own_words: usize,
    /// Bytes of the guest that the program has, and as many as the guest was told.
    taken: u32,
    told_taken: u32,
    /// The guest sends no more, and takes no more.
    guest_ended: u32,
    /// It may be read: the socket was readable, and nobody found it empty since.
    pub readable: bool,
    /// The program has closed its end in both directions.
    hung_up: bool,
    /// Since when it waits for somebody who may never answer.
    waits: Option<Instant>,
}

/// What a program that has just come said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    Incomplete,
    Port(u32),
    Wrong,
}

impl Connection {
    pub(super) fn new(socket: Option<UnixStream>, stage: Stage, ports: Ports) -> Self {
        Self {
            socket,
            stage,
            ports,
            news: News::default(),
            told_shutdown: 0,
            shutdown: 0,
            room: Credit::default(),
            sent: 0,
            outgoing: VecDeque::new(),
            own_words: 0,
            taken: 0,
            told_taken: 0,
            guest_ended: 0,
            readable: false,
            hung_up: false,
            waits: None,
        }
    }

    /// Whether it waits for somebody who may never answer: to be made, or for the guest to let go of what has no program any more.
    pub(super) fn is_half(&self) -> bool {
        self.stage != Stage::Open || self.socket.is_none()
    }

    /// Looks at the clock. True when it has waited for too long.
    pub(super) fn is_late(&mut self, now: Instant) -> bool {
        if !self.is_half() {
            self.waits = None;
            return false;
        }
        now.saturating_duration_since(*self.waits.get_or_insert(now)) >= PATIENCE
    }

    /// Whether the program has said something that was not read yet.
    pub(super) fn has_unread(&self) -> bool {
        let peek = |socket: &UnixStream| {
            recv(socket, &mut [0; 1], RecvFlags::PEEK).is_ok_and(|(count, _)| count > 0)
        };
        self.socket.as_ref().is_some_and(peek)
    }

    /// What the guest says about its buffer.
    pub(super) fn note_credit(&mut self, credit: Credit) {
        self.room = credit;
    }

    /// Our own buffer, as the guest is told.
    pub(super) fn credit(&mut self) -> Credit {
        self.told_taken = self.taken;
        self.news.credit = false;
        Credit { size: BUFFER, taken: self.taken }
    }

    /// Bytes that the guest has room for. Whatever it says, it is what it says.
    pub(super) fn guest_room(&self) -> u32 {
        let unread = self.sent.wrapping_sub(self.room.taken);
        self.room.size.saturating_sub(unread).min(MAX_PAYLOAD)
    }

    /// Whether bytes of the program go to the guest now.
    pub(super) fn can_read(&self) -> bool {
        self.stage == Stage::Open
            && self.socket.is_some()
            && self.shutdown & NO_SEND == 0
            && self.guest_ended & NO_RECEIVE == 0
            && self.guest_room() > 0
    }

    /// Bytes of the program for the guest, into `buffer`; 0 when there are none now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let most = (self.guest_room() as usize).min(buffer.len());
        let Some(socket) = &mut self.socket else { return 0 };
        loop {
            match socket.read(&mut buffer[..most]) {
                Ok(0) if self.hung_up => {
                    self.lose();
                    return 0;
                }
                Ok(0) => {
                    self.end(NO_SEND);
                    return 0;
                }
                Ok(count) => {
                    self.sent = self.sent.wrapping_add(count as u32);
                    return count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return 0;
                }
                Err(_) => {
                    self.lose();
                    return 0;
                }
            }
        }
    }

    /// Reads the line that a program begins with, and not a byte more.
    pub(super) fn greet(&mut self) -> Greeting {
        let (Stage::Greeting(line), Some(socket)) = (&mut self.stage, &mut self.socket) else {
            return Greeting::Wrong;
        };
        loop {
            let mut byte = [0];
            match socket.read(&mut byte) {
                Ok(1) if byte == *b"\n" => {
                    let port = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix("CONNECT "));
                    let port = port.and_then(|port| port.trim_end_matches('\r').parse().ok());
                    return port.map_or(Greeting::Wrong, Greeting::Port);
                }
                Ok(1) if line.len() < LONGEST_GREETING => line.extend(byte),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Greeting::Incomplete;
                }
                _ => return Greeting::Wrong,
            }
        }
    }

    /// The guest has accepted; the program is told so.
    pub(super) fn accepted(&mut self) {
        self.stage = Stage::Open;
        self.readable = true;
        let words = format!("OK {}\n", self.ports.host);
        self.own_words = words.len();
        self.outgoing.extend(words.as_bytes());
        self.flush();
    }

    /// Takes bytes of the guest. False when they are more than it has credit for.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        let waiting = self.outgoing.len() - self.own_words;
        if waiting + bytes.len() > BUFFER as usize {
            return false;
        }
        if self.socket.is_none() || self.shutdown & NO_RECEIVE != 0 {
            // Nobody reads them any more, which the guest was told or will be.
            self.note_taken(bytes.len());
            return true;
        }
        self.outgoing.extend(bytes);
        self.flush();
        true
    }

    /// Gives the program what its socket takes.
    pub(super) fn flush(&mut self) {
        while let Some(socket) = &mut self.socket
            && !self.outgoing.is_empty()
        {
            match socket.write(self.outgoing.as_slices().0) {
                Ok(count @ 1..) => {
                    self.outgoing.drain(..count);
                    let own = count.min(self.own_words);
                    self.own_words -= own;
                    self.note_taken(count - own);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    // Nobody takes any more; what the program said before is still to be read.
                    self.discard();
                    self.end(NO_RECEIVE);
                }
                _ => self.lose(),
            }
        }
        if self.outgoing.is_empty()
            && self.guest_ended & NO_SEND != 0
            && let Some(socket) = &self.socket
        {
            // One that is gone has heard it.
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    /// Drops what nobody will take.
    fn discard(&mut self) {
        self.note_taken(self.outgoing.len() - self.own_words);
        self.outgoing.clear();
        self.own_words = 0;
    }

    fn note_taken(&mut self, bytes: usize) {
        self.taken = self.taken.wrapping_add(bytes as u32);
        self.news.credit |= self.taken.wrapping_sub(self.told_taken) >= NEWS;
    }

    /// The guest ends directions. True when the connection is over with that: both have ended and nothing waits.
    pub(super) fn guest_ends(&mut self, flags: u32) -> bool {
        self.guest_ended |= flags & (NO_RECEIVE | NO_SEND);
        self.flush();
        if self.hung_up && self.guest_ended & NO_RECEIVE != 0 {
            // Nobody takes what it said last, and it says no more.
            self.lose();
        }
        self.is_over()
    }

    /// Whether the guest has heard of it.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self.stage, Stage::Greeting(_)) && !self.news.request
    }

    /// Whether the guest wants no more of it, and the program has all that it said.
    pub(super) fn is_over(&self) -> bool {
        self.guest_ended == NO_RECEIVE | NO_SEND && (self.outgoing.is_empty() || self.socket.is_none())
    }

    /// The host's end is gone altogether.
    pub(super) fn lose(&mut self) {
        self.socket = None;
        self.discard();
        self.end(NO_RECEIVE | NO_SEND);
    }

    /// The program has closed its end; what it said before is still to be read.
    pub(super) fn hang_up(&mut self) {
        self.hung_up = true;
        if self.shutdown & NO_SEND != 0 || self.guest_ended & NO_RECEIVE != 0 {
            self.lose();
        }
    }

    fn end(&mut self, flags: u32) {
        self.shutdown |= flags;
        self.news.shutdown |= self.shutdown != self.told_shutdown;
    }

    /// The next thing to tell the guest, with its flags.
    pub(super) fn next_news(&mut self) -> Option<(Op, u32)> {
        let news = &mut self.news;
        if std::mem::take(&mut news.request) {
            return Some((Op::Request, 0));
        }
        if std::mem::take(&mut news.response) {
            return Some((Op::Response, 0));
        }
        if self.stage != Stage::Open {
            return None;
        }
        if std::mem::take(&mut news.shutdown) {
            self.told_shutdown = self.shutdown;
            return Some((Op::Shutdown, self.shutdown));
        }
        std::mem::take(&mut news.credit).then_some((Op::Credit, 0))
    }

    /// Whether there is something to tell it.
    pub(super) fn has_news(&self) -> bool {
        let News { request, response, credit, shutdown } = self.news;
        request || response || self.stage == Stage::Open && (credit || shutdown)
    }
}
