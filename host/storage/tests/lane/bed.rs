//! Loop devices, directories, and pools made of them.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reeve_model::Bytes;
use reeve_model::storage::{PoolConfig, PoolKind, PoolSource, PoolTarget, SourceDevice, VolumeConfig};
use reeve_storage::{Progress, Storage};
use reeve_sys::mount;
use reeve_sys::process::Run;
use tempfile::TempDir;
use uuid::Uuid;

pub const MIB: u64 = 1 << 20;

/// Runs a program of the host and gives what it printed.
pub fn run(program: &str, args: &[&str]) -> String {
    let args = args.iter().map(OsStr::new).collect();
    let run = Run {
        path: Path::new(program),
        args,
        input: &[],
        deadline: Duration::from_secs(60),
        output_limit: 1 << 20,
    };
    let finished = run.finish().unwrap();
    assert!(finished.succeeded(), "{program}: {}", finished.first_line());
    String::from_utf8(finished.stdout).unwrap().trim().to_owned()
}

/// A loop device with partitions; gone when dropped.
pub struct Loop {
    pub device: String,
    _file: tempfile::NamedTempFile,
}

impl Loop {
    pub fn new(bytes: u64) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(bytes).unwrap();
        let device =
            run("/usr/sbin/losetup", &["--find", "--show", "--partscan", file.path().to_str().unwrap()]);
        Self { device, _file: file }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        run("/usr/sbin/losetup", &["--detach", &self.device]);
    }
}

/// One pool and what it is made of.
pub struct Bed {
    pub storage: Storage,
    pub config: PoolConfig,
    pub device: Option<Loop>,
    pub dir: TempDir,
}

impl Bed {
    pub fn new(kind: PoolKind, format: Option<&str>, bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let device = (!matches!(kind, PoolKind::Dir | PoolKind::Netfs)).then(|| Loop::new(bytes));
        let path = match kind {
            PoolKind::Disk => "/dev".to_owned(),
            PoolKind::Logical => "/dev/lab".to_owned(),
            _ => dir.path().join("images").display().to_string(),
        };
        let devices = device.iter().map(|device| SourceDevice {
            path: device.device.clone(),
            part_separator: None,
            free: Vec::new(),
        });
        let config = PoolConfig {
            kind,
            name: "lab".to_owned(),
            uuid: Uuid::new_v4(),
            capacity: None,
            allocation: None,
            available: None,
            cow: None,
            source: PoolSource {
                devices: devices.collect(),
                format: format.map(str::to_owned),
                ..PoolSource::default()
            },
            target: PoolTarget { path: Some(path), ..PoolTarget::default() },
            extra: Default::default(),
        };
        // A server that is not there: who wants one names it.
        let checked = matches!(kind, PoolKind::Netfs | PoolKind::Iscsi) || config.check().is_ok();
        assert!(checked, "{:?}", config.check());
        Self { storage: Storage::new(), config, device, dir }
    }

    /// A directory pool that runs.
    pub fn directory() -> Self {
        let bed = Self::new(PoolKind::Dir, None, 0);
        bed.storage.build(&bed.config, Default::default()).unwrap();
        bed.start();
        bed
    }

    pub fn start(&self) {
        self.storage.start(&self.config, &Progress::default()).unwrap();
    }

    pub fn uuid(&self) -> Uuid {
        self.config.uuid
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from(self.config.target.path.as_ref().unwrap())
    }

    /// The name that the next volume gets: an msdos table keeps none.
    pub fn name(&self, wanted: &str, number: u32) -> String {
        match (&self.device, self.config.source.format.as_deref()) {
            (Some(device), Some("dos")) => format!("{}p{number}", device.device.trim_start_matches("/dev/")),
            _ => wanted.to_owned(),
        }
    }

    /// What a volume of so many bytes gets: extents of a volume group have 4 MiB.
    pub fn size(&self, bytes: u64) -> Bytes {
        let grain = if self.config.kind == PoolKind::Logical { 4 * MIB } else { 1 };
        Bytes(bytes.next_multiple_of(grain))
    }

    pub fn names(&self) -> Vec<String> {
        self.storage.volumes(self.uuid()).unwrap().into_iter().map(|volume| volume.name).collect()
    }

    pub fn refresh(&self) -> Vec<String> {
        self.storage.refresh(self.uuid(), &Progress::default()).unwrap();
        self.names()
    }

    pub fn open(&self, name: &str) -> File {
        let path = self.storage.volume(self.uuid(), name).unwrap().path;
        File::options().read(true).write(true).open(path).unwrap()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // The devices and mounts of a test that failed.
        let storage = std::mem::take(&mut self.storage);
        drop(storage);
        if matches!(self.config.kind, PoolKind::Fs | PoolKind::Netfs)
            && mount::mounted(&self.path()).is_ok_and(|found| found.is_some())
        {
            let _ = mount::unmount(&self.path());
        }
    }
}

pub fn sparse(name: &str, bytes: u64) -> VolumeConfig {
    VolumeConfig { allocation: Some(Bytes(0)), ..VolumeConfig::new(name, Bytes(bytes)) }
}
