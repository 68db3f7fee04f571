//! How transfers reach the disk: io_uring, or one after the other where the kernel refuses it.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use io_uring::types::{Fd, FsyncFlags};
use io_uring::{IoUring, cqueue, opcode, squeue};

use super::disk::Disk;

/// What to do with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
    Flush,
}

/// Where a transfer goes: a file that stays open while there are transfers, and where in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub file: RawFd,
    pub offset: u64,
}

/// One transfer between disk and guest memory.
#[derive(Debug)]
pub(super) struct Transfer {
    pub direction: Direction,
    pub place: Place,
    /// Buffers that are left. They must stay where they are until the transfer is completed.
    pub buffers: Vec<libc::iovec>,
}

// SAFETY: the raw pointers are addresses of guest memory, which any thread may use as long as the Memory it came from
// is alive; the handler that holds transfers holds that Memory too.
unsafe impl Send for Transfer {}

impl Transfer {
    /// Takes `done` bytes off the front, after a short transfer.
    pub(super) fn advance(&mut self, mut done: usize) {
        self.place.offset += done as u64;
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

/// An io_uring, whose descriptor is readable while there are completions.
pub(super) struct Ring {
    ring: IoUring,
}

impl Engine {
    /// An engine for up to `depth` transfers at once.
    pub(super) fn new(depth: u16) -> Self {
        match Ring::new(depth) {
            Ok(ring) => Self::Ring(Box::new(ring)),
            Err(_) => Self::Blocking,
        }
    }

    /// Readable while there are completions; None where everything is completed at once.
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        match self {
            Self::Ring(ring) => Some(ring.ring.as_raw_fd()),
            Self::Blocking => None,
        }
    }

    /// Starts a transfer. Returns its result if it is completed already; otherwise it comes back from
    /// [`completion`](Self::completion) under its token.
    pub(super) fn start(
        &mut self,
        disk: &Arc<Disk>,
        token: u64,
        transfer: &Transfer,
    ) -> Option<io::Result<usize>> {
        match self {
            Self::Ring(ring) => ring.push(disk, token, transfer).err().map(Err),
            Self::Blocking => Some(match transfer.direction {
                Direction::Read => disk.read_vectored(&transfer.buffers, transfer.place),
                Direction::Write => disk.write_vectored(&transfer.buffers, transfer.place),
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

    /// Token and result of the next transfer that was completed.
    pub(super) fn completion(&mut self) -> Option<(u64, io::Result<usize>)> {
        let Self::Ring(ring) = self else { return None };
        let entry = ring.next()?;
        let result = usize::try_from(entry.result());
        Some((entry.user_data(), result.map_err(|_| io::Error::from_raw_os_error(-entry.result()))))
    }
}

impl Ring {
    fn new(depth: u16) -> io::Result<Self> {
        let depth = u32::from(depth);
        let courteous = IoUring::builder().setup_coop_taskrun().setup_taskrun_flag().build(depth);
        // Kernels before 5.19 only interrupt.
        let ring = courteous.or_else(|_| IoUring::new(depth))?;
        Ok(Self { ring })
    }

    /// The next completion. The kernel does not interrupt the thread to write it down, so where it says that there is something to write it
    /// gets the chance.
    fn next(&mut self) -> Option<cqueue::Entry> {
        let next = self.ring.completion().next();
        if next.is_none() && self.ring.submission().taskrun() {
            // An error is one that the next submission has as well.
            let _ = self.ring.submit();
            return self.ring.completion().next();
        }
        next
    }

    fn push(&mut self, disk: &Arc<Disk>, token: u64, transfer: &Transfer) -> io::Result<()> {
        let entry = entry(disk, transfer).user_data(token);
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

fn entry(disk: &Disk, transfer: &Transfer) -> squeue::Entry {
    let (buffers, count) = (transfer.buffers.as_ptr(), transfer.buffers.len() as u32);
    let Place { file, offset } = transfer.place;
    match transfer.direction {
        Direction::Read => opcode::Readv::new(Fd(file), buffers, count).offset(offset).build(),
        Direction::Write => {
            opcode::Writev::new(Fd(file), buffers, count).offset(offset).rw_flags(disk.write_flags()).build()
        }
        Direction::Flush => opcode::Fsync::new(Fd(file)).flags(FsyncFlags::DATASYNC).build(),
    }
}
