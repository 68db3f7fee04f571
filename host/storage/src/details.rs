//! What the document of a volume says beside what lists show: whose it is, when it was touched, how its image is made.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::time::UNIX_EPOCH;

use reeve_image::{Format, ImageFile};
use reeve_model::Bytes;
use reeve_model::storage::{ImageFeatures, Permissions, Timestamps, VolumeTarget};

/// Of one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Details {
    /// Permissions, timestamps, and what only qcow2 images have.
    pub(crate) target: VolumeTarget,
    /// Format of the backing image, as the image records it.
    pub(crate) backing_format: Option<String>,
}

impl Details {
    /// Those of anything.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let target = VolumeTarget {
            permissions: Some(Permissions {
                mode: Some(metadata.mode() & 0o7777),
                owner: Some(metadata.uid()),
                group: Some(metadata.gid()),
                ..Permissions::default()
            }),
            timestamps: Some(timestamps(metadata)),
            ..VolumeTarget::default()
        };
        Self { target, backing_format: None }
    }

    /// Those of a file that holds an image of this format, as far as it can be read.
    pub(crate) fn of_image(file: &File, metadata: &Metadata, name: &str, format: &str) -> Self {
        let mut details = Self::of(metadata);
        if let Some(permissions) = &mut details.target.permissions {
            permissions.label = label(file);
        }
        let image = || ImageFile::new(file.try_clone().ok()?, name).ok();
        let info = (format == Format::Qcow2.name())
            .then(image)
            .flatten()
            .and_then(|image| reeve_image::info(image, Format::Qcow2).ok());
        if let Some(info) = info {
            details.backing_format = info.backing.and_then(|backing| backing.format);
            if let Some(image) = info.qcow2 {
                details.target.compat = Some(image.compat.name().to_owned());
                details.target.cluster_size = Some(Bytes(image.cluster_size));
                let (lazy_refcounts, extended_l2) = (image.lazy_refcounts, image.extended_l2);
                if lazy_refcounts || extended_l2 {
                    let features = ImageFeatures { lazy_refcounts, extended_l2, ..ImageFeatures::default() };
                    details.target.features = Some(features);
                }
            }
        }
        details
    }
}

fn timestamps(metadata: &Metadata) -> Timestamps {
    let stamp = |seconds: i64, nanoseconds: i64| Some(format!("{seconds}.{nanoseconds:09}"));
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    Timestamps {
        atime: stamp(metadata.atime(), metadata.atime_nsec()),
        mtime: stamp(metadata.mtime(), metadata.mtime_nsec()),
        ctime: stamp(metadata.ctime(), metadata.ctime_nsec()),
        btime: born.map(|born| format!("{}.{:09}", born.as_secs(), born.subsec_nanos())),
        ..Timestamps::default()
    }
}

/// The label of a security module, where there is one.
fn label(file: &File) -> Option<String> {
    let mut value = [0_u8; 256];
    let length = rustix::fs::fgetxattr(file, "security.selinux", &mut value[..]).ok()?;
    let text = std::str::from_utf8(value.get(..length)?).ok()?.trim_end_matches('\0');
    (!text.is_empty()).then(|| text.to_owned())
}
