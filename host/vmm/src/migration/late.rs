//! Memory of a guest that runs here before all of it has come: a userfaultfd makes who touches a missing page wait, a vCPU in the
//! kernel as well as a thread of a device, and a thread of its own hears of it.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reeve_migrate::{GuestError, Missing, PAGE};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vm_memory::{Address, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

use super::guests::map;
use crate::memory::{self, Memory};
use crate::sandbox::{self, ThreadRole};

/// Version of the interface.
const API: u64 = 0xaa;
const NEW: libc::c_ulong = 0xaa00;
const API_HANDSHAKE: libc::c_ulong = 0xc018_aa3f;
const REGISTER: libc::c_ulong = 0xc020_aa00;
const UNREGISTER: libc::c_ulong = 0x8010_aa01;
const WAKE: libc::c_ulong = 0x8010_aa02;
const COPY: libc::c_ulong = 0xc028_aa03;
const ZERO: libc::c_ulong = 0xc020_aa04;
/// Pages that are not there.
const MODE_MISSING: u64 = 1;
const EVENT_FAULT: u8 = 0x12;
/// Bytes of what is read of a fault.
const MESSAGE: usize = 32;
/// How often the thread looks whether it is still needed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Numbers that ioctls take and give.
#[repr(C)]
struct Words<const N: usize>([u64; N]);

/// A userfaultfd of this process. It has to be made before the process is restricted in its system calls.
pub(crate) struct Faults(File);

impl Faults {
    /// Makes one that hears of faults in the kernel too, by the device that only root can open.
    pub fn new(device: &OwnedFd) -> io::Result<Self> {
        // SAFETY: the call takes flags and makes a descriptor; it touches no memory.
        let fd = unsafe { libc::ioctl(device.as_raw_fd(), NEW, libc::O_CLOEXEC | libc::O_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made it, and nobody else has it.
        let faults = Self(unsafe { OwnedFd::from_raw_fd(fd) }.into());
        faults.call(API_HANDSHAKE, &mut Words([API, 0, 0]))?;
        Ok(faults)
    }

    fn call<const N: usize>(&self, request: libc::c_ulong, words: &mut Words<N>) -> io::Result<()> {
        // SAFETY: each request takes a structure of as many 64-bit numbers as it is called with here. What the kernel changes besides is
        // guest memory, which is never seen as a Rust reference.
        match unsafe { libc::ioctl(self.0.as_raw_fd(), request, words.0.as_mut_ptr()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Does something with `length` bytes at `start` of which the kernel may do a part at a time. Pages that are there stay as they are.
    fn fill<const N: usize>(
        &self,
        start: u64,
        length: u64,
        mut part: impl FnMut(u64) -> (libc::c_ulong, Words<N>),
    ) -> io::Result<()> {
        let mut done = 0;
        while done < length {
            let (request, mut words) = part(done);
            let Err(error) = self.call(request, &mut words) else { return Ok(()) };
            let filled = u64::try_from(words.0[N - 1] as i64).unwrap_or(0);
            match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR) => done += filled,
                Some(libc::EEXIST) if filled > 0 => done += filled,
                Some(libc::EEXIST) => {
                    self.call(WAKE, &mut Words([start + done, PAGE]))?;
                    done += PAGE;
                }
                _ => return Err(error),
            }
        }
        Ok(())
    }

    fn copy(&self, start: u64, bytes: &[u8]) -> io::Result<()> {
        let (source, length) = (bytes.as_ptr() as u64, bytes.len() as u64);
        self.fill(start, length, |done| (COPY, Words([start + done, source + done, length - done, 0, 0])))
    }

    fn zero(&self, start: u64, length: u64) -> io::Result<()> {
        self.fill(start, length, |done| (ZERO, Words([start + done, length - done, 0, 0])))
    }
}

/// What waits for who fetches pages.
#[derive(Default)]
struct Inbox {
    touched: VecDeque<u64>,
    ended: Option<Result<(), GuestError>>,
    /// Pages that somebody waits for.
    waited_for: BTreeSet<u64>,
}

/// The memory of one guest, of which pages may be missing.
pub(crate) struct LatePages {
    faults: Faults,
    memory: Memory,
    missing: Missing,
    inbox: Mutex<Inbox>,
    changed: Condvar,
    /// Somebody may wait for a page.
    begun: AtomicBool,
    over: AtomicBool,
}

impl LatePages {
    /// Memory of which nothing is missing.
    pub fn new(faults: Faults, memory: Memory) -> Arc<Self> {
        let missing = Missing::new(map(&memory));
        let (inbox, changed) = (Mutex::default(), Condvar::new());
        let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { faults, memory, missing, inbox, changed, begun, over })
    }

    /// Whether pages of it were ever missing.
    pub fn is_late(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    pub fn missing(&self) -> &Missing {
        &self.missing
    }

    /// These pages are missing from now on. Nobody uses them meanwhile.
    pub fn miss(self: &Arc<Self>, run: &Range<u64>) -> io::Result<()> {
        if !self.begun.swap(true, Ordering::SeqCst) {
            // First, so that the kernel puts nothing of its own where a page was taken away.
            for region in self.memory.iter() {
                let range = [region.as_ptr() as u64, region.len()];
                self.faults.call(REGISTER, &mut Words([range[0], range[1], MODE_MISSING, 0]))?;
            }
            let pages = Arc::clone(self);
            sandbox::spawn("faults", ThreadRole::Migration, move || pages.hear())?;
        }
        memory::discard(&self.memory, run)?;
        self.missing.insert(run);
        Ok(())
    }

    pub fn place(&self, start: u64, pages: &[u8]) -> io::Result<()> {
        self.faults.copy(self.host_address(start), pages)?;
        self.placed(&(start..start + pages.len() as u64));
        Ok(())
    }

    pub fn place_zeros(&self, run: &Range<u64>) -> io::Result<()> {
        // A long run of zeros may go over a gap in neither of both kinds of addresses: it is within one range.
        self.faults.zero(self.host_address(run.start), run.end - run.start)?;
        self.placed(run);
        Ok(())
    }

    fn placed(&self, run: &Range<u64>) {
        self.missing.remove(run);
        self.lock().waited_for.retain(|page| !run.contains(page));
    }

    /// Pages are missing no more, or it does not matter: nobody waits from now on.
    pub fn end(&self) {
        if self.is_late() && !self.over.swap(true, Ordering::SeqCst) {
            for region in self.memory.iter() {
                // It was registered and is there; who waited finds what is there, or zeros.
                let _ = self.faults.call(UNREGISTER, &mut Words([region.as_ptr() as u64, region.len()]));
            }
        }
    }

    /// Says how something ended that was begun.
    pub fn tell(&self, outcome: Result<(), GuestError>) {
        self.lock().ended = Some(outcome);
        self.changed.notify_all();
    }

    /// The next page that was touched, or how what was begun ended; with `wait` it waits for one of both.
    pub fn next(&self, wait: bool) -> Option<Result<u64, Result<(), GuestError>>> {
        let mut inbox = self.lock();
        loop {
            if let Some(page) = inbox.touched.pop_front() {
                return Some(Ok(page));
            }
            if let Some(outcome) = inbox.ended.take() {
                return Some(Err(outcome));
            }
            if !wait {
                return None;
            }
            inbox = self.changed.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn waited_for(&self) -> Vec<u64> {
        self.lock().waited_for.iter().copied().collect()
    }

    /// The thread that hears of faults.
    fn hear(&self) {
        let again = Timespec { tv_sec: 0, tv_nsec: LOOK_AGAIN.as_nanos() as i64 };
        while !self.over.load(Ordering::SeqCst) {
            let mut fds = [PollFd::from_borrowed_fd(self.faults.0.as_fd(), PollFlags::IN)];
            // Whatever disturbs it, it looks and waits again.
            let _ = poll(&mut fds, Some(&again));
            let mut messages = [0; 16 * MESSAGE];
            let Ok(length) = (&self.faults.0).read(&mut messages) else { continue };
            for message in messages[..length].chunks_exact(MESSAGE) {
                let address = message[16..24].try_into().map(u64::from_ne_bytes);
                if let (EVENT_FAULT, Ok(address)) = (message[0], address) {
                    self.touched(address & !(PAGE - 1));
                }
            }
        }
    }

    fn touched(&self, host_address: u64) {
        let Some(page) = self.guest_address(host_address) else { return };
        if !self.missing.contains(page) {
            // It was never written, or has just been placed. What can't be had now is touched again.
            let _ = self.faults.zero(host_address, PAGE);
            return;
        }
        let mut inbox = self.lock();
        inbox.touched.push_back(page);
        inbox.waited_for.insert(page);
        drop(inbox);
        if !self.missing.contains(page) {
            self.lock().waited_for.remove(&page);
        }
        self.changed.notify_all();
    }

    fn host_address(&self, address: u64) -> u64 {
        let place = self.memory.get_host_address(GuestAddress(address));
        place.expect("pages that are placed were checked to be memory of the guest") as u64
    }

    fn guest_address(&self, host_address: u64) -> Option<u64> {
        self.memory.iter().find_map(|region| {
            let offset = host_address.checked_sub(region.as_ptr() as u64)?;
            (offset < region.len()).then(|| region.start_addr().raw_value() + offset)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
