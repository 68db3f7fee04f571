use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::Ordering;

use rustix::thread::UnshareFlags;

use super::*;
use crate::virtio::testing::{Driver, EVENT_IDX, wait_until};

const SIZE: u16 = 16;
const HEADER: usize = 12;
/// Local experimental EtherType: told apart from what the host's own stack sends on the tap.
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];
const OPTIONS: NetOptions = NetOptions { mac: [0x52, 0x54, 0, 1, 2, 3], mtu: 1500, link_up: true };

/// A tap that is up in a network namespace of its own, and a packet socket on its interface: the host's side.
fn cable(name: &str) -> Option<(File, File)> {
    let made = std::thread::spawn(|| -> std::io::Result<(File, File)> {
        // SAFETY: only this thread, which ends at once, changes its network namespace.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
        let tap = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
        // SAFETY: plain system calls on structs that live across them.
        unsafe {
            let mut request: libc::ifreq = std::mem::zeroed();
            request.ifr_name[..4].copy_from_slice(&[b't' as i8, b'a' as i8, b'p' as i8, b'0' as i8]);
            request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as i16;
            check(libc::ioctl(tap.as_raw_fd(), 0x4004_54ca, &request))?;
            let socket = check(libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0x0300))?;
            let socket = File::from_raw_fd(socket);
            request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
            check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request))?;
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = 0x0300;
            address.sll_ifindex = check(libc::if_nametoindex(c"tap0".as_ptr()) as i32)?;
            let size = size_of::<libc::sockaddr_ll>() as u32;
            check(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size))?;
            Ok((tap, socket))
        }
    })
    .join()
    .unwrap();
    made.inspect_err(|error| {
        println!("SKIP C {name}: a tap in a namespace of its own is not allowed: {error}")
    })
    .ok()
}

fn check(result: i32) -> std::io::Result<i32> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}

fn frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([0x52, 0x54, 0, 9, 9, 9]);
    frame.extend(ETHERTYPE);
    frame.extend(text);
    frame.resize(64, 0);
    frame
}

/// The next frame of ours that the host sees.
fn next_on_host(socket: &mut File) -> Vec<u8> {
    let mut buffer = vec![0; 65536];
    loop {
        let length = socket.read(&mut buffer).unwrap();
        if buffer[12..14] == ETHERTYPE {
            return buffer[..length].to_vec();
        }
    }
}

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
    let net = Net::new(Tap::new(tap).unwrap(), OPTIONS);
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
fn what_does_not_fit_is_dropped_and_counted() {
    let Some((tap, mut host)) = cable("what_does_not_fit_is_dropped_and_counted") else { return };
    let net = Net::new(Tap::new(tap).unwrap(), OPTIONS);
    let (metrics, control) = (net.metrics(), net.control());
    let mut driver = Driver::new(Box::new(net));
    driver.start(0, SIZE);
    let buffer = driver.buffer(&[0; 4096]);
    driver.submit(0, SIZE, &[(buffer, 20, true)]);
    host.write_all(&frame(b"too long")).unwrap();
    wait_until("a drop", || metrics.rx_dropped.load(Ordering::Relaxed) > 0);
    assert_eq!(driver.used(0), 0, "the buffer is kept for a frame that fits");
    for length in [1, HEADER as u32, 4 << 20] {
        let before = metrics.tx_dropped.load(Ordering::Relaxed);
        driver.submit(1, SIZE, &[(0, length, false)]);
        driver.wait_used(1, SIZE);
        assert_eq!(metrics.tx_dropped.load(Ordering::Relaxed), before + 1, "a frame of {length} bytes");
    }
    control.set_link(false);
    assert_eq!(driver.read(0x2006, 2), 0);
    assert_eq!(driver.lines.raised(0), 1, "the driver hears that the link went down");
    let sent = metrics.tx_packets.load(Ordering::Relaxed);
    let body = driver.buffer(&[vec![0; HEADER], frame(b"into the void")].concat());
    driver.submit(1, SIZE, &[(body, 76, false)]);
    driver.wait_used(1, SIZE);
    assert_eq!(metrics.tx_packets.load(Ordering::Relaxed), sent);
}

#[test]
fn only_a_tap_with_headers_is_taken() {
    assert!(matches!(Tap::new(File::open("/dev/null").unwrap()), Err(TapError::NotTap(_))));
}
