//! What can be wrong with a disk, and with giving it another size.

use std::error::Error as _;
use std::io;

use reeve_image::ImageError;

/// Why a file cannot be a disk.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Its size cannot be found out.
    #[error("cannot find out the size of a disk image: {0}")]
    Size(#[source] io::Error),
    /// Its flags or its alignment cannot be found out.
    #[error("cannot find out how a disk image was opened: {0}")]
    Flags(#[source] io::Error),
    /// There is no further descriptor of it.
    #[error("cannot have another descriptor of a disk image: {0}")]
    Share(#[source] io::Error),
    /// It is smaller than one block.
    #[error("a disk image of {0} bytes is smaller than one block")]
    Empty(u64),
    /// What is in it begins where no block does.
    #[error("the disk in an encrypted image begins at byte {0}, where no block begins")]
    Payload(u64),
    /// The key of an encrypted image can't be had.
    #[error("cannot read the key of an encrypted disk image: {0}")]
    Key(#[source] io::Error),
    /// The image or its chain is not what it should be.
    #[error("{}", whole(.0))]
    Image(#[from] ImageError),
    /// It has no place for a snapshot.
    #[error("only a qcow2 image can hold a snapshot, and it is raw")]
    Raw,
    /// What was written last can't be brought to the disk.
    #[error("what was written last can't be brought to the disk: {0}")]
    Sync(#[source] io::Error),
    /// What is to take its place is not what it is.
    #[error("an image of {new} bytes can't take the place of one of {old}")]
    Shorter {
        /// Bytes there are.
        old: u64,
        /// Bytes there would be.
        new: u64,
    },
    /// It is no drive.
    #[error("it is no drive with a medium that can be changed; its next start may make it one")]
    Fixed,
    /// It is never written.
    #[error("it is read-only, so nothing can take the place of its image")]
    Readonly,
    /// What is below it would be taken for the disk.
    #[error("it is encrypted, so nothing can take the place of its image while the domain runs")]
    Encrypted,
}

/// Why a disk can't be given another capacity.
#[derive(Debug, thiserror::Error)]
pub enum ResizeError {
    /// It would lose data.
    #[error("it has {0} bytes; to make it smaller and lose what is beyond its new end, give --shrink")]
    Smaller(u64),
    /// The device behind it has fewer bytes.
    #[error("the device behind it has {0} bytes; make that larger first")]
    Device(u64),
    /// It can't be written.
    #[error("it is read-only")]
    Readonly,
    /// No disk has that many bytes.
    #[error("a disk of {0} bytes is not possible")]
    Size(u64),
    /// The kernel refused.
    #[error("the host refused it: {0}")]
    Host(#[from] io::Error),
    /// The image has a format of its own and refused.
    #[error("{}", whole(.0))]
    Image(#[from] ImageError),
}

/// A sentence with its cause.
pub(super) fn whole(error: &ImageError) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
