//! A real tap that reaches nobody.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;

use rustix::thread::UnshareFlags;

const TUNSETIFF: libc::c_ulong = 0x4004_54ca;

/// A tap that is up, in a network namespace that only it holds. Needs root.
pub fn tap() -> io::Result<File> {
    std::thread::spawn(make).join().expect("making a tap does not panic")
}

fn make() -> io::Result<File> {
    // SAFETY: only this thread, which ends with the tap, changes its network namespace.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
    let tap = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: an all-zero ifreq is valid plain data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (target, byte) in request.ifr_name.iter_mut().zip(b"tap0") {
        *target = *byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as i16;
    // SAFETY: TUNSETIFF takes a struct ifreq.
    check(unsafe { libc::ioctl(tap.as_raw_fd(), TUNSETIFF, &request) })?;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
    // SAFETY: SIOCSIFFLAGS takes a struct ifreq.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) })?;
    Ok(tap)
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
