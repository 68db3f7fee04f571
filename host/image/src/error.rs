//! What can go wrong with an image. Every sentence names the image.

use std::io;

use crate::format::UnknownFormat;

/// An operation on an image failed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file system or device refused.
    #[error("image '{image}' can't be {doing}")]
    Io {
        /// Name of the image.
        image: String,
        /// What was attempted, as a participle: `read`, `written`.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The bytes of the image contradict its format.
    #[error("image '{image}' is damaged: {problem}")]
    Damaged {
        /// Name of the image.
        image: String,
        /// What is wrong and where.
        problem: String,
    },
    /// The image is sound, or may be, and asks for something that is not done here.
    #[error("image '{image}' is not supported: {reason}")]
    Unsupported {
        /// Name of the image.
        image: String,
        /// What it asks for.
        reason: String,
    },
    /// The image names a backing file that may not or can't be used.
    #[error("backing file '{backing}' of image '{image}' is refused: {reason}")]
    Backing {
        /// Name of the image.
        image: String,
        /// The backing file as the image names it.
        backing: String,
        /// Why not.
        reason: String,
    },
    /// What is asked makes no sense for this image, or would lose data.
    #[error("image '{image}' can't be {doing}: {reason}")]
    Refused {
        /// Name of the image.
        image: String,
        /// What was asked, as a participle: `resized`, `created`.
        doing: &'static str,
        /// Why not, and what would help.
        reason: String,
    },
    /// A format that is not handled here.
    #[error(transparent)]
    Format(#[from] UnknownFormat),
}

impl ImageError {
    /// True when the disk or a quota is full, or the file would pass a limit on sizes.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }
}
