//! Snapshots within images that no machine has, and new images. Each image is locked while it is changed.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use reeve_image::{
    Access, BackingReference, CreateOptions, Directories, Format, Image, ImageFile, Snapshot, create,
    open_alone,
};
use reeve_model::{Error, ErrorCode};
use reeve_sys::open::{self, ImageAccess, Sharing};
use time::OffsetDateTime;

use super::DiskImage;

fn failed(image: &DiskImage, what: &str, cause: &dyn std::fmt::Display) -> Error {
    let (target, path) = (&image.target, image.path.display());
    Error::new(ErrorCode::Internal, format!("disk '{target}' can't be {what}: '{path}': {cause}"))
}

fn opened(image: &DiskImage, access: Access) -> Result<Image, Error> {
    let write = access == Access::Write;
    let sharing = if write { Sharing::Exclusive } else { Sharing::Later };
    let how = ImageAccess { readonly: !write, direct: false, sharing, follow: true };
    let fd = open::image(&image.path, how).map_err(|error| match error {
        open::ImageError::InUse => Error { code: ErrorCode::Busy, ..failed(image, "changed", &error) },
        other => failed(image, "opened", &other),
    })?;
    let file = ImageFile::new(File::from(fd), image.path.display().to_string());
    file.and_then(|file| open_alone(file, Format::Qcow2, access))
        .map_err(|error| Error::caused(ErrorCode::Internal, &error))
}

fn found(image: &Image, name: &str, taken: i64) -> Result<Option<Snapshot>, Error> {
    let all = image.snapshots().map_err(|error| Error::caused(ErrorCode::Internal, &error))?;
    let is_it = |one: &Snapshot| one.name == name && one.taken.unix_timestamp() == taken;
    Ok(all.into_iter().find(is_it))
}

/// Makes a snapshot within each image, or in none.
pub(super) fn take(images: &[DiskImage], name: &str, taken: i64) -> Result<(), Error> {
    let moment = OffsetDateTime::from_unix_timestamp(taken)
        .map_err(|_| Error::new(ErrorCode::Internal, "the clock of the host is far off"))?;
    // All locked before any is changed.
    let mut opened =
        images.iter().map(|image| opened(image, Access::Write)).collect::<Result<Vec<_>, _>>()?;
    let mut ids = Vec::new();
    for image in &mut opened {
        match image.create_snapshot(name, moment).and_then(|made| image.sync().map(|()| made)) {
            Ok(made) => ids.push(made.id),
            Err(error) => {
                for (image, id) in opened.iter_mut().zip(ids) {
                    if let Err(error) = image.delete_snapshot(&id) {
                        tracing::warn!(image = image.name(), %error, "a snapshot that nobody knows is left");
                    }
                }
                return Err(Error::caused(ErrorCode::Internal, &error));
            }
        }
    }
    Ok(())
}

/// Deletes the snapshot of a name and time within each image that has it.
pub(super) fn remove(images: &[DiskImage], name: &str, taken: i64) -> Result<(), Error> {
    for image in images {
        // Nothing is in an image that is not there.
        if !image.path.exists() {
            continue;
        }
        let mut open = opened(image, Access::Write)?;
        if let Some(snapshot) = found(&open, name, taken)? {
            let deleted = open.delete_snapshot(&snapshot.id).and_then(|()| open.sync());
            deleted.map_err(|error| failed(image, "changed", &error))?;
        }
    }
    Ok(())
}

/// Makes each image what it was at the snapshot of a name and time; all have it, or none is touched.
pub(super) fn apply(images: &[DiskImage], name: &str, taken: i64) -> Result<(), Error> {
    let mut all = Vec::new();
    for image in images {
        let open = opened(image, Access::Write)?;
        let snapshot = found(&open, name, taken)?.ok_or_else(|| missing(image, name))?;
        all.push((image, open, snapshot.id));
    }
    for (image, open, id) in &mut all {
        let applied = open.apply_snapshot(id).and_then(|()| open.sync());
        applied.map_err(|error| failed(image, "reverted", &error))?;
    }
    Ok(())
}

/// Refuses when an image has no snapshot of this name and time. Whoever writes an image meanwhile does not change that.
pub(super) fn check(images: &[DiskImage], name: &str, taken: i64) -> Result<(), Error> {
    for image in images {
        found(&opened(image, Access::Read)?, name, taken)?.ok_or_else(|| missing(image, name))?;
    }
    Ok(())
}

fn missing(image: &DiskImage, name: &str) -> Error {
    let (target, path) = (&image.target, image.path.display());
    let message = format!("disk '{target}' has no snapshot '{name}' of that time within '{path}'");
    Error::new(ErrorCode::WrongState, message)
        .with_hint("what is kept of the snapshot goes with 'reeve domain snapshot-delete --metadata'")
}

/// Makes an image on another one. With `reuse` the file is there already, and what is in it is lost. Gives its length.
pub(super) fn overlay(
    path: &Path,
    (base, format): (&Path, Format),
    size: u64,
    reuse: bool,
) -> Result<u64, Error> {
    let name = path.display().to_string();
    let refused = |what: &str, error: &dyn std::fmt::Display| {
        Error::new(ErrorCode::Internal, format!("the new image '{name}' can't be {what}: {error}"))
    };
    let file = if reuse {
        let how = ImageAccess { readonly: false, direct: false, sharing: Sharing::Exclusive, follow: false };
        let file = open::image(path, how).map(File::from).map_err(|error| refused("opened", &error))?;
        if is_below(&file, base, format)? {
            return Err(Error::new(ErrorCode::Invalid, format!("'{name}' has what the disk has now")));
        }
        file.set_len(0).map_err(|error| refused("emptied", &error))?;
        file
    } else {
        let made = File::options().read(true).write(true).create_new(true).mode(0o600).open(path);
        made.map_err(|error| refused("made", &error))?
    };
    let mut options = CreateOptions::new(Format::Qcow2, size);
    options.qcow2.backing = Some(BackingReference::new(reference(path, base).display().to_string(), format));
    let made = ImageFile::new(file, &name).and_then(|image| {
        create(ImageFile::new(image.file().try_clone().map_err(io_of(&name))?, &name)?, &options)?;
        image.sync()?;
        image.len()
    });
    let made = made.map_err(|error| Error::caused(ErrorCode::Internal, &error)).and_then(|length| {
        sync_directory(path).map_err(|error| refused("kept", &error))?;
        Ok(length)
    });
    made.inspect_err(|_| {
        if !reuse {
            // It is the host's own, made a moment ago.
            let _ = std::fs::remove_file(path);
        }
    })
}

/// Writes down that a file is in its directory, or gone from it.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn io_of(name: &str) -> impl Fn(io::Error) -> reeve_image::ImageError + '_ {
    move |source| reeve_image::ImageError::Io { image: name.to_owned(), doing: "opened", source }
}

/// Whether a file is an image, or one of those below it.
fn is_below(file: &File, base: &Path, format: Format) -> Result<bool, Error> {
    let unreadable = |error: &dyn std::error::Error| Error::caused(ErrorCode::Internal, error);
    let identity = |file: &File| file.metadata().map(|found| (found.dev(), found.ino()));
    let directory = base.parent().unwrap_or(Path::new("/"));
    let chain = File::open(base)
        .and_then(|image| Ok((image, Directories::new().allow_path(directory, directory)?)))
        .map_err(|error| unreadable(&error))
        .and_then(|(image, directories)| {
            ImageFile::new(image, base.display().to_string())
                .and_then(|image| reeve_image::chain(image, format, &directories))
                .map_err(|error| unreadable(&error))
        })?;
    let own = identity(file).map_err(|error| unreadable(&error))?;
    Ok(chain.iter().any(|(below, _)| identity(below.file()).is_ok_and(|other| other == own)))
}

/// How an image names the one below it: from its own directory where it can.
pub(super) fn reference(path: &Path, base: &Path) -> PathBuf {
    let directory = path.parent().unwrap_or(Path::new("/"));
    base.strip_prefix(directory).unwrap_or(base).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_from_the_directory_of_the_one_above() {
        let named =
            |path: &str, base: &str| reference(Path::new(path), Path::new(base)).display().to_string();
        assert_eq!(named("/srv/web.one", "/srv/web.img"), "web.img");
        assert_eq!(named("/srv/web.one", "/srv/old/web.img"), "old/web.img");
        assert_eq!(named("/new/web.one", "/srv/web.img"), "/srv/web.img");
    }
}
