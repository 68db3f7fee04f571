//! What format the image in a file has.
//!
//! A guest writes what it likes into a raw image, a header of another format included. So a volume that this host made is marked
//! with its format where the file system can hold the mark, and its content is not asked.

use std::fs::File;

use reeve_image::{Content, Format, ImageFile};
use reeve_model::storage::VolumeEncryption;
use uuid::Uuid;

/// The format without a header.
pub(crate) const RAW: &str = "raw";

/// The format of an encrypted volume, which is raw to whoever has its key.
pub(crate) const LUKS: &str = "luks";

const MARK: &str = "trusted.reeve.format";
const SECRET_MARK: &str = "trusted.reeve.secret";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probed {
    pub(crate) format: String,
    pub(crate) capacity: u64,
    pub(crate) backing: Option<String>,
    pub(crate) encryption: Option<VolumeEncryption>,
    /// Why it can't be used as it is, if so.
    pub(crate) fault: Option<String>,
}

/// Notes the format of a volume that this host made.
pub(crate) fn mark(file: &File, format: &str) {
    if let Err(error) = rustix::fs::fsetxattr(file, MARK, format.as_bytes(), rustix::fs::XattrFlags::empty())
    {
        tracing::debug!("the file system holds no mark of an image's format: {error}");
    }
}

/// Notes which secret opens an encrypted volume.
pub(crate) fn mark_secret(file: &File, secret: Uuid) {
    let (value, flags) = (secret.to_string(), rustix::fs::XattrFlags::empty());
    if let Err(error) = rustix::fs::fsetxattr(file, SECRET_MARK, value.as_bytes(), flags) {
        tracing::debug!("the file system holds no mark of a volume's secret: {error}");
    }
}

/// Notes of a copy which secret opens it, where that is known of the original.
pub(crate) fn carry_secret(from: &File, to: &File) {
    if let Some(secret) = marked(from, SECRET_MARK).and_then(|secret| secret.parse().ok()) {
        mark_secret(to, secret);
    }
}

/// The word of a mark.
fn marked(file: &File, mark: &str) -> Option<String> {
    let mut value = [0_u8; 40];
    let length = rustix::fs::fgetxattr(file, mark, &mut value[..]).ok()?;
    std::str::from_utf8(value.get(..length)?).ok().map(str::to_owned)
}

/// An encrypted volume; `fault` where it has no header that can be read.
fn encrypted(file: &File, image: Result<ImageFile, String>, size: u64) -> Probed {
    let info = image.and_then(|image| {
        let found = reeve_image::luks_info(&image).map_err(|error| reeve_model::sentence(&error))?;
        found.ok_or_else(|| "its LUKS header is gone: it was wiped or written over; delete it".to_owned())
    });
    let secret = marked(file, SECRET_MARK).and_then(|secret| secret.parse().ok());
    Probed {
        format: RAW.to_owned(),
        capacity: info.as_ref().map_or(size, |info| info.capacity),
        backing: None,
        encryption: Some(VolumeEncryption { format: LUKS.to_owned(), secret }),
        fault: info.err(),
    }
}

/// Looks at a file of `size` bytes. Its backing file is named, never opened.
pub(crate) fn probe(file: &File, name: &str, size: u64) -> Probed {
    let raw = |format: &str, fault| Probed {
        format: format.to_owned(),
        capacity: size,
        backing: None,
        encryption: None,
        fault,
    };
    let image = || {
        let copy = file.try_clone().map_err(|error| error.to_string())?;
        ImageFile::new(copy, name).map_err(|error| reeve_model::sentence(&error))
    };
    let mark = marked(file, MARK);
    if mark.as_deref() == Some(LUKS) {
        return encrypted(file, image(), size);
    }
    let format = match mark.and_then(|mark| mark.parse::<Format>().ok()) {
        Some(format) => format,
        None => match image()
            .and_then(|image| reeve_image::probe(&image).map_err(|error| reeve_model::sentence(&error)))
        {
            Ok(found) => match found.content {
                Content::Raw => Format::Raw,
                Content::Qcow2 => Format::Qcow2,
                Content::Other(LUKS) => return encrypted(file, image(), size),
                Content::Other(other) => {
                    let fault = format!("images of format '{other}' are not read by this version");
                    return raw(other, Some(fault));
                }
            },
            Err(fault) => return raw(RAW, Some(fault)),
        },
    };
    if format == Format::Raw {
        return raw(RAW, None);
    }
    let info = image()
        .and_then(|image| reeve_image::info(image, format).map_err(|error| reeve_model::sentence(&error)));
    match info {
        Ok(info) => Probed {
            format: format.name().to_owned(),
            capacity: info.virtual_size,
            backing: info.backing.map(|backing| backing.name),
            encryption: None,
            fault: info
                .qcow2
                .filter(|image| image.corrupt)
                .map(|_| "it is marked as corrupt; check it".to_owned()),
        },
        Err(fault) => raw(format.name(), Some(fault)),
    }
}
