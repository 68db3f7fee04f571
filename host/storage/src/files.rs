//! Volumes that are files of a directory: pools of types dir, fs and netfs.

pub(crate) mod image;

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Mutex, PoisonError};

use reeve_image::Directories;
use reeve_model::Bytes;
use reeve_model::storage::{Permissions, PoolSpace, Preallocation, VolumeConfig, VolumeKind};
use rustix::fs::{FallocateFlags, Gid, Mode, Uid};

use crate::details::Details;
use crate::directory::Directory;
use crate::pool::{Content, Volume, Volumes, subject};
use crate::probe;

use crate::{Progress, StorageError};

/// The most entries that are read of one directory.
const ENTRIES_MAX: usize = 100_000;

/// A directory of volumes, and what was found there last.
#[derive(Debug)]
pub(crate) struct Files {
    directory: Directory,
    known: Mutex<HashMap<String, (Stamp, Volume)>>,
}

/// Tells whether a file changed since it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    size: u64,
    blocks: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            blocks: metadata.blocks(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Files {
    pub(crate) fn new(directory: Directory) -> Self {
        Self { directory, known: Mutex::default() }
    }

    fn volume(&self, name: &str, file: &File, metadata: &Metadata) -> Volume {
        let path = self.directory.path_of(name);
        let physical = Bytes(metadata.size());
        let probed = probe::probe(file, &path, metadata.size());
        Volume {
            name: name.to_owned(),
            key: path.clone(),
            path,
            kind: VolumeKind::File,
            format: probed.format,
            capacity: Bytes(probed.capacity),
            allocation: Bytes(metadata.blocks().saturating_mul(512)),
            physical,
            backing: probed.backing,
            encryption: probed.encryption,
            fault: probed.fault,
        }
    }

    /// The file as it is now.
    fn seen(&self, name: &str) -> Result<Option<(Stamp, Volume)>, StorageError> {
        let file = match self.directory.volume(name, false) {
            Ok(file) => file,
            // It went meanwhile, or it is something else than a file.
            Err(StorageError::Missing(_) | StorageError::Invalid { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata =
            file.metadata().map_err(StorageError::file(self.directory.path_of(name), "looked at"))?;
        Ok(Some((Stamp::of(&metadata), self.volume(name, &file, &metadata))))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Stamp, Volume)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the file that was found last is the one that is there.
    fn is_unchanged(&self, name: &str, stamp: Stamp) -> bool {
        let now = self.directory.dir().symlink_metadata(name);
        now.is_ok_and(|metadata| {
            use cap_std::fs::MetadataExt as _;
            let now = Stamp {
                inode: (metadata.dev(), metadata.ino()),
                size: metadata.size(),
                blocks: metadata.blocks(),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
            };
            now == stamp
        })
    }
}

impl Volumes for Files {
    fn refresh(&self, progress: &Progress) -> Result<Vec<Volume>, StorageError> {
        self.directory.sweep()?;
        let names = self.directory.names(ENTRIES_MAX)?;
        progress.expect(names.len() as u64);
        let before = self.known().clone();
        let mut found = HashMap::with_capacity(names.len());
        let mut volumes = Vec::with_capacity(names.len());
        for name in names {
            let known = before.get(&name).filter(|(stamp, _)| self.is_unchanged(&name, *stamp)).cloned();
            let seen = match known {
                Some(known) => Some(known),
                None => self.seen(&name)?,
            };
            if let Some(seen) = seen {
                volumes.push(seen.1.clone());
                found.insert(name, seen);
            }
            progress.advance(1, &subject(self.directory.pool()))?;
        }
        *self.known() = found;
        Ok(volumes)
    }

    fn space(&self) -> Result<PoolSpace, StorageError> {
        let stat = rustix::fs::fstatvfs(self.directory.dir())
            .map_err(|error| StorageError::file(self.directory.path_of(""), "measured")(error.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let (capacity, available) = (bytes(stat.f_blocks), bytes(stat.f_bavail));
        let allocation = Bytes(capacity.saturating_sub(available));
        Ok(PoolSpace { capacity: Bytes(capacity), allocation, available: Bytes(available) })
    }

    fn create(&self, volume: &VolumeConfig, content: Option<Content<'_>>) -> Result<Volume, StorageError> {
        let subject = self.directory.subject(&volume.name);
        let found = content.as_ref().map(|content| content.format);
        let format = found.or(volume.target.format.as_deref()).unwrap_or(probe::RAW);
        let staged = self.directory.stage(&volume.name)?;
        match content {
            Some(content) => {
                let size =
                    if format == probe::RAW { volume.capacity.unwrap_or_default().0 } else { content.length };
                staged.file.set_len(size).map_err(StorageError::written(&subject, size))?;
                (content.fill)(&staged.file)?;
            }
            None if format == probe::RAW => blank(&staged.file, volume, &subject)?,
            None => image::make(&self.directory, &staged.file, volume, format)?,
        }
        let default = Permissions { mode: Some(0o600), ..Permissions::default() };
        permit(&staged.file, volume.target.permissions.as_ref().unwrap_or(&default), 0o600)
            .map_err(StorageError::file(self.directory.path_of(&volume.name), "given its owner"))?;
        probe::mark(&staged.file, format);
        drop(staged.keep()?);
        self.look(&volume.name)
    }

    fn delete(&self, name: &str) -> Result<(), StorageError> {
        self.directory.remove(name)?;
        self.known().remove(name);
        Ok(())
    }

    fn resize(&self, name: &str, capacity: u64, allocate_it: bool) -> Result<Volume, StorageError> {
        let subject = self.directory.subject(name);
        let file = self.directory.claim(name, true)?;
        let metadata =
            file.metadata().map_err(StorageError::file(self.directory.path_of(name), "looked at"))?;
        let volume = self.volume(name, &file, &metadata);
        if volume.format != probe::RAW {
            image::resize(&self.directory, file, &volume, capacity, allocate_it)?;
            return self.look(name);
        }
        let before = metadata.size();
        // The header of an encrypted volume is no part of what a guest sees.
        let capacity = match &volume.encryption {
            None => capacity,
            Some(_) => match &volume.fault {
                None => capacity.saturating_add(before - volume.capacity.0),
                Some(fault) => return Err(StorageError::conflict(subject, fault)),
            },
        };
        let full = StorageError::written(&subject, capacity.saturating_sub(before));
        if allocate_it && capacity > before {
            let allocated = allocate(&file, before, capacity - before);
            if let Err(error) = allocated {
                // What was taken is given back.
                file.set_len(before)
                    .map_err(StorageError::file(self.directory.path_of(name), "made smaller again"))?;
                return Err(full(error));
            }
        }
        file.set_len(capacity).and_then(|()| file.sync_all()).map_err(full)?;
        self.look(name)
    }

    fn open(&self, name: &str, write: bool) -> Result<File, StorageError> {
        self.directory.claim(name, write)
    }

    fn describe(&self, name: &str) -> Result<Details, StorageError> {
        let file = self.directory.volume(name, false)?;
        let path = self.directory.path_of(name);
        let metadata = file.metadata().map_err(StorageError::file(&path, "looked at"))?;
        let format = self.volume(name, &file, &metadata).format;
        Ok(Details::of_image(&file, &metadata, &path, &format))
    }

    fn chain(&self) -> Result<Directories, StorageError> {
        image::chain(&self.directory)
    }

    fn look(&self, name: &str) -> Result<Volume, StorageError> {
        let seen = self.seen(name)?.ok_or_else(|| StorageError::Missing(self.directory.subject(name)))?;
        self.known().insert(name.to_owned(), seen.clone());
        Ok(seen.1)
    }
}

/// A raw volume: zeroes, of which so much is taken from the pool at once as the document says.
fn blank(file: &File, volume: &VolumeConfig, subject: &str) -> Result<(), StorageError> {
    if volume.backing.is_some() {
        let reason =
            "a raw volume has no backing image; leave <backingStore> out, or write <format type='qcow2'/>";
        return Err(StorageError::invalid(subject, reason));
    }
    let capacity = volume.capacity.unwrap_or_default().0;
    let allocation = match volume.target.preallocation {
        None => volume.allocation.map_or(capacity, |allocation| allocation.0.min(capacity)),
        Some(Preallocation::Off) => 0,
        Some(Preallocation::Falloc | Preallocation::Full) => capacity,
        Some(Preallocation::Metadata) => {
            let reason = "a raw volume has no metadata to preallocate; use falloc or full";
            return Err(StorageError::invalid(subject, reason));
        }
    };
    let full = StorageError::written(subject, allocation);
    if allocation > 0 {
        allocate(file, 0, allocation).map_err(&full)?;
    }
    file.set_len(capacity).map_err(full)
}

/// Takes the blocks of a stretch; zeroes are written where the file system can't promise them.
pub(crate) fn allocate(file: &File, start: u64, length: u64) -> std::io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), start, length) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => write_zeroes(file, start, length),
        result => Ok(result?),
    }
}

/// Writes zeroes over a stretch.
pub(crate) fn write_zeroes(file: &File, start: u64, length: u64) -> std::io::Result<()> {
    let zeroes = vec![0; 1 << 20];
    let mut at = start;
    while at < start + length {
        let count = (start + length - at).min(zeroes.len() as u64);
        file.write_all_at(&zeroes[..count as usize], at)?;
        at += count;
    }
    Ok(())
}

/// Gives a file its owner and mode.
pub(crate) fn permit(
    file: impl std::os::fd::AsFd,
    permissions: &Permissions,
    default: u32,
) -> std::io::Result<()> {
    if permissions.owner.is_some() || permissions.group.is_some() {
        let owner = permissions.owner.map(Uid::from_raw);
        rustix::fs::fchown(&file, owner, permissions.group.map(Gid::from_raw))?;
    }
    // After the owner, whose change takes set-user-id bits away.
    Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(permissions.mode.unwrap_or(default)))?)
}
