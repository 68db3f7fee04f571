//! The thread of the socket device: packets of the guest, sockets of the host.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::timerfd::TimerFd;

use super::connection::Stage;
use super::control::VsockControl;
use super::packet::{Credit, HEADER, Incoming, MAX_PAYLOAD, Op, Ports, header};
use super::table::Table;
use crate::sandbox::ThreadRole;
use crate::virtio::Memory;
use crate::virtio::chain::Chain;
use crate::virtio::queue::{DeviceQueue, QueueError};
use crate::virtio::worker::{Handler, Poll, drain};

const RECEIVE: u64 = 0;
const TRANSMIT: u64 = 1;
const EVENT: u64 = 2;
const LISTENER: u64 = 3;
const ANSWER: u64 = 4;
const TICK: u64 = 5;
/// Token of the first connection.
const CONNECTIONS: u64 = 16;

/// The event that says that all connections are gone (virtio 1.2, 5.10.6.7).
const TRANSPORT_RESET: [u8; 4] = [0; 4];

/// How often connections that wait are looked at, and a listener for which there was no descriptor.
const EVERY: Duration = Duration::from_secs(1);

/// Owns the queues while the device runs.
pub(super) struct VsockHandler {
    /// Address of the guest.
    pub guest: u64,
    /// Where programs of the host come.
    pub listener: OwnedFd,
    pub accepting: bool,
    /// There was no descriptor for a program; the listener rests until the next tick, or the kernel would say at once that it waits.
    pub starved: bool,
    /// The timer runs. It does only while something waits: an idle guest's thread sleeps.
    pub ticks: bool,
    pub timer: TimerFd,
    pub table: Table,
    pub control: Arc<VsockControl>,
    pub memory: Memory,
    pub receive: Option<DeviceQueue>,
    pub transmit: Option<DeviceQueue>,
    pub events: Option<DeviceQueue>,
    /// The guest must hear that its connections are gone.
    pub was_reset: bool,
    /// Where bytes of either side are between socket and guest.
    pub buffer: Box<[u8]>,
}

impl VsockHandler {
    pub(super) fn buffer() -> Box<[u8]> {
        vec![0; MAX_PAYLOAD as usize].into_boxed_slice()
    }

    /// Takes what the guest says, at most a ring full, and no more than there is room to answer.
    fn transmit(&mut self, poll: &Poll) -> Result<(), QueueError> {
        let memory = self.memory.clone();
        let Some(mut queue) = self.transmit.take() else { return Ok(()) };
        let served = self.take_packets(&mut queue, &memory);
        self.transmit = Some(queue);
        served?;
        self.give(poll)
    }

    fn take_packets(&mut self, queue: &mut DeviceQueue, memory: &Memory) -> Result<(), QueueError> {
        let mut served = 0;
        queue.disable_notification(memory)?;
        while served < queue.size() && !self.table.is_behind() {
            let mut next = queue.pop(memory)?;
            if next.is_none() && queue.enable_notification(memory)? {
                queue.disable_notification(memory)?;
                next = queue.pop(memory)?;
            }
            let Some(mut chain) = next else {
                return queue.notify(memory);
            };
            self.packet(memory, &mut chain);
            queue.complete(memory, chain.head, 0)?;
            served += 1;
        }
        queue.notify(memory)?;
        // The rest comes when others had their turn, or when there is room for resets.
        if !self.table.is_behind() {
            queue.kick();
        }
        Ok(())
    }

    /// One packet of the guest. What is none is not answered; what is wrong in one is answered with a reset.
    fn packet(&mut self, memory: &Memory, chain: &mut Chain) {
        let mut bytes = [0; HEADER];
        if chain.readable.read(memory, &mut bytes) < HEADER {
            return;
        }
        let Some(mut packet) = Incoming::parse(&bytes, self.guest) else { return };
        let length = packet.length as usize;
        if packet.length > MAX_PAYLOAD || chain.readable.len() < packet.length {
            packet.op = None;
        }
        let payload = if packet.op == Some(Op::Data) { length } else { 0 };
        chain.readable.read(memory, &mut self.buffer[..payload]);
        self.table.incoming(&packet, &self.buffer[..payload], &self.control);
    }

    /// Gives the guest what there is for it, at most a ring full before other events get their turn.
    fn give(&mut self, poll: &Poll) -> Result<(), QueueError> {
        let memory = self.memory.clone();
        let Some(mut queue) = self.receive.take() else { return Ok(()) };
        let was_behind = self.table.is_behind();
        let given = self.fill(&mut queue, &memory);
        self.receive = Some(queue);
        if was_behind && !self.table.is_behind() {
            self.transmit.iter().for_each(DeviceQueue::kick);
        }
        self.listen(poll);
        given
    }

    fn fill(&mut self, queue: &mut DeviceQueue, memory: &Memory) -> Result<(), QueueError> {
        for _ in 0..queue.size() {
            let reset = self.table.next_reset();
            let number = if reset.is_some() { None } else { self.table.next() };
            if reset.is_none() && number.is_none() {
                return queue.notify(memory);
            }
            queue.disable_notification(memory)?;
            let mut next = queue.pop(memory)?;
            if next.is_none() && queue.enable_notification(memory)? {
                next = queue.pop(memory)?;
            }
            let Some(mut chain) = next else {
                return queue.notify(memory);
            };
            if chain.writable.len() as usize <= HEADER {
                return Err(QueueError::Incomplete { index: queue.index(), part: "room for a packet" });
            }
            if let Some(ports) = reset {
                let written = self.write(memory, &mut chain, ports, Op::Reset, 0, Credit::default(), 0);
                queue.complete(memory, chain.head, written)?;
                self.table.reset_sent();
                continue;
            }
            match number.and_then(|number| self.next_packet(number, chain.writable.len() as usize - HEADER)) {
                Some((ports, op, flags, credit, payload)) => {
                    let written = self.write(memory, &mut chain, ports, op, flags, credit, payload);
                    queue.complete(memory, chain.head, written)?;
                }
                // It looked as if there were bytes.
                None => queue.unpop(),
            }
        }
        queue.notify(memory)?;
        queue.kick();
        Ok(())
    }

    /// What a connection has for the guest, with bytes in the buffer.
    fn next_packet(&mut self, number: u64, room: usize) -> Option<(Ports, Op, u32, Credit, usize)> {
        let connection = self.table.get_mut(number)?;
        if let Some((op, flags)) = connection.next_news() {
            return Some((connection.ports, op, flags, connection.credit(), 0));
        }
        let most = room.min(self.buffer.len());
        let payload = connection.read(&mut self.buffer[..most]);
        if payload == 0 && !connection.has_news() {
            return None;
        }
        if payload == 0 {
            let (op, flags) = connection.next_news()?;
            return Some((connection.ports, op, flags, connection.credit(), 0));
        }
        Some((connection.ports, Op::Data, 0, connection.credit(), payload))
    }

    #[expect(clippy::too_many_arguments, reason = "these are the fields of the header")]
    fn write(
        &self,
        memory: &Memory,
        chain: &mut Chain,
        ports: Ports,
        op: Op,
        flags: u32,
        credit: Credit,
        payload: usize,
    ) -> u32 {
        let bytes = header(self.guest, ports, op, payload as u32, flags, credit);
        let head = chain.writable.write(memory, &bytes);
        (head + chain.writable.write(memory, &self.buffer[..payload])) as u32
    }

    /// Tells the guest that its connections are gone, once it listens.
    fn tell_reset(&mut self) -> Result<(), QueueError> {
        let Some(queue) = &mut self.events else { return Ok(()) };
        if !self.was_reset {
            return Ok(());
        }
        let Some(mut chain) = queue.pop(&self.memory)? else { return Ok(()) };
        let written = chain.writable.write(&self.memory, &TRANSPORT_RESET) as u32;
        queue.complete(&self.memory, chain.head, written)?;
        self.was_reset = false;
        queue.notify(&self.memory)
    }

    /// Waits for programs of the host while there are descriptors for them.
    fn listen(&mut self, poll: &Poll) {
        self.tick();
        let room = !self.starved;
        let events = if room { EventSet::IN } else { EventSet::empty() };
        if room != self.accepting && poll.modify(self.listener.as_raw_fd(), events, LISTENER).is_ok() {
            self.accepting = room;
        }
    }

    /// Lets the timer run while something waits.
    fn tick(&mut self) {
        let needed = self.starved || self.table.has_half();
        if needed != self.ticks {
            let set = if needed { self.timer.reset(EVERY, Some(EVERY)) } else { self.timer.clear() };
            self.ticks = if set.is_ok() { needed } else { self.ticks };
        }
    }

    fn ticked(&mut self) {
        // Not read: what was dealt with before this in the same round may have stopped it, and reading would wait for good.
        if self.ticks {
            let _ = self.timer.reset(EVERY, Some(EVERY));
        }
        self.starved = false;
        self.table.expire(Instant::now(), &self.control);
    }

    fn accept(&mut self, poll: &Poll) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = match accept_with(&self.listener, flags) {
            Ok(socket) => socket,
            Err(error) => {
                self.starved = is_starved(error);
                return;
            }
        };
        // One too many hears so at once: it ends, as where nobody listens in the guest.
        if !self.table.is_full() {
            let number = self.table.come(UnixStream::from(socket));
            self.watch(poll, number);
        }
    }

    /// Waits for the socket of a connection, and gives it up where that can't be.
    fn watch(&mut self, poll: &Poll, number: u64) {
        let Some(socket) = self.table.get_mut(number).and_then(|connection| connection.socket.as_ref())
        else {
            return;
        };
        if watch(poll, socket, number).is_err() {
            self.table.refuse(number);
        }
    }

    fn answers(&mut self, poll: &Poll) {
        for (dial, socket) in self.control.take_answers() {
            if let Some(number) = self.table.answer(dial, socket) {
                self.watch(poll, number);
            }
        }
    }

    /// The socket of a connection is ready.
    fn ready(&mut self, number: u64, ready: EventSet) {
        let Some(connection) = self.table.get_mut(number) else { return };
        connection.readable = true;
        let hung_up = ready.intersects(EventSet::HANG_UP | EventSet::ERROR);
        match connection.stage {
            Stage::Greeting(_) => return self.table.greet(number),
            // Who does not wait for the guest's answer wants none, unless it said something for the guest to read.
            Stage::Requested if hung_up && !connection.has_unread() => return self.table.refuse(number),
            _ => {}
        }
        if hung_up {
            connection.hang_up();
        }
        connection.flush();
        if connection.is_over() {
            self.table.refuse(number);
        }
    }
}

/// Whether there is no descriptor or memory for a program now; else it went away again.
pub(super) fn is_starved(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
}

fn watch(poll: &Poll, socket: &UnixStream, number: u64) -> io::Result<()> {
    let events = EventSet::IN | EventSet::OUT | EventSet::READ_HANG_UP | EventSet::EDGE_TRIGGERED;
    poll.add(socket.as_raw_fd(), events, CONNECTIONS + number)
}

impl Handler for VsockHandler {
    fn role(&self) -> ThreadRole {
        ThreadRole::Listener
    }

    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        let queues = [(&self.receive, RECEIVE), (&self.transmit, TRANSMIT), (&self.events, EVENT)];
        for (queue, token) in queues {
            if let Some(queue) = queue {
                poll.add(queue.event().as_raw_fd(), EventSet::IN, token)?;
            }
        }
        poll.add(self.timer.as_raw_fd(), EventSet::IN, TICK)?;
        poll.add(self.control.event.as_raw_fd(), EventSet::IN, ANSWER)?;
        poll.add(self.listener.as_raw_fd(), EventSet::empty(), LISTENER)?;
        self.accepting = false;
        self.listen(poll);
        for (number, connection) in self.table.iter() {
            connection.socket.as_ref().map_or(Ok(()), |socket| watch(poll, socket, number))?;
        }
        Ok(())
    }

    fn handle(&mut self, token: u64, ready: EventSet, poll: &Poll) -> Result<(), QueueError> {
        let heard = |queue: &Option<DeviceQueue>| queue.iter().for_each(|queue| drain(queue.event()));
        match token {
            RECEIVE => heard(&self.receive),
            TRANSMIT => {
                heard(&self.transmit);
                return self.transmit(poll);
            }
            EVENT => {
                heard(&self.events);
                return self.tell_reset();
            }
            LISTENER => self.accept(poll),
            TICK => self.ticked(),
            ANSWER => {
                drain(&self.control.event);
                self.answers(poll);
            }
            token => self.ready(token.saturating_sub(CONNECTIONS), ready),
        }
        self.give(poll)
    }

    fn quiesce(&mut self) {}
}
