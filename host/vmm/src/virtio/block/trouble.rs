//! A disk that stands on an error: its requests are held until somebody lets the machine run.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use crate::config::{ErrorAction, ErrorPolicy};

type Told = Arc<dyn Fn() + Send + Sync>;

/// What the device's thread and the control plane know of the errors of a disk.
pub(super) struct Trouble {
    state: Mutex<State>,
    go_on: EventFd,
}

#[derive(Default)]
struct State {
    /// What the disk stands on.
    error: Option<String>,
    /// Called when it comes to stand.
    told: Option<Told>,
}

/// What becomes of a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Report,
    Ignore,
    Stop,
}

impl Verdict {
    /// What a policy says.
    pub fn new(policy: ErrorPolicy, is_read: bool, error: &io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let is_full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
        match if is_read { policy.read } else { policy.write } {
            ErrorAction::Ignore => Self::Ignore,
            ErrorAction::Stop => Self::Stop,
            ErrorAction::Enospace if is_full => Self::Stop,
            ErrorAction::Enospace | ErrorAction::Report => Self::Report,
        }
    }
}

impl Trouble {
    pub fn new() -> io::Result<Self> {
        Ok(Self { state: Mutex::default(), go_on: EventFd::new(EFD_NONBLOCK)? })
    }

    /// Who is told when the disk comes to stand.
    pub fn watch(&self, told: Told) {
        self.state().told = Some(told);
    }

    /// The disk stands on this error.
    pub fn stop(&self, error: &io::Error) {
        let mut state = self.state();
        let first = state.error.is_none();
        state.error.get_or_insert_with(|| error.to_string());
        let told = state.told.clone().filter(|_| first);
        drop(state);
        told.into_iter().for_each(|told| told());
    }

    /// What the disk stands on.
    pub fn error(&self) -> Option<String> {
        self.state().error.clone()
    }

    /// The requests that are held are made once more.
    pub fn go_on(&self) {
        if self.state().error.take().is_some() {
            // Refused only when its counter is full, and then it is readable anyway.
            let _ = self.go_on.write(1);
        }
    }

    /// Nothing is held any more.
    pub fn forget(&self) {
        self.state().error = None;
    }

    /// Readable when requests are to be made once more.
    pub fn event(&self) -> &EventFd {
        &self.go_on
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_not_a_broken_one() {
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let broken = io::Error::from_raw_os_error(libc::EIO);
        let verdict = |write, is_read, error: &io::Error| {
            Verdict::new(ErrorPolicy { write, read: ErrorAction::Report }, is_read, error)
        };
        assert_eq!(verdict(ErrorAction::Enospace, false, &full), Verdict::Stop);
        assert_eq!(verdict(ErrorAction::Enospace, false, &broken), Verdict::Report);
        assert_eq!(verdict(ErrorAction::Stop, false, &broken), Verdict::Stop);
        assert_eq!(verdict(ErrorAction::Ignore, false, &full), Verdict::Ignore);
        assert_eq!(verdict(ErrorAction::Stop, true, &full), Verdict::Report);
    }
}
