//! Backing files: whose bytes an image shows where it has none of its own.
//!
//! The name of a backing file is written in the image, by whoever made the image. It is hostile until the caller's
//! [`BackingResolver`] has said which file it means. Names that are no paths never get that far.

use std::io;

use crate::error::ImageError;
use crate::file::ImageFile;
use crate::format::Format;
use crate::probe::{Content, probe};

/// Most images in a chain.
pub const MAX_CHAIN: usize = 200;
/// Longest name of a backing file, as the format has it.
pub(crate) const MAX_NAME: usize = 1023;

/// What an image says about its backing file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackingReference {
    /// The file's name: a path, relative to the directory of the image unless it begins with a slash.
    pub name: String,
    /// The format as the image records it; older images record none.
    pub format: Option<String>,
}

/// A backing file that is to be opened.
#[derive(Debug, Clone, Copy)]
pub struct BackingRequest<'a> {
    /// The image that names it, as [`ImageFile::name`] calls it.
    pub image: &'a str,
    /// The name in the image: a path without a protocol, at most 1023 bytes.
    pub name: &'a str,
    /// For writing, which only `commit` asks for.
    pub write: bool,
}

/// Why a backing file is not opened.
#[derive(Debug, thiserror::Error)]
pub enum BackingError {
    /// It may not be used.
    #[error("{0}")]
    Refused(String),
    /// It can't be opened.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Opens backing files. Nothing else in this crate opens anything by a name.
pub trait BackingResolver {
    /// The file that a name in an image means, or why there is none. Loops and depth are looked after by the caller.
    fn open(&self, request: BackingRequest<'_>) -> Result<ImageFile, BackingError>;
}

/// Refuses every backing file.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBacking;

impl BackingResolver for NoBacking {
    fn open(&self, _: BackingRequest<'_>) -> Result<ImageFile, BackingError> {
        Err(BackingError::Refused("backing files are not allowed here".to_owned()))
    }
}

impl BackingReference {
    /// A reference to write into an image.
    pub fn new(name: impl Into<String>, format: Format) -> Self {
        Self { name: name.into(), format: Some(format.name().to_owned()) }
    }

    /// Why the name is no path; none when it is one.
    pub fn complaint(&self) -> Option<String> {
        let name = &self.name;
        if name.len() > MAX_NAME {
            return Some(format!("its name is longer than {MAX_NAME} bytes"));
        }
        if name.is_empty() || name.contains('\0') {
            return Some("its name is no path".to_owned());
        }
        if name.starts_with("json:") {
            return Some("'json:' names describe block devices of QEMU; only paths are taken".to_owned());
        }
        // As QEMU reads names: a colon before the first slash ends a protocol.
        let protocol = name.split('/').next().and_then(|first| first.split_once(':'));
        protocol.map(|(protocol, _)| format!("'{protocol}:' is a protocol; only paths are taken"))
    }

    /// Opens it through the resolver, and says which format to read it in.
    pub(crate) fn resolve(
        &self,
        image: &ImageFile,
        resolver: &dyn BackingResolver,
        write: bool,
    ) -> Result<(ImageFile, Format), ImageError> {
        let refused = |reason: String| ImageError::Backing {
            image: image.name().to_owned(),
            backing: self.name.clone(),
            reason,
        };
        if let Some(complaint) = self.complaint() {
            return Err(refused(complaint));
        }
        let told = self.format.as_deref().map(str::parse::<Format>).transpose();
        let told = told.map_err(|unknown| refused(unknown.to_string()))?;
        let request = BackingRequest { image: image.name(), name: &self.name, write };
        let file = resolver.open(request).map_err(|error| refused(error.to_string()))?;
        let format = match told {
            Some(format) => format,
            // What reads as raw is the same bytes whoever guessed. Anything else may be what a guest wrote to its raw disk.
            None => match probe(&file)?.content {
                Content::Raw => Format::Raw,
                other => {
                    return Err(refused(format!(
                        "the image does not record its format and it looks like {other}; record one with 'rebase -u'"
                    )));
                }
            },
        };
        Ok((file, format))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(name: &str) -> Option<String> {
        BackingReference::new(name, Format::Raw).complaint()
    }

    #[test]
    fn names_are_paths() {
        for path in ["base.raw", "../base.raw", "/images/base.qcow2", "./a:b", "dir/a:b"] {
            assert_eq!(complaint(path), None);
        }
        assert!(complaint("json:{\"driver\":\"nbd\"}").unwrap().contains("json:"));
        for protocol in ["nbd://host/x", "http://x/", "rbd:pool/x", "file:/etc/shadow", "fat:rw:/"] {
            assert!(complaint(protocol).unwrap().contains("protocol"), "{protocol}");
        }
        assert!(
            complaint("").is_some() && complaint("a\0b").is_some() && complaint(&"a".repeat(1024)).is_some()
        );
    }
}
