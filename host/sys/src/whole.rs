//! Files that are under their name when they are whole, and not before: a process that is killed leaves nothing behind.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, fsync, linkat, openat, renameat_with, unlinkat};
use rustix::io::Errno;

const MODE: Mode = Mode::from_raw_mode(0o600);

/// A file without its name. Dropped before [`Whole::finish`] it is gone.
#[derive(Debug)]
pub struct Whole {
    directory: OwnedFd,
    name: OsString,
    file: File,
    /// Its other name, on file systems that can't do without one.
    temporary: Option<OsString>,
}

impl Whole {
    /// Starts a file, readable and writable, that will be `path`.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory =
            openat(CWD, parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
        Self::begin_in(directory, name)
    }

    /// Starts a file that will have this name in a directory.
    pub fn begin_in(directory: OwnedFd, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        match openat(&directory, ".", flags | OFlags::TMPFILE, MODE) {
            Ok(file) => Ok(Self { directory, name: name.to_owned(), file: file.into(), temporary: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
                let temporary = beside(name, "part");
                let file = openat(&directory, &temporary, flags | OFlags::CREATE | OFlags::EXCL, MODE)?;
                Ok(Self { directory, name: name.to_owned(), file: file.into(), temporary: Some(temporary) })
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// The file, to write it.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name. A file that has the name already is replaced where that is allowed, and an error otherwise.
    pub fn finish(mut self, replace: bool) -> io::Result<()> {
        let temporary = match self.temporary.take() {
            Some(temporary) => Some(temporary),
            None => match self.link(&self.name) {
                Ok(()) => None,
                Err(Errno::EXIST) if replace => {
                    let temporary = beside(&self.name, "new");
                    // One of a process that was killed right here.
                    let _ = unlinkat(&self.directory, &temporary, AtFlags::empty());
                    self.link(&temporary)?;
                    Some(temporary)
                }
                Err(errno) => return Err(errno.into()),
            },
        };
        if let Some(temporary) = temporary {
            let flags = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
            if let Err(errno) = renameat_with(&self.directory, &temporary, &self.directory, &self.name, flags)
            {
                self.temporary = Some(temporary);
                return Err(errno.into());
            }
        }
        Ok(fsync(self.directory.as_fd())?)
    }

    fn link(&self, name: &OsStr) -> Result<(), Errno> {
        let descriptor = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        linkat(CWD, descriptor, &self.directory, name, AtFlags::SYMLINK_FOLLOW)
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // It may be gone with its directory.
            let _ = unlinkat(&self.directory, temporary, AtFlags::empty());
        }
    }
}

/// Gives a file another name in its directory, where nothing may be yet. A process that is killed in between leaves the one name, the other
/// or both.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // NFS knows no such renaming, and links, which never replace either.
        Err(Errno::INVAL) => std::fs::hard_link(from, to).and_then(|()| std::fs::remove_file(from)),
        renamed => Ok(renamed?),
    }
}

/// A hidden name of this process.
fn beside(name: &OsStr, end: &str) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.{end}", std::process::id()));
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        let names = || std::fs::read_dir(directory.path()).unwrap().count();
        let file = Whole::begin(&path).unwrap();
        file.file().write_all(b"one").unwrap();
        assert_eq!(names(), 0);
        drop(file);
        assert_eq!(names(), 0);

        let file = Whole::begin(&path).unwrap();
        file.file().write_all(b"two").unwrap();
        file.finish(false).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");

        let again = Whole::begin(&path).unwrap();
        assert_eq!(again.finish(false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        Whole::begin(&path).unwrap().finish(true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        assert_eq!(names(), 1);
    }

    #[test]
    fn what_has_a_name_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("one"), directory.path().join("other"));
        std::fs::write(&one, "one").unwrap();
        std::fs::write(&other, "other").unwrap();
        assert_eq!(rename_new(&one, &other).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&other).unwrap(), b"other");
        std::fs::remove_file(&other).unwrap();
        rename_new(&one, &other).unwrap();
        assert!(!one.exists() && std::fs::read(&other).unwrap() == b"one");
    }

    #[test]
    fn a_name_is_needed_and_a_directory() {
        assert!(Whole::begin(Path::new("/")).is_err());
        assert_eq!(Whole::begin(Path::new("/nowhere/x")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
