//! Making a save image: beside its place first, in its place when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::header::{Document, Header, VERSION};
use super::{MAX_DOCUMENT, PAGE, SaveImageError, failed, name, open_data};

/// Least room for a document.
const LEAST_ROOM: u64 = 64 << 10;

/// What is known before the machine is saved.
#[derive(Debug, Clone)]
pub struct NewImage<'a> {
    /// The domain's UUID.
    pub uuid: Uuid,
    /// What runs it.
    pub driver: &'a str,
    /// Whether it runs once it is restored.
    pub running: bool,
    /// Names this save.
    pub token: Uuid,
    /// The document.
    pub document: &'a str,
}

/// A file that is being written.
#[derive(Debug)]
pub struct Unfinished {
    file: File,
    path: PathBuf,
    header: Header,
}

/// Where a file is until it is whole.
fn beside(path: &Path, token: Uuid) -> Result<PathBuf, SaveImageError> {
    let own = path.file_name().ok_or_else(|| SaveImageError::Foreign(name(path)))?;
    let mut hidden = std::ffi::OsString::from(".");
    // Names are 255 bytes at most, and the UUID alone makes this one unique.
    hidden.push(own.to_string_lossy().chars().take(32).collect::<String>());
    hidden.push(format!(".saving-{token}"));
    Ok(path.with_file_name(hidden))
}

/// Removes what a save left that did not end; no error when there is nothing.
pub fn remove_unfinished(path: &Path, token: Uuid) -> Result<(), SaveImageError> {
    let hidden = beside(path, token)?;
    match fs::remove_file(&hidden) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&hidden, "removed")(error)),
        _ => Ok(()),
    }
}

impl Unfinished {
    /// Begins a file that shall be at `path` one day, with everything but the driver's data.
    pub fn begin(path: &Path, new: &NewImage<'_>) -> Result<Self, SaveImageError> {
        let bytes = new.document.len() as u64;
        if bytes > MAX_DOCUMENT {
            return Err(SaveImageError::Room { path: name(path), bytes, room: MAX_DOCUMENT });
        }
        if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(SaveImageError::Foreign(name(path)));
        }
        let hidden = beside(path, new.token)?;
        let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&hidden);
        let file = made.map_err(failed(path, "made"))?;
        let checksum = crc32fast::hash(new.document.as_bytes());
        let header = Header {
            version: VERSION,
            complete: false,
            running: new.running,
            uuid: new.uuid,
            token: new.token,
            driver: new.driver.to_owned(),
            length: 0,
            slot_bytes: (2 * bytes).max(LEAST_ROOM).next_multiple_of(PAGE),
            document: Document { slot: 0, bytes, checksum },
        };
        let unfinished = Self { file, path: path.to_owned(), header };
        let begun = unfinished.header.write(&unfinished.file).and_then(|()| {
            let at = unfinished.header.slot_start(0);
            unfinished.file.write_all_at(new.document.as_bytes(), at)?;
            unfinished.file.set_len(unfinished.header.data_start())
        });
        if let Err(error) = begun {
            let failed = failed(path, "written")(error);
            unfinished.discard();
            return Err(failed);
        }
        Ok(unfinished)
    }

    /// Where the driver writes, past the page cache where that is wanted.
    pub fn data(&self, bypass_cache: bool) -> Result<File, SaveImageError> {
        open_data(&self.path, &self.file, self.header.data_start(), bypass_cache, true)
    }

    /// Everything is written: it becomes the save image at its place.
    pub fn finish(mut self) -> Result<(), SaveImageError> {
        let finished = self.try_finish();
        if finished.is_err() {
            self.discard();
        }
        finished
    }

    fn try_finish(&mut self) -> Result<(), SaveImageError> {
        let written = failed(&self.path, "written");
        self.header.length = self.file.metadata().map_err(&written)?.len();
        self.file.sync_all().map_err(&written)?;
        self.header.complete = true;
        self.header.write(&self.file).map_err(&written)?;
        self.file.sync_all().map_err(&written)?;
        fs::rename(beside(&self.path, self.header.token)?, &self.path).map_err(&written)?;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = File::open(parent.unwrap_or(Path::new("."))).map_err(&written)?;
        directory.sync_all().map_err(&written)
    }

    /// It is not wanted any more.
    pub fn discard(self) {
        if let Err(error) = remove_unfinished(&self.path, self.header.token) {
            tracing::warn!(%error, "an unfinished save image is left");
        }
    }
}
