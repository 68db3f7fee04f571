//! The file of a saved domain.
//!
//! ```text
//!   0        magic, checksum, length, header (JSON), all within one sector
//!   4096     two slots for the document: a new one goes into the other slot, then the header changes over
//!   data     what the driver wrote: state and memory of the machine
//! ```
//!
//! A file is made beside the place where it shall be, under a name of its own. It counts from its last write on, which marks the
//! header complete after everything else has reached the disk; then it gets its name. What a killed daemon leaves is not complete
//! and is refused. What is in a file is hostile: lengths are judged before memory is taken, the document is parsed as any other.

mod header;
mod write;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use header::{Document, Header};
pub use write::{NewImage, Unfinished, remove_unfinished};

/// Bytes before the documents, and what everything in the file is aligned to.
const PAGE: u64 = 4096;
/// Longest document.
const MAX_DOCUMENT: u64 = 4 << 20;

/// Why a file is no saved domain, or can't become one.
#[derive(Debug, thiserror::Error)]
pub enum SaveImageError {
    /// The kernel refused something.
    #[error("save image '{path}' can't be {what}")]
    Io {
        /// The file.
        path: String,
        /// What was tried, e.g. `read`.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is something else.
    #[error("'{0}' is no save image")]
    Foreign(String),
    /// It was not written to its end.
    #[error("save image '{0}' is not complete: the save that wrote it did not end; it can't be restored")]
    Partial(String),
    /// It is not as it was written.
    #[error("save image '{path}' is damaged: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Another version wrote it.
    #[error("save image '{path}' has version {version}, which this version of Reeve can't read")]
    Version {
        /// The file.
        path: String,
        /// Its version.
        version: u32,
    },
    /// Somebody else works on it.
    #[error("save image '{0}' is in use")]
    InUse(String),
    /// A document is too long.
    #[error("the document of {bytes} bytes does not fit into save image '{path}', which has room for {room}")]
    Room {
        /// The file.
        path: String,
        /// Bytes of the document.
        bytes: u64,
        /// Bytes there are.
        room: u64,
    },
}

/// A saved domain that is complete. It can't be changed by others while this is there.
#[derive(Debug)]
pub struct SaveImage {
    file: File,
    path: PathBuf,
    header: Header,
}

/// What one wants to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Read it.
    Read,
    /// Change its document.
    Change,
}

impl SaveImage {
    /// Opens a file and checks that it is a whole save image.
    pub fn open(path: &Path, purpose: Purpose) -> Result<Self, SaveImageError> {
        let change = purpose == Purpose::Change;
        let opened = OpenOptions::new()
            .read(true)
            .write(change)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
            .open(path);
        let file = opened.map_err(failed(path, "opened"))?;
        let metadata = file.metadata().map_err(failed(path, "read"))?;
        if !metadata.is_file() {
            return Err(SaveImageError::Foreign(name(path)));
        }
        let locked = if change { file.try_lock() } else { file.try_lock_shared() };
        locked.map_err(|_| SaveImageError::InUse(name(path)))?;
        let header = Header::read(&file, path)?;
        if !header.complete {
            return Err(SaveImageError::Partial(name(path)));
        }
        if metadata.len() != header.length {
            return Err(SaveImageError::Damaged { path: name(path), reason: "it has another length" });
        }
        Ok(Self { file, path: path.to_owned(), header })
    }

    /// The domain's UUID.
    pub fn uuid(&self) -> Uuid {
        self.header.uuid
    }

    /// What ran it.
    pub fn driver(&self) -> &str {
        &self.header.driver
    }

    /// Whether it runs once it is restored.
    pub fn running(&self) -> bool {
        self.header.running
    }

    /// Which save wrote it.
    pub fn token(&self) -> Uuid {
        self.header.token
    }

    /// The document, as it is in the file.
    pub fn document(&self) -> Result<String, SaveImageError> {
        let Document { slot, bytes, checksum } = self.header.document;
        let mut text = vec![0; bytes as usize];
        let at = self.header.slot_start(slot);
        self.file.read_exact_at(&mut text, at).map_err(failed(&self.path, "read"))?;
        let damaged = |reason| SaveImageError::Damaged { path: name(&self.path), reason };
        if crc32fast::hash(&text) != checksum {
            return Err(damaged("the checksum of its document is wrong"));
        }
        String::from_utf8(text).map_err(|_| damaged("its document is no text"))
    }

    /// Replaces the document, and what it does once it is restored. A crash leaves the one or the other.
    pub fn change(&mut self, document: &str, running: bool) -> Result<(), SaveImageError> {
        let (bytes, room) = (document.len() as u64, self.header.slot_bytes);
        if bytes > room {
            return Err(SaveImageError::Room { path: name(&self.path), bytes, room });
        }
        let slot = 1 - self.header.document.slot;
        let written = failed(&self.path, "written");
        self.file.write_all_at(document.as_bytes(), self.header.slot_start(slot)).map_err(&written)?;
        self.file.sync_data().map_err(&written)?;
        let checksum = crc32fast::hash(document.as_bytes());
        let document = Document { slot, bytes, checksum };
        let header = Header { running, document, ..self.header.clone() };
        header.write(&self.file).map_err(&written)?;
        self.file.sync_data().map_err(&written)?;
        self.header = header;
        Ok(())
    }

    /// What the driver wrote, from its start; past the page cache where that is wanted.
    pub fn data(&self, bypass_cache: bool) -> Result<File, SaveImageError> {
        open_data(&self.path, &self.file, self.header.data_start(), bypass_cache, false)
    }
}

/// Another descriptor of a file that is open, at the start of its data.
fn open_data(
    path: &Path,
    file: &File,
    start: u64,
    bypass: bool,
    write: bool,
) -> Result<File, SaveImageError> {
    use rustix::fs::{Mode, OFlags};
    use std::os::fd::AsRawFd;
    let mut flags = if write { OFlags::RDWR } else { OFlags::RDONLY } | OFlags::CLOEXEC;
    let what = match bypass {
        true => "opened so that it bypasses the page cache; its file system may not be able to",
        false => "opened again",
    };
    flags.set(OFlags::DIRECT, bypass);
    // Whatever has its name by now: it is the file that was checked.
    let again = format!("/proc/self/fd/{}", file.as_raw_fd());
    let opened = rustix::fs::open(again, flags, Mode::empty()).map_err(io::Error::from);
    let mut data = File::from(opened.map_err(failed(path, what))?);
    data.seek(SeekFrom::Start(start)).map_err(failed(path, "read"))?;
    Ok(data)
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

fn failed(path: &Path, what: &'static str) -> impl Fn(io::Error) -> SaveImageError {
    let path = name(path);
    move |source| SaveImageError::Io { path: path.clone(), what, source }
}

#[cfg(test)]
mod tests;
