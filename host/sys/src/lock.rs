//! One daemon per root directory.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, flock};

use crate::layout::Layout;

/// Held while the daemon lives; released by the kernel when it dies.
#[derive(Debug)]
pub struct RootLock {
    _file: OwnedFd,
}

/// The root directory could not be had for this daemon.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon has it.
    #[error("another daemon (pid {pid}) already serves '{root}'")]
    Taken {
        /// Its pid as it wrote it down.
        pid: String,
        /// The root directory.
        root: String,
    },
    /// The lock file can't be used.
    #[error("the lock file in '{root}' can't be used")]
    Io {
        /// The root directory.
        root: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl RootLock {
    /// Takes the root for this process.
    pub fn take(layout: &Layout) -> Result<Self, LockError> {
        let root = layout.root().display().to_string();
        let failed = |source| LockError::Io { root: root.clone(), source };
        let mut file: File = layout.lock_file().map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(failed)?;
                return Err(LockError::Taken { pid: pid.trim().to_owned(), root });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(failed)?;
        Ok(Self { _file: file.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_has_one_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(dir.path()).unwrap();
        let held = RootLock::take(&layout).unwrap();
        let refused = RootLock::take(&layout).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("another daemon (pid {})", std::process::id())), "{refused}");
        drop(held);
        RootLock::take(&layout).unwrap();
    }
}
