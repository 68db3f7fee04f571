//! A block device with a file system, mounted at the pool's directory (guide 12.2).

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reeve_model::storage::{BuildMode, PoolConfig};
use reeve_sys::process::Run;
use reeve_sys::{block, mount};

use super::dir::Target;
use crate::StorageError;
use crate::busy::settled;
use crate::pool::{Pool, Volumes};
use crate::program::{self, Finding};

/// How long making a file system may take: large disks need minutes.
const FORMATTING: Duration = Duration::from_secs(1800);

/// Makers of file systems: format, program, arguments before the device.
const MAKERS: [(&str, &str, &[&str]); 6] = [
    ("ext4", "mkfs.ext4", &["-q", "-F"]),
    ("ext3", "mkfs.ext3", &["-q", "-F"]),
    ("ext2", "mkfs.ext2", &["-q", "-F"]),
    ("xfs", "mkfs.xfs", &["-q", "-f"]),
    ("btrfs", "mkfs.btrfs", &["-q", "-f"]),
    ("vfat", "mkfs.vfat", &[]),
];

/// A device and where it is mounted.
#[derive(Debug)]
pub(crate) struct FsPool {
    target: Target,
    device: PathBuf,
    /// None takes what is found on the device.
    format: Option<String>,
}

impl FsPool {
    pub(crate) fn new(config: &PoolConfig) -> Result<Self, StorageError> {
        let target = Target::new(config);
        let device = config.source.device().unwrap_or_default();
        let format = config.source.format.clone().filter(|format| format != "auto");
        if let Some(format) = &format
            && !format.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return Err(StorageError::invalid(
                target.subject(),
                format!("'{format}' is no type of file system"),
            ));
        }
        Ok(Self { device: PathBuf::from(device), target, format })
    }

    /// Makes a file system on the device, which nobody uses meanwhile.
    fn format(&self) -> Result<(), StorageError> {
        let subject = self.target.subject();
        let Some(format) = &self.format else {
            let reason = "it names no file system to make; add <format type='ext4'/>";
            return Err(StorageError::invalid(subject, reason));
        };
        let Some((_, name, args)) = MAKERS.iter().find(|(known, _, _)| known == format) else {
            let known: Vec<&str> = MAKERS.iter().map(|(format, _, _)| *format).collect();
            let reason = format!("a file system '{format}' can't be made; there are {}", known.join(", "));
            return Err(StorageError::unsupported(subject, reason));
        };
        let path = program::find(name, &subject)?;
        let args = args.iter().map(OsStr::new).chain([self.device.as_os_str()]).collect();
        let run = Run { path: &path, args, input: &[], deadline: FORMATTING, output_limit: 1 << 20 };
        let finished = run.finish()?;
        match finished.succeeded() {
            true => Ok(()),
            false => Err(StorageError::Program { subject, program: name, complaint: finished.first_line() }),
        }
    }

    /// Fails while the device is mounted or part of another.
    fn refuse_used(&self) -> Result<(), StorageError> {
        match settled(|| block::open(&self.device, false, true)) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ResourceBusy => Err(self.used()),
            Err(error) => Err(StorageError::file(&self.device, "opened")(error)),
        }
    }

    fn used(&self) -> StorageError {
        let reason = format!(
            "'{}' is in use: mounted, part of another device, or written by a domain",
            self.device.display()
        );
        StorageError::conflict(self.target.subject(), reason)
    }

    fn is_mounted(&self) -> Result<bool, StorageError> {
        let failed = StorageError::file(&self.target.path, "looked at");
        let Some(found) = mount::mounted(Path::new(&self.target.path)).map_err(failed)? else {
            return Ok(false);
        };
        let same = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match same(&found.source) == same(&self.device) {
            true => Ok(true),
            false => {
                let reason =
                    format!("'{}' is mounted at '{}' already", found.source.display(), self.target.path);
                Err(StorageError::conflict(self.target.subject(), reason))
            }
        }
    }
}

impl Pool for FsPool {
    fn build(&self, mode: BuildMode) -> Result<(), StorageError> {
        if mode != BuildMode::Keep {
            self.refuse_used()?;
        }
        if mode == BuildMode::NoOverwrite
            && let Finding::Something(what) = program::look(&self.device, &self.target.subject())?
        {
            let reason = format!(
                "'{}' holds {what} already; give --overwrite to destroy it, or neither option to keep it",
                self.device.display()
            );
            return Err(StorageError::conflict(self.target.subject(), reason));
        }
        self.target.make()?;
        if mode == BuildMode::Keep { Ok(()) } else { self.format() }
    }

    fn start(&self) -> Result<Box<dyn Volumes>, StorageError> {
        if !self.is_mounted()? {
            let found;
            let format = match &self.format {
                Some(format) => format.as_str(),
                None => {
                    found = program::look(&self.device, &self.target.subject())?;
                    match &found {
                        Finding::Something(format) => format.as_str(),
                        Finding::Nothing => {
                            let reason = format!(
                                "'{}' holds no file system; build the pool first",
                                self.device.display()
                            );
                            return Err(StorageError::conflict(self.target.subject(), reason));
                        }
                    }
                }
            };
            let target = Path::new(&self.target.path);
            mount::mount(&self.device, target, format, "").map_err(|error| match error.kind() {
                ErrorKind::ResourceBusy => self.used(),
                _ => StorageError::file(&self.device, "mounted")(error),
            })?;
        }
        self.target.volumes()
    }

    fn stop(&self) -> Result<(), StorageError> {
        unmount(&self.target, || self.is_mounted())
    }

    fn delete(&self) -> Result<(), StorageError> {
        self.target.remove()
    }
}

/// Unmounts the directory of a pool, if its source is mounted there.
pub(crate) fn unmount(
    target: &Target,
    is_mounted: impl Fn() -> Result<bool, StorageError>,
) -> Result<(), StorageError> {
    if !Path::new(&target.path).exists() || !is_mounted()? {
        return Ok(());
    }
    settled(|| mount::unmount(Path::new(&target.path))).map_err(|error| match error.kind() {
        ErrorKind::ResourceBusy => {
            let reason = format!("'{}' is in use by a guest or another program", target.path);
            StorageError::conflict(target.subject(), reason)
        }
        _ => StorageError::file(&target.path, "unmounted")(error),
    })
}
