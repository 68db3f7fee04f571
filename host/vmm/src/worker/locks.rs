//! The locks on disks that are written. They belong to the open files, which the daemon locked or left to this worker to lock; here
//! are copies of their descriptors, to let go of the locks and to take them without touching the devices.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use reeve_image::Format;
use rustix::fs::{FlockOperation, flock, fstat};

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
    /// Files below it that a job writes meanwhile, opened anew for that.
    borrowed: Vec<OwnedFd>,
}

impl Files {
    fn new(image: FdIndex, backing: &[BackingConfig], fds: &FdTable) -> Result<Self, FdError> {
        let below = backing.iter().map(|below| fds.get(below.fd)).collect::<Result<_, _>>()?;
        Ok(Self { image: fds.get(image)?, below, borrowed: Vec::new() })
    }

    fn lock(&self) -> rustix::io::Result<()> {
        flock(&self.image, FlockOperation::NonBlockingLockExclusive)?;
        self.below.iter().try_for_each(|fd| flock(fd, FlockOperation::NonBlockingLockShared))
    }

    fn give_back(&mut self) {
        for fd in self.borrowed.drain(..) {
            // As below; who else has the descriptor has no lock by it any more.
            let _ = flock(&fd, FlockOperation::Unlock);
        }
        for fd in &self.below {
            // Nobody came in between but by great chance; there is nothing left to do against it.
            let _ = flock(fd, FlockOperation::NonBlockingLockShared);
        }
    }

    /// Another may write it.
    fn let_go(&self) {
        // There is nothing that could fail about a lock that is held, and without one there is none to let go of.
        let _ = flock(&self.image, FlockOperation::Unlock);
    }

    fn unlock(&self) {
        for fd in self.below.iter().chain(&self.borrowed).chain([&self.image]) {
            // There is nothing that could fail about a lock that is held, and without one there is none to let go of.
            let _ = flock(fd, FlockOperation::Unlock);
        }
    }
}

fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let identity = |fd: &OwnedFd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino)).ok();
    identity(one).is_some() && identity(one) == identity(other)
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

    /// Takes over what was noted of disks that have come.
    pub fn add(&mut self, noted: Self) {
        self.0.extend(noted.0);
    }

    /// Locks files of the chain of a disk for writing, through descriptors that were opened for that: nobody else may have them. `files` are
    /// those of the disk as it has them. A file is free for a moment, as in [`switch`](Self::switch). After an error all is as before; until
    /// [`give_back`](Self::give_back) or [`replace`](Self::replace) otherwise.
    pub fn borrow(
        &mut self,
        alias: &str,
        files: &[(OwnedFd, Format)],
        borrowed: Vec<OwnedFd>,
    ) -> Result<(), String> {
        let place = self.0.get_mut(alias).ok_or_else(|| format!("disk '{alias}' is not written"))?;
        // All of them are found before the lock of one is touched.
        let find = |fd| {
            let here = files.iter().skip(1).map(|(fd, _)| fd).find(|here| is_same(here, fd));
            here.ok_or_else(|| format!("a file that came is not in the chain of disk '{alias}'"))
        };
        let here = borrowed.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        place.borrowed = borrowed;
        for (here, fd) in here.into_iter().zip(&place.borrowed) {
            // Nothing could fail about a lock that is held.
            let _ = flock(here, FlockOperation::Unlock);
            if let Err(errno) = flock(fd, FlockOperation::NonBlockingLockExclusive) {
                place.give_back();
                let cause = std::io::Error::from(errno);
                return Err(format!(
                    "a backing file of disk '{alias}' is in use by others, which would see it change: {cause}"
                ));
            }
        }
        Ok(())
    }

    /// What was borrowed of a disk is only read again, as before.
    pub fn give_back(&mut self, alias: &str) {
        self.0.get_mut(alias).into_iter().for_each(Files::give_back);
    }

    /// Takes the files that a disk has now, from the one that is written down, in the place of those it had, and locks them.
    pub fn replace(&mut self, alias: &str, files: Vec<OwnedFd>) {
        let mut files = files.into_iter();
        if let (Some(image), true) = (files.next(), self.0.contains_key(alias)) {
            // What was opened for writing is closed first.
            self.0.remove(alias);
            let files = Files { image, below: files.collect(), borrowed: Vec::new() };
            // Nobody came in between but by great chance; there is nothing left to do against it.
            let _ = files.lock();
            self.0.insert(alias.to_owned(), files);
        }
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
        self.0.values().for_each(Files::let_go);
    }

    /// Locks all of them but those that are `held` already, or none and says which one somebody else has. `shared` ones may be written by
    /// others too.
    pub fn take(&self, shared: &[String], held: &[String]) -> Result<(), String> {
        let wanted = || self.0.iter().filter(|(alias, _)| !held.contains(alias));
        for (alias, Files { image, .. }) in wanted() {
            let operation = if shared.contains(alias) {
                FlockOperation::NonBlockingLockShared
            } else {
                FlockOperation::NonBlockingLockExclusive
            };
            if let Err(errno) = flock(image, operation) {
                wanted().for_each(|(_, files)| files.let_go());
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::*;

    fn open(path: &Path) -> OwnedFd {
        File::options().read(true).write(true).open(path).unwrap().into()
    }

    fn is_shared(path: &Path) -> bool {
        let other = open(path);
        flock(&other, FlockOperation::NonBlockingLockShared).is_ok()
            && flock(&other, FlockOperation::NonBlockingLockExclusive).is_err()
    }

    #[test]
    fn what_is_borrowed_and_not_used_is_only_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let [image, below, base, stranger] = ["image", "below", "base", "stranger"].map(|name| {
            let path = dir.path().join(name);
            File::create(&path).unwrap();
            path
        });
        let chain = [&image, &below, &base].map(|path| open(path));
        let files = chain.each_ref().map(|fd| (fd.try_clone().unwrap(), Format::Raw));
        let mut locks = DiskLocks(BTreeMap::from([("vda".to_owned(), files_of(chain))]));
        locks.0["vda"].lock().unwrap();

        let refused = locks.borrow("vda", &files, vec![open(&base), open(&stranger)]).unwrap_err();
        assert!(refused.contains("not in the chain"), "{refused}");
        assert!(is_shared(&base) && is_shared(&below), "no lock was touched");

        let reader = open(&base);
        flock(&reader, FlockOperation::NonBlockingLockShared).unwrap();
        let refused = locks.borrow("vda", &files, vec![open(&below), open(&base)]).unwrap_err();
        assert!(refused.contains("in use by others"), "{refused}");
        assert!(is_shared(&base) && is_shared(&below), "the locks are held again");
        drop(reader);

        let written = open(&base);
        // The job that does not begin had it too.
        let kept = written.try_clone().unwrap();
        locks.borrow("vda", &files, vec![written]).unwrap();
        assert!(flock(open(&base), FlockOperation::NonBlockingLockShared).is_err());
        locks.give_back("vda");
        assert!(is_shared(&base) && is_shared(&below), "what was borrowed was given back");
        assert!(flock(open(&image), FlockOperation::NonBlockingLockShared).is_err());
        drop(kept);
        assert!(is_shared(&base));
    }

    #[test]
    fn what_is_held_already_is_not_let_go_when_another_disk_can_not_be_had() {
        let dir = tempfile::tempdir().unwrap();
        let [along, both] = ["along", "both"].map(|name| {
            let path = dir.path().join(name);
            File::create(&path).unwrap();
            path
        });
        let files = |path: &Path| Files { image: open(path), below: Vec::new(), borrowed: Vec::new() };
        let disks = [("vda".to_owned(), files(&along)), ("vdb".to_owned(), files(&both))];
        let locks = DiskLocks(BTreeMap::from(disks));
        locks.0["vda"].lock().unwrap();
        let source = open(&both);
        flock(&source, FlockOperation::NonBlockingLockExclusive).unwrap();

        let held = ["vda".to_owned()];
        let refused = locks.take(&[], &held).unwrap_err();
        assert!(refused.contains("disk 'vdb'"), "{refused}");
        assert!(flock(open(&along), FlockOperation::NonBlockingLockShared).is_err(), "it never was free");
        drop(source);
        locks.take(&[], &held).unwrap();
        assert!(flock(open(&both), FlockOperation::NonBlockingLockShared).is_err());
    }

    fn files_of([image, below, base]: [OwnedFd; 3]) -> Files {
        Files { image, below: vec![below, base], borrowed: Vec::new() }
    }
}
