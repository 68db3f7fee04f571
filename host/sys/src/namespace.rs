//! Network namespaces, for tests and tools that want the kernel's networking to themselves.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::link::{Change, KernelLinks, LinkName, Links};

/// A network namespace; it ends with its last descriptor, process and link's other end.
#[derive(Debug)]
pub struct NetworkNamespace {
    fd: OwnedFd,
}

/// A namespace could not be had.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// A step failed.
    #[error("a network namespace can't be {step}")]
    Step {
        /// What was to be done.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl NetworkNamespace {
    /// A new one with nothing but loopback, which is up.
    pub fn new() -> Result<Self, NamespaceError> {
        on_a_thread(|| {
            // SAFETY: the thread is new and shares no descriptors' table or memory less than before; only its network changes.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.map_err(step("made"))?;
            let lo = LinkName::new("lo").map_err(|error| step("given loopback")(io::Error::other(error)))?;
            KernelLinks
                .change(&lo, &Change::Up)
                .map_err(|error| step("given loopback")(io::Error::other(error)))?;
            Self::current()
        })
    }

    /// That of the calling thread.
    pub fn current() -> Result<Self, NamespaceError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let fd =
            rustix::fs::open("/proc/thread-self/ns/net", flags, Mode::empty()).map_err(step("opened"))?;
        Ok(Self { fd })
    }

    /// What [`Links::move_to`] wants.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Does something on a new thread in this namespace, where /sys shows it too. Programs started there are in it as well.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        on_a_thread(|| {
            self.enter()?;
            Ok(work())
        })
    }

    fn enter(&self) -> Result<(), NamespaceError> {
        rustix::thread::move_into_link_name_space(self.fd(), Some(LinkNameSpaceType::Network))
            .map_err(step("entered"))?;
        // SAFETY: the thread is new; it leaves the mounts and the working directory it shared with others, no descriptors.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.map_err(step("given mounts"))?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).map_err(step("given mounts"))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount("sysfs", "/sys", "sysfs", flags, None).map_err(step("given /sys"))
    }
}

/// Threads keep their namespace, so one of these is never used for anything else afterwards.
fn on_a_thread<T: Send>(
    work: impl FnOnce() -> Result<T, NamespaceError> + Send,
) -> Result<T, NamespaceError> {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

fn step<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> NamespaceError {
    move |error| NamespaceError::Step { step, source: error.into() }
}
