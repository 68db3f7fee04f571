//! A tap or macvtap as the host's end of the cable.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use vmm_sys_util::ioctl::{ioctl_with_mut_ref, ioctl_with_ref, ioctl_with_val};
use vmm_sys_util::{ioctl_ior_nr, ioctl_iow_nr};

use super::backend::Sent;

const TUN: u32 = 0x54;
ioctl_ior_nr!(TUNGETIFF, TUN, 210, libc::c_uint);
ioctl_iow_nr!(TUNSETOFFLOAD, TUN, 208, libc::c_uint);
ioctl_iow_nr!(TUNSETVNETHDRSZ, TUN, 216, libc::c_int);
ioctl_iow_nr!(TUNSETQUEUE, TUN, 217, libc::c_int);

/// What TUNSETOFFLOAD lets the tap give to its reader (linux/if_tun.h).
pub(super) mod offload {
    pub const CSUM: u32 = 0x01;
    pub const TSO4: u32 = 0x02;
    pub const TSO6: u32 = 0x04;
    pub const ECN: u32 = 0x08;
    pub const UFO: u32 = 0x10;
    /// UDP in datagrams of one size, over IPv4 and IPv6: both or none, since Linux 6.2.
    pub const USO: u32 = 0x60;
}

/// Bytes of struct virtio_net_hdr_v1, in front of every frame on the queues and on the tap.
pub(super) const HEADER_SIZE: usize = 12;
/// Offsets of its fields: what is left to do, how it is segmented, and how many buffers it came in.
pub(super) const FLAGS: usize = 0;
pub(super) const GSO_TYPE: usize = 1;
pub(super) const NUM_BUFFERS: usize = 10;
/// Longest frame with header that a tap gives or takes: 64 KiB of segmented TCP behind an Ethernet header.
pub(super) const MAX_FRAME: usize = HEADER_SIZE + 14 + 65536;

/// Why a descriptor cannot be a network interface.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// It is not a tap.
    #[error("the descriptor of a network interface is not a tap: {0}")]
    NotTap(#[source] io::Error),
    /// It was opened with other flags.
    #[error("a tap must be opened with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR")]
    Flags,
    /// It cannot be set up.
    #[error("cannot set up a tap: {0}")]
    SetUp(#[source] io::Error),
}

/// A tap with virtio headers, non-blocking. Copies are the same queue of it.
#[derive(Debug, Clone)]
pub struct Tap(Arc<File>);

impl Tap {
    /// Takes over a tap that somebody else attached to its interface with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR.
    pub fn new(file: File) -> Result<Self, TapError> {
        // SAFETY: an all-zero ifreq is valid plain data.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // SAFETY: TUNGETIFF fills a struct ifreq and `request` is one.
        if unsafe { ioctl_with_mut_ref(&file, TUNGETIFF(), &mut request) } < 0 {
            return Err(TapError::NotTap(io::Error::last_os_error()));
        }
        // SAFETY: TUNGETIFF set the flags member of the union.
        let flags = i32::from(unsafe { request.ifr_ifru.ifru_flags });
        let wanted = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
        if flags & wanted != wanted {
            return Err(TapError::Flags);
        }
        let header = HEADER_SIZE as libc::c_int;
        // SAFETY: TUNSETVNETHDRSZ reads an int.
        if unsafe { ioctl_with_ref(&file, TUNSETVNETHDRSZ(), &header) } < 0 {
            return Err(TapError::SetUp(io::Error::last_os_error()));
        }
        rustix::io::ioctl_fionbio(&file, true).map_err(|error| TapError::SetUp(error.into()))?;
        let tap = Self(Arc::new(file));
        tap.set_offloads(0).map_err(TapError::SetUp)?;
        Ok(tap)
    }

    /// What it gives to its reader from now on, of [`offload`]. It holds for all queues of the tap.
    pub(super) fn set_offloads(&self, flags: u32) -> io::Result<()> {
        // SAFETY: TUNSETOFFLOAD takes its argument by value.
        check(unsafe { ioctl_with_val(&*self.0, TUNSETOFFLOAD(), flags.into()) })
    }

    /// Whether it can give and take UDP in datagrams of one size. Leaves all offloads off.
    pub(super) fn segments_udp(&self) -> bool {
        let able = self.set_offloads(offload::CSUM | offload::USO).is_ok();
        self.set_offloads(0).is_ok() && able
    }

    /// Lets frames come to this queue of the tap, or not; it must change.
    pub(super) fn set_attached(&self, attached: bool) -> io::Result<()> {
        let flag = if attached { libc::IFF_ATTACH_QUEUE } else { libc::IFF_DETACH_QUEUE };
        // SAFETY: an all-zero ifreq is valid plain data.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_ifru.ifru_flags = flag as libc::c_short;
        // SAFETY: TUNSETQUEUE reads a struct ifreq and `request` is one.
        check(unsafe { ioctl_with_ref(&*self.0, TUNSETQUEUE(), &request) })
    }

    /// Reads a frame with its header. None when there is none now.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<usize> {
        (&*self.0).read(buffer).ok().filter(|length| *length > HEADER_SIZE)
    }

    /// Sends a frame with its header.
    pub(super) fn write(&self, frame: &[u8]) -> Sent {
        Sent::from_result((&*self.0).write(frame).map(drop))
    }

    /// Sends a frame with its header from guest memory.
    pub(super) fn send(&self, buffers: &[libc::iovec]) -> Sent {
        // SAFETY: the buffers are guest memory that is mapped as long as the caller holds its Memory; the kernel only
        // reads them.
        let sent = unsafe { libc::writev(self.0.as_raw_fd(), buffers.as_ptr(), buffers.len() as i32) };
        Sent::from_result(if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) })
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl AsRawFd for Tap {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
