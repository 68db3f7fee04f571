//! Volumes with a format of their own: qcow2 images and their backing volumes.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use reeve_image::{
    Access, BackingReference, Compat, CreateOptions, Directories, Format, ImageFile, Preallocation,
    ResizeOptions,
};
use reeve_model::storage::VolumeConfig;

use crate::StorageError;
use crate::directory::Directory;
use crate::pool::Volume;
use crate::probe;

/// Makes an empty image, or an overlay of a volume of the same pool.
pub(super) fn make(
    directory: &Directory,
    file: &File,
    volume: &VolumeConfig,
    format: &str,
) -> Result<(), StorageError> {
    let subject = directory.subject(&volume.name);
    let format =
        format.parse::<Format>().map_err(|error| StorageError::unsupported(&subject, error.to_string()))?;
    let below = volume
        .backing
        .as_ref()
        .map(|backing| backing_volume(directory, &subject, &backing.path))
        .transpose()?;
    let capacity =
        volume.capacity.map(|capacity| capacity.0).or(below.as_ref().map(|(_, below)| below.capacity));
    let capacity = capacity.ok_or_else(|| StorageError::invalid(&subject, "it needs a capacity"))?;
    let mut options = options(volume, format, capacity);
    if let (Some(backing), Some((path, below))) = (&volume.backing, below) {
        let told = backing.format.clone().unwrap_or_else(|| below.format.clone());
        if told != below.format {
            let reason = format!("its backing volume has the format '{}', not '{told}'", below.format);
            return Err(StorageError::invalid(subject, reason));
        }
        options.qcow2.backing = Some(BackingReference { name: path, format: Some(told) });
    }
    if let Some(complaint) = options.complaint() {
        return Err(StorageError::invalid(subject, complaint));
    }
    let file = file.try_clone().map_err(StorageError::file(&subject, "opened"))?;
    let image = ImageFile::new(file, directory.path_of(&volume.name))?;
    reeve_image::create(image, &options).map_err(|error| or_full(error, &subject, capacity))
}

/// An image as a document asks for it, without its backing image.
pub(crate) fn options(volume: &VolumeConfig, format: Format, capacity: u64) -> CreateOptions {
    let mut options = CreateOptions::new(format, capacity);
    let whole = volume.allocation.is_some_and(|allocation| allocation.0 >= capacity);
    options.preallocation = match volume.target.preallocation {
        Some(wanted) => wanted,
        None if whole && volume.backing.is_none() => Preallocation::Falloc,
        None => Preallocation::Off,
    };
    if format == Format::Raw {
        return options;
    }
    // Documents of libvirt that name no compat mean the newer one.
    options.qcow2.compat =
        if volume.target.compat.as_deref() == Some("0.10") { Compat::V0_10 } else { Compat::V1_1 };
    options.qcow2.cluster_size = volume.target.cluster_size.map(|size| size.0);
    if let Some(features) = &volume.target.features {
        options.qcow2.lazy_refcounts = features.lazy_refcounts;
        options.qcow2.extended_l2 = features.extended_l2;
    }
    options
}

/// Finds backing images in the directory of a pool, and nowhere else.
pub(super) fn chain(directory: &Directory) -> Result<Directories, StorageError> {
    let path = directory.path_of("");
    let dir = directory.dir().try_clone().map_err(StorageError::file(&path, "opened"))?;
    Ok(Directories::new().allow(path, dir))
}

/// The volume that a document names as backing image, by its name or path: nothing outside of the pool is one.
fn backing_volume(
    directory: &Directory,
    subject: &str,
    path: &str,
) -> Result<(String, probe::Probed), StorageError> {
    let name = path.strip_prefix(&directory.path_of("")).unwrap_or(path);
    let file = directory.volume(name, false).map_err(|error| {
        let reason = reeve_model::sentence(&error);
        StorageError::invalid(
            subject,
            format!("'{path}' can't be its backing image, which is a volume of the same pool: {reason}"),
        )
    })?;
    let path = directory.path_of(name);
    let size = file.metadata().map_err(StorageError::file(&path, "looked at"))?.size();
    let probed = probe::probe(&file, &path, size);
    match &probed.fault {
        None => Ok((path, probed)),
        Some(fault) => {
            Err(StorageError::invalid(subject, format!("'{path}' can't be its backing image: {fault}")))
        }
    }
}

/// Gives an image another capacity. What it reads from is found in its own pool only.
pub(super) fn resize(
    directory: &Directory,
    file: File,
    volume: &Volume,
    capacity: u64,
    allocate: bool,
) -> Result<(), StorageError> {
    let subject = directory.subject(&volume.name);
    if let Some(fault) = &volume.fault {
        return Err(StorageError::conflict(subject, fault));
    }
    let format = volume
        .format
        .parse::<Format>()
        .map_err(|error| StorageError::unsupported(&subject, error.to_string()))?;
    let chain = chain(directory)?;
    let mut image = reeve_image::open(ImageFile::new(file, &volume.path)?, format, Access::Write, &chain)?;
    let preallocation = if allocate { Preallocation::Falloc } else { Preallocation::Off };
    image
        .resize(capacity, ResizeOptions { shrink: true, preallocation })
        .and_then(|()| image.sync())
        .map_err(|error| or_full(error, &subject, capacity.saturating_sub(volume.capacity.0)))
}

pub(crate) fn or_full(error: reeve_image::ImageError, subject: &str, bytes: u64) -> StorageError {
    match error.is_full() {
        true => StorageError::Full { subject: subject.to_owned(), bytes },
        false => error.into(),
    }
}
