//! Raw frames of a link.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::link::LinkName;

/// Largest frame that is read whole.
const LARGEST_FRAME: usize = 64 << 10;

/// Where the tag of a VLAN is put back: behind both addresses.
const TAG_AT: usize = 12;

/// One instruction of a classic BPF program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// How many instructions are skipped when it is true.
    pub jump_true: u8,
    /// How many when it is not.
    pub jump_false: u8,
    /// Its operand.
    pub k: u32,
}

/// A frame that passed a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The frame from its destination address on, with its VLAN tag.
    pub bytes: Vec<u8>,
    /// Whether it left the host by the link; else it came in.
    pub outgoing: bool,
}

/// Sends and receives whole frames by one link.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

/// Frames can't be had.
#[derive(Debug, thiserror::Error)]
#[error("frames of network interface '{link}' can't be {step}")]
pub struct PacketError {
    /// The link.
    pub link: LinkName,
    /// What was to be done.
    pub step: &'static str,
    /// What the kernel said.
    pub source: io::Error,
}

impl PacketSocket {
    /// Opens a link in the calling thread's namespace; with a filter nothing else is ever received. Needs CAP_NET_RAW here, but not for
    /// sending and receiving.
    pub fn open(link: &LinkName, filter: Option<&[Instruction]>) -> Result<Self, PacketError> {
        let failed = |step| move |source| PacketError { link: link.clone(), step, source };
        // Of no protocol at first: it receives nothing before it is bound to its link.
        // SAFETY: socket takes three numbers.
        let raw = unsafe {
            libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0)
        };
        check(raw).map_err(failed("opened"))?;
        // SAFETY: the descriptor was made just now and belongs to nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let index = rustix::net::netdevice::name_to_index(&fd, link.as_str())
            .map_err(|errno| failed("opened")(errno.into()))?;
        set(&fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, &1_i32).map_err(failed("opened"))?;
        if let Some(filter) = filter {
            attach(&fd, filter).map_err(failed("filtered"))?;
        }
        bind(&fd, index).map_err(failed("opened"))?;
        Ok(Self { fd })
    }

    /// One that another process opened with [`PacketSocket::open`] and handed over.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Becomes readable when there is a frame.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Sends a frame.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        rustix::net::send(&self.fd, frame, rustix::net::SendFlags::empty())?;
        Ok(())
    }

    /// The next frame; none when there was none for so long.
    pub fn receive(&self, timeout: Duration) -> io::Result<Option<Frame>> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(frame) = self.receive_now()? {
                return Ok(Some(frame));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn receive_now(&self) -> io::Result<Option<Frame>> {
        let mut bytes = vec![0; LARGEST_FRAME];
        // u64 for the alignment that control messages have.
        let mut control = [0_u64; 16];
        // SAFETY: both are plain data for which zeroes are valid.
        let (mut from, mut message): (libc::sockaddr_ll, libc::msghdr) = unsafe { mem::zeroed() };
        let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        message.msg_name = (&raw mut from).cast();
        message.msg_namelen = mem::size_of_val(&from) as libc::socklen_t;
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = mem::size_of_val(&control);
        // SAFETY: every pointer of the message is to a buffer of the length beside it that lives until after the call.
        let length = unsafe { libc::recvmsg(self.fd.as_raw_fd(), &mut message, 0) };
        if length < 0 {
            let error = io::Error::last_os_error();
            let none = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            return if none { Ok(None) } else { Err(error) };
        }
        bytes.truncate(length as usize);
        // SAFETY: recvmsg filled the message and its control buffer, which is alive.
        if let Some(tag) = unsafe { tag_of(&message) }
            && bytes.len() >= TAG_AT
        {
            bytes.splice(TAG_AT..TAG_AT, tag);
        }
        Ok(Some(Frame { bytes, outgoing: from.sll_pkttype == libc::PACKET_OUTGOING }))
    }
}

/// The VLAN tag that the kernel took from a frame.
///
/// # Safety
///
/// The message was filled by recvmsg, and its buffers are alive.
unsafe fn tag_of(message: &libc::msghdr) -> Option<[u8; 4]> {
    // SAFETY: as the caller promises.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: the macro gives null or a header inside of the buffer.
    while let Some(control) = unsafe { header.as_ref() } {
        if (control.cmsg_level, control.cmsg_type) == (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
            // SAFETY: the kernel puts this structure behind such a header; it may be unaligned.
            let data = unsafe { libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned() };
            if data.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
                return None;
            }
            let known = data.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
            let kind = if known { data.tp_vlan_tpid } else { libc::ETH_P_8021Q as u16 };
            let ([a, b], [c, d]) = (kind.to_be_bytes(), data.tp_vlan_tci.to_be_bytes());
            return Some([a, b, c, d]);
        }
        // SAFETY: as the caller promises, and header is one of this message.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

fn attach(fd: &OwnedFd, filter: &[Instruction]) -> io::Result<()> {
    let mut program: Vec<libc::sock_filter> = filter
        .iter()
        .map(|one| libc::sock_filter { code: one.code, jt: one.jump_true, jf: one.jump_false, k: one.k })
        .collect();
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &libc::sock_fprog { len, filter: program.as_mut_ptr() })
}

fn bind(fd: &OwnedFd, index: u32) -> io::Result<()> {
    // SAFETY: sockaddr_ll is plain data for which zeroes are valid.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = libc::c_int::try_from(index).map_err(io::Error::other)?;
    let length = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: the pointer is to a sockaddr_ll and the length is its own.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) })
}

fn set<T>(fd: &OwnedFd, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
    let length = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer is to a T and the length is its own; what a T points to lives as long as the borrow.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const *value).cast(), length) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
