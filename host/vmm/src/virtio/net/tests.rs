use std::fs::File;
use std::io::{Read, Write};
use std::sync::atomic::Ordering;

use cable::{ETHERTYPE, cable, frame, next_on_host};

use super::announce::TIMES;
use super::*;
use crate::pci::PciFunction;
use crate::virtio::testing::{Driver, EVENT_IDX, wait_until};

#[path = "../../../tests/worker/cable.rs"]
mod cable;

const SIZE: u16 = 16;
const HEADER: usize = 12;
const OPTIONS: NetOptions = NetOptions { mac: [0x52, 0x54, 0, 1, 2, 3], mtu: 1500, link_up: true };

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
