//! Images that are named by a path, in a pool or not: measured, copied, removed.

use std::fs::File;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use reeve_image::{Format, ImageFile};
use reeve_model::Bytes;
use reeve_model::secret::SecretValue;
use reeve_model::storage::Permissions;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::directory::{Directory, claimed};
use crate::{Progress, StorageError, content, files, probe};

/// An image that is read.
#[derive(Debug, Clone)]
pub struct ImageSource {
    /// Where it is.
    pub path: PathBuf,
    /// Its format, as who uses it was told.
    pub format: String,
    /// It is a LUKS container, which has that format for who has its key.
    pub encrypted: bool,
    /// The path itself may be a symbolic link.
    pub follow: bool,
    /// Nobody may write it while it is read. Without it, who asks knows that nobody does, or does not mind.
    pub locked: bool,
}

/// Sizes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    /// What a guest sees.
    pub capacity: Bytes,
    /// What it takes on the host.
    pub allocation: Bytes,
    /// Size of the file or device.
    pub physical: Bytes,
}

impl ImageSource {
    fn subject(&self) -> String {
        subject(&self.path)
    }

    pub(crate) fn open(&self) -> Result<File, StorageError> {
        let link = if self.follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        // A FIFO in its place must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY | link;
        let file = match rustix::fs::open(&self.path, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Err(StorageError::Missing(self.subject())),
            Err(error) => return Err(StorageError::file(&self.path, "opened")(error.into())),
        };
        let kind = file.metadata().map_err(StorageError::file(&self.path, "looked at"))?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(StorageError::invalid(self.subject(), "it is neither a file nor a block device"));
        }
        match self.locked {
            true => claimed(file, false, &self.subject(), &self.path.display().to_string()),
            false => Ok(file),
        }
    }

    /// Whether a passphrase opens it.
    pub fn opens(&self, passphrase: &SecretValue) -> Result<bool, StorageError> {
        let image = ImageFile::new(self.open()?, self.path.display().to_string())?;
        Ok(reeve_image::luks_opens(&image, passphrase.expose())?)
    }

    fn format(&self) -> Result<Format, StorageError> {
        let format = self.format.parse::<Format>();
        format.map_err(|error| StorageError::unsupported(self.subject(), error.to_string()))
    }
}

fn subject(path: &Path) -> String {
    format!("image '{}'", path.display())
}

/// Looks at the sizes of an image.
pub fn measure(image: &ImageSource) -> Result<ImageSize, StorageError> {
    let file = image.open()?;
    let looked = || StorageError::file(&image.path, "looked at");
    let physical = content::size(&file).map_err(looked())?;
    let metadata = file.metadata().map_err(looked())?;
    let allocation = match metadata.is_file() {
        true => metadata.blocks().saturating_mul(512),
        false => physical,
    };
    let capacity = match image.format.as_str() {
        probe::RAW if image.encrypted => {
            let file = ImageFile::new(file, image.path.display().to_string())?;
            let container = reeve_image::luks_info(&file)?;
            container
                .ok_or_else(|| StorageError::conflict(image.subject(), "it is no LUKS container"))?
                .capacity
        }
        probe::RAW => physical,
        _ => {
            let format = image.format()?;
            let file = ImageFile::new(file, image.path.display().to_string())?;
            reeve_image::info(file, format)?.virtual_size
        }
    };
    Ok(ImageSize { capacity: Bytes(capacity), allocation: Bytes(allocation), physical: Bytes(physical) })
}

/// Copies an image to a new file. It is seen when it is whole; what is there already is left alone.
pub fn copy_image(from: &ImageSource, to: &Path, progress: &Progress) -> Result<(), StorageError> {
    let (directory, name) = place(to)?;
    let subject = subject(to);
    let source = from.open()?;
    refuse_lost_backing(from, &source, to)?;
    let length = content::size(&source).map_err(StorageError::file(&from.path, "measured"))?;
    let staged = directory.stage(&name)?;
    staged.file.set_len(length).map_err(StorageError::written(&subject, length))?;
    content::copy(&source, &staged.file, length, true, progress, &subject)?;
    let private = Permissions { mode: Some(0o600), ..Permissions::default() };
    files::permit(&staged.file, &private, 0o600).map_err(StorageError::file(to, "given its owner"))?;
    mark_copy(from, &source, &staged.file);
    staged.keep().map(drop)
}

/// Notes what a copy is: the format of the original, or that it is encrypted, and which secret opens it.
pub(crate) fn mark_copy(image: &ImageSource, source: &File, copy: &File) {
    match image.encrypted {
        true => {
            probe::mark(copy, probe::LUKS);
            probe::carry_secret(source, copy);
        }
        false => probe::mark(copy, &image.format),
    }
}

/// Removes an image that [`copy_image`] made, and what copies to its directory left that were cut off. No error where it is gone.
pub fn remove_image(path: &Path) -> Result<(), StorageError> {
    let (directory, name) = match place(path) {
        Err(StorageError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(());
        }
        place => place?,
    };
    directory.sweep()?;
    match directory.remove(&name) {
        Err(StorageError::Missing(_)) => Ok(()),
        result => result,
    }
}

/// The directory of a path, and the name in it.
fn place(path: &Path) -> Result<(Directory, String), StorageError> {
    let parts = path.parent().zip(path.file_name().and_then(|name| name.to_str()));
    let Some((parent, name)) = parts.filter(|_| path.is_absolute()) else {
        return Err(StorageError::invalid(subject(path), "it is no absolute path of a file"));
    };
    let parent =
        parent.to_str().ok_or_else(|| StorageError::invalid(subject(path), "its path is not UTF-8"))?;
    Ok((Directory::open(parent, parent)?, name.to_owned()))
}

/// An overlay names the image below it relative to its own directory: a copy elsewhere would not find it.
fn refuse_lost_backing(from: &ImageSource, file: &File, to: &Path) -> Result<(), StorageError> {
    if from.format == probe::RAW || from.path.parent() == to.parent() {
        return Ok(());
    }
    let copy = file.try_clone().map_err(StorageError::file(&from.path, "opened"))?;
    let info = reeve_image::info(ImageFile::new(copy, from.path.display().to_string())?, from.format()?)?;
    match info.backing {
        Some(backing) if !backing.name.starts_with('/') => {
            let reason = format!(
                "it reads from '{}' in its own directory, which a copy in another directory would not find",
                backing.name
            );
            Err(StorageError::unsupported(from.subject(), reason))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &Path) -> ImageSource {
        ImageSource {
            path: path.to_owned(),
            format: "raw".to_owned(),
            encrypted: false,
            follow: true,
            locked: true,
        }
    }

    #[test]
    fn an_image_is_copied_with_its_holes_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let file = File::create(&from).unwrap();
        file.set_len(8 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"text", 4 << 20).unwrap();
        copy_image(&source(&from), &to, &Progress::default()).unwrap();
        assert!(std::fs::read(&from).unwrap() == std::fs::read(&to).unwrap());
        let size = measure(&source(&to)).unwrap();
        assert_eq!((size.capacity, size.physical), (Bytes(8 << 20), Bytes(8 << 20)));
        assert!(size.allocation < Bytes(1 << 20), "{size:?}");
        let again = copy_image(&source(&from), &to, &Progress::default()).unwrap_err();
        assert!(again.to_string().contains("exists already"), "{again}");
        std::fs::write(dir.path().join(".reeve-new-1"), "half").unwrap();
        remove_image(&to).unwrap();
        remove_image(&to).unwrap();
        remove_image(&dir.path().join("nowhere/to")).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_written_is_not_copied() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        let file = File::create(&from).unwrap();
        file.lock().unwrap();
        let busy = copy_image(&source(&from), &dir.path().join("to"), &Progress::default()).unwrap_err();
        assert!(busy.to_string().contains("a domain that runs uses it"), "{busy}");
        let standing = ImageSource { locked: false, ..source(&from) };
        copy_image(&standing, &dir.path().join("to"), &Progress::default()).unwrap();
        let directory = measure(&source(dir.path())).unwrap_err();
        assert!(directory.to_string().contains("neither a file nor a block device"), "{directory}");
    }
}
