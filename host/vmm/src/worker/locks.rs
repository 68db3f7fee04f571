//! The locks on disks that are written. They belong to the open files, which the daemon locked or left to this worker to lock; here
//! are copies of their descriptors, to let go of the locks and to take them without touching the devices.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, flock};

use crate::config::{DeviceConfig, DeviceKind};
use crate::machine::{FdError, FdTable};

/// Disks that are written, by alias.
#[derive(Default)]
pub(super) struct DiskLocks(BTreeMap<String, OwnedFd>);

impl DiskLocks {
    /// Takes note of the disks among `devices` that are written.
    pub fn note<'a>(
        &mut self,
        devices: impl IntoIterator<Item = &'a DeviceConfig>,
        fds: &FdTable,
    ) -> Result<(), FdError> {
        for device in devices {
            if let DeviceKind::Block(block) = &device.kind
                && !block.readonly
            {
                self.0.insert(device.alias.clone(), fds.get(block.fd)?);
            }
        }
        Ok(())
    }

    /// Forgets a disk that is gone; with its last descriptor goes its lock.
    pub fn forget(&mut self, alias: &str) {
        self.0.remove(alias);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Lets go of the locks: another may write these disks. Nothing here does any more.
    pub fn release(&self) {
        for fd in self.0.values() {
            // There is nothing that could fail about a lock that is held, and without one there is none to let go of.
            let _ = flock(fd, FlockOperation::Unlock);
        }
    }

    /// Locks all of them, or none and says which one somebody else has. `shared` ones may be written by others too.
    pub fn take(&self, shared: &[String]) -> Result<(), String> {
        for (alias, fd) in &self.0 {
            let operation = if shared.contains(alias) {
                FlockOperation::NonBlockingLockShared
            } else {
                FlockOperation::NonBlockingLockExclusive
            };
            if let Err(errno) = flock(fd, operation) {
                self.release();
                return Err(format!("disk '{alias}' can't be locked: {}", std::io::Error::from(errno)));
            }
        }
        Ok(())
    }
}
