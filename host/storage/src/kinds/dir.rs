//! A directory (guide 12.3). Its path and making are shared with the kinds that mount something there.

use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;

use reeve_model::storage::{BuildMode, Permissions, PoolConfig};
use rustix::fs::{Mode, OFlags};

use crate::StorageError;
use crate::directory::Directory;
use crate::files::{Files, permit};
use crate::pool::{Pool, Volumes, subject};

/// Mode of a directory whose document names none (guide 12.2).
const MODE: u32 = 0o700;

/// A directory that holds the volumes itself.
#[derive(Debug)]
pub(crate) struct DirPool {
    target: Target,
}

/// The directory of a pool.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) pool: String,
    pub(crate) path: String,
    permissions: Option<Permissions>,
}

impl Target {
    pub(crate) fn new(config: &PoolConfig) -> Self {
        Self {
            pool: config.name.clone(),
            path: config.target.path.clone().unwrap_or_default(),
            permissions: config.target.permissions.clone(),
        }
    }

    pub(crate) fn subject(&self) -> String {
        subject(&self.pool)
    }

    /// Makes the directory; one that is there keeps its mode and owner, unless the document names others.
    pub(crate) fn make(&self) -> Result<(), StorageError> {
        let path = &self.path;
        let there = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
        if !there {
            let made = std::fs::DirBuilder::new().recursive(true).mode(MODE).create(path);
            made.map_err(StorageError::file(path, "made"))?;
        }
        let permissions = match (&self.permissions, there) {
            (None, true) => return Ok(()),
            (permissions, _) => permissions.clone().unwrap_or_default(),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path.as_str(), flags, Mode::empty())
            .map_err(|error| StorageError::file(path, "opened")(error.into()))?;
        permit(dir, &permissions, MODE).map_err(StorageError::file(path, "given its owner"))
    }

    /// Removes the directory, which must be empty.
    pub(crate) fn remove(&self) -> Result<(), StorageError> {
        std::fs::remove_dir(&self.path).map_err(|error| match error.kind() {
            ErrorKind::DirectoryNotEmpty => {
                let reason = format!("directory '{}' is not empty; delete its volumes first", self.path);
                StorageError::conflict(self.subject(), reason)
            }
            ErrorKind::NotFound => StorageError::Missing(format!("directory '{}'", self.path)),
            _ => StorageError::file(&self.path, "removed")(error),
        })
    }

    pub(crate) fn volumes(&self) -> Result<Box<dyn Volumes>, StorageError> {
        Ok(Box::new(Files::new(Directory::open(&self.path, &self.pool)?)))
    }
}

impl DirPool {
    pub(crate) fn new(config: &PoolConfig) -> Self {
        Self { target: Target::new(config) }
    }
}

impl Pool for DirPool {
    fn build(&self, mode: BuildMode) -> Result<(), StorageError> {
        refuse_modes(&self.target, mode, "dir")?;
        self.target.make()
    }

    fn start(&self) -> Result<Box<dyn Volumes>, StorageError> {
        self.target.volumes()
    }

    fn stop(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn delete(&self) -> Result<(), StorageError> {
        self.target.remove()
    }
}

/// There is nothing to format in a directory (guide 14.11.2).
pub(crate) fn refuse_modes(target: &Target, mode: BuildMode, kind: &str) -> Result<(), StorageError> {
    match mode {
        BuildMode::Keep => Ok(()),
        _ => {
            let reason =
                format!("a pool of type '{kind}' formats nothing; leave --overwrite and --no-overwrite out");
            Err(StorageError::invalid(target.subject(), reason))
        }
    }
}
