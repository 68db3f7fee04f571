//! A tap in a network namespace of its own, and the host's side of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::Duration;

use rustix::net::sockopt::Timeout;
use rustix::thread::UnshareFlags;

/// How long a frame may take; a lost one must not hang the test. This file is also part of the net device's own tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Local experimental EtherType: told apart from what the host's own stack sends on the tap.
pub const ETHERTYPE: [u8; 2] = [0x88, 0xb5];

const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const ALL_PROTOCOLS: u16 = (libc::ETH_P_ALL as u16).to_be();

/// A tap that is up, and a packet socket on its interface. None, with a word on why, where this is not allowed.
pub fn cable(test: &str) -> Option<(File, File)> {
    let made = std::thread::spawn(lay).join().expect("laying a cable does not panic");
    made.inspect_err(|error| {
        println!("SKIP C {test}: a tap in a namespace of its own is not allowed: {error}")
    })
    .ok()
}

fn lay() -> io::Result<(File, File)> {
    // SAFETY: only this thread, which ends with the cable, changes its network namespace.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
    let tap = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: an all-zero ifreq is valid plain data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (target, byte) in request.ifr_name.iter_mut().zip(b"tap0") {
        *target = *byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as i16;
    // SAFETY: TUNSETIFF takes a struct ifreq.
    check(unsafe { libc::ioctl(tap.as_raw_fd(), TUNSETIFF, &request) })?;
    // SAFETY: no memory is passed.
    let socket = check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, i32::from(ALL_PROTOCOLS)) })?;
    // SAFETY: the descriptor was just made and nobody else has it.
    let socket = unsafe { File::from_raw_fd(socket) };
    request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
    // SAFETY: SIOCSIFFLAGS takes a struct ifreq.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) })?;
    // SAFETY: an all-zero sockaddr_ll is valid plain data.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ALL_PROTOCOLS;
    // SAFETY: the name is a C string.
    address.sll_ifindex = check(unsafe { libc::if_nametoindex(c"tap0".as_ptr()) } as i32)?;
    rustix::net::sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let size = size_of::<libc::sockaddr_ll>() as u32;
    // SAFETY: the address is a sockaddr_ll of that size.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) })?;
    Ok((tap, socket))
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A broadcast frame of our own kind.
pub fn frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([0x52, 0x54, 0, 9, 9, 9]);
    frame.extend(ETHERTYPE);
    frame.extend(text);
    frame.resize(64, 0);
    frame
}

/// The next frame of our own kind that the host sees.
pub fn next_on_host(socket: &mut File) -> Vec<u8> {
    let mut buffer = vec![0; 65536];
    loop {
        let length = socket.read(&mut buffer).expect("a frame comes in time");
        if buffer[12..14] == ETHERTYPE {
            return buffer[..length].to_vec();
        }
    }
}
