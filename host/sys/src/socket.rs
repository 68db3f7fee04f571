//! Stream sockets with a path: where programs of the host talk to a guest.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fchmod, fstat, lstat, open, unlink};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect as connect_socket,
    listen as listen_on, socket_with,
};

/// Connections that wait for their turn.
const WAITING: i32 = 16;

/// A socket that listens at a path, for root alone. A socket that nobody listens at any more is replaced; anything else is not touched.
pub fn listen(path: &Path) -> io::Result<OwnedFd> {
    remove_dead(path)?;
    let socket = stream()?;
    // What the socket file gets when it is made: nobody else can connect at any moment.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen_on(&socket, WAITING)?;
    Ok(socket)
}

/// A connection to the socket at a path.
pub fn connect(path: &Path) -> io::Result<OwnedFd> {
    let socket = stream()?;
    connect_socket(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// As [`connect`], to a socket that is at the path itself: a link there to another one, which whoever made the link may not reach, is not
/// followed.
pub fn connect_here(path: &Path) -> io::Result<OwnedFd> {
    let found = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::Socket {
        let sentence = "there is something there that is no socket";
        return Err(io::Error::new(io::ErrorKind::ConnectionRefused, sentence));
    }
    // What was looked at, whatever is at the path by now.
    connect(&Path::new("/proc/self/fd").join(found.as_raw_fd().to_string()))
}

/// Removes a socket that nobody listens at; nothing there is fine. One that is in use, and what is no socket, is an error.
pub fn remove_dead(path: &Path) -> io::Result<()> {
    let found = match lstat(path) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is something there that is no socket",
        ));
    }
    match connect_socket(&stream()?, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED) => Ok(unlink(path)?),
        Err(Errno::NOENT) => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there")),
    }
}

fn stream() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_link_is_no_socket_where_it_matters() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("port"), folder.path().join("link"));
        let listener = listen(&path).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        drop(connect_here(&path).unwrap());
        drop(connect(&link).unwrap());
        assert_eq!(connect_here(&link).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        drop(listener);
        assert_eq!(connect_here(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(connect_here(folder.path()).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(connect_here(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_dead_socket_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        let first = listen(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        drop(connect(&path).unwrap());
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(remove_dead(&path).is_err() && path.exists());
        drop(first);
        assert!(connect(&path).is_err());
        drop(listen(&path).unwrap());
        remove_dead(&path).unwrap();
        assert!(!path.exists());
        remove_dead(&path).unwrap();
        std::fs::write(&path, "a file").unwrap();
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"a file");
    }
}
