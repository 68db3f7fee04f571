//! What guest and host leave to each other on a network interface, and interfaces with several pairs of queues.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use reeve_vmm::config::{DeviceKind, FdIndex, NetBackend, NetConfig, Offloads, Segmentation};
use rustix::thread::UnshareFlags;

use crate::harness::{PATIENCE, Terminal, Worker};
use crate::virtio::{boot, device, number};

const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETVNETHDRSZ: libc::c_ulong = 0x4004_54d8;
/// struct virtio_net_hdr_v1.
const HEADER: usize = 12;
/// Ethernet, IPv4 and TCP.
const HEADERS: usize = 54;

/// Features of a driver: checksums and TCP over IPv4 both ways, frames in several buffers, several pairs.
const CSUM: u64 = 1 << 0;
const GUEST_CSUM: u64 = 1 << 1;
const GUEST_TSO4: u64 = 1 << 7;
const HOST_TSO4: u64 = 1 << 11;
const MERGE: u64 = 1 << 15;
const CONTROL: u64 = 1 << 17;
const MULTI_QUEUE: u64 = 1 << 22;

/// The queues of one tap and another tap, on a bridge in a network namespace of their own.
struct Lab {
    guest: Vec<File>,
    peer: File,
}

fn lab(test: &str, queues: usize) -> Option<Lab> {
    let made = std::thread::spawn(move || lay(queues)).join().expect("laying cables does not panic");
    made.inspect_err(|error| {
        println!("SKIP C {test}: taps in a namespace of their own are not allowed: {error}")
    })
    .ok()
}

fn lay(queues: usize) -> io::Result<Lab> {
    // SAFETY: only this thread, which ends with the cables, changes its network namespace.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
    let more = if queues > 1 { libc::IFF_MULTI_QUEUE } else { 0 };
    let guest = (0..queues).map(|_| tap(b"guest", more)).collect::<io::Result<_>>()?;
    let peer = tap(b"peer", 0)?;
    rustix::io::ioctl_fionbio(&peer, true)?;
    let steps: [&[&str]; 4] = [
        &["link", "add", "name", "wire", "type", "bridge", "mcast_snooping", "0"],
        &["link", "set", "guest", "master", "wire", "up"],
        &["link", "set", "peer", "master", "wire", "up"],
        &["link", "set", "wire", "up"],
    ];
    for arguments in steps {
        ip(arguments)?;
    }
    // The kernel takes its time to notice a carrier, and a bridge forwards nothing before.
    let start = Instant::now();
    while ip(&["-d", "link", "show", "master", "wire"])?.matches("state forwarding").count() < 2 {
        assert!(start.elapsed() < PATIENCE, "the bridge does not forward");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(Lab { guest, peer })
}

fn ip(arguments: &[&str]) -> io::Result<String> {
    let output = std::process::Command::new("ip").args(arguments).output()?;
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn tap(name: &[u8], more: libc::c_int) -> io::Result<File> {
    let tap = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: an all-zero ifreq is valid plain data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (target, byte) in request.ifr_name.iter_mut().zip(name) {
        *target = *byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | more) as i16;
    // SAFETY: TUNSETIFF takes a struct ifreq.
    check(unsafe { libc::ioctl(tap.as_raw_fd(), TUNSETIFF, &request) })?;
    // SAFETY: TUNSETVNETHDRSZ reads an int.
    check(unsafe { libc::ioctl(tap.as_raw_fd(), TUNSETVNETHDRSZ, &(HEADER as libc::c_int)) })?;
    Ok(tap)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

impl Lab {
    fn boot(&self, offloads: Offloads) -> (Worker, Terminal) {
        let more = (1..self.guest.len() as u32).map(|number| FdIndex(2 + number)).collect();
        let backend = NetBackend::Tap { fd: FdIndex(2), more };
        let net = NetConfig { backend, mac: [0x52, 0x54, 0, 0, 0, 1], mtu: 1500, link_up: true, offloads };
        let fds: Vec<&File> = self.guest.iter().collect();
        boot(vec![device("net0", Some(3), DeviceKind::Net(net))], &fds, |_| {})
    }

    /// The next frame with its header that the peer gets of those that are wanted.
    fn next(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 17];
        let start = Instant::now();
        loop {
            match self.peer.read(&mut buffer) {
                Ok(length) if wanted(&buffer[HEADER..length]) => return buffer[..length].to_vec(),
                Ok(_) => {}
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
            assert!(start.elapsed() < PATIENCE, "the frame did not come");
        }
    }
}

fn is_tcp(frame: &[u8]) -> bool {
    frame.len() >= HEADERS && frame[12..14] == [8, 0] && frame[23] == 6
}

/// The internet checksum, not complemented; that of something with a right one is 0xffff.
fn sum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let words =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut total: u32 = words.sum();
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

fn pseudo(ip: &[u8], length: usize) -> Vec<u8> {
    [&ip[12..20], &[0, 6], &(length as u16).to_be_bytes()[..]].concat()
}

/// TCP of one flow, of which byte n of the payload is n, modulo 251; with a segment size its sum is left to the receiver.
fn tcp(port: u16, payload: usize, segment: Option<u16>) -> Vec<u8> {
    let mut frame = [&[0xff; 6][..], &[0x52, 0x54, 0, 9, 9, 9, 8, 0]].concat();
    let total = (40 + payload) as u16;
    let mut ip = [0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
    ip[2..4].copy_from_slice(&total.to_be_bytes());
    let own = !sum(&[&ip]);
    ip[10..12].copy_from_slice(&own.to_be_bytes());
    let mut tcp =
        [&port.to_be_bytes()[..], &[7, 0xd0, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]]
            .concat();
    tcp.extend((0..payload).map(|number| (number % 251) as u8));
    let pseudo = pseudo(&ip, tcp.len());
    let own = match segment {
        Some(_) => sum(&[&pseudo]),
        None => !sum(&[&pseudo, &tcp]),
    };
    tcp[16..18].copy_from_slice(&own.to_be_bytes());
    frame.extend(ip);
    frame.extend(tcp);
    let mut header = [0; HEADER];
    if let Some(segment) = segment {
        header[..2].copy_from_slice(&[1, 1]);
        header[2..4].copy_from_slice(&(HEADERS as u16).to_le_bytes());
        header[4..6].copy_from_slice(&segment.to_le_bytes());
        header[6..10].copy_from_slice(&[34, 0, 16, 0]);
    }
    [&header[..], &frame].concat()
}

/// A frame that `net recv 1` ends with: nothing that was sent before it is still to come.
fn last() -> Vec<u8> {
    let ethernet = [&[0xff; 6][..], &[0x52, 0x54, 0, 9, 9, 9, 0x88, 0xb5]].concat();
    [&[0; HEADER][..], &ethernet, &[0; 46]].concat()
}

fn field(line: &str, key: &str) -> String {
    let words = line.split_whitespace().find_map(|word| word.strip_prefix(&format!("{key}=")));
    words.unwrap_or_else(|| panic!("no {key} in '{line}'")).to_owned()
}

#[test]
fn tcp_is_cut_for_who_needs_it_and_comes_whole_to_who_does_not() {
    let Some(mut lab) = lab("tcp_is_cut_for_who_needs_it_and_comes_whole_to_who_does_not", 1) else { return };
    let (worker, mut terminal) = lab.boot(Offloads::ALL);
    let wanted = CSUM | GUEST_CSUM | GUEST_TSO4 | HOST_TSO4 | MERGE;
    let opened = terminal.run(&format!("wide open 3 {wanted}"));
    assert_eq!(field(&opened, "features"), format!("{:#x}", wanted | 1 << 32 | 1 << 5), "all were offered");
    // The guest leaves the cutting and the sums to the host; the peer, which takes neither, gets what a cable carries.
    terminal.run("wide tso 20000 1000");
    let mut payload = Vec::new();
    for _ in 0..20 {
        let bytes = lab.next(is_tcp);
        assert_eq!(bytes[..2], [0, 0], "nothing is left to do");
        let (ip, tcp) = bytes[HEADER + 14..].split_at(20);
        assert_eq!((tcp.len(), sum(&[ip]), sum(&[&pseudo(ip, tcp.len()), tcp])), (1020, 0xffff, 0xffff));
        let at = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]) as usize - 1;
        assert_eq!(at, payload.len(), "in order");
        payload.extend_from_slice(&tcp[20..]);
    }
    let expected: Vec<u8> = (0..20_000).map(|number| (number % 251) as u8).collect();
    assert_eq!(payload, expected);
    // The other way the guest gets a frame as long as that, in as many of its buffers as that takes.
    terminal.tell("wide recv 1 15000");
    lab.peer.write_all(&tcp(1, 20_000, Some(1000))).unwrap();
    let received = terminal.expect("ok");
    assert_eq!(received, "ok pairs=1 longest=20054 buffers=10 unsummed=1 segmented=1 wrong=0");
    // A driver that knows nothing of it gets what a cable carries, after the other one as before.
    terminal.run("wide close");
    terminal.tell("net recv 1 15000");
    lab.peer.write_all(&tcp(1, 20_000, Some(1000))).unwrap();
    lab.peer.write_all(&last()).unwrap();
    let received = terminal.expect("ok");
    assert!(number(&received, "others") >= 20, "{received}");
    worker.finish();
}

#[test]
fn what_is_switched_off_is_not_offered() {
    let Some(mut lab) = lab("what_is_switched_off_is_not_offered", 1) else { return };
    let host = Segmentation { tso4: false, ..Segmentation::ALL };
    let (worker, mut terminal) = lab.boot(Offloads { host, guest: Segmentation::NONE, merge: false });
    let wanted = CSUM | GUEST_CSUM | GUEST_TSO4 | HOST_TSO4 | MERGE;
    let opened = terminal.run(&format!("wide open 3 {wanted}"));
    assert_eq!(field(&opened, "features"), format!("{:#x}", CSUM | 1 << 32 | 1 << 5));
    terminal.tell("wide recv 20 15000");
    lab.peer.write_all(&tcp(1, 20_000, Some(1000))).unwrap();
    let received = terminal.expect("ok");
    assert_eq!(received, "ok pairs=20 longest=1054 buffers=1 unsummed=0 segmented=0 wrong=0");
    terminal.run("wide send 0 3 200");
    for _ in 0..3 {
        assert_eq!(lab.next(|frame| frame[12..14] == [0x88, 0xb5]).len(), HEADER + 200);
    }
    worker.finish();
}

#[test]
fn flows_are_spread_over_the_pairs_that_the_guest_uses() {
    let Some(mut lab) = lab("flows_are_spread_over_the_pairs_that_the_guest_uses", 4) else { return };
    let (mut worker, mut terminal) = lab.boot(Offloads::ALL);
    let opened = terminal.run(&format!("wide open 3 {}", MERGE | CONTROL | MULTI_QUEUE));
    assert_eq!(field(&opened, "pairs"), "4");
    for (count, answer) in [(4, "0"), (5, "1"), (0, "1")] {
        assert_eq!(field(&terminal.run(&format!("wide pairs {count}")), "answer"), answer, "{count} pairs");
    }
    let flows = |lab: &mut Lab, terminal: &mut Terminal| -> Vec<u64> {
        terminal.tell("wide recv 64 15000");
        (0..64).for_each(|port| lab.peer.write_all(&tcp(1000 + port, 100, None)).unwrap());
        let received = terminal.expect("ok");
        field(&received, "pairs").split(',').map(|count| count.parse().unwrap()).collect()
    };
    let spread = flows(&mut lab, &mut terminal);
    assert_eq!(spread.iter().sum::<u64>(), 64, "{spread:?}");
    assert!(spread.iter().filter(|count| **count > 0).count() > 1, "{spread:?}");
    // What the guest sends on any pair arrives.
    for pair in 0..4 {
        terminal.run(&format!("wide send {pair} 5 {}", 100 + pair));
        for _ in 0..5 {
            assert_eq!(lab.next(|frame| frame[12..14] == [0x88, 0xb5]).len(), HEADER + 100 + pair);
        }
    }
    // One that it does not use gets none, and one that it uses again gets some again.
    for count in [1, 3, 1, 2] {
        assert_eq!(field(&terminal.run(&format!("wide pairs {count}")), "answer"), "0");
        let spread = flows(&mut lab, &mut terminal);
        assert_eq!(spread[..count].iter().sum::<u64>(), 64, "{count} pairs: {spread:?}");
    }
    // The link is that of all pairs.
    worker.link.call(reeve_vmm::protocol::Call::SetLink { alias: "net0".to_owned(), up: false }).unwrap();
    (0..64).for_each(|port| lab.peer.write_all(&tcp(1000 + port, 100, None)).unwrap());
    assert_eq!(field(&terminal.run("wide recv 1 300"), "pairs"), "0,0,0,0");
    worker.link.call(reeve_vmm::protocol::Call::SetLink { alias: "net0".to_owned(), up: true }).unwrap();
    let spread = flows(&mut lab, &mut terminal);
    assert_eq!(spread[..2].iter().sum::<u64>(), 64, "{spread:?}");
    // A guest that starts anew begins with one pair.
    terminal.run("wide close");
    terminal.tell("net recv 1 15000");
    (0..64).for_each(|port| lab.peer.write_all(&tcp(1000 + port, 100, None)).unwrap());
    lab.peer.write_all(&last()).unwrap();
    let received = terminal.expect("ok");
    assert!(number(&received, "others") >= 64, "{received}");
    let interface = &worker.stats().interfaces[0];
    assert!(interface.tx_packets >= 20 && interface.rx_packets >= 6 * 64, "{interface:?}");
    worker.finish();
}
