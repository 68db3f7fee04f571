use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;

use cable::{ETHERTYPE, cable, frame, next_on_host};

use super::announce::TIMES;
use super::*;
use crate::config::Offloads;
use crate::pci::PciFunction;
use crate::virtio::OwnState;
use crate::virtio::testing::{Driver, EVENT_IDX, wait_until};

#[path = "../../../tests/worker/cable.rs"]
mod cable;

const SIZE: u16 = 16;
const HEADER: usize = 12;
const OPTIONS: NetOptions =
    NetOptions { mac: [0x52, 0x54, 0, 1, 2, 3], mtu: 1500, link_up: true, offloads: Offloads::ALL };

/// The next frame of ours that the guest gets; every buffer it takes is offered again.
fn next_in_guest(driver: &mut Driver, buffer: u64) -> Vec<u8> {
    loop {
        driver.submit(0, SIZE, &[(buffer, 1526, true)]);
        let (_, length) = driver.wait_used(0, SIZE);
        let bytes = driver.bytes(buffer, length as usize);
        assert_eq!(bytes[10..12], [1, 0], "one buffer a frame");
        if bytes[HEADER + 12..HEADER + 14] == ETHERTYPE {
            return bytes[HEADER..].to_vec();
        }
    }
}

#[test]
fn frames_travel_both_ways() {
    let Some((tap, mut host)) = cable("frames_travel_both_ways") else { return };
    let net = Net::new(Backend::tap(tap).unwrap(), OPTIONS).unwrap();
    let metrics = net.metrics();
    let mut driver = Driver::new(Box::new(net));
    driver.start(EVENT_IDX, SIZE);
    assert_eq!(driver.read(0x2000, 8), u64::from_le_bytes([0x52, 0x54, 0, 1, 2, 3, 1, 0]), "MAC and link");
    assert_eq!(driver.read(0x200a, 2), 1500, "MTU");
    let target = driver.buffer(&[0; 2048]);
    for round in 0..200u32 {
        let sent = frame(&round.to_le_bytes());
        let header = driver.buffer(&[0; HEADER]);
        let body = driver.buffer(&sent);
        driver.submit(1, SIZE, &[(header, HEADER as u32, false), (body, 64, false)]);
        driver.wait_used(1, SIZE);
        assert_eq!(next_on_host(&mut host), sent);
        host.write_all(&frame(&(round + 1000).to_le_bytes())).unwrap();
        assert_eq!(next_in_guest(&mut driver, target), frame(&(round + 1000).to_le_bytes()));
    }
    assert_eq!(metrics.tx_packets.load(Ordering::Relaxed), 200);
    assert_eq!(metrics.tx_bytes.load(Ordering::Relaxed), 200 * 64);
    assert!(metrics.rx_packets.load(Ordering::Relaxed) >= 200);
    assert!(driver.lines.raised(1) > 0, "the driver was interrupted for received frames");
}

#[test]
fn a_guest_that_comes_from_elsewhere_is_announced() {
    let Some((tap, mut host)) = cable("a_guest_that_comes_from_elsewhere_is_announced") else { return };
    let net = Net::new(Backend::tap(tap).unwrap(), OPTIONS).unwrap();
    let mut driver = Driver::new(Box::new(net));
    driver.start(EVENT_IDX, SIZE);
    driver.transport.pause();
    let state = driver.transport.state();
    driver.transport.reset();
    driver.transport.restore(&state).unwrap();
    driver.transport.resume();
    let mut bytes = [0; 2048];
    let mut announced = 0;
    while announced < TIMES {
        let length = host.read(&mut bytes).unwrap();
        // The kernel's own frames come in between.
        if bytes[12..14] == [0x80, 0x35] {
            announced += 1;
            assert_eq!((length, &bytes[..12]), (60, &[[0xff; 6], OPTIONS.mac].concat()[..]));
            assert_eq!(bytes[22..28], OPTIONS.mac);
        }
    }
    let sent = frame(b"next");
    let body = driver.buffer(&[vec![0; HEADER], sent.clone()].concat());
    driver.submit(1, SIZE, &[(body, 76, false)]);
    assert_eq!(next_on_host(&mut host), sent);
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let Some((tap, mut host)) = cable("what_does_not_fit_is_dropped_and_counted") else { return };
    let net = Net::new(Backend::tap(tap).unwrap(), OPTIONS).unwrap();
    let (metrics, control) = (net.metrics(), net.control());
    let mut driver = Driver::new(Box::new(net));
    driver.start(0, SIZE);
    let buffer = driver.buffer(&[0; 4096]);
    driver.submit(0, SIZE, &[(buffer, 20, true)]);
    host.write_all(&frame(b"too long")).unwrap();
    wait_until("a drop", || metrics.rx_dropped.load(Ordering::Relaxed) > 0);
    assert_eq!(driver.used(0), 0, "the buffer is kept for a frame that fits");
    for length in [1, HEADER as u32, 4 << 20] {
        let before = metrics.tx_errors.load(Ordering::Relaxed);
        driver.submit(1, SIZE, &[(0, length, false)]);
        driver.wait_used(1, SIZE);
        assert_eq!(metrics.tx_errors.load(Ordering::Relaxed), before + 1, "a frame of {length} bytes");
    }
    control.set_link(false);
    assert_eq!(driver.read(0x2006, 2), 0);
    assert_eq!(driver.lines.raised(0), 1, "the driver hears that the link went down");
    let sent = metrics.tx_packets.load(Ordering::Relaxed);
    let body = driver.buffer(&[vec![0; HEADER], frame(b"into the void")].concat());
    driver.submit(1, SIZE, &[(body, 76, false)]);
    driver.wait_used(1, SIZE);
    assert_eq!(metrics.tx_packets.load(Ordering::Relaxed), sent);
    assert!(metrics.tx_dropped.load(Ordering::Relaxed) > 0);
}

#[test]
fn frames_that_came_while_the_link_was_down_never_arrive() {
    let Some((tap, mut host)) = cable("frames_that_came_while_the_link_was_down_never_arrive") else {
        return;
    };
    let net = Net::new(Backend::tap(tap).unwrap(), NetOptions { link_up: false, ..OPTIONS }).unwrap();
    let (metrics, control) = (net.metrics(), net.control());
    let mut driver = Driver::new(Box::new(net));
    driver.start(EVENT_IDX, SIZE);
    assert_eq!(driver.read(0x2006, 2), 0, "it starts without a carrier");
    let dropped = || metrics.rx_dropped.load(Ordering::Relaxed);
    let target = driver.buffer(&[0; 2048]);
    for round in 0..20u8 {
        // Whether the guest has room or not.
        if round == 10 {
            driver.submit(0, SIZE, &[(target, 1526, true)]);
        }
        let before = dropped();
        host.write_all(&frame(&[b'd', round])).unwrap();
        wait_until("a drop", || dropped() > before);
    }
    assert_eq!(driver.used(0), 0);
    control.set_link(true);
    host.write_all(&frame(b"up")).unwrap();
    loop {
        let (_, length) = driver.wait_used(0, SIZE);
        let bytes = driver.bytes(target, length as usize);
        if bytes[HEADER + 12..HEADER + 14] == ETHERTYPE {
            assert_eq!(bytes[HEADER..], frame(b"up"));
            break;
        }
        driver.submit(0, SIZE, &[(target, 1526, true)]);
    }
}

#[test]
fn only_a_tap_with_headers_is_taken() {
    assert!(matches!(Tap::new(File::open("/dev/null").unwrap()), Err(TapError::NotTap(_))));
}

/// Opens every queue of a tap of several in a network namespace of its own, once more each time.
fn queues(name: &str, count: usize) -> Vec<Backend> {
    let open = || {
        let tap = File::options().read(true).write(true).open("/dev/net/tun").unwrap();
        // SAFETY: an all-zero ifreq is valid plain data.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (target, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *target = byte as libc::c_char;
        }
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_MULTI_QUEUE;
        request.ifr_ifru.ifru_flags = flags as i16;
        // SAFETY: TUNSETIFF takes a struct ifreq.
        let made = unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNSETIFF, &request) };
        assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
        Backend::tap(tap).unwrap()
    };
    (0..count).map(|_| open()).collect()
}

#[test]
fn pairs_in_use_survive_a_move() {
    const CONTROL: u64 = 1 << 17;
    const MULTI_QUEUE: u64 = 1 << 22;
    let name = "rvpairs";
    let made = std::thread::spawn(move || {
        // SAFETY: only this thread, which ends with the queues, changes its network namespace.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET)? };
        Ok::<_, rustix::io::Errno>([queues(name, 3), queues(name, 3), queues(name, 2)])
    });
    let Ok([here, there, fewer]) = made.join().unwrap() else {
        println!("SKIP C pairs_in_use_survive_a_move: a namespace of its own is not allowed");
        return;
    };
    let mut driver = Driver::new(Box::new(Net::with_queues(here, OPTIONS).unwrap()));
    assert_eq!(driver.read(0x12, 2), 7, "three pairs and the control queue");
    driver.start(CONTROL | MULTI_QUEUE, SIZE);
    assert_eq!(driver.read(0x2008, 2), 3, "pairs that there can be");
    let answer = driver.buffer(&[0xff]);
    for (command, expected) in [([4, 0, 2, 0], 0), ([4, 0, 4, 0], 1), ([4, 1, 1, 0], 1), ([0, 0, 1, 0], 1)] {
        let request = driver.buffer(&command);
        driver.submit(6, SIZE, &[(request, 4, false), (answer, 1, true)]);
        driver.wait_used(6, SIZE);
        assert_eq!(driver.bytes(answer, 1), [expected], "{command:?}");
    }
    driver.transport.pause();
    let state = driver.transport.state();
    assert_eq!(state.own, OwnState::Net { pairs: 2 });
    let mut moved =
        Driver::with_memory(Box::new(Net::with_queues(there, OPTIONS).unwrap()), driver.memory.clone());
    moved.transport.restore(&state).unwrap();
    moved.transport.resume();
    moved.transport.pause();
    assert_eq!(moved.transport.state().own, OwnState::Net { pairs: 2 });
    let mut broken = state.clone();
    broken.own = OwnState::Net { pairs: 4 };
    moved.transport.reset();
    assert!(moved.transport.restore(&broken).is_err(), "more than there are");
    let mut other = Driver::new(Box::new(Net::with_queues(fewer, OPTIONS).unwrap()));
    assert!(other.transport.restore(&state).is_err(), "another number of queues");
    // The control queue of a driver that knows of one pair only is behind that, and it can't ask for more.
    other.start(CONTROL, SIZE);
    let (request, answer) = (other.buffer(&[4, 0, 2, 0]), other.buffer(&[0xff]));
    other.submit(2, SIZE, &[(request, 4, false), (answer, 1, true)]);
    other.wait_used(2, SIZE);
    assert_eq!(other.bytes(answer, 1), [1]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "nothing may happen for a moment")]
fn a_frame_waits_for_buffers_that_are_still_to_come() {
    let Some((tap, mut host)) = cable("a_frame_waits_for_buffers_that_are_still_to_come") else { return };
    let mut driver = Driver::new(Box::new(Net::new(Backend::tap(tap).unwrap(), OPTIONS).unwrap()));
    driver.start(EVENT_IDX | 1 << 15, SIZE);
    let target = driver.buffer(&[0; 4096]);
    let sent = frame(b"long");
    // Twenty bytes, then forty, then the rest: the frame comes when all of it fits, and all buffers at once.
    driver.submit(0, SIZE, &[(target, 20, true)]);
    driver.submit(0, SIZE, &[(target + 20, 40, true)]);
    host.write_all(&sent).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(driver.used(0), 0, "it does not fit yet");
    driver.submit(0, SIZE, &[(target + 60, 2000, true)]);
    let lengths: Vec<u32> = (0..3).map(|_| driver.wait_used(0, SIZE).1).collect();
    let bytes = driver.bytes(target, 60 + lengths[2] as usize);
    // The kernel's own frames are as long as ours at least.
    assert_eq!((&lengths[..2], &bytes[10..12]), (&[20, 40][..], &[3, 0][..]));
    if bytes[HEADER + 12..HEADER + 14] == ETHERTYPE {
        assert_eq!(bytes[HEADER..], sent);
    }
}
