//! Tap devices: the host's end of a guest's network interface.

use std::ffi::CStr;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::link::LinkName;
use crate::open;

mod macvtap;
pub(crate) mod persistent;

/// Size of virtio_net_hdr with num_buffers, as virtio 1.x has it.
const VNET_HEADER: libc::c_int = 12;

/// Says which interface a descriptor belongs to (linux/if_tun.h); libc does not name it.
const TUNGETIFF: libc::c_ulong = 0x8004_54d2;

/// Makes an interface a port of a bridge (linux/sockios.h); libc does not name it.
const SIOCBRADDIF: libc::c_ulong = 0x89a2;

/// A tap device that vanishes when its last descriptor is closed.
#[derive(Debug)]
pub struct Tap {
    /// Frames, each behind a virtio 1.x network header.
    pub fd: OwnedFd,
    /// Its name on the host.
    pub name: String,
}

/// A tap could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The name is empty where it must not be, or longer than 15 bytes.
    #[error("'{0}' can't be the name of a network interface")]
    Name(String),
    /// /dev/net/tun can't be opened.
    #[error("'/dev/net/tun' can't be opened")]
    Tun(#[source] io::Error),
    /// A step was refused.
    #[error("tap '{name}' can't be {step}")]
    Step {
        /// Its name.
        name: String,
        /// What was to be done.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no such tap.
    #[error("there is no tap '{0}'")]
    Missing(String),
    /// It was made for one queue.
    #[error("tap '{0}' has one queue: make it with multi_queue, or ask for no more queues than that")]
    SingleQueue(String),
    /// The bridge is not there.
    #[error("bridge '{bridge}' can't take tap '{name}'")]
    Bridge {
        /// The bridge.
        bridge: String,
        /// The tap.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Tap {
    /// Makes a tap and sets it up, or opens a persistent one of that name; one of several queues once a queue. `name` may end in `%d`
    /// for a number the kernel chooses. With a bridge it becomes a port of it.
    pub fn open(name: &str, bridge: Option<&str>) -> Result<Self, TapError> {
        Self::open_as(name, bridge, 0)
    }

    /// As [`open`](Self::open), made so that it can be opened again with [`open_queue`](Self::open_queue).
    pub fn open_multi_queue(name: &str, bridge: Option<&str>) -> Result<Self, TapError> {
        Self::open_as(name, bridge, libc::IFF_MULTI_QUEUE)
    }

    fn open_as(name: &str, bridge: Option<&str>, more: libc::c_int) -> Result<Self, TapError> {
        let fd = open::character_device(Path::new("/dev/net/tun"), true).map_err(TapError::Tun)?;
        let mut request = request(name)?;
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | more;
        let mut made = make(&fd, &mut request, flags);
        // How the kernel refuses to open a persistent tap of several queues as one of a single queue, and the other way round.
        if made.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL)) {
            if more != 0 && is_tap(name) {
                return Err(TapError::SingleQueue(name.to_owned()));
            }
            made = make(&fd, &mut request, flags | libc::IFF_MULTI_QUEUE);
        }
        made.map_err(|source| TapError::Step { name: name.to_owned(), step: "made", source })?;
        let name = name_of(&request);
        attach(&fd, &name)?;
        let step = |step: &'static str| {
            let name = name.clone();
            move |source| TapError::Step { name, step, source }
        };
        let control = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
            .map_err(|errno| step("set up")(errno.into()))?;
        if let Some(bridge) = bridge {
            enslave(&control, bridge, &name).map_err(|source| TapError::Bridge {
                bridge: bridge.to_owned(),
                name: name.clone(),
                source,
            })?;
        }
        bring_up(&control, &mut request).map_err(step("set up"))?;
        Ok(Self { fd, name })
    }
}

impl Tap {
    /// Opens a persistent tap or a macvtap that somebody made before, once a queue, and sets a tap up. /sys must be that of its network
    /// namespace.
    pub fn open_existing(name: &str) -> Result<Self, TapError> {
        request(name)?;
        if let Ok(link) = LinkName::new(name)
            && Self::is_macvtap(&link)
        {
            return Self::open_macvtap(&link);
        }
        // Opening one that is not there would make it, and leave the guest on no network at all.
        if !is_tap(name) {
            return Err(TapError::Missing(name.to_owned()));
        }
        Self::open(name, None)
    }

    /// Opens one more queue of a tap or macvtap that is open.
    pub fn open_queue(first: &OwnedFd) -> Result<OwnedFd, TapError> {
        // SAFETY: ifreq is plain data for which zeroes are valid.
        let mut found: libc::ifreq = unsafe { mem::zeroed() };
        // SAFETY: TUNGETIFF writes one ifreq, which `found` is.
        let asked = check(unsafe { libc::ioctl(first.as_raw_fd(), TUNGETIFF, &mut found) });
        asked.map_err(|source| TapError::Step { name: String::new(), step: "asked for its name", source })?;
        let name = name_of(&found);
        if let Ok(link) = LinkName::new(name.as_str())
            && Self::is_macvtap(&link)
        {
            return Ok(Self::open_macvtap(&link)?.fd);
        }
        let fd = open::character_device(Path::new("/dev/net/tun"), true).map_err(TapError::Tun)?;
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_MULTI_QUEUE;
        let made = make(&fd, &mut request(&name)?, flags);
        // How the kernel refuses a tap that was made for a single queue.
        if made.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL)) {
            return Err(TapError::SingleQueue(name));
        }
        made.map_err(|source| TapError::Step { name: name.clone(), step: "opened once more", source })?;
        attach(&fd, &name)?;
        Ok(fd)
    }
}

/// Whether there is a tap of this name.
fn is_tap(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).join("tun_flags").exists()
}

fn make(fd: &OwnedFd, request: &mut libc::ifreq, flags: libc::c_int) -> io::Result<()> {
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which `request` is.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF, &mut *request) })
}

/// How frames come and go: behind a header of virtio 1.x, nothing offloaded.
fn attach(fd: &OwnedFd, name: &str) -> Result<(), TapError> {
    let step = |step: &'static str| {
        let name = name.to_owned();
        move |source| TapError::Step { name, step, source }
    };
    // SAFETY: TUNSETVNETHDRSZ reads one int, which the constant's copy is.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETVNETHDRSZ, &VNET_HEADER) })
        .map_err(step("given its header size"))?;
    // SAFETY: TUNSETOFFLOAD takes an unsigned long by value.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD, 0 as libc::c_ulong) })
        .map_err(step("kept from offloading"))
}

fn bring_up(control: &OwnedFd, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: SIOCGIFFLAGS reads the name of one ifreq and writes its flags.
    check(unsafe { libc::ioctl(control.as_raw_fd(), libc::SIOCGIFFLAGS, &mut *request) })?;
    // SAFETY: the flags were written by the call above.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    // SAFETY: SIOCSIFFLAGS reads one ifreq.
    check(unsafe { libc::ioctl(control.as_raw_fd(), libc::SIOCSIFFLAGS, &*request) })
}

fn enslave(control: &OwnedFd, bridge: &str, tap: &str) -> io::Result<()> {
    let index = rustix::net::netdevice::name_to_index(control, tap)?;
    let mut request = request(bridge).map_err(io::Error::other)?;
    request.ifr_ifru.ifru_ifindex = libc::c_int::try_from(index).map_err(io::Error::other)?;
    // SAFETY: SIOCBRADDIF reads one ifreq.
    match check(unsafe { libc::ioctl(control.as_raw_fd(), SIOCBRADDIF, &request) }) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) && is_port(tap, bridge) => Ok(()),
        other => other,
    }
}

/// Whether a tap is a port of a bridge already: somebody prepared it.
fn is_port(tap: &str, bridge: &str) -> bool {
    let master = std::fs::read_link(Path::new("/sys/class/net").join(tap).join("master"));
    master.is_ok_and(|master| master.file_name().is_some_and(|name| name == bridge))
}

fn request(name: &str) -> Result<libc::ifreq, TapError> {
    // SAFETY: ifreq is plain data for which zeroes are valid.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() || name.contains(['/', '\0', ' ', ':']) {
        return Err(TapError::Name(name.to_owned()));
    }
    for (target, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *target = byte as libc::c_char;
    }
    Ok(request)
}

fn name_of(request: &libc::ifreq) -> String {
    // SAFETY: the kernel ends the name with a zero byte inside of the array.
    unsafe { CStr::from_ptr(request.ifr_name.as_ptr()) }.to_string_lossy().into_owned()
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tap_is_up_and_vanishes_with_its_descriptor() {
        let tap = Tap::open("rvtest%d", None).unwrap();
        let path = format!("/sys/class/net/{}", tap.name);
        let flags = std::fs::read_to_string(format!("{path}/flags")).unwrap();
        let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap();
        assert_eq!(flags & 1, 1, "not up: {flags:#x}");
        drop(tap);
        // A process that another test starts at this moment may hold a copy until its exec.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while Path::new(&path).exists() {
            assert!(std::time::Instant::now() < deadline, "'{path}' is still there");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_tap_that_was_made_for_one_queue_has_no_more() {
        let one = Tap::open("rvtest%d", None).unwrap();
        let refused = Tap::open_multi_queue(&one.name, None).unwrap_err();
        assert!(matches!(&refused, TapError::SingleQueue(name) if *name == one.name), "{refused}");
        assert!(matches!(Tap::open_queue(&one.fd), Err(TapError::SingleQueue(_))));
        let several = Tap::open_multi_queue("rvtest%d", None).unwrap();
        drop(Tap::open_queue(&several.fd).unwrap());
    }

    #[test]
    fn wrong_names_are_refused_and_a_missing_bridge_leaves_no_tap() {
        assert!(matches!(Tap::open("", None), Err(TapError::Name(_))));
        assert!(matches!(Tap::open("a-name-that-is-too-long", None), Err(TapError::Name(_))));
        let error = Tap::open("rvtestbr", Some("no-such-bridge")).unwrap_err();
        assert_eq!(error.to_string(), "bridge 'no-such-bridge' can't take tap 'rvtestbr'");
        assert!(!Path::new("/sys/class/net/rvtestbr").exists());
    }
}
