//! The logical volumes of a group.

use std::collections::HashSet;
use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reeve_model::Bytes;
use reeve_model::storage::{PoolSpace, VolumeConfig, VolumeKind, check_volume_name};
use reeve_sys::block;

use super::LogicalPool;
use super::report::{self, Group, Logical, UNFINISHED};
use crate::directory::claimed;
use crate::files::permit;
use crate::pool::{Content, Volume, Volumes, volume_subject};
use crate::{Progress, StorageError};

/// The group's volumes, asked for anew each time: an operator may change them too.
#[derive(Debug)]
pub(super) struct LogicalVolumes {
    pub(super) pool: LogicalPool,
    /// Volumes that are being filled.
    pub(super) unfinished: Mutex<HashSet<String>>,
}

impl LogicalVolumes {
    fn subject(&self, name: &str) -> String {
        volume_subject(name, &self.pool.pool)
    }

    fn unfinished(&self) -> MutexGuard<'_, HashSet<String>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logicals(&self) -> Result<Vec<Logical>, StorageError> {
        let options = "lv_name,lv_uuid,lv_size,origin,origin_size,lv_attr,lv_tags";
        let mut args = vec!["lvs"];
        args.extend(report::ARGUMENTS);
        args.extend(["-o", options, &self.pool.group]);
        let printed = self.pool.lvm(&args)?;
        report::logicals(&printed).map_err(|reason| StorageError::conflict(self.pool.subject(), reason))
    }

    fn volume(&self, found: Logical) -> Volume {
        let path = self.pool.path_of(&found.name).display().to_string();
        let idle = || "it has no device: its volume group is not active as a whole; start the pool again";
        let fault = (!found.is_active()).then(|| idle().to_owned());
        let below = |origin: &String| self.pool.path_of(origin).display().to_string();
        Volume {
            key: found.uuid,
            path,
            kind: VolumeKind::Block,
            format: "raw".to_owned(),
            capacity: Bytes(found.origin_size.unwrap_or(found.size)),
            allocation: Bytes(found.size),
            physical: Bytes(found.size),
            backing: Some(&found.origin).filter(|origin| !origin.is_empty()).map(below),
            encryption: None,
            fault,
            name: found.name,
        }
    }

    fn find(&self, name: &str) -> Result<Volume, StorageError> {
        check_volume_name(name).map_err(|reason| StorageError::invalid(self.subject(name), reason))?;
        let found = self.logicals()?.into_iter().find(|found| found.name == name);
        let found = found.filter(|found| found.is_volume() && !found.is_unfinished());
        found.map(|found| self.volume(found)).ok_or_else(|| StorageError::Missing(self.subject(name)))
    }

    /// A size as LVM can have it.
    fn rounded(&self, subject: &str, capacity: u64, group: &Group) -> Result<u64, StorageError> {
        let size = capacity.checked_next_multiple_of(group.extent.max(1)).filter(|size| *size > 0);
        let size = size.filter(|size| i64::try_from(*size).is_ok());
        size.ok_or_else(|| StorageError::invalid(subject, "a logical volume can't have that size"))
    }

    /// Makes a logical volume with a tag, fills it, and takes the tag away.
    fn make(
        &self,
        config: &VolumeConfig,
        size: u64,
        content: Option<Content<'_>>,
    ) -> Result<(), StorageError> {
        let (name, subject) = (&config.name, self.subject(&config.name));
        let full = self.pool.full_name(name);
        let bytes = format!("{size}b");
        let origin =
            config.backing.as_ref().map(|backing| self.origin(&subject, &backing.path)).transpose()?;
        let mut args =
            vec!["lvcreate", "-q", "--yes", "--addtag", UNFINISHED, "--name", name, "--size", &bytes];
        match &origin {
            Some(origin) => args.extend(["--snapshot", origin]),
            // What was here before is cleared as a whole, below.
            None => args.extend(["--wipesignatures", "n", "--zero", "n", &self.pool.group]),
        }
        self.pool.lvm_on(&args, &subject)?;
        let path = self.pool.path_of(name);
        let filled = (|| {
            let device = block::open(&path, true, false).map_err(StorageError::file(&path, "opened"))?;
            if let Some(permissions) = &config.target.permissions {
                permit(&device, permissions, 0o660).map_err(StorageError::file(&path, "given its owner"))?;
            }
            if origin.is_none() {
                block::zero(&device, 0, size).map_err(StorageError::file(&path, "cleared"))?;
            }
            if let Some(content) = content {
                (content.fill)(&device)?;
            }
            device.sync_all().map_err(StorageError::file(&path, "written"))
        })();
        let done = filled.and_then(|()| {
            self.pool.lvm_on(&["lvchange", "-q", "--deltag", UNFINISHED, &full], &subject).map(drop)
        });
        if done.is_err()
            && let Err(left) = self.remove(name)
        {
            tracing::warn!("{left}");
        }
        done
    }

    /// The logical volume that a snapshot is taken of, as LVM calls it.
    fn origin(&self, subject: &str, path: &str) -> Result<String, StorageError> {
        let home = self.pool.path_of("").display().to_string();
        let name = path.strip_prefix(&home).unwrap_or(path);
        match self.find(name) {
            Ok(volume) => Ok(self.pool.full_name(&volume.name)),
            Err(_) => {
                let reason =
                    format!("'{path}' can't be what it is a snapshot of, which is a volume of the same pool");
                Err(StorageError::invalid(subject, reason))
            }
        }
    }

    /// Makes it larger. Its new end was another's once, and is cleared; until that is done a tag says where it ended.
    fn grow(&self, name: &str, before: u64, size: u64, device: &File) -> Result<(), StorageError> {
        let (full, subject) = (self.pool.full_name(name), self.subject(name));
        let (tag, bytes) = (report::grows_from(before), format!("{size}b"));
        self.unfinished().insert(name.to_owned());
        let grown = (|| {
            self.pool.lvm_on(&["lvchange", "-q", "--addtag", &tag, &full], &subject)?;
            self.pool.lvm_on(&["lvextend", "-q", "--size", &bytes, &full], &subject)?;
            block::zero(device, before, size - before)
                .map_err(StorageError::file(self.pool.path_of(name), "cleared"))?;
            self.pool.lvm_on(&["lvchange", "-q", "--deltag", &tag, &full], &subject).map(drop)
        })();
        if grown.is_err() {
            let found = self.logicals().map(|all| all.into_iter().find(|found| found.name == name));
            if let Err(left) = found.and_then(|found| found.iter().try_for_each(|found| self.ungrow(found))) {
                tracing::warn!("{left}");
            }
        }
        self.unfinished().remove(name);
        grown
    }

    /// Takes back what a volume grew by before it was done.
    fn ungrow(&self, found: &Logical) -> Result<(), StorageError> {
        let Some(before) = found.grew_from() else { return Ok(()) };
        let (full, subject) = (self.pool.full_name(&found.name), self.subject(&found.name));
        if found.size > before {
            let bytes = format!("{before}b");
            self.pool.lvm_on(&["lvreduce", "-q", "-f", "--yes", "--size", &bytes, &full], &subject)?;
        }
        let tag = report::grows_from(before);
        self.pool.lvm_on(&["lvchange", "-q", "--deltag", &tag, &full], &subject).map(drop)
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        let full = self.pool.full_name(name);
        self.pool.lvm_on(&["lvremove", "-q", "--yes", &full], &self.subject(name)).map(drop)
    }
}

impl Volumes for LogicalVolumes {
    fn refresh(&self, progress: &Progress) -> Result<Vec<Volume>, StorageError> {
        // Held, so that none begins meanwhile and is taken for what a crash left.
        let unfinished = self.unfinished();
        let found = self.logicals()?;
        progress.expect(found.len() as u64);
        let mut volumes = Vec::with_capacity(found.len());
        for mut one in found.into_iter().filter(Logical::is_volume) {
            progress.advance(1, &self.pool.subject())?;
            if let Some(before) = one.grew_from().filter(|_| !unfinished.contains(&one.name)) {
                match self.ungrow(&one) {
                    Ok(()) => one.size = before,
                    Err(left) => tracing::warn!("{left}"),
                }
            }
            match (one.is_unfinished(), unfinished.contains(&one.name)) {
                (false, _) => volumes.push(self.volume(one)),
                (true, true) => {}
                (true, false) => {
                    if let Err(left) = self.remove(&one.name) {
                        tracing::warn!("{left}");
                    }
                }
            }
        }
        Ok(volumes)
    }

    fn space(&self) -> Result<PoolSpace, StorageError> {
        let Group { size, free, .. } = self.pool.needed_group()?;
        let allocation = Bytes(size.saturating_sub(free));
        Ok(PoolSpace { capacity: Bytes(size), allocation, available: Bytes(free) })
    }

    fn create(&self, config: &VolumeConfig, content: Option<Content<'_>>) -> Result<Volume, StorageError> {
        let subject = self.subject(&config.name);
        check_volume_name(&config.name).map_err(|reason| StorageError::invalid(&subject, reason))?;
        if config.name.bytes().any(|byte| !byte.is_ascii_alphanumeric() && !b"+_.-".contains(&byte))
            || config.name.starts_with(['-', '.'])
        {
            let reason = "a logical volume's name has letters, digits and +_.- only, first a letter or digit";
            return Err(StorageError::invalid(subject, reason));
        }
        if config.target.format.as_deref().is_some_and(|format| format != "raw")
            || content.as_ref().is_some_and(|content| content.format != "raw")
        {
            let reason =
                "a logical volume is raw: no image with a format of its own is put into it by this version";
            return Err(StorageError::unsupported(subject, reason));
        }
        let group = self.pool.needed_group()?;
        let origin = config.backing.as_ref().map(|_| group.extent);
        // A snapshot shows the size of its origin; what it takes is for what changes.
        let room = config.allocation.filter(|_| config.backing.is_some()).or(config.capacity);
        let room = room.map(|room| room.0).or(origin).unwrap_or_default();
        let size = self.rounded(&subject, room, &group)?;
        if size > group.free {
            return Err(StorageError::Full { subject, bytes: size });
        }
        {
            let mut unfinished = self.unfinished();
            if self.logicals()?.iter().any(|found| found.name == config.name) {
                return Err(StorageError::conflict(subject, "it exists already; choose another name"));
            }
            unfinished.insert(config.name.clone());
        }
        let made = self.make(config, size, content);
        self.unfinished().remove(&config.name);
        made?;
        self.look(&config.name)
    }

    fn delete(&self, name: &str) -> Result<(), StorageError> {
        drop(self.open(name, true)?);
        self.remove(name)
    }

    fn resize(&self, name: &str, capacity: u64, _allocate: bool) -> Result<Volume, StorageError> {
        let subject = self.subject(name);
        let before = self.find(name)?;
        if before.backing.is_some() {
            let reason = "it is a snapshot, which has the size of its origin; resize that";
            return Err(StorageError::unsupported(subject, reason));
        }
        let before = before.capacity.0;
        let group = self.pool.needed_group()?;
        let size = self.rounded(&subject, capacity, &group)?;
        if size.saturating_sub(before) > group.free {
            return Err(StorageError::Full { subject, bytes: size - before });
        }
        let device = self.open(name, true)?;
        let (full, bytes) = (self.pool.full_name(name), format!("{size}b"));
        match size.cmp(&before) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Less => {
                self.pool.lvm_on(&["lvreduce", "-q", "-f", "--yes", "--size", &bytes, &full], &subject)?;
            }
            std::cmp::Ordering::Greater => self.grow(name, before, size, &device)?,
        }
        self.look(name)
    }

    fn open(&self, name: &str, write: bool) -> Result<File, StorageError> {
        let volume = self.find(name)?;
        let device = block::open(volume.path.as_ref(), write, false)
            .map_err(StorageError::file(&volume.path, "opened"))?;
        claimed(device, write, &self.subject(name), &volume.path)
    }

    fn look(&self, name: &str) -> Result<Volume, StorageError> {
        self.find(name)
    }
}
