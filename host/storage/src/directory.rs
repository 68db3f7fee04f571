//! The directory of a pool as a capability: a name is one step below it, and nothing it holds leads out of it.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use reeve_model::storage::check_volume_name;
use reeve_sys::block;
use reeve_sys::open::{ImageError, Sharing};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use uuid::Uuid;

use crate::StorageError;
use crate::busy::settled;
use crate::pool::volume_subject;

/// Why something is left alone.
pub(crate) const IN_USE: &str = "a domain that runs uses it, or another program; stop that first";

/// What a file is called until it is whole.
const UNFINISHED: &str = ".reeve-new-";

/// An open directory. What it is renamed to, or what is put in its place later, is of no effect.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    dir: Arc<Dir>,
    path: String,
    pool: String,
    /// Held while an unfinished file is not locked yet, and while such files are swept away.
    sweeping: Arc<Mutex<()>>,
}

impl Directory {
    pub(crate) fn open(path: &str, pool: &str) -> Result<Self, StorageError> {
        let dir =
            Dir::open_ambient_dir(path, ambient_authority()).map_err(StorageError::file(path, "opened"))?;
        Ok(Self {
            dir: Arc::new(dir),
            path: path.trim_end_matches('/').to_owned(),
            pool: pool.to_owned(),
            sweeping: Arc::default(),
        })
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(crate) fn pool(&self) -> &str {
        &self.pool
    }

    pub(crate) fn subject(&self, name: &str) -> String {
        volume_subject(name, &self.pool)
    }

    /// Where a volume is, for people and documents; it is never opened by this.
    pub(crate) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Opens a volume: a regular file, not a link to one.
    pub(crate) fn volume(&self, name: &str, write: bool) -> Result<File, StorageError> {
        check_volume_name(name).map_err(|reason| StorageError::invalid(self.subject(name), reason))?;
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        // A FIFO in a file's place must not hold us up.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = match rustix::fs::openat(&*self.dir, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Err(StorageError::Missing(self.subject(name))),
            Err(Errno::LOOP) => return Err(self.no_file(name, "a symbolic link")),
            Err(error) => return Err(StorageError::file(self.path_of(name), "opened")(error.into())),
        };
        let metadata = file.metadata().map_err(StorageError::file(self.path_of(name), "looked at"))?;
        match metadata.is_file() {
            true => Ok(file),
            false => Err(self.no_file(name, "no regular file")),
        }
    }

    /// Opens a volume and keeps it from who locks images too, such as a domain that runs: from everybody to write, from writers to read.
    pub(crate) fn claim(&self, name: &str, write: bool) -> Result<File, StorageError> {
        let file = self.volume(name, write)?;
        claimed(file, write, &self.subject(name), &self.path_of(name))
    }

    fn no_file(&self, name: &str, what: &str) -> StorageError {
        StorageError::invalid(self.subject(name), format!("it is {what}, so it is no volume"))
    }

    /// A new file that nobody sees under the name of a volume until it is kept.
    pub(crate) fn stage(&self, name: &str) -> Result<Staged, StorageError> {
        check_volume_name(name).map_err(|reason| StorageError::invalid(self.subject(name), reason))?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if rustix::fs::statat(&*self.dir, name, flags).is_ok() {
            return Err(self.taken(name));
        }
        let unfinished = format!("{UNFINISHED}{}", Uuid::new_v4().simple());
        let _sweeping = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*self.dir, &unfinished, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| StorageError::written(&self.subject(name), 0)(error.into()))?;
        let file = File::from(fd);
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| StorageError::file(self.path_of(&unfinished), "locked")(error.into()))?;
        Ok(Staged { file, unfinished: Some(unfinished), name: name.to_owned(), directory: self.clone() })
    }

    fn taken(&self, name: &str) -> StorageError {
        StorageError::conflict(self.subject(name), "it exists already; choose another name")
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), StorageError> {
        // Only what could be opened as a volume is removed as one.
        // NFS locks alone only who may write.
        let file = self.volume(name, true)?;
        let _claimed = claimed(file, true, &self.subject(name), &self.path_of(name))?;
        rustix::fs::unlinkat(&*self.dir, name, AtFlags::empty())
            .map_err(|error| StorageError::file(self.path_of(name), "deleted")(error.into()))?;
        self.sync()
    }

    /// Names that could be volumes, sorted, and no more of them than `limit`.
    pub(crate) fn names(&self, limit: usize) -> Result<Vec<String>, StorageError> {
        let failed = || StorageError::file(&self.path, "read");
        let mut names = Vec::new();
        for entry in self.dir.entries().map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if check_volume_name(&name).is_ok() {
                names.push(name);
            }
            if names.len() > limit {
                let reason = format!("its directory has more than {limit} entries; divide it");
                return Err(StorageError::unsupported(crate::pool::subject(&self.pool), reason));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Removes files that were never finished: nobody has them locked any more.
    pub(crate) fn sweep(&self) -> Result<(), StorageError> {
        let failed = || StorageError::file(&self.path, "read");
        let _sweeping = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in self.dir.entries().map_err(failed())? {
            let Ok(name) = entry.map_err(failed())?.file_name().into_string() else { continue };
            if !name.starts_with(UNFINISHED) {
                continue;
            }
            // NFS locks alone only who may write.
            let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let Ok(fd) = rustix::fs::openat(&*self.dir, &name, flags, Mode::empty()) else { continue };
            let regular = rustix::fs::fstat(&fd)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
            if regular && rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).is_ok() {
                tracing::info!("storage pool '{}': an unfinished volume is removed", self.pool);
                rustix::fs::unlinkat(&*self.dir, &name, AtFlags::empty())
                    .map_err(|error| StorageError::file(self.path_of(&name), "deleted")(error.into()))?;
            }
        }
        Ok(())
    }

    /// Brings names to the medium.
    fn sync(&self) -> Result<(), StorageError> {
        let failed = |error: io::Error| StorageError::file(&self.path, "written")(error);
        let dir = rustix::fs::openat(
            &*self.dir,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|error| failed(error.into()))?;
        match rustix::fs::fsync(dir) {
            // Not every file system knows this of directories.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(failed(error.into())),
        }
    }
}

/// Opens and locks a block device that is a volume. Who writes it has it alone: nothing is mounted on it, and no other device made of it.
pub(crate) fn opened_device(path: &str, write: bool, subject: &str) -> Result<File, StorageError> {
    let device =
        settled(|| block::open(path.as_ref(), write, write)).map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => StorageError::conflict(subject, IN_USE),
            _ => StorageError::file(path, "opened")(error),
        })?;
    claimed(device, write, subject, path)
}

/// Locks what is open, alone or among readers.
pub(crate) fn claimed(file: File, alone: bool, subject: &str, path: &str) -> Result<File, StorageError> {
    let sharing = if alone { Sharing::Exclusive } else { Sharing::Shared };
    let locked = settled(|| match reeve_sys::open::lock(&file, sharing) {
        Ok(()) => Ok(()),
        Err(ImageError::InUse) => Err(io::ErrorKind::ResourceBusy.into()),
        Err(ImageError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    });
    match locked {
        Ok(()) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            Err(StorageError::conflict(subject, IN_USE))
        }
        Err(error) => Err(StorageError::file(path, "locked")(error)),
    }
}

/// A file that is not a volume yet. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) file: File,
    unfinished: Option<String>,
    name: String,
    directory: Directory,
}

impl Staged {
    /// It is whole: it gets its name, unless another took it meanwhile.
    pub(crate) fn keep(mut self) -> Result<File, StorageError> {
        let directory = &self.directory;
        let subject = directory.subject(&self.name);
        self.file.sync_all().map_err(StorageError::written(&subject, 0))?;
        let file = self.file.try_clone().map_err(StorageError::file(&subject, "opened"))?;
        let unfinished = self.unfinished.as_deref().unwrap_or_default();
        let dir = &*directory.dir;
        let renamed = rustix::fs::renameat_with(dir, unfinished, dir, &self.name, RenameFlags::NOREPLACE);
        let named = match renamed {
            // NFS knows no such renaming, and links, which never replace either.
            Err(Errno::INVAL) => rustix::fs::linkat(dir, unfinished, dir, &self.name, AtFlags::empty())
                .and_then(|()| rustix::fs::unlinkat(dir, unfinished, AtFlags::empty())),
            renamed => renamed,
        };
        named.map_err(|error| match error {
            Errno::EXIST => directory.taken(&self.name),
            error => StorageError::file(directory.path_of(&self.name), "named")(error.into()),
        })?;
        self.unfinished = None;
        let _ = rustix::fs::flock(&file, FlockOperation::Unlock);
        self.directory.sync()?;
        Ok(file)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(name) = self.unfinished.take() {
            // What stays behind is swept away by the next refresh.
            let _ = rustix::fs::unlinkat(&*self.directory.dir, &name, AtFlags::empty());
        }
    }
}
