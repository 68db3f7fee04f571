//! Disk images with the backing files below them: all opened and locked here, handed on as descriptors.
//!
//! Of an image no more is read here than its header, for the name of its backing file; the rest is the worker's to parse. A name leads to
//! the directory of the image and below, nowhere else.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use reeve_image::{BackingError, BackingRequest, BackingResolver, Directories, Format, ImageFile};
use reeve_sys::open::{self, ImageAccess, ImageError, Sharing};

use crate::driver::DriverError;

/// A descriptor below another image, and what format it is read in.
pub(super) type Below = (OwnedFd, Format);

/// Opens an image, and the chain below it from the top down. Backing files are opened for reading, and nobody writes them meanwhile.
pub(super) fn open(
    what: &str,
    path: &Path,
    access: ImageAccess,
    format: Format,
) -> Result<(OwnedFd, Vec<Below>), DriverError> {
    open_beside(what, path, access, format, &[])
}

/// The same, where files that are `held` already are not locked: who has them locks them anew.
pub(super) fn open_beside(
    what: &str,
    path: &Path,
    access: ImageAccess,
    format: Format,
    held: &[Identity],
) -> Result<(OwnedFd, Vec<Below>), DriverError> {
    let name = path.display().to_string();
    let failed = |source| DriverError::Open { what: what.to_owned(), path: name.clone(), source };
    let is_held = !held.is_empty() && held.contains(&identity_of(path).map_err(failed)?);
    let access = ImageAccess { sharing: if is_held { Sharing::Later } else { access.sharing }, ..access };
    let image = open::image(path, access).map_err(|error| match error {
        ImageError::InUse => DriverError::InUse { what: what.to_owned(), path: name.clone() },
        ImageError::Io(source) => failed(source),
        other => failed(io::Error::new(io::ErrorKind::InvalidInput, other)),
    })?;
    if format == Format::Raw {
        return Ok((image, Vec::new()));
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    let directories = Directories::new().allow_path(directory, directory).map_err(failed)?;
    let image = File::from(image);
    let top = identity(&image).map_err(failed)?;
    let held = held.to_vec();
    let resolver = Locking { directories, top, held, in_use: RefCell::default() };
    let found = ImageFile::new(image, &name).and_then(|image| reeve_image::chain(image, format, &resolver));
    let chain = found.map_err(|error| match resolver.in_use.take() {
        Some(path) => DriverError::InUse { what: format!("backing file of {what}"), path },
        None => failed(io::Error::new(io::ErrorKind::InvalidInput, error)),
    })?;
    let mut fds = chain.into_iter().map(|(file, format)| (file.into_file().into(), format));
    let (image, _) = fds.next().expect("a chain has the image itself");
    Ok((image, fds.collect()))
}

/// The files of the chain of an image that somebody has open and perhaps writes.
pub(super) fn held(what: &str, path: &Path, format: Format) -> Result<Vec<Identity>, DriverError> {
    let name = path.display().to_string();
    let failed = |source| DriverError::Open { what: what.to_owned(), path: name.clone(), source };
    let access = ImageAccess { readonly: true, direct: false, sharing: Sharing::Later, follow: true };
    let opened = open::image(path, access);
    let image = opened.map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let directories = Directories::new().allow_path(directory, directory).map_err(failed)?;
    let found = ImageFile::new(image.into(), &name)
        .and_then(|image| reeve_image::chain(image, format, &directories))
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    found.iter().map(|(file, _)| identity(file.file()).map_err(failed)).collect()
}

/// Which file it is: device and inode.
type Identity = (u64, u64);

fn identity(file: &File) -> io::Result<Identity> {
    file.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn identity_of(path: &Path) -> io::Result<Identity> {
    std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Finds backing files and locks each before anything is read of it.
struct Locking {
    directories: Directories,
    /// The image itself, which is locked already.
    top: Identity,
    /// Files that are locked elsewhere, by who gets them.
    held: Vec<Identity>,
    /// The one that somebody else writes.
    in_use: RefCell<Option<String>>,
}

impl BackingResolver for Locking {
    fn open(&self, request: BackingRequest<'_>) -> Result<ImageFile, BackingError> {
        let found = self.directories.open(request)?;
        let file = identity(found.file())?;
        if file == self.top || self.held.contains(&file) {
            // A loop, which is refused by who looks for them; or it is locked.
            return Ok(found);
        }
        let name = found.name().to_owned();
        let locked = open::backing(found.into_file().into()).map_err(|error| match error {
            ImageError::InUse => {
                self.in_use.replace(Some(name.clone()));
                BackingError::Refused(error.to_string())
            }
            ImageError::Io(source) => BackingError::Io(source),
            other => BackingError::Refused(other.to_string()),
        })?;
        ImageFile::new(File::from(locked), name).map_err(|error| BackingError::Refused(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use reeve_image::{BackingReference, CreateOptions};

    use super::*;

    const WRITER: ImageAccess =
        ImageAccess { readonly: false, direct: false, sharing: Sharing::Exclusive, follow: true };

    fn overlay(path: &Path, backing: &str, format: &str) {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap();
        let mut options = CreateOptions::new(Format::Qcow2, 1 << 20);
        options.qcow2.backing =
            Some(BackingReference { name: backing.to_owned(), format: Some(format.to_owned()) });
        reeve_image::create(ImageFile::new(file, "new").unwrap(), &options).unwrap();
    }

    #[test]
    fn a_chain_is_opened_and_its_files_are_kept_from_writers() {
        let dir = tempfile::tempdir().unwrap();
        let (base, top) = (dir.path().join("base"), dir.path().join("top"));
        std::fs::write(&base, vec![0; 1 << 20]).unwrap();
        overlay(&top, "base", "raw");
        let (_image, below) = open("disk vda", &top, WRITER, Format::Qcow2).unwrap();
        assert_eq!(below.len(), 1);
        assert!(matches!(open::image(&base, WRITER), Err(ImageError::InUse)));
        let second = dir.path().join("second");
        overlay(&second, "base", "raw");
        let shared = open("disk vda", &second, WRITER, Format::Qcow2).unwrap();
        drop((below, shared));
        let _writer = open::image(&base, WRITER).unwrap();
        let refused = open("disk vda", &second, WRITER, Format::Qcow2).unwrap_err();
        assert!(
            matches!(&refused, DriverError::InUse { path, .. } if *path == base.display().to_string()),
            "{refused}"
        );
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        for (backing, format, why) in [
            ("/etc/passwd", "raw", "no directory that is allowed"),
            ("../base", "raw", "no directory that is allowed"),
            ("json:{\"driver\":\"file\"}", "raw", "only paths are taken"),
            ("nbd://host/x", "raw", "is a protocol"),
            ("top", "qcow2", "comes back to an image"),
            ("missing", "raw", "No such file"),
        ] {
            // Some of these are refused to who makes an image.
            let place = "x".repeat(backing.len());
            overlay(&top, &place, format);
            let mut bytes = std::fs::read(&top).unwrap();
            let at = bytes.windows(place.len()).position(|window| window == place.as_bytes()).unwrap();
            bytes[at..at + place.len()].copy_from_slice(backing.as_bytes());
            std::fs::write(&top, bytes).unwrap();
            let refused = open("disk vda", &top, WRITER, Format::Qcow2).unwrap_err();
            let cause = refused.source().map(ToString::to_string).unwrap_or_default();
            assert!(cause.contains(why), "{backing}: {refused}: {cause}");
        }
    }
}
