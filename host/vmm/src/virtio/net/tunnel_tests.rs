use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::config::Offloads;
use crate::virtio::testing::{Driver, EVENT_IDX, wait_until};

const SIZE: u16 = 16;
const HEADER: usize = 12;
const OPTIONS: NetOptions =
    NetOptions { mac: [0x52, 0x54, 0, 1, 2, 3], mtu: 1500, link_up: true, offloads: Offloads::ALL };
const PATIENCE: Duration = Duration::from_secs(20);
const OFFLOADS: u64 = 1 | 1 << 11 | 1 << 12;

fn frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([0x52, 0x54, 0, 9, 9, 9, 0x88, 0xb5]);
    frame.extend(text);
    frame.resize(64, 0);
    frame
}

fn behind_length(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u32).to_be_bytes()[..], frame].concat()
}

/// A guest whose buffers are all offered.
struct Guest {
    driver: Driver,
    buffers: Vec<u64>,
    next: usize,
    metrics: std::sync::Arc<NetMetrics>,
}

impl Guest {
    fn new(backend: Backend) -> Self {
        Self::with(backend, 0)
    }

    fn with(backend: Backend, features: u64) -> Self {
        let net = Net::new(backend, OPTIONS).unwrap();
        let metrics = net.metrics();
        let mut driver = Driver::new(Box::new(net));
        assert_eq!(driver.features() & OFFLOADS, 0, "others at the far end could not know of offloads");
        driver.start(features, SIZE);
        let buffers: Vec<u64> = (0..SIZE).map(|_| driver.buffer(&[0; 2048])).collect();
        for buffer in &buffers {
            driver.submit(0, SIZE, &[(*buffer, 1526, true)]);
        }
        Self { driver, buffers, next: 0, metrics }
    }

    fn receive(&mut self) -> Vec<u8> {
        let (_, length) = self.driver.wait_used(0, SIZE);
        let buffer = self.buffers[self.next % self.buffers.len()];
        self.next += 1;
        let bytes = self.driver.bytes(buffer, length as usize);
        assert_eq!(bytes[..HEADER], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        self.driver.submit(0, SIZE, &[(buffer, 1526, true)]);
        bytes[HEADER..].to_vec()
    }

    fn send(&mut self, frame: &[u8]) {
        let body = self.driver.buffer(&[&[0; HEADER], frame].concat());
        self.driver.submit(1, SIZE, &[(body, (HEADER + frame.len()) as u32, false)]);
        self.driver.wait_used(1, SIZE);
    }
}

fn listener() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn connect(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).unwrap();
    frame
}

#[test]
fn a_client_exchanges_frames_behind_their_length() {
    let (listener, address) = listener();
    let mut guest = Guest::new(Backend::client(OwnedFd::from(connect(address))).unwrap());
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    for round in 0..100u8 {
        guest.send(&frame(&[b'a', round]));
        assert_eq!(read_frame(&mut server), frame(&[b'a', round]));
        // In pieces, and two at once.
        let bytes = [behind_length(&frame(&[b'b', round])), behind_length(&frame(&[b'c', round]))].concat();
        let (start, rest) = bytes.split_at(usize::from(round) % bytes.len());
        server.write_all(start).unwrap();
        server.write_all(rest).unwrap();
        assert_eq!(guest.receive(), frame(&[b'b', round]));
        assert_eq!(guest.receive(), frame(&[b'c', round]));
    }
    drop(server);
    let refused = || guest.metrics.tx_errors.load(Ordering::Relaxed);
    let before = refused();
    let body = guest.driver.buffer(&[vec![0; HEADER], frame(b"gone")].concat());
    // The end of the connection is noticed a moment after it.
    wait_until("a refused frame", || {
        guest.driver.submit(1, SIZE, &[(body, 76, false)]);
        guest.driver.wait_used(1, SIZE);
        refused() > before
    });
}

#[test]
fn frames_that_are_read_at_once_all_arrive() {
    let (listener, address) = listener();
    // A driver that notifies only of what the device waits for.
    let mut guest = Guest::with(Backend::client(OwnedFd::from(connect(address))).unwrap(), EVENT_IDX);
    let (mut server, _) = listener.accept().unwrap();
    let frames: Vec<Vec<u8>> = (0..200u8).map(|round| frame(&[b'm', round])).collect();
    let bytes: Vec<u8> = frames.iter().flat_map(|frame| behind_length(frame)).collect();
    for _ in 0..5 {
        server.write_all(&bytes).unwrap();
        for expected in &frames {
            assert_eq!(guest.receive(), *expected);
        }
    }
}

#[test]
fn however_many_frames_wait_none_of_before_the_link_was_out_arrives() {
    const MANY: usize = 600;
    let (old, new) = (behind_length(&frame(b"old")).repeat(MANY), behind_length(&frame(b"new")));
    for only_a_moment in [false, true] {
        let (listener, address) = listener();
        let socket = connect(address);
        let peeked = socket.try_clone().unwrap();
        let net = Net::new(Backend::client(OwnedFd::from(socket)).unwrap(), OPTIONS).unwrap();
        let (metrics, control) = (net.metrics(), net.control());
        let mut driver = Driver::new(Box::new(net));
        driver.start(0, SIZE);
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(&old).unwrap();
        // The guest has no room, so they stay in the socket.
        let mut bytes = vec![0; old.len() + 1];
        wait_until("all frames", || peeked.peek(&mut bytes).is_ok_and(|length| length == old.len()));
        control.set_link(false);
        if only_a_moment {
            control.set_link(true);
        }
        wait_until("all drops", || metrics.rx_dropped.load(Ordering::Relaxed) == MANY as u64);
        control.set_link(true);
        let target = driver.buffer(&[0; 2048]);
        driver.submit(0, SIZE, &[(target, 1526, true)]);
        // What comes before the device has seen that nothing is left may be dropped too.
        wait_until("a new frame", || {
            server.write_all(&new).unwrap();
            driver.used(0) > 0
        });
        let (_, length) = driver.wait_used(0, SIZE);
        assert_eq!(driver.bytes(target, length as usize)[HEADER..], frame(b"new"));
    }
}

#[test]
fn a_server_joins_its_guest_and_all_clients_to_one_network() {
    let (listener, address) = listener();
    let mut guest = Guest::new(Backend::server(OwnedFd::from(listener)).unwrap());
    guest.send(&frame(b"nobody hears"));
    let (mut first, mut second) = (connect(address), connect(address));
    first.write_all(&behind_length(&frame(b"one"))).unwrap();
    second.write_all(&behind_length(&frame(b"two"))).unwrap();
    let mut heard = [guest.receive(), guest.receive()];
    heard.sort();
    assert_eq!(heard, [frame(b"one"), frame(b"two")]);
    guest.send(&frame(b"from the server"));
    // The second may have joined after the first one's frame, but hears the server's; the first one hears no echo.
    let mut last = Vec::new();
    while last != frame(b"from the server") {
        last = read_frame(&mut second);
    }
    let mut last = Vec::new();
    while last != frame(b"from the server") {
        last = read_frame(&mut first);
        assert_ne!(last, frame(b"one"), "an echo");
    }
    first.write_all(&behind_length(&frame(b"to the second"))).unwrap();
    assert_eq!(
        (read_frame(&mut second), guest.receive()),
        (frame(b"to the second"), frame(b"to the second"))
    );
    drop(second);
    first.write_all(&behind_length(&frame(b"still there"))).unwrap();
    assert_eq!(guest.receive(), frame(b"still there"));
}

#[test]
fn a_guest_that_does_not_listen_does_not_stop_the_others() {
    let (listener, address) = listener();
    let net = Net::new(Backend::server(OwnedFd::from(listener)).unwrap(), OPTIONS).unwrap();
    let metrics = net.metrics();
    let mut driver = Driver::new(Box::new(net));
    driver.start(0, SIZE);
    let (mut first, mut second) = (connect(address), connect(address));
    second.write_all(&behind_length(&frame(b"I am here"))).unwrap();
    wait_until("the second one's frame", || metrics.rx_dropped.load(Ordering::Relaxed) == 1);
    for round in 0..200u8 {
        first.write_all(&behind_length(&frame(&[round]))).unwrap();
        assert_eq!(read_frame(&mut second), frame(&[round]));
    }
}

#[test]
fn who_does_not_keep_to_the_format_is_hung_up_on() {
    for length in [0u32, 13, 14 + 65536 + 1, u32::MAX] {
        let (listener, address) = listener();
        let mut guest = Guest::new(Backend::server(OwnedFd::from(listener)).unwrap());
        let (mut good, mut bad) = (connect(address), connect(address));
        bad.write_all(&behind_length(&frame(b"before"))).unwrap();
        bad.write_all(&[&length.to_be_bytes()[..], &[0; 8]].concat()).unwrap();
        assert_eq!(guest.receive(), frame(b"before"));
        let closed = bad.read(&mut [0; 1]);
        assert!(matches!(closed, Ok(0) | Err(_)), "a length of {length} is taken");
        wait_until("an error", || guest.metrics.rx_errors.load(Ordering::Relaxed) == 1);
        good.write_all(&behind_length(&frame(b"after"))).unwrap();
        assert_eq!(guest.receive(), frame(b"after"));
    }
}

#[test]
fn a_client_that_does_not_read_costs_bounded_memory_and_frames() {
    let (listener, address) = listener();
    let mut guest = Guest::new(Backend::server(OwnedFd::from(listener)).unwrap());
    let mut lazy = connect(address);
    lazy.write_all(&behind_length(&frame(b"here"))).unwrap();
    guest.receive();
    let large = vec![7; 1514];
    let body = guest.driver.buffer(&[&[0; HEADER], &large[..]].concat());
    let dropped = || guest.metrics.tx_dropped.load(Ordering::Relaxed);
    while dropped() == 0 {
        guest.driver.submit(1, SIZE, &[(body, (HEADER + large.len()) as u32, false)]);
        guest.driver.wait_used(1, SIZE);
    }
    // It gets what was kept for it, whole.
    let sent = guest.metrics.tx_packets.load(Ordering::Relaxed);
    for _ in 0..sent {
        assert_eq!(read_frame(&mut lazy), large);
    }
}

#[test]
fn more_clients_than_there_is_room_for_wait_their_turn() {
    let (listener, address) = listener();
    let mut guest = Guest::new(Backend::server(OwnedFd::from(listener)).unwrap());
    let mut clients: Vec<TcpStream> = (0..tunnel::MOST_PEERS + 1).map(|_| connect(address)).collect();
    for (index, client) in clients.iter_mut().enumerate().take(tunnel::MOST_PEERS) {
        client.write_all(&behind_length(&frame(&[index as u8]))).unwrap();
        assert_eq!(guest.receive(), frame(&[index as u8]));
    }
    let mut waits = clients.pop().unwrap();
    waits.write_all(&behind_length(&frame(b"waits"))).unwrap();
    clients[0].write_all(&behind_length(&frame(b"first"))).unwrap();
    assert_eq!(guest.receive(), frame(b"first"), "who waits is not heard");
    drop(clients.pop());
    assert_eq!(guest.receive(), frame(b"waits"));
}

#[test]
fn only_sockets_of_the_right_kind_are_taken() {
    let (listener, address) = listener();
    let udp = || OwnedFd::from(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    assert!(matches!(Backend::client(udp()), Err(BackendError::Kind("a connected TCP socket"))));
    assert!(matches!(Backend::client(file()), Err(BackendError::Kind(_))));
    assert!(matches!(Backend::client(listener.into()), Err(BackendError::Kind(_))), "it is not connected");
    let (_other, address_of_other) = self::listener();
    assert_ne!(address, address_of_other);
    let connected = OwnedFd::from(connect(address_of_other));
    assert!(matches!(Backend::server(connected), Err(BackendError::Kind("a listening TCP socket"))));
    assert!(matches!(Backend::multicast(file(), udp()), Err(BackendError::Kind("a UDP socket"))));
    assert!(matches!(Backend::multicast(udp(), udp()), Err(BackendError::SetUp(_))), "it has no group");
}
