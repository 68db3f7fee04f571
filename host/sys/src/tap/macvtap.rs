//! Opening a macvtap: its frames are read from a character device of its own.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode};

use super::{Tap, TapError};
use crate::files::Tree;
use crate::link::LinkName;
use crate::open;

impl Tap {
    /// Opens a macvtap that was made before, once a queue, and sets nothing up. /sys must be that of its network namespace.
    pub fn open_macvtap(name: &LinkName) -> Result<Self, TapError> {
        let step = |source| TapError::Step { name: name.to_string(), step: "opened", source };
        let tree = Tree::new(format!("/sys/class/net/{name}"));
        let index = tree.number("ifindex").map_err(|error| step(io::Error::other(error)))?;
        let number = tree.text(format!("tap{index}/dev")).map_err(|error| step(io::Error::other(error)))?;
        let number = device_number(&number).ok_or_else(|| step(io::ErrorKind::InvalidData.into()))?;
        let fd = open_device(index, number).map_err(step)?;
        super::attach(&fd, name.as_str())?;
        Ok(Self { fd, name: name.to_string() })
    }

    /// True for a link whose frames are read from such a device.
    pub(super) fn is_macvtap(name: &LinkName) -> bool {
        let link = format!("/sys/class/net/{name}");
        Tree::new(&link)
            .number("ifindex")
            .is_ok_and(|index| Path::new(&link).join(format!("tap{index}")).exists())
    }
}

fn device_number(text: &str) -> Option<u64> {
    let (major, minor) = text.split_once(':')?;
    Some(rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// The kernel's node in /dev is named by the link's index, which links of several namespaces may share: it is taken only when it is the
/// right one. Else a node is made for as long as it takes to open it.
fn open_device(index: u64, number: u64) -> io::Result<OwnedFd> {
    let path = PathBuf::from(format!("/dev/tap{index}"));
    if rustix::fs::lstat(&path).is_ok_and(|stat| is_device(&stat, number)) {
        return open_checked(&path, number);
    }
    let path = PathBuf::from(format!("/dev/.reeve-tap-{}-{number}", std::process::id()));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        FileType::CharacterDevice,
        Mode::from_raw_mode(0o600),
        number,
    )?;
    let opened = open_checked(&path, number);
    // It is of no use to anybody else; if it can't be removed, that is no reason to fail.
    let _ = rustix::fs::unlink(&path);
    opened
}

fn open_checked(path: &Path, number: u64) -> io::Result<OwnedFd> {
    let fd = open::character_device(path, true)?;
    if is_device(&rustix::fs::fstat(&fd)?, number) { Ok(fd) } else { Err(io::ErrorKind::NotFound.into()) }
}

fn is_device(stat: &rustix::fs::Stat, number: u64) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == number
}
