//! What format the image in a file has.
//!
//! A guest writes what it likes into a raw image, a header of another format included. So a volume that this host made is marked
//! with its format where the file system can hold the mark, and its content is not asked.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The format without a header.
pub(crate) const RAW: &str = "raw";

const MARK: &str = "trusted.reeve.format";
const QCOW2: &str = "qcow2";
/// The longest name of a backing image.
const NAME_MAX: u32 = 1023;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probed {
    pub(crate) format: String,
    pub(crate) capacity: u64,
    pub(crate) backing: Option<String>,
}

impl Probed {
    pub(crate) fn raw(size: u64) -> Self {
        Self { format: RAW.to_owned(), capacity: size, backing: None }
    }
}

/// Notes the format of a volume that this host made.
pub(crate) fn mark(file: &File, format: &str) {
    if let Err(error) = rustix::fs::fsetxattr(file, MARK, format.as_bytes(), rustix::fs::XattrFlags::empty())
    {
        tracing::debug!("the file system holds no mark of an image's format: {error}");
    }
}

fn marked(file: &File) -> Option<String> {
    let mut value = [0_u8; 16];
    let length = rustix::fs::fgetxattr(file, MARK, &mut value[..]).ok()?;
    Some(String::from_utf8_lossy(value.get(..length)?).into_owned())
}

/// Looks at a file; the error is why an image can't be used as it is.
pub(crate) fn probe(file: &File) -> Result<Probed, String> {
    let failed = |error: io::Error| format!("it can't be read: {error}");
    let size = file.metadata().map_err(failed)?.len();
    if marked(file).as_deref() == Some(RAW) {
        return Ok(Probed::raw(size));
    }
    let mut header = [0; 104];
    let read = file.read_at(&mut header, 0).map_err(failed)?;
    match header[..read].starts_with(b"QFI\xfb") {
        true => qcow2(file, &header[..read]),
        false => Ok(Probed::raw(size)),
    }
}

/// The header of a qcow2 image: docs/interop/qcow2.txt of the format's authors.
fn qcow2(file: &File, header: &[u8]) -> Result<Probed, String> {
    let word = |at: usize| {
        header
            .get(at..at + 4)
            .map(|bytes| bytes.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)))
    };
    let long = |at: usize| Some(u64::from(word(at)?) << 32 | u64::from(word(at + 4)?));
    let cut = || "its header is cut short".to_owned();
    let version = word(4).ok_or_else(cut)?;
    if !(2..=3).contains(&version) {
        return Err(format!("it is a qcow image of version {version}; 2 and 3 are read"));
    }
    let (place, length) = (long(8).ok_or_else(cut)?, word(16).ok_or_else(cut)?);
    let capacity = long(24).ok_or_else(cut)?;
    if place == 0 || length == 0 {
        return Ok(Probed { format: QCOW2.to_owned(), capacity, backing: None });
    }
    if length > NAME_MAX {
        return Err(format!("the name of its backing image has {length} bytes; {NAME_MAX} is the most"));
    }
    let mut name = vec![0; length as usize];
    file.read_exact_at(&mut name, place)
        .map_err(|_| "the name of its backing image is outside of it".to_owned())?;
    let backing =
        String::from_utf8(name).map_err(|_| "the name of its backing image is no text".to_owned())?;
    Ok(Probed { format: QCOW2.to_owned(), capacity, backing: Some(backing) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(version: u32, place: u64, length: u32, size: u64, tail: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        let mut bytes = b"QFI\xfb".to_vec();
        bytes.extend(version.to_be_bytes());
        bytes.extend(place.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(16_u32.to_be_bytes());
        bytes.extend(size.to_be_bytes());
        bytes.resize(104, 0);
        bytes.extend(tail);
        file.write_all_at(&bytes, 0).unwrap();
        file
    }

    #[test]
    fn headers_are_read_and_bad_ones_told() {
        let read = probe(&image(3, 104, 8, 1 << 30, b"base.img")).unwrap();
        assert_eq!((read.format.as_str(), read.capacity), (QCOW2, 1 << 30));
        assert_eq!(read.backing.as_deref(), Some("base.img"));
        for (file, reason) in [
            (image(9, 0, 0, 1, b""), "version 9"),
            (image(3, 104, 2000, 1, b""), "has 2000 bytes"),
            (image(3, u64::MAX, 8, 1, b""), "outside of it"),
            (image(3, 104, 2, 1, b"\xff\xfe"), "no text"),
        ] {
            let fault = probe(&file).unwrap_err();
            assert!(fault.contains(reason), "{fault}");
        }
        let short = tempfile::tempfile().unwrap();
        short.write_all_at(b"QFI\xfb\0\0\0\x03", 0).unwrap();
        assert_eq!(probe(&short).unwrap_err(), "its header is cut short");
    }
}
