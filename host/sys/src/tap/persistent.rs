//! Taps that outlive their descriptors.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use super::{check, request};
use crate::link::{KernelError, LinkError, LinkName, Mac, PersistentTap};
use crate::open;

/// Makes a tap that stays. `address` gives it its MAC address before it does, so that one that could not get it is gone with us.
pub(crate) fn create(
    name: &LinkName,
    new: &PersistentTap,
    address: impl FnOnce(Mac) -> Result<(), LinkError>,
) -> Result<(), LinkError> {
    let step = |step: &str| {
        let (name, step) = (name.clone(), step.to_owned());
        move |error: io::Error| LinkError::Refused { name, step, source: KernelError::from(error) }
    };
    let fd = open::character_device(Path::new("/dev/net/tun"), true).map_err(step("made"))?;
    let mut request = request(name.as_str()).map_err(|error| step("made")(io::Error::other(error)))?;
    let mut flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_TUN_EXCL;
    if new.multi_queue {
        flags |= libc::IFF_MULTI_QUEUE;
    }
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which `request` is.
    let made = check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF, &mut request) });
    made.map_err(|error| match error.raw_os_error() {
        Some(libc::EBUSY) => LinkError::Exists { name: name.clone() },
        _ => step("made")(error),
    })?;
    if let Some(owner) = new.owner {
        // SAFETY: TUNSETOWNER takes a user id by value.
        check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOWNER, libc::c_ulong::from(owner)) })
            .map_err(step("given its owner"))?;
    }
    new.mac.map_or(Ok(()), address)?;
    // SAFETY: TUNSETPERSIST takes a truth value by value.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETPERSIST, 1 as libc::c_ulong) })
        .map_err(step("made to stay"))
}
