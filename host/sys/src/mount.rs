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

/// A file system and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its directory.
    pub point: PathBuf,
    /// Number of its device, as `8:1`.
    pub device: String,
    /// What it is.
    pub mounted: Mounted,
}

/// Mounts a file system without devices, set-user-id files and programs of its own.
pub fn mount(source: &Path, target: &Path, format: &str, options: &str) -> io::Result<()> {
    let options = CString::new(options).map_err(|_| io::ErrorKind::InvalidInput)?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    Ok(rustix::mount::mount(source, target, format, flags, options.as_c_str())?)
}

/// Shows a directory at another one where nothing of it can be changed. What is mounted below it is not shown there.
pub fn bind_read_only(source: &Path, target: &Path) -> io::Result<()> {
    rustix::mount::mount_bind(source, target)?;
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID;
    if let Err(error) = rustix::mount::mount_remount(target, flags, c"") {
        detach(target)?;
        return Err(error.into());
    }
    Ok(())
}

/// Takes away what was mounted at a directory last, whoever uses it: they keep it until they are done.
pub fn detach(target: &Path) -> io::Result<()> {
    Ok(rustix::mount::unmount(target, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH)?)
}

/// Takes away what was mounted at a directory last; fails while it is in use.
pub fn unmount(target: &Path) -> io::Result<()> {
    Ok(rustix::mount::unmount(target, UnmountFlags::NOFOLLOW)?)
}

/// What is mounted at a directory; none when it is no mount point.
pub fn mounted(target: &Path) -> io::Result<Option<Mounted>> {
    let target = target.canonicalize()?;
    let here = all()?.into_iter().filter(|mount| mount.point == target);
    Ok(here.map(|mount| mount.mounted).next_back())
}

/// Everything that is mounted, in the order in which it was.
pub fn all() -> io::Result<Vec<Mount>> {
    Ok(std::fs::read_to_string("/proc/self/mountinfo")?.lines().filter_map(entry).collect())
}

/// A line of mountinfo(5).
fn entry(line: &str) -> Option<Mount> {
    let (place, content) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(2);
    let device = place.next()?.to_owned();
    let point = PathBuf::from(unescape(place.nth(1)?));
    let mut words = content.split(' ');
    let format = words.next()?.to_owned();
    let mounted = Mounted { source: PathBuf::from(unescape(words.next()?)), format };
    Some(Mount { point, device, mounted })
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
        let (point, device) = (PathBuf::from("/srv/a b"), "98:0".to_owned());
        assert_eq!(entry(line), Some(Mount { point, device, mounted }));
        assert_eq!(entry("36 35"), None);
    }

    #[test]
    fn what_is_mounted_is_told_from_a_directory() {
        assert_eq!(mounted(Path::new("/proc")).unwrap().unwrap().format, "proc");
        assert_eq!(mounted(tempfile::tempdir().unwrap().path()).unwrap(), None);
    }
}
