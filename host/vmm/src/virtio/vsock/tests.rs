use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::PATIENCE;
use super::packet::{BUFFER, Credit, HEADER, Incoming, Op, Ports, header};
use super::queue::is_starved;
use super::table::{MOST, MOST_RESETS, Table};
use super::*;
use crate::pci::PciFunction;
use crate::virtio::OwnState;
use crate::virtio::testing::{Driver, EVENT_IDX, wait_until};

const SIZE: u16 = 64;
const GUEST: u64 = 3;
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
const EVENTS: u16 = 2;
const PACKET: u32 = 8192;

/// A device with its driver's side, and the folder with its socket.
struct Rig {
    driver: Driver,
    control: Arc<VsockControl>,
    folder: tempfile::TempDir,
    target: u64,
    source: u64,
    taken: u16,
}

/// What came to the guest.
struct Packet {
    ports: Ports,
    op: u16,
    flags: u32,
    credit: Credit,
    payload: Vec<u8>,
}

fn device(folder: &tempfile::TempDir, name: &str) -> Vsock {
    let listener = UnixListener::bind(folder.path().join(name)).unwrap();
    Vsock::new(GUEST, OwnedFd::from(listener), Box::new(|| {})).unwrap()
}

fn rig() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let device = device(&folder, "vsock");
    let control = device.control();
    let mut driver = Driver::new(Box::new(device));
    driver.start(EVENT_IDX, SIZE);
    let target = driver.buffer(&vec![0; SIZE as usize * PACKET as usize]);
    let source = driver.buffer(&vec![0; 2 * PACKET as usize]);
    let mut rig = Rig { driver, control, folder, target, source, taken: 0 };
    (0..16).for_each(|slot| rig.offer(slot));
    rig
}

impl Rig {
    fn path(&self) -> PathBuf {
        self.folder.path().join("vsock")
    }

    fn offer(&mut self, slot: u64) {
        self.driver.submit(RECEIVE, SIZE, &[(self.target + slot * u64::from(PACKET), PACKET, true)]);
    }

    fn has_packet(&self) -> bool {
        self.driver.used(RECEIVE) != self.taken
    }

    /// The next packet for the guest.
    fn next(&mut self) -> Packet {
        self.taken = self.taken.wrapping_add(1);
        let (head, length) = self.driver.wait_used(RECEIVE, SIZE);
        let slot = u64::from(head) % 16;
        let bytes = self.driver.bytes(self.target + slot * u64::from(PACKET), length as usize);
        self.driver.submit(RECEIVE, SIZE, &[(self.target + slot * u64::from(PACKET), PACKET, true)]);
        let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((field(0), field(8), field(28) as u16), (2, GUEST as u32, 1), "from the host, a stream");
        let ports = Ports { host: field(16), guest: field(20) };
        let credit = Credit { size: field(36), taken: field(40) };
        let payload = bytes[HEADER..].to_vec();
        assert_eq!(field(24) as usize, payload.len());
        Packet { ports, op: (field(28) >> 16) as u16, flags: field(32), credit, payload }
    }

    fn expect(&mut self, op: u16, ports: Ports) -> Packet {
        let packet = self.next();
        assert_eq!((packet.op, packet.ports), (op, ports));
        packet
    }

    /// Says something as the guest does.
    fn say(&mut self, ports: Ports, op: Op, flags: u32, credit: Credit, payload: &[u8]) {
        let mut bytes = header(2, ports, op, payload.len() as u32, flags, credit);
        bytes[..8].copy_from_slice(&GUEST.to_le_bytes());
        bytes[8..16].copy_from_slice(&2u64.to_le_bytes());
        bytes[16..20].copy_from_slice(&ports.guest.to_le_bytes());
        bytes[20..24].copy_from_slice(&ports.host.to_le_bytes());
        self.raw(&[&bytes[..], payload].concat());
    }

    fn raw(&mut self, bytes: &[u8]) {
        use vm_memory::{Bytes, GuestAddress};
        self.driver.memory.write_slice(bytes, GuestAddress(self.source)).unwrap();
        self.driver.submit(TRANSMIT, SIZE, &[(self.source, bytes.len() as u32, false)]);
        self.driver.wait_used(TRANSMIT, SIZE);
    }

    /// A program of the host that talks to a port of the guest.
    fn connect(&mut self, port: u32, credit: Credit) -> (UnixStream, Ports) {
        let mut program = UnixStream::connect(self.path()).unwrap();
        program.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        program.write_all(format!("CONNECT {port}\n").as_bytes()).unwrap();
        let packet = self.next();
        assert_eq!((packet.op, packet.ports.guest), (1, port));
        self.say(packet.ports, Op::Response, 0, credit, &[]);
        assert_eq!(line(&mut program), format!("OK {}", packet.ports.host));
        (program, packet.ports)
    }
}

fn line(program: &mut UnixStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while program.read_exact(&mut byte).is_ok() && byte != *b"\n" {
        line.extend(byte);
    }
    String::from_utf8(line).unwrap()
}

const ROOM: Credit = Credit { size: 4096, taken: 0 };

#[test]
fn a_program_of_the_host_talks_to_one_of_the_guest() {
    let mut rig = rig();
    assert_eq!(rig.driver.read(0x2000, 8), GUEST);
    let (mut program, ports) = rig.connect(1234, ROOM);
    program.write_all(b"hello").unwrap();
    let packet = rig.expect(5, ports);
    assert_eq!((&packet.payload[..], packet.credit), (&b"hello"[..], Credit { size: BUFFER, taken: 0 }));
    rig.say(ports, Op::Data, 0, ROOM, b"good day\n");
    assert_eq!(line(&mut program), "good day");
    rig.say(ports, Op::AskCredit, 0, ROOM, &[]);
    assert_eq!(rig.expect(6, ports).credit.taken, 9);
    // It ends what it says, and still hears.
    program.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(rig.expect(4, ports).flags, 2);
    rig.say(ports, Op::Data, 0, ROOM, b"bye\n");
    assert_eq!(line(&mut program), "bye");
    rig.say(ports, Op::Shutdown, 3, ROOM, &[]);
    rig.expect(3, ports);
    assert_eq!(program.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_program_of_the_guest_talks_to_one_of_the_host() {
    let mut rig = rig();
    let ports = Ports { host: 80, guest: 5000 };
    rig.say(ports, Op::Request, 0, ROOM, &[]);
    let dials = rig.control.take_dials();
    assert_eq!((dials.len(), dials[0].port), (1, 80));
    let (ours, mut program) = UnixStream::pair().unwrap();
    rig.control.answer(dials[0].number, Some(ours.into()));
    rig.expect(2, ports);
    rig.say(ports, Op::Data, 0, ROOM, b"ask\n");
    assert_eq!(line(&mut program), "ask");
    drop(program);
    assert_eq!(rig.expect(4, ports).flags, 3);
    rig.say(ports, Op::Reset, 0, ROOM, &[]);
    // Nobody there; and one that the guest gives up before the answer comes.
    rig.say(ports, Op::Request, 0, ROOM, &[]);
    let dial = rig.control.take_dials()[0];
    rig.control.answer(dial.number, None);
    rig.expect(3, ports);
    rig.say(ports, Op::Request, 0, ROOM, &[]);
    rig.say(ports, Op::Reset, 0, ROOM, &[]);
    assert!(rig.control.take_dials().is_empty());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "nothing may happen for a moment")]
fn nobody_sends_more_than_there_is_room_for() {
    let mut rig = rig();
    let (mut program, ports) = rig.connect(7, Credit { size: 100, taken: 0 });
    program.write_all(&[1; 300]).unwrap();
    assert_eq!(rig.expect(5, ports).payload.len(), 100);
    std::thread::sleep(Duration::from_millis(50));
    rig.say(ports, Op::Credit, 0, Credit { size: 100, taken: 60 }, &[]);
    assert_eq!(rig.expect(5, ports).payload.len(), 60);
    rig.say(ports, Op::Credit, 0, Credit { size: 1000, taken: 160 }, &[]);
    assert_eq!(rig.expect(5, ports).payload.len(), 140);
    // The other way: what the program does not take waits, up to the credit that the guest has.
    let piece = [2; 4096];
    let (mut sent, mut taken) = (0u32, 0);
    program.set_nonblocking(true).unwrap();
    loop {
        while rig.has_packet() {
            taken = rig.expect(6, ports).credit.taken;
        }
        if sent - taken + 4096 <= BUFFER {
            rig.say(ports, Op::Data, 0, ROOM, &piece);
            sent += 4096;
            continue;
        }
        std::thread::sleep(Duration::from_millis(50));
        if !rig.has_packet() {
            break;
        }
    }
    assert!(sent > BUFFER, "the program's socket took some");
    let mut got = 0;
    let mut buffer = vec![0; 1 << 16];
    wait_until("all of it", || {
        match program.read(&mut buffer) {
            Ok(count) => got += count as u32,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        got == sent
    });
    assert!(rig.expect(6, ports).credit.taken > taken, "the guest hears of the new room");
    // A guest that does not mind its credit loses the connection.
    for _ in 0..150 {
        rig.say(ports, Op::Data, 0, ROOM, &piece);
    }
    wait_until("a reset", || rig.next().op == 3);
}

#[test]
fn a_guest_that_does_not_want_the_rest_hears_that_the_program_has_gone() {
    let mut rig = rig();
    let (mut program, ports) = rig.connect(7, Credit { size: 1, taken: 0 });
    program.write_all(b"more than that").unwrap();
    assert_eq!(rig.expect(5, ports).payload.len(), 1);
    drop(program);
    rig.say(ports, Op::Shutdown, 1, Credit { size: 1, taken: 0 }, &[]);
    assert_eq!(rig.expect(4, ports).flags, 3);
    rig.say(ports, Op::Reset, 0, ROOM, &[]);
}

#[test]
fn what_makes_no_sense_is_answered_with_a_reset_or_not_at_all() {
    let mut rig = rig();
    let ports = Ports { host: 1, guest: 2 };
    for op in [Op::Response, Op::Data, Op::Shutdown, Op::Credit, Op::AskCredit] {
        rig.say(ports, op, 0, ROOM, &[]);
        rig.expect(3, ports);
    }
    let mut wrong = header(2, ports, Op::Data, 0, 0, ROOM);
    rig.raw(&wrong);
    rig.raw(&wrong[..20]);
    wrong[..8].copy_from_slice(&GUEST.to_le_bytes());
    wrong[8..16].copy_from_slice(&9u64.to_le_bytes());
    rig.raw(&wrong);
    wrong[8..16].copy_from_slice(&2u64.to_le_bytes());
    // Longer than it is, of no known kind, and no stream.
    for (at, bytes) in [(24, [0xff; 2]), (30, [99, 0]), (28, [2, 0])] {
        let mut wrong = wrong;
        wrong[at..at + 2].copy_from_slice(&bytes);
        rig.raw(&wrong);
        assert_eq!(rig.next().op, 3, "byte {at}");
    }
    // The same connection twice ends it.
    let (mut program, ports) = rig.connect(9, ROOM);
    rig.say(ports, Op::Request, 0, ROOM, &[]);
    rig.expect(3, ports);
    assert_eq!(program.read(&mut [0]).unwrap(), 0);
    for words in ["GET / HTTP/1.1\n", "CONNECT 4294967296\n", "CONNECT\n", &"x".repeat(100)] {
        let mut program = UnixStream::connect(rig.path()).unwrap();
        // It may be closed while it is written.
        let _ = program.write_all(words.as_bytes());
        assert!(program.read(&mut [0]).is_ok_and(|count| count == 0) || words.len() == 100, "{words}");
    }
}

#[test]
fn connections_are_bounded_and_end_with_their_programs() {
    let mut rig = rig();
    for port in 0..MOST as u32 + 5 {
        rig.say(Ports { host: 1, guest: port }, Op::Request, 0, ROOM, &[]);
    }
    for port in 0..5 {
        rig.expect(3, Ports { host: 1, guest: MOST as u32 + port });
    }
    // The daemon gets no more of them than it may have in the works, and the next ones when it answers.
    let taken = rig.control.take_dials();
    assert_eq!((taken.len(), rig.control.take_dials().len()), (32, 0));
    rig.control.answer(taken[0].number, None);
    rig.expect(3, Ports { host: 1, guest: 0 });
    assert_eq!(rig.control.take_dials().len(), 1);
    rig.say(Ports { host: 1, guest: 0 }, Op::Request, 0, ROOM, &[]);
    // A program of the host is refused until there is room.
    let mut program = UnixStream::connect(rig.path()).unwrap();
    program.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may be gone before this is said.
    let _ = program.write_all(b"CONNECT 5\n");
    assert!(
        program
            .read(&mut [0])
            .map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |count| count == 0)
    );
    rig.say(Ports { host: 1, guest: 1 }, Op::Reset, 0, ROOM, &[]);
    let mut program = UnixStream::connect(rig.path()).unwrap();
    program.write_all(b"CONNECT 5\n").unwrap();
    let packet = rig.next();
    assert_eq!((packet.op, packet.ports.guest), (1, 5));
    drop(program);
    rig.expect(3, packet.ports);
}

#[test]
fn a_guest_hears_nothing_of_programs_that_went_before_it_heard_of_them() {
    let mut table = Table::new();
    let come = |table: &mut Table| {
        let (ours, mut program) = UnixStream::pair().unwrap();
        let number = table.come(ours);
        program.write_all(b"CONNECT 5\n").unwrap();
        table.greet(number);
        number
    };
    for _ in 0..2 * MOST_RESETS {
        let number = come(&mut table);
        table.refuse(number);
    }
    assert!(table.next_reset().is_none() && table.next().is_none());
    let number = come(&mut table);
    let connection = table.get_mut(number).unwrap();
    assert_eq!(connection.next_news(), Some((Op::Request, 0)));
    let ports = connection.ports;
    table.refuse(number);
    assert_eq!(table.next_reset(), Some(ports));
}

#[test]
fn what_a_program_said_before_the_guest_accepted_reaches_it() {
    let mut rig = rig();
    let mut program = UnixStream::connect(rig.path()).unwrap();
    program.write_all(b"CONNECT 5\nlast words").unwrap();
    drop(program);
    let packet = rig.next();
    assert_eq!((packet.op, packet.ports.guest), (1, 5));
    rig.say(packet.ports, Op::Response, 0, ROOM, &[]);
    assert_eq!(rig.expect(4, packet.ports).flags, 1, "it takes nothing");
    assert_eq!(rig.expect(5, packet.ports).payload, b"last words");
    assert_eq!(rig.expect(4, packet.ports).flags, 3);
}

#[test]
fn a_listener_rests_only_while_there_is_no_descriptor() {
    use rustix::io::Errno;
    assert!([Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS].into_iter().all(is_starved));
    assert!(![Errno::AGAIN, Errno::CONNABORTED, Errno::INTR].into_iter().any(is_starved));
}

#[test]
fn who_never_answers_keeps_no_connection() {
    let control = VsockControl::new(Box::new(|| {})).unwrap();
    let mut table = Table::new();
    let (ours, mut program) = UnixStream::pair().unwrap();
    let silent = table.come(ours);
    let (ours, mut asking) = UnixStream::pair().unwrap();
    let number = table.come(ours);
    asking.write_all(b"CONNECT 5\n").unwrap();
    table.greet(number);
    let connection = table.get_mut(number).unwrap();
    assert_eq!(connection.next_news(), Some((Op::Request, 0)));
    let ports = connection.ports;
    let now = Instant::now();
    table.expire(now, &control);
    table.expire(now + PATIENCE / 2, &control);
    assert!(table.has_half() && table.get_mut(silent).is_some() && table.next_reset().is_none());
    table.expire(now + PATIENCE, &control);
    assert!(!table.has_half() && table.get_mut(silent).is_none() && table.get_mut(number).is_none());
    assert_eq!(table.next_reset(), Some(ports), "the guest hears of the one that it knows");
    assert_eq!(program.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_move_ends_connections_and_the_guest_hears_of_it() {
    let mut rig = rig();
    let (mut program, _) = rig.connect(1, ROOM);
    let event = rig.driver.buffer(&[0xff; 4]);
    rig.driver.transport.pause();
    let state = rig.driver.transport.state();
    assert_eq!(state.own, OwnState::Vsock {});
    rig.driver.transport.resume();
    program.write_all(b"still here").unwrap();
    assert_eq!(rig.next().payload, b"still here", "a pause ends nothing");
    let moved = device(&rig.folder, "moved");
    rig.driver.submit(EVENTS, SIZE, &[(event, 4, true)]);
    rig.driver.transport.pause();
    let state = rig.driver.transport.state();
    let mut there = Driver::with_memory(Box::new(moved), rig.driver.memory.clone());
    there.transport.restore(&state).unwrap();
    there.transport.resume();
    wait_until("the event", || there.used(EVENTS) == 1);
    assert_eq!(there.bytes(event, 4), [0; 4]);
    there.transport.pause();
    let mut other = state.clone();
    other.own = OwnState::Nothing {};
    there.transport.reset();
    assert!(there.transport.restore(&other).is_err());
}

#[test]
fn a_header_reads_back() {
    let ports = Ports { host: 0x8000_0001, guest: u32::MAX };
    let credit = Credit { size: 3, taken: 4 };
    let mut bytes = header(77, ports, Op::Shutdown, 5, 3, credit);
    assert_eq!(Incoming::parse(&bytes, 77), None, "it is the host's");
    bytes[..8].copy_from_slice(&77u64.to_le_bytes());
    bytes[8..16].copy_from_slice(&2u64.to_le_bytes());
    let parsed = Incoming::parse(&bytes, 77).unwrap();
    assert_eq!((parsed.op, parsed.flags, parsed.length, parsed.credit), (Some(Op::Shutdown), 3, 5, credit));
    assert_eq!(parsed.ports, Ports { host: ports.guest, guest: ports.host });
}
