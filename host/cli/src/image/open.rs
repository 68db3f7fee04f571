//! Opening the images that a command line names.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use reeve_image::{
    Access, BackingError, BackingRequest, BackingResolver, Cache, Directories, Format, Image, ImageFile,
    probe,
};
use reeve_model::sentence;
use reeve_sys::open::{ImageAccess, ImageError, Sharing};

use super::cache::Caches;
use crate::context::Context;

/// Where backing files may be.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Backing {
    /// Take backing files from this directory too; they may be in that of the image [repeatable]
    #[arg(long = "backing-dir", value_name = "DIR")]
    directories: Vec<PathBuf>,
}

/// An image could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open image '{}'", file.display())]
pub(crate) struct OpenImage {
    file: PathBuf,
    pub(crate) source: ImageError,
}

/// Opens the file of an image and keeps others away from it: all of them from one that is written, writers from one that is read.
pub(crate) fn file(path: &Path, access: Access) -> anyhow::Result<ImageFile> {
    let write = access == Access::Write;
    let sharing = if write { Sharing::Exclusive } else { Sharing::Shared };
    let access = ImageAccess { readonly: !write, direct: false, sharing, follow: true };
    let opened =
        reeve_sys::open::image(path, access).map_err(|source| OpenImage { file: path.to_owned(), source })?;
    Ok(ImageFile::new(File::from(opened), path.display().to_string())?)
}

/// Opens it for reading also while a machine writes to it; what is read may be out of date by then.
pub(crate) fn unlocked(path: &Path) -> anyhow::Result<ImageFile> {
    let opened = reeve_sys::open::read_only(path)
        .map_err(|source| OpenImage { file: path.to_owned(), source: source.into() })?;
    Ok(ImageFile::new(File::from(opened), path.display().to_string())?)
}

/// The format of a file: what was told, or else what it looks like.
pub(crate) fn format(context: &Context, file: &ImageFile, told: Option<Format>) -> anyhow::Result<Format> {
    let looks = probe(file)?;
    let Some(told) = told else { return Ok(looks.suggestion()?) };
    if let Some(warning) = looks.warning(told).filter(|_| told == Format::Raw) {
        context.note(&format!("warning: {}: {warning}", file.name()));
    }
    Ok(told)
}

/// Opens an image with its backing chain.
pub(crate) fn chain(
    context: &Context,
    path: &Path,
    told: Option<Format>,
    access: Access,
    backing: &Backing,
    caches: Caches,
) -> anyhow::Result<Image> {
    with_chain(context, file(path, access)?, path, told, access, backing, caches)
}

/// The same for a file that is open.
pub(crate) fn with_chain(
    context: &Context,
    file: ImageFile,
    path: &Path,
    told: Option<Format>,
    access: Access,
    backing: &Backing,
    caches: Caches,
) -> anyhow::Result<Image> {
    let format = format(context, &file, told)?;
    let resolver = resolver(path, told, backing, caches.below)?;
    Ok(reeve_image::open(file.with_cache(caches.image)?, format, access, &resolver)?)
}

/// Opens an image without its backing file.
pub(crate) fn alone(
    context: &Context,
    path: &Path,
    told: Option<Format>,
    access: Access,
    cache: Cache,
) -> anyhow::Result<Image> {
    let file = file(path, access)?.with_cache(cache)?;
    let format = format(context, &file, told)?;
    Ok(reeve_image::open_alone(file, format, access)?)
}

/// Finds the backing files of an image: in its own directory, and those that were allowed.
pub(crate) fn resolver(
    path: &Path,
    told: Option<Format>,
    backing: &Backing,
    cache: Cache,
) -> anyhow::Result<Resolver> {
    let own = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut directories = Directories::new();
    for place in std::iter::once(own).chain(backing.directories.iter().map(PathBuf::as_path)) {
        let whole = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
        let canonical = place.canonicalize().unwrap_or_else(|_| place.to_owned());
        for name in [place.to_owned(), whole, canonical] {
            // The image's name may begin without a directory.
            let name = if name == Path::new(".") { PathBuf::new() } else { name };
            directories = directories
                .allow_path(name, place)
                .map_err(|source| OpenImage { file: place.to_owned(), source: source.into() })?;
        }
    }
    Ok(Resolver { directories, told: told.is_some(), cache })
}

/// Backing files for a command line.
pub(crate) struct Resolver {
    directories: Directories,
    /// The format of the image was told, so that no guest can have written what it says.
    told: bool,
    cache: Cache,
}

impl BackingResolver for Resolver {
    fn open(&self, request: BackingRequest<'_>) -> Result<ImageFile, BackingError> {
        if !self.told {
            let reason =
                "a guest may have written its name to a raw disk; say '--format qcow2' if the image is one";
            return Err(BackingError::Refused(reason.to_owned()));
        }
        let file = self.directories.open(request)?;
        let sharing = if request.write { Sharing::Exclusive } else { Sharing::Shared };
        match reeve_sys::open::lock(file.file(), sharing) {
            Ok(()) => file.with_cache(self.cache).map_err(|error| BackingError::Refused(sentence(&error))),
            Err(ImageError::Io(error)) => Err(error.into()),
            Err(other) => {
                Err(BackingError::Io(io::Error::new(io::ErrorKind::ResourceBusy, other.to_string())))
            }
        }
    }
}
