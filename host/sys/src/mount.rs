//! Mounting file systems, and what is mounted.

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags};

/// What stands at a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Device or remote directory, as the kernel tells it.
    pub source: PathBuf,
    /// Type of the file system.
    pub format: String,
}

/// Mounts a file system without devices, set-user-id files and programs of its own.
pub fn mount(source: &Path, target: &Path, format: &str, options: &str) -> io::Result<()> {
    let options = CString::new(options).map_err(|_| io::ErrorKind::InvalidInput)?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    Ok(rustix::mount::mount(source, target, format, flags, options.as_c_str())?)
}

/// Takes away what was mounted at a directory last; fails while it is in use.
pub fn unmount(target: &Path) -> io::Result<()> {
    Ok(rustix::mount::unmount(target, UnmountFlags::NOFOLLOW)?)
}

/// What is mounted at a directory; none when it is no mount point.
pub fn mounted(target: &Path) -> io::Result<Option<Mounted>> {
    let target = target.canonicalize()?;
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    Ok(table
        .lines()
        .filter_map(entry)
        .filter(|(point, _)| *point == target)
        .map(|(_, mounted)| mounted)
        .next_back())
}

/// Mount point and content of a line of mountinfo(5).
fn entry(line: &str) -> Option<(PathBuf, Mounted)> {
    let (place, content) = line.split_once(" - ")?;
    let point = PathBuf::from(unescape(place.split(' ').nth(4)?));
    let mut words = content.split(' ');
    let format = words.next()?.to_owned();
    Some((point, Mounted { source: PathBuf::from(unescape(words.next()?)), format }))
}

/// Blanks and backslashes stand as `\ooo` there.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, meant)| text.replace(escape, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read() {
        let line =
            "36 35 98:0 /mnt1 /srv/a\\040b rw,noatime master:1 - ext3 /dev/ro\\134ot rw,errors=continue";
        let mounted = Mounted { source: PathBuf::from("/dev/ro\\ot"), format: "ext3".to_owned() };
        assert_eq!(entry(line), Some((PathBuf::from("/srv/a b"), mounted)));
        assert_eq!(entry("36 35"), None);
    }

    #[test]
    fn what_is_mounted_is_told_from_a_directory() {
        assert_eq!(mounted(Path::new("/proc")).unwrap().unwrap().format, "proc");
        assert_eq!(mounted(tempfile::tempdir().unwrap().path()).unwrap(), None);
    }
}
