//! posix_spawn: it shares memory with the child until exec, so a daemon with gigabytes mapped starts programs as fast as a small one.

use std::ffi::c_char;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;

use super::Program;

/// First descriptor after standard error.
const FIRST: RawFd = 3;

/// Standard streams besides standard error; none is /dev/null.
#[derive(Default)]
pub(super) struct Streams<'a> {
    pub(super) stdin: Option<BorrowedFd<'a>>,
    pub(super) stdout: Option<BorrowedFd<'a>>,
}

pub(super) fn spawn(program: &Program<'_>, streams: &Streams<'_>) -> io::Result<Pid> {
    let strings = program.argv()?;
    let mut argv: Vec<*mut c_char> =
        strings.iter().map(|arg| arg.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect();
    let mut environment: [*mut c_char; 1] = [ptr::null_mut()];
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let after = FIRST + RawFd::try_from(program.fds.len()).map_err(|_| io::ErrorKind::InvalidInput)?;

    let mut actions = Actions::new()?;
    // Copies above every target, so that no dup2 overwrites a descriptor that is still to be passed.
    let mut copies = Vec::with_capacity(program.fds.len() + 4);
    let null = actions.copy_of(&mut copies, &null, after)?;
    for (target, stream) in [(0, streams.stdin), (1, streams.stdout), (2, program.stderr)] {
        let source = match stream {
            Some(stream) => actions.copy_of(&mut copies, &stream, after)?,
            None => null,
        };
        actions.dup2(source, target)?;
    }
    for (target, fd) in (FIRST..).zip(&program.fds) {
        let source = actions.copy_of(&mut copies, fd, after)?;
        actions.dup2(source, target)?;
    }
    actions.close_from(after)?;
    let attributes = Attributes::new()?;

    let mut pid: libc::pid_t = 0;
    // SAFETY: argv and environment end with a null pointer, their strings live until after the call, and actions and attributes are
    // initialised.
    let error = unsafe {
        libc::posix_spawn(
            &mut pid,
            argv[0],
            &raw const actions.0,
            &raw const attributes.0,
            argv.as_mut_ptr(),
            environment.as_mut_ptr(),
        )
    };
    check(error)?;
    Pid::from_raw(pid).ok_or_else(|| io::Error::other("the kernel gave no pid"))
}

/// What the child does with its descriptors before exec.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the call initialises what the pointer points to, or fails.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: it was initialised just now.
        Ok(Self(unsafe { actions.assume_init() }))
    }

    /// A close-on-exec copy of `fd`, numbered `lowest` or above and kept in `copies`.
    fn copy_of(
        &self,
        copies: &mut Vec<OwnedFd>,
        fd: &impl std::os::fd::AsFd,
        lowest: RawFd,
    ) -> io::Result<RawFd> {
        let fd: BorrowedFd<'_> = fd.as_fd();
        let copy = rustix::io::fcntl_dupfd_cloexec(fd, lowest)?;
        let raw = copy.as_raw_fd();
        copies.push(copy);
        Ok(raw)
    }

    fn dup2(&mut self, source: RawFd, target: RawFd) -> io::Result<()> {
        // SAFETY: self was initialised.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, source, target) })
    }

    fn close_from(&mut self, first: RawFd) -> io::Result<()> {
        // SAFETY: self was initialised.
        check(unsafe { libc::posix_spawn_file_actions_addclosefrom_np(&mut self.0, first) })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: self was initialised and is not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

/// A new session, no signal blocked, no signal ignored.
struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the call initialises what the pointer points to, or fails.
        check(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: it was initialised just now.
        let mut attributes = Self(unsafe { attributes.assume_init() });
        let (mut none, mut all) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: both calls initialise what their pointer points to and can't fail.
        let (none, all) = unsafe {
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigfillset(all.as_mut_ptr());
            (none.assume_init(), all.assume_init())
        };
        let flags = libc::POSIX_SPAWN_SETSID
            | libc::POSIX_SPAWN_SETSIGMASK as libc::c_short
            | libc::POSIX_SPAWN_SETSIGDEF as libc::c_short;
        // SAFETY: attributes and both sets were initialised.
        unsafe {
            check(libc::posix_spawnattr_setflags(&mut attributes.0, flags))?;
            check(libc::posix_spawnattr_setsigmask(&mut attributes.0, &none))?;
            check(libc::posix_spawnattr_setsigdefault(&mut attributes.0, &all))?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: self was initialised and is not used again.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}

/// The posix_spawn family returns an errno instead of setting it.
fn check(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
