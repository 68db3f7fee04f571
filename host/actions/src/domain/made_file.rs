//! A file that is made for a disk that comes. An undo must tell it from one that an operator put in the same place, whenever a daemon died:
//!
//! ```text
//!   made under a name that no other migration has ── noted which file it is ── given the disk's name
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use reeve_sys::open;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::copied_disks::ALONE;

/// Nobody but the owner reads the image of a disk.
const MODE: u32 = 0o600;

/// Where the file for a place is until it is noted which one it is.
pub(super) fn unfinished(place: &Path, migration: Uuid, number: usize) -> PathBuf {
    place.with_file_name(format!(".reeve-coming-{}-{number}", migration.simple()))
}

/// Which file was made: its number may be given to another one when it is gone, and then its birth tells them apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MadeFile {
    device: u64,
    inode: u64,
    /// In nanoseconds; not every file system knows it.
    born: Option<u64>,
}

impl MadeFile {
    /// Begins one where there is none.
    pub(super) fn begin(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(path)
    }

    pub(super) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        let born = born.and_then(|born| u64::try_from(born.as_nanos()).ok());
        Ok(Self { device: metadata.dev(), inode: metadata.ino(), born })
    }

    /// Removes it from its place; another file there is left.
    pub(super) fn remove(&self, place: &Path) {
        remove(place, |file| Self::of(file).is_ok_and(|found| found == *self));
    }
}

/// Removes a file that did not get as far as its note.
pub(super) fn remove_unfinished(path: &Path) {
    remove(path, |_| true);
}

/// Removes a file unless somebody has it: when a daemon that was killed is back, the next migration may find it there before the one before
/// is undone.
fn remove(path: &Path, is_ours: impl FnOnce(&File) -> bool) {
    let removed = match open::image(path, ALONE).map(File::from) {
        Ok(alone) if !is_ours(&alone) => {
            tracing::warn!(path = %path.display(), "a file that was not made for the disk that did not come is left");
            return;
        }
        // Nobody takes it until it is gone.
        Ok(_alone) => std::fs::remove_file(path).map_err(open::ImageError::from),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => {}
        Err(open::ImageError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a disk that did not come could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_place_of_the_one_that_was_made_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (place, moved) = (dir.path().join("disk"), dir.path().join("moved"));
        let made = MadeFile::of(&MadeFile::begin(&place).unwrap()).unwrap();
        assert!(MadeFile::begin(&place).is_err(), "it is there");
        // Both are there at once, so that they are two whatever the file system does with numbers.
        std::fs::rename(&place, &moved).unwrap();
        std::fs::write(&place, "").unwrap();
        made.remove(&place);
        assert!(place.exists());
        std::fs::rename(&moved, &place).unwrap();
        made.remove(&place);
        made.remove(&place);
        assert!(!place.exists());
        assert_ne!(unfinished(&place, Uuid::new_v4(), 0), unfinished(&place, Uuid::new_v4(), 0));
    }
}
