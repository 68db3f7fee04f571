//! A tap or macvtap as the host's end of the cable.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

use vmm_sys_util::ioctl::{ioctl_with_mut_ref, ioctl_with_ref, ioctl_with_val};
use vmm_sys_util::{ioctl_ior_nr, ioctl_iow_nr};

use super::backend::Sent;

const TUN: u32 = 0x54;
ioctl_ior_nr!(TUNGETIFF, TUN, 210, libc::c_uint);
ioctl_iow_nr!(TUNSETOFFLOAD, TUN, 208, libc::c_uint);
ioctl_iow_nr!(TUNSETVNETHDRSZ, TUN, 216, libc::c_int);

/// Bytes of struct virtio_net_hdr_v1, in front of every frame on the queues and on the tap.
pub(super) const HEADER_SIZE: usize = 12;
/// Offset of its num_buffers field.
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

/// A tap with virtio headers, non-blocking.
#[derive(Debug)]
pub struct Tap(File);

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
        // SAFETY: TUNSETOFFLOAD takes its argument by value: no offloads towards the guest.
        if unsafe { ioctl_with_val(&file, TUNSETOFFLOAD(), 0) } < 0 {
            return Err(TapError::SetUp(io::Error::last_os_error()));
        }
        rustix::io::ioctl_fionbio(&file, true).map_err(|error| TapError::SetUp(error.into()))?;
        Ok(Self(file))
    }

    /// Reads a frame with its header. None when there is none now.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<usize> {
        (&self.0).read(buffer).ok().filter(|length| *length > HEADER_SIZE)
    }

    /// Sends a frame with its header.
    pub(super) fn write(&self, frame: &[u8]) -> Sent {
        Sent::from_result((&self.0).write(frame).map(drop))
    }

    /// Sends a frame with its header from guest memory.
    pub(super) fn send(&self, buffers: &[libc::iovec]) -> Sent {
        // SAFETY: the buffers are guest memory that is mapped as long as the caller holds its Memory; the kernel only
        // reads them.
        let sent = unsafe { libc::writev(self.0.as_raw_fd(), buffers.as_ptr(), buffers.len() as i32) };
        Sent::from_result(if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) })
    }
}

impl AsRawFd for Tap {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
