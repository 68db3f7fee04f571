//! What a file looks like.
//!
//! A guest writes what it likes to a raw disk, the first bytes of a qcow2 image too, whose backing file would then be any file
//! of the host. So what a file looks like is advice for people and never decides how it is opened.

use std::fmt;

use crate::error::ImageError;
use crate::file::ImageFile;
use crate::format::{Format, UnknownFormat};

/// What the first bytes of a file look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Like no format: a raw image, or a raw image's guest was careful.
    Raw,
    /// Like qcow2 of version 2 or 3.
    Qcow2,
    /// Like a format that is not handled, e.g. `vmdk`.
    Other(&'static str),
}

/// What [`probe`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// What the file looks like.
    pub content: Content,
}

/// Where the marks of other formats are, and what they are.
const MARKS: [(&str, usize, &[u8]); 11] = [
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"COWD"),
    ("vmdk", 0, b"# Disk DescriptorFile"),
    ("vdi", 64, &[0x7f, 0x10, 0xda, 0xbe]),
    ("vhdx", 0, b"vhdxfile"),
    ("vpc", 0, b"conectix"),
    ("qed", 0, b"QED\0"),
    ("luks", 0, b"LUKS\xba\xbe"),
    ("parallels", 0, b"WithoutFreeSpace"),
    ("parallels", 0, b"WithouFreSpacExt"),
    ("bochs", 0, b"Bochs Virtual HD Image"),
];
const HEAD: usize = 512;

/// Looks at the first bytes of a file.
pub fn probe(file: &ImageFile) -> Result<Probe, ImageError> {
    let mut head = [0; HEAD];
    file.read_padded(&mut head, 0)?;
    Ok(Probe { content: Content::of(&head) })
}

impl Content {
    fn of(head: &[u8; HEAD]) -> Self {
        if head.starts_with(b"QFI\xfb") {
            // Version 1 is a format of its own.
            return if head[4..8] == [0, 0, 0, 1] { Self::Other("qcow") } else { Self::Qcow2 };
        }
        let mark = MARKS.iter().find(|(_, place, mark)| head[*place..].starts_with(mark));
        mark.map_or(Self::Raw, |(name, ..)| Self::Other(name))
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Other(name) => name,
        })
    }
}

impl Probe {
    /// The format to suggest to somebody who may answer for the file, because no guest wrote to it as a raw disk.
    pub fn suggestion(&self) -> Result<Format, UnknownFormat> {
        match self.content {
            Content::Raw => Ok(Format::Raw),
            Content::Qcow2 => Ok(Format::Qcow2),
            Content::Other(name) => Err(UnknownFormat(name.to_owned())),
        }
    }

    /// A sentence when the content does not look like the format the file is said to have.
    pub fn warning(&self, told: Format) -> Option<String> {
        match (told, self.content) {
            (Format::Raw, Content::Raw) | (Format::Qcow2, Content::Qcow2) => None,
            (Format::Raw, other) => Some(format!(
                "the content of the raw image looks like {other}: either its format is not raw, or its guest wants it to look so"
            )),
            (Format::Qcow2, other) => Some(format!("the image does not look like qcow2 but like {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Content {
        let mut head = [0; HEAD];
        head[..bytes.len()].copy_from_slice(bytes);
        Content::of(&head)
    }

    #[test]
    fn formats_are_told_by_their_marks() {
        assert_eq!(of(b"QFI\xfb\0\0\0\x03"), Content::Qcow2);
        assert_eq!(of(b"QFI\xfb\0\0\0\x01"), Content::Other("qcow"));
        assert_eq!(of(b"KDMV"), Content::Other("vmdk"));
        assert_eq!(of(b"\xeb\x63\x90"), Content::Raw);
        assert_eq!(of(b""), Content::Raw);
    }

    #[test]
    fn an_imitation_is_named() {
        let found = Probe { content: Content::Qcow2 };
        assert!(found.warning(Format::Raw).unwrap().contains("looks like qcow2"));
        assert_eq!(found.warning(Format::Qcow2), None);
        assert!(
            Probe { content: Content::Other("vdi") }.suggestion().unwrap_err().to_string().contains("vdi")
        );
    }
}
