//! The locks on disks that are written. They belong to the open files, which the daemon locked or left to this worker to lock; here
//! are copies of their descriptors, to let go of the locks and to take them without touching the devices.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, flock};

use crate::config::{BackingConfig, DeviceConfig, DeviceKind, FdIndex};
use crate::machine::{FdError, FdTable};
use crate::protocol::DiskSwitch;

/// Disks that are written, by alias.
#[derive(Default)]
pub(super) struct DiskLocks(BTreeMap<String, Files>);

/// The files of one disk.
struct Files {
    image: OwnedFd,
    /// What is below it, which is only read.
    below: Vec<OwnedFd>,
}

impl Files {
    fn new(image: FdIndex, backing: &[BackingConfig], fds: &FdTable) -> Result<Self, FdError> {
        let below = backing.iter().map(|below| fds.get(below.fd)).collect::<Result<_, _>>()?;
        Ok(Self { image: fds.get(image)?, below })
    }

    fn lock(&self) -> rustix::io::Result<()> {
        flock(&self.image, FlockOperation::NonBlockingLockExclusive)?;
        self.below.iter().try_for_each(|fd| flock(fd, FlockOperation::NonBlockingLockShared))
    }

    fn unlock(&self) {
        for fd in self.below.iter().chain([&self.image]) {
            // There is nothing that could fail about a lock that is held, and without one there is none to let go of.
            let _ = flock(fd, FlockOperation::Unlock);
        }
    }
}

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
                self.0.insert(device.alias.clone(), Files::new(block.fd, &block.backing, fds)?);
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
        for Files { image, .. } in self.0.values() {
            // There is nothing that could fail about a lock that is held, and without one there is none to let go of.
            let _ = flock(image, FlockOperation::Unlock);
        }
    }

    /// Locks all of them, or none and says which one somebody else has. `shared` ones may be written by others too.
    pub fn take(&self, shared: &[String]) -> Result<(), String> {
        for (alias, Files { image, .. }) in &self.0 {
            let operation = if shared.contains(alias) {
                FlockOperation::NonBlockingLockShared
            } else {
                FlockOperation::NonBlockingLockExclusive
            };
            if let Err(errno) = flock(image, operation) {
                self.release();
                return Err(format!("disk '{alias}' can't be locked: {}", std::io::Error::from(errno)));
            }
        }
        Ok(())
    }

    /// Moves the locks of disks from the files they have to those that take their place. When one can't be had, those of before are held
    /// again. A file that is in both is free for a moment: nobody who may write it comes in between but by great chance, and is noticed.
    pub fn switch(&mut self, switches: &[DiskSwitch], fds: &FdTable) -> Result<(), String> {
        let new = |switch: &DiskSwitch| {
            let files = Files::new(switch.fd, &switch.backing, fds).map_err(|error| error.to_string())?;
            Ok((switch.alias.clone(), files))
        };
        let new = switches.iter().map(new).collect::<Result<BTreeMap<_, _>, String>>()?;
        let old = || new.keys().filter_map(|alias| self.0.get(alias));
        old().for_each(Files::unlock);
        for (alias, files) in &new {
            if let Err(errno) = files.lock() {
                new.values().for_each(Files::unlock);
                let again = old().try_for_each(Files::lock);
                let cause = std::io::Error::from(errno);
                return Err(match again {
                    Ok(()) => format!("the files of disk '{alias}' can't be locked: {cause}"),
                    Err(_) => {
                        format!("the files of disk '{alias}' can't be locked, and somebody has one: {cause}")
                    }
                });
            }
        }
        self.0.extend(new);
        Ok(())
    }
}
