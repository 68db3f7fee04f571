//! Opening the files of a domain: kernels, images, device nodes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, FlockOperation, MemfdFlags, Mode, OFlags, Stat, fstat, major, minor, open, stat};

use crate::busy::settled;

/// How an image may be shared while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody else has it, not even for reading.
    Exclusive,
    /// Others that share may have it too.
    Shared,
    /// It is not locked yet: who gets it locks it before anything of it is used.
    Later,
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
    /// The path itself may be a symbolic link.
    pub follow: bool,
}

/// An image could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Another holder has locked it.
    #[error("it is in use")]
    InUse,
    /// It is a device that somebody has as a whole or in part.
    #[error(
        "it is a part of what is in use, or a part of it is: mounted, in a pool or volume group, or written by a domain"
    )]
    Claimed,
    /// It is a directory, a pipe or a socket.
    #[error("it is neither a file nor a block device")]
    Kind,
    /// The path is a link and must not be.
    #[error("it is a symbolic link, so it is no volume of a directory")]
    Link,
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

/// Opens a pipe with a name for writing, whether somebody reads it or not. What nobody takes in time does not fit and is refused.
pub fn pipe(path: &Path) -> io::Result<OwnedFd> {
    // For reading too, or it could not be opened while nobody reads it.
    let fd = open(path, OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&fd)?.st_mode) {
        FileType::Fifo => Ok(fd),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a named pipe")),
    }
}

/// Opens an image file or block device and locks it. The lock belongs to the open file and goes with the descriptor, also to
/// another process; it ends when the last copy is closed. It binds only those who lock. A device is locked at the node that the kernel
/// made for it, whatever node the path leads to; one that is written alone is claimed as well (O_EXCL), which keeps others that do so from
/// the whole disk, its partitions and what is made of them. Waits a moment for a lock that is about to go: a program that is being started
/// elsewhere holds our descriptors until it runs.
pub fn image(path: &Path, access: ImageAccess) -> Result<OwnedFd, ImageError> {
    let mode = if access.readonly { OFlags::RDONLY } else { OFlags::RDWR };
    let link = if access.follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = mode | link | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = open(path, flags, Mode::empty()).map_err(|errno| match errno {
        rustix::io::Errno::LOOP if !access.follow => ImageError::Link,
        other => ImageError::Io(other.into()),
    })?;
    claim(fd, flags, access.sharing, access.direct)
}

/// Takes a backing file that somebody opened for reading: others may read it and nobody who locks may write it, as if [`image`] had
/// opened it.
pub fn backing(fd: OwnedFd) -> Result<OwnedFd, ImageError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    claim(fd, flags, Sharing::Shared, false)
}

/// Locks what was opened with these flags, at the node that counts.
fn claim(mut fd: OwnedFd, flags: OFlags, sharing: Sharing, direct: bool) -> Result<OwnedFd, ImageError> {
    let found = fstat(&fd).map_err(io::Error::from)?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => {}
        FileType::BlockDevice => {
            let node = kernel_node(&found);
            if flags.contains(OFlags::RDWR) && sharing == Sharing::Exclusive {
                fd = claim_device(fd, node, flags)?;
            } else if let Some(node) = node {
                fd = open(node, flags, Mode::empty()).map_err(io::Error::from)?;
            }
        }
        _ => return Err(ImageError::Kind),
    }
    let locked = settled(|| match lock(&fd, sharing) {
        Err(ImageError::InUse) => Err(io::ErrorKind::ResourceBusy.into()),
        Err(ImageError::Io(error)) => Err(error),
        other => Ok(other),
    });
    match locked {
        Ok(result) => result?,
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return Err(ImageError::InUse),
        Err(error) => return Err(error.into()),
    }
    let status = if direct { OFlags::DIRECT } else { OFlags::empty() };
    rustix::fs::fcntl_setfl(&fd, status).map_err(|errno| match errno {
        rustix::io::Errno::INVAL if direct => ImageError::Direct,
        other => ImageError::Io(other.into()),
    })?;
    Ok(fd)
}

/// Opens a device again, such that nobody else has a claim to it, to what it is a part of, or to a part of it.
fn claim_device(fd: OwnedFd, node: Option<PathBuf>, flags: OFlags) -> Result<OwnedFd, ImageError> {
    let node = node.unwrap_or_else(|| PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd())));
    let flags = flags.difference(OFlags::NOFOLLOW) | OFlags::EXCL;
    let claimed = settled(|| Ok(open(&node, flags, Mode::empty())?));
    claimed.map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => {
            // Of one and the same device it is told who has it: somebody who locks.
            let plain = open(&node, flags.difference(OFlags::EXCL), Mode::empty());
            match plain
                .map_err(|errno| ImageError::Io(errno.into()))
                .and_then(|fd| lock(fd, Sharing::Exclusive))
            {
                Err(error) => error,
                Ok(()) => ImageError::Claimed,
            }
        }
        _ => ImageError::Io(error),
    })
}

/// The node of a block device in /dev that has the kernel's name for it, if there is one beside the node that was found. A lock belongs
/// to a node, so all who lock a device must lock the same one.
pub(crate) fn kernel_node(found: &Stat) -> Option<PathBuf> {
    let number = format!("{}:{}", major(found.st_rdev), minor(found.st_rdev));
    let told = std::fs::read_to_string(format!("/sys/dev/block/{number}/uevent")).ok()?;
    let name = told.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    let node = Path::new("/dev").join(name);
    let there = stat(&node).ok()?;
    let is_it =
        FileType::from_raw_mode(there.st_mode) == FileType::BlockDevice && there.st_rdev == found.st_rdev;
    (is_it && (there.st_dev, there.st_ino) != (found.st_dev, found.st_ino)).then_some(node)
}

/// Locks an image that is open already, as [`image`] does; it does not wait.
pub fn lock(fd: impl AsFd, sharing: Sharing) -> Result<(), ImageError> {
    let operation = match sharing {
        Sharing::Exclusive => FlockOperation::NonBlockingLockExclusive,
        Sharing::Shared => FlockOperation::NonBlockingLockShared,
        Sharing::Later => return Ok(()),
    };
    rustix::fs::flock(fd, operation).map_err(|errno| match errno {
        rustix::io::Errno::WOULDBLOCK => ImageError::InUse,
        other => ImageError::Io(other.into()),
    })
}

/// A file without a byte and without a name.
pub fn empty() -> io::Result<OwnedFd> {
    Ok(rustix::fs::memfd_create("empty", MemfdFlags::CLOEXEC)?)
}

/// Opens a file to append to, made with mode 0600 when it is not there.
pub fn append(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::from_raw_mode(0o600))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITER: ImageAccess =
        ImageAccess { readonly: false, direct: false, sharing: Sharing::Exclusive, follow: true };
    const READER: ImageAccess =
        ImageAccess { readonly: true, direct: false, sharing: Sharing::Shared, follow: true };

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
    fn a_backing_file_is_read_by_many_and_written_by_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || backing(File::open(file.path()).unwrap().into());
        let (_one, _two) = (open().unwrap(), open().unwrap());
        assert!(matches!(image(file.path(), WRITER), Err(ImageError::InUse)));
        drop((_one, _two));
        let _writer = image(file.path(), WRITER).unwrap();
        assert!(matches!(open(), Err(ImageError::InUse)));
    }

    #[test]
    fn a_lock_that_goes_in_a_moment_is_waited_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let held = image(file.path(), WRITER).unwrap();
        let (path, (told, begun)) = (file.path().to_owned(), std::sync::mpsc::sync_channel(1));
        let waiting = std::thread::spawn(move || {
            told.send(()).unwrap();
            image(&path, WRITER).map(drop)
        });
        begun.recv().unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        drop(held);
        assert!(waiting.join().unwrap().is_ok());
    }

    #[test]
    fn writers_that_share_may_be_many() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let shared = ImageAccess { sharing: Sharing::Shared, ..WRITER };
        let (_one, _two) = (image(file.path(), shared).unwrap(), image(file.path(), shared).unwrap());
        assert!(image(file.path(), READER).is_ok());
        assert!(matches!(image(file.path(), WRITER), Err(ImageError::InUse)));
    }

    #[test]
    fn a_link_is_followed_only_where_it_may_be_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "text").unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        let link = dir.path().join("link");
        assert!(image(&link, READER).is_ok());
        assert!(matches!(image(&link, ImageAccess { follow: false, ..READER }), Err(ImageError::Link)));
        assert!(image(&dir.path().join("file"), ImageAccess { follow: false, ..READER }).is_ok());
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
