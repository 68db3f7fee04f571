//! What format the image in a file has.
//!
//! A guest writes what it likes into a raw image, a header of another format included. So a volume that this host made is marked
//! with its format where the file system can hold the mark, and its content is not asked.

use std::fs::File;

use reeve_image::{Content, Format, ImageFile};

/// The format without a header.
pub(crate) const RAW: &str = "raw";

const MARK: &str = "trusted.reeve.format";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probed {
    pub(crate) format: String,
    pub(crate) capacity: u64,
    pub(crate) backing: Option<String>,
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

fn marked(file: &File) -> Option<Format> {
    let mut value = [0_u8; 16];
    let length = rustix::fs::fgetxattr(file, MARK, &mut value[..]).ok()?;
    std::str::from_utf8(value.get(..length)?).ok()?.parse().ok()
}

/// Looks at a file of `size` bytes. Its backing file is named, never opened.
pub(crate) fn probe(file: &File, name: &str, size: u64) -> Probed {
    let raw =
        |format: &str, fault| Probed { format: format.to_owned(), capacity: size, backing: None, fault };
    let image = || {
        let copy = file.try_clone().map_err(|error| error.to_string())?;
        ImageFile::new(copy, name).map_err(|error| reeve_model::sentence(&error))
    };
    let format = match marked(file) {
        Some(format) => format,
        None => match image()
            .and_then(|image| reeve_image::probe(&image).map_err(|error| reeve_model::sentence(&error)))
        {
            Ok(found) => match found.content {
                Content::Raw => Format::Raw,
                Content::Qcow2 => Format::Qcow2,
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
            fault: info
                .qcow2
                .filter(|image| image.corrupt)
                .map(|_| "it is marked as corrupt; check it".to_owned()),
        },
        Err(fault) => raw(format.name(), Some(fault)),
    }
}
