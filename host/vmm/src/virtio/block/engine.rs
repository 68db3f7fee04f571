//! How transfers reach the disk: io_uring, or one after the other where the kernel refuses it.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use io_uring::types::{Fd, FsyncFlags};
use io_uring::{IoUring, opcode, squeue};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::disk::Disk;

/// What to do with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
    Flush,
}

/// One transfer between disk and guest memory.
#[derive(Debug)]
pub(super) struct Transfer {
    pub direction: Direction,
    pub offset: u64,
    /// Buffers that are left. They must stay where they are until the transfer is completed.
    pub buffers: Vec<libc::iovec>,
}

// SAFETY: the raw pointers are addresses of guest memory, which any thread may use as long as the Memory it came from
// is alive; the handler that holds transfers holds that Memory too.
unsafe impl Send for Transfer {}

impl Transfer {
    /// Takes `done` bytes off the front, after a short transfer.
    pub(super) fn advance(&mut self, mut done: usize) {
        self.offset += done as u64;
        let used = self.buffers.iter().take_while(|buffer| {
            let whole = buffer.iov_len <= done;
            done -= if whole { buffer.iov_len } else { 0 };
            whole
        });
        let used = used.count();
        self.buffers.drain(..used);
        if let Some(first) = self.buffers.first_mut() {
            first.iov_base = first.iov_base.cast::<u8>().wrapping_add(done).cast();
            first.iov_len -= done;
        }
    }
}

/// The two ways.
pub(super) enum Engine {
    Ring(Box<Ring>),
    Blocking,
}

/// An io_uring whose completions signal an eventfd.
pub(super) struct Ring {
    ring: IoUring,
    event: EventFd,
}

impl Engine {
    /// An engine for up to `depth` transfers at once.
    pub(super) fn new(depth: u16) -> Self {
        match Ring::new(depth) {
            Ok(ring) => Self::Ring(Box::new(ring)),
            Err(_) => Self::Blocking,
        }
    }

    /// Becomes readable when transfers are completed later.
    pub(super) fn event(&self) -> Option<&EventFd> {
        match self {
            Self::Ring(ring) => Some(&ring.event),
            Self::Blocking => None,
        }
    }

    /// Starts a transfer. Returns its result if it is completed already; otherwise it comes back from
    /// [`completions`](Self::completions) under its token.
    pub(super) fn start(
        &mut self,
        disk: &Arc<Disk>,
        token: u64,
        transfer: &Transfer,
    ) -> Option<io::Result<usize>> {
        match self {
            Self::Ring(ring) => ring.push(disk, token, transfer).err().map(Err),
            Self::Blocking => Some(match transfer.direction {
                Direction::Read => disk.read_vectored(&transfer.buffers, transfer.offset),
                Direction::Write => disk.write_vectored(&transfer.buffers, transfer.offset),
                Direction::Flush => disk.flush().map(|()| 0),
            }),
        }
    }

    /// Hands what was started to the kernel.
    pub(super) fn submit(&mut self) -> io::Result<()> {
        match self {
            Self::Ring(ring) => ring.ring.submit().map(drop),
            Self::Blocking => Ok(()),
        }
    }

    /// Waits until at least one transfer that was started is completed.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        match self {
            Self::Ring(ring) => ring.ring.submit_and_wait(1).map(drop),
            Self::Blocking => Ok(()),
        }
    }

    /// Token and result of every transfer completed since the last call.
    pub(super) fn completions(&mut self) -> Vec<(u64, io::Result<usize>)> {
        match self {
            Self::Ring(ring) => ring
                .ring
                .completion()
                .map(|entry| {
                    let result = usize::try_from(entry.result());
                    (entry.user_data(), result.map_err(|_| io::Error::from_raw_os_error(-entry.result())))
                })
                .collect(),
            Self::Blocking => Vec::new(),
        }
    }
}

impl Ring {
    fn new(depth: u16) -> io::Result<Self> {
        let ring = IoUring::new(u32::from(depth))?;
        let event = EventFd::new(EFD_NONBLOCK)?;
        ring.submitter().register_eventfd(event.as_raw_fd())?;
        Ok(Self { ring, event })
    }

    fn push(&mut self, disk: &Arc<Disk>, token: u64, transfer: &Transfer) -> io::Result<()> {
        let entry = entry(disk, disk.file().as_raw_fd(), transfer).user_data(token);
        // SAFETY: the entry's buffer list and buffers live until its completion: the handler keeps the transfer in
        // its table and a clone of the guest memory, and waits for all completions before it drops either.
        if unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.ring.submit()?;
            // SAFETY: as above.
            let pushed = unsafe { self.ring.submission().push(&entry) };
            return pushed.map_err(|_| io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }
}

fn entry(disk: &Disk, fd: RawFd, transfer: &Transfer) -> squeue::Entry {
    let (buffers, count) = (transfer.buffers.as_ptr(), transfer.buffers.len() as u32);
    match transfer.direction {
        Direction::Read => opcode::Readv::new(Fd(fd), buffers, count).offset(transfer.offset).build(),
        Direction::Write => opcode::Writev::new(Fd(fd), buffers, count)
            .offset(transfer.offset)
            .rw_flags(disk.write_flags())
            .build(),
        Direction::Flush => opcode::Fsync::new(Fd(fd)).flags(FsyncFlags::DATASYNC).build(),
    }
}
