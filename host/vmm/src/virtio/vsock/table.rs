//! All connections of a device, by number and by ports, and what becomes of them when the guest speaks.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::connection::{Connection, Greeting, Stage};
use super::control::{Dial, VsockControl};
use super::packet::{Incoming, Op, Ports};

/// Connections of a guest at a time, those that are being made among them.
pub(super) const MOST: usize = 128;
/// Resets that wait for room in the guest's queue; while there are as many, no more of the guest is read.
pub(super) const MOST_RESETS: usize = 128;
/// Ports that the host calls from.
const FIRST_PORT: u32 = 1 << 30;
const LAST_PORT: u32 = (1 << 31) - 1;

/// Anywhere: a guest that came from elsewhere and has not heard yet that its connections are gone must not take a new one for one of them.
fn first_port() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    FIRST_PORT + since.subsec_nanos() % (LAST_PORT - FIRST_PORT)
}

/// The connections.
pub(super) struct Table {
    connections: BTreeMap<u64, Connection>,
    by_ports: BTreeMap<Ports, u64>,
    resets: VecDeque<Ports>,
    next_number: u64,
    next_port: u32,
    /// Which was served last: the others come first.
    last: u64,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            connections: BTreeMap::new(),
            by_ports: BTreeMap::new(),
            resets: VecDeque::new(),
            next_number: 1,
            next_port: first_port(),
            last: 0,
        }
    }

    /// Ends all connections. Their numbers are not given again: an answer may be on its way.
    pub(super) fn clear(&mut self, control: &VsockControl) {
        for number in self.connections.keys() {
            control.hang_up(*number);
        }
        *self = Self { next_number: self.next_number, ..Self::new() };
    }

    pub(super) fn is_full(&self) -> bool {
        self.connections.len() >= MOST
    }

    /// No more of the guest may be read now.
    pub(super) fn is_behind(&self) -> bool {
        self.resets.len() >= MOST_RESETS
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Connection> {
        self.connections.get_mut(&number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Connection)> {
        self.connections.iter().map(|(number, connection)| (*number, connection))
    }

    fn add(&mut self, connection: Connection) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.connections.insert(number, connection);
        number
    }

    /// A program of the host came; it has to say what it wants.
    pub(super) fn come(&mut self, socket: UnixStream) -> u64 {
        let nobody = Ports { host: 0, guest: 0 };
        self.add(Connection::new(Some(socket), Stage::Greeting(Vec::new()), nobody))
    }

    /// Reads what a program of the host wants, and calls the guest for it.
    pub(super) fn greet(&mut self, number: u64) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        match connection.greet() {
            Greeting::Incomplete => {}
            Greeting::Wrong => self.close(number),
            Greeting::Port(guest) => {
                let ports = self.free_ports(guest);
                if let Some(connection) = self.connections.get_mut(&number) {
                    (connection.stage, connection.ports, connection.news.request) =
                        (Stage::Requested, ports, true);
                    self.by_ports.insert(ports, number);
                }
            }
        }
    }

    /// Far more ports than connections, so one is free.
    fn free_ports(&mut self, guest: u32) -> Ports {
        loop {
            let host = self.next_port;
            self.next_port = if host == LAST_PORT { FIRST_PORT } else { host + 1 };
            let ports = Ports { host, guest };
            if !self.by_ports.contains_key(&ports) {
                return ports;
            }
        }
    }

    /// The daemon has made the connection that a program of the guest asked for, or nobody was there. The number of one that is made.
    pub(super) fn answer(&mut self, dial: u64, socket: Option<OwnedFd>) -> Option<u64> {
        let connection = self.connections.get_mut(&dial)?;
        if connection.stage != Stage::Dialing {
            return None;
        }
        match socket.map(UnixStream::from) {
            None => {
                self.refuse(dial);
                None
            }
            Some(socket) => {
                (connection.socket, connection.stage) = (Some(socket), Stage::Open);
                (connection.news.response, connection.readable) = (true, true);
                Some(dial)
            }
        }
    }

    /// What a packet of the guest does.
    pub(super) fn incoming(&mut self, packet: &Incoming, payload: &[u8], control: &VsockControl) {
        let ports = packet.ports;
        let known = self.by_ports.get(&ports).copied();
        let (op, number) = match (packet.op, known) {
            (Some(Op::Reset), Some(number)) => return self.hang_up(number, control),
            (Some(Op::Reset), None) => return,
            (Some(Op::Request), None) => return self.call(packet, control),
            (Some(op), Some(number)) if op != Op::Request => (op, number),
            (_, Some(number)) => {
                self.hang_up(number, control);
                return self.resets.push_back(ports);
            }
            (_, None) => return self.resets.push_back(ports),
        };
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.note_credit(packet.credit);
        let open = connection.stage == Stage::Open;
        let goes_on = match op {
            Op::Response if connection.stage == Stage::Requested => {
                connection.accepted();
                true
            }
            Op::Data => open && connection.take(payload),
            Op::Shutdown => open && !connection.guest_ends(packet.flags),
            Op::AskCredit => {
                connection.news.credit = true;
                true
            }
            Op::Credit => true,
            Op::Response | Op::Request | Op::Reset => false,
        };
        if !goes_on {
            self.hang_up(number, control);
            self.resets.push_back(ports);
        }
    }

    /// A program of the guest calls.
    fn call(&mut self, packet: &Incoming, control: &VsockControl) {
        if self.is_full() {
            return self.resets.push_back(packet.ports);
        }
        let mut connection = Connection::new(None, Stage::Dialing, packet.ports);
        connection.note_credit(packet.credit);
        let number = self.add(connection);
        self.by_ports.insert(packet.ports, number);
        control.dial(Dial { number, port: packet.ports.host });
    }

    fn hang_up(&mut self, number: u64, control: &VsockControl) {
        control.hang_up(number);
        self.close(number);
    }

    /// Ends a connection, and tells the guest if it has heard of it: programs that come and go must not fill its queue, or ours.
    pub(super) fn refuse(&mut self, number: u64) {
        if let Some(connection) = self.connections.get(&number)
            && connection.is_known()
        {
            self.resets.push_back(connection.ports);
        }
        self.close(number);
    }

    /// Whether a connection waits for somebody who may never answer.
    pub(super) fn has_half(&self) -> bool {
        self.connections.values().any(Connection::is_half)
    }

    /// Ends connections that have waited for too long.
    pub(super) fn expire(&mut self, now: Instant, control: &VsockControl) {
        let late = self
            .connections
            .iter_mut()
            .filter_map(|(number, connection)| connection.is_late(now).then_some(*number));
        for number in late.collect::<Vec<u64>>() {
            control.hang_up(number);
            self.refuse(number);
        }
    }

    /// Ends a connection of which the guest knows nothing, or no more.
    pub(super) fn close(&mut self, number: u64) {
        // Closing the socket ends the wait for it.
        if let Some(connection) = self.connections.remove(&number)
            && self.by_ports.get(&connection.ports) == Some(&number)
        {
            self.by_ports.remove(&connection.ports);
        }
    }

    /// The next reset for the guest; taken by [`reset_sent`](Self::reset_sent).
    pub(super) fn next_reset(&self) -> Option<Ports> {
        self.resets.front().copied()
    }

    pub(super) fn reset_sent(&mut self) {
        self.resets.pop_front();
    }

    /// The next connection that has something for the guest, in turn.
    pub(super) fn next(&mut self) -> Option<u64> {
        let ready = |(number, connection): (&u64, &Connection)| {
            let has = connection.has_news() || connection.readable && connection.can_read();
            has.then_some(*number)
        };
        let after = self.connections.range(self.last + 1..).find_map(ready);
        let next = after.or_else(|| self.connections.range(..=self.last).find_map(ready))?;
        self.last = next;
        Some(next)
    }
}
