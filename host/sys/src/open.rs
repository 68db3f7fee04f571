//! Opening the files of a domain: kernels, images, device nodes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, fstat, open};

/// How an image may be shared while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody else has it, not even for reading.
    Exclusive,
    /// Others that share may have it too.
    Shared,
}

/// How to open an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageAccess {
    /// For reading only.
    pub readonly: bool,
    /// Without the host's page cache (O_DIRECT).
    pub direct: bool,
    /// Who else may have it.
    pub sharing: Sharing,
}

/// An image could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Another holder has locked it.
    #[error("it is in use")]
    InUse,
    /// It is a directory, a pipe or a socket.
    #[error("it is neither a file nor a block device")]
    Kind,
    /// Its file system can't do without the page cache.
    #[error("its file system can't bypass the page cache (O_DIRECT)")]
    Direct,
    /// What the kernel said.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Opens a file for reading that must be an ordinary file.
pub fn read_only(path: &Path) -> io::Result<OwnedFd> {
    // Non-blocking, or opening a pipe would wait for its other end. It means nothing for a file.
    let fd = open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&fd)?.st_mode) {
        FileType::RegularFile => Ok(fd),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not an ordinary file")),
    }
}

/// Opens a character device, e.g. `/dev/kvm` or `/dev/urandom`.
pub fn character_device(path: &Path, write: bool) -> io::Result<OwnedFd> {
    let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
    let fd = open(path, access | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&fd)?.st_mode) {
        FileType::CharacterDevice => Ok(fd),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a character device")),
    }
}

/// Opens an image file or block device and locks it. The lock belongs to the open file and goes with the descriptor, also to
/// another process; it ends when the last copy is closed. It binds only those who lock.
pub fn image(path: &Path, access: ImageAccess) -> Result<OwnedFd, ImageError> {
    let mode = if access.readonly { OFlags::RDONLY } else { OFlags::RDWR };
    let flags = mode | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = open(path, flags, Mode::empty()).map_err(io::Error::from)?;
    let kind = FileType::from_raw_mode(fstat(&fd).map_err(io::Error::from)?.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::BlockDevice) {
        return Err(ImageError::Kind);
    }
    lock(&fd, access.sharing)?;
    let status = if access.direct { OFlags::DIRECT } else { OFlags::empty() };
    rustix::fs::fcntl_setfl(&fd, status).map_err(|errno| match errno {
        rustix::io::Errno::INVAL if access.direct => ImageError::Direct,
        other => ImageError::Io(other.into()),
    })?;
    Ok(fd)
}

/// Locks an image that is open already, as [`image`] does.
pub fn lock(fd: impl AsFd, sharing: Sharing) -> Result<(), ImageError> {
    let operation = match sharing {
        Sharing::Exclusive => FlockOperation::NonBlockingLockExclusive,
        Sharing::Shared => FlockOperation::NonBlockingLockShared,
    };
    rustix::fs::flock(fd, operation).map_err(|errno| match errno {
        rustix::io::Errno::WOULDBLOCK => ImageError::InUse,
        other => ImageError::Io(other.into()),
    })
}

/// Opens a file to append to, made with mode 0600 when it is not there.
pub fn append(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::from_raw_mode(0o600))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITER: ImageAccess = ImageAccess { readonly: false, direct: false, sharing: Sharing::Exclusive };
    const READER: ImageAccess = ImageAccess { readonly: true, direct: false, sharing: Sharing::Shared };

    #[test]
    fn one_image_is_never_written_twice() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = image(file.path(), WRITER).unwrap();
        assert!(matches!(image(file.path(), WRITER), Err(ImageError::InUse)));
        assert!(matches!(image(file.path(), READER), Err(ImageError::InUse)));
        let passed_on = writer.try_clone().unwrap();
        drop(writer);
        assert!(matches!(image(file.path(), WRITER), Err(ImageError::InUse)));
        drop(passed_on);
        let (_one, _two) = (image(file.path(), READER).unwrap(), image(file.path(), READER).unwrap());
        assert!(matches!(image(file.path(), WRITER), Err(ImageError::InUse)));
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(image(dir.path(), READER), Err(ImageError::Kind)));
        assert!(matches!(image(Path::new("/dev/null"), WRITER), Err(ImageError::Kind)));
        assert!(read_only(dir.path()).is_err());
        assert!(character_device(dir.path(), false).is_err());
        assert!(character_device(Path::new("/dev/urandom"), false).is_ok());
    }
}
