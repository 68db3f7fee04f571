//! Files that another process opened and hands over through a unix socket.
//!
//! What arrives is what that process may do, and no more: no path is opened for it. But this process has rights of its own, so a file
//! whose reading or writing does more than move bytes is refused, and one that could make us wait for somebody.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use rustix::fs::{OFlags, fcntl_getfl, fstatfs};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

/// The byte that a descriptor travels with.
const CARRIER: u8 = b'f';
/// Room for one descriptor; the kernel closes what is too much.
const ROOM: usize = rustix::cmsg_space!(ScmRights(1));
/// File systems of the kernel's own whose files are bytes on a local medium: ext2 to ext4, XFS, Btrfs, F2FS, bcachefs, ZFS, tmpfs. None of
/// them asks another process or host for an answer, and none gives a meaning to what is written.
const LOCAL: [u64; 7] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e, 0x2fc1_2fc1, 0x0102_1994];
const SET_ID: u32 = 0o6000;

/// What a handed file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It is read.
    Read,
    /// It is written, from its begin on.
    Write,
}

/// A file that is not taken.
#[derive(Debug, thiserror::Error)]
pub enum HandedError {
    /// It can't be looked at.
    #[error("the file that was handed over can't be looked at")]
    Io(#[from] io::Error),
    /// It was not opened for what it is handed over for.
    #[error("the file that was handed over was not opened for {0}")]
    Access(&'static str),
    /// Its content has to be sent.
    #[error("{0} is not taken as a file; send its content")]
    Kind(&'static str),
}

/// Sends a descriptor, with one byte.
pub fn send(socket: impl AsFd, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); ROOM];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    let fits = ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    debug_assert!(fits, "the buffer is made for one descriptor");
    rustix::net::sendmsg(socket, &[IoSlice::new(&[CARRIER])], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives what [`send`] sent; any other message is an error.
pub fn receive(socket: impl AsFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); ROOM];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let rights = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    });
    let descriptor = rights.flatten().next();
    match descriptor {
        Some(descriptor) if received.bytes == 1 && byte == [CARRIER] => Ok(descriptor),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "no descriptor was handed over")),
    }
}

/// A handed descriptor as a file that may be read or written.
pub fn accept(descriptor: OwnedFd, purpose: Purpose) -> Result<File, HandedError> {
    let flags = fcntl_getfl(&descriptor).map_err(io::Error::from)?;
    if flags.contains(OFlags::PATH) {
        return Err(HandedError::Kind("what was opened as a place (O_PATH)"));
    }
    let access = flags & OFlags::RWMODE;
    match purpose {
        Purpose::Read if access == OFlags::WRONLY => return Err(HandedError::Access("reading")),
        Purpose::Write if access == OFlags::RDONLY => return Err(HandedError::Access("writing")),
        Purpose::Read | Purpose::Write => {}
    }
    let file = File::from(descriptor);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let kind = metadata.file_type();
        let what = if kind.is_block_device() { "a block device" } else { "what is no regular file" };
        return Err(HandedError::Kind(what));
    }
    let file_system = fstatfs(&file).map_err(io::Error::from)?.f_type;
    if !LOCAL.contains(&(file_system as u64)) {
        return Err(HandedError::Kind("a file of this file system"));
    }
    if flags.contains(OFlags::DIRECT) {
        return Err(HandedError::Kind("a file that bypasses the page cache (O_DIRECT)"));
    }
    if purpose == Purpose::Write && flags.contains(OFlags::APPEND) {
        return Err(HandedError::Kind("a file that is appended to (O_APPEND)"));
    }
    // Written by its owner it would lose them, written by root it would not.
    if purpose == Purpose::Write && metadata.mode() & SET_ID != 0 {
        return Err(HandedError::Kind("a program with set-user-id or set-group-id"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn handed(file: &File) -> OwnedFd {
        let (here, there) = UnixStream::pair().unwrap();
        send(&here, file.as_fd()).unwrap();
        receive(&there).unwrap()
    }

    /// Why a file is not taken.
    fn refused(file: &File, purpose: Purpose) -> String {
        accept(handed(file), purpose).unwrap_err().to_string()
    }

    #[test]
    fn a_file_arrives_as_it_was_opened() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        std::fs::write(&path, "text").unwrap();
        let (read, write) = (File::open(&path).unwrap(), File::options().write(true).open(&path).unwrap());
        let mut bytes = [0; 4];
        accept(handed(&read), Purpose::Read).unwrap().read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"text");
        accept(handed(&write), Purpose::Write).unwrap().write_all_at(b"T", 0).unwrap();
        assert_eq!(
            refused(&read, Purpose::Write),
            "the file that was handed over was not opened for writing"
        );
        assert_eq!(
            refused(&write, Purpose::Read),
            "the file that was handed over was not opened for reading"
        );
        let place = File::options().read(true).custom_flags(libc::O_PATH).open(&path).unwrap();
        assert!(refused(&place, Purpose::Read).contains("O_PATH"));
        let append = File::options().append(true).open(&path).unwrap();
        assert!(refused(&append, Purpose::Write).contains("O_APPEND"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o4755)).unwrap();
        assert!(refused(&write, Purpose::Write).contains("set-user-id"));
        assert!(accept(handed(&read), Purpose::Read).is_ok());
    }

    #[test]
    fn what_is_more_than_bytes_is_refused() {
        let (pipe, _other) = rustix::pipe::pipe().unwrap();
        for (file, why) in [
            (File::open("/proc/self/status").unwrap(), "file system"),
            (File::open("/sys/kernel/mm/ksm/run").unwrap(), "file system"),
            (File::open("/dev/null").unwrap(), "no regular file"),
            (File::open("/").unwrap(), "no regular file"),
            (pipe.into(), "no regular file"),
        ] {
            let said = refused(&file, Purpose::Read);
            assert!(said.contains(why) && said.ends_with("send its content"), "{said}");
        }
    }

    #[test]
    fn a_message_without_a_descriptor_is_none() {
        use std::io::Write as _;
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(b"f").unwrap();
        assert_eq!(receive(&there).unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(here);
        assert_eq!(receive(&there).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
