//! A volume group of LVM, whose volumes are its logical volumes (guide 12.4).
//!
//! LVM's own programs do the work: they lock the group against those of an operator. A new logical volume carries a tag until it is
//! filled; what a crash leaves has the tag still, and the next refresh takes it away.

mod report;
mod volumes;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use reeve_model::Bytes;
use reeve_model::storage::{BuildMode, FoundSource, PoolConfig};
use reeve_sys::block;

use self::report::Group;
use self::volumes::LogicalVolumes;
use crate::StorageError;
use crate::busy::settled;
use crate::pool::{Pool, Volumes, subject};
use crate::program::{self, Finding};

/// LVM waits for its locks; a group on a medium that hangs is given up after that.
const PATIENCE: Duration = Duration::from_secs(120);

/// The volume groups of this host, and the devices of each.
pub(crate) fn sources(subject: &str) -> Result<Vec<FoundSource>, StorageError> {
    let args = [&["pvs"], &report::ARGUMENTS[..], &["-o", "pv_name,vg_name,vg_size"]].concat();
    let printed = program::run("lvm", &args, PATIENCE, subject)?;
    let parts = report::parts(&printed).map_err(|reason| StorageError::conflict(subject, reason))?;
    let mut groups: BTreeMap<String, FoundSource> = BTreeMap::new();
    // A device that is in no group yet is none.
    for part in parts.into_iter().filter(|part| !part.group.is_empty()) {
        let (path, format, size) = (part.group.clone(), Some("lvm2".to_owned()), part.size.map(Bytes));
        let none = || FoundSource { path, format, size, host: None, devices: Vec::new() };
        groups.entry(part.group).or_insert_with(none).devices.push(part.device);
    }
    Ok(groups.into_values().collect())
}

/// A volume group and what it is made of.
#[derive(Debug, Clone)]
pub(crate) struct LogicalPool {
    pool: String,
    group: String,
    devices: Vec<String>,
}

impl LogicalPool {
    pub(crate) fn new(config: &PoolConfig) -> Result<Self, StorageError> {
        let subject = subject(&config.name);
        let format = config.source.format.as_deref().unwrap_or("lvm2");
        if !["lvm2", "auto", "unknown"].contains(&format) {
            let reason = format!("a volume group of format '{format}' can't be used; 'lvm2' can");
            return Err(StorageError::unsupported(subject, reason));
        }
        let group = config.source.name.as_ref().unwrap_or(&config.name).clone();
        let home = format!("/dev/{group}");
        if let Some(path) = config.target.path.as_deref()
            && path.trim_end_matches('/') != home
        {
            let reason = format!(
                "its logical volumes are found in '{home}', not in '{path}'; write <path>{home}</path>"
            );
            return Err(StorageError::unsupported(subject, reason));
        }
        let devices = config.source.devices.iter().map(|device| device.path.clone()).collect();
        program::find("lvm", &subject)?;
        Ok(Self { pool: config.name.clone(), group, devices })
    }

    fn subject(&self) -> String {
        subject(&self.pool)
    }

    /// Runs one of LVM's commands.
    fn lvm(&self, args: &[&str]) -> Result<Vec<u8>, StorageError> {
        self.lvm_on(args, &self.subject())
    }

    fn lvm_on(&self, args: &[&str], subject: &str) -> Result<Vec<u8>, StorageError> {
        program::run("lvm", args, PATIENCE, subject)
    }

    /// The group as it is now; none where there is no such group.
    fn group(&self) -> Result<Option<Group>, StorageError> {
        let select = format!("vg_name={}", self.group);
        let options = "vg_name,vg_size,vg_free,vg_extent_size";
        let mut args = vec!["vgs"];
        args.extend(report::ARGUMENTS);
        args.extend(["-o", options, "--select", &select]);
        let printed = self.lvm(&args)?;
        report::groups(&printed)
            .map(|groups| groups.into_iter().find(|group| group.name == self.group))
            .map_err(|reason| StorageError::conflict(self.subject(), reason))
    }

    fn needed_group(&self) -> Result<Group, StorageError> {
        self.group()?.ok_or_else(|| StorageError::Missing(format!("volume group '{}'", self.group)))
    }

    /// Fails where a device is in use, or holds something that may not be destroyed.
    fn refuse_used(&self, device: &str, mode: BuildMode) -> Result<(), StorageError> {
        let path = Path::new(device);
        if let Err(error) = settled(|| block::open(path, true, true)) {
            return Err(match error.kind() {
                std::io::ErrorKind::ResourceBusy => {
                    let reason = format!("'{device}' is in use: mounted, or part of another device");
                    StorageError::conflict(self.subject(), reason)
                }
                std::io::ErrorKind::NotFound => StorageError::Missing(format!("device '{device}'")),
                _ => StorageError::file(path, "opened")(error),
            });
        }
        match program::look(path, &self.subject())? {
            Finding::Something(what) if mode != BuildMode::Overwrite => {
                let reason = format!("'{device}' holds {what} already; give --overwrite to destroy it");
                Err(StorageError::conflict(self.subject(), reason))
            }
            _ => Ok(()),
        }
    }
}

impl Pool for LogicalPool {
    fn build(&self, mode: BuildMode) -> Result<(), StorageError> {
        if self.group()?.is_some() {
            return match mode {
                BuildMode::Keep => Ok(()),
                _ => {
                    let reason = format!(
                        "volume group '{}' exists already; leave --overwrite and --no-overwrite out to keep it, or delete the pool first",
                        self.group
                    );
                    Err(StorageError::conflict(self.subject(), reason))
                }
            };
        }
        if self.devices.is_empty() {
            let reason = format!(
                "volume group '{}' does not exist, and no device is named to make it of; add <device path='/dev/…'/>",
                self.group
            );
            return Err(StorageError::invalid(self.subject(), reason));
        }
        for device in &self.devices {
            self.refuse_used(device, mode)?;
        }
        let devices: Vec<&str> = self.devices.iter().map(String::as_str).collect();
        let mut made = Vec::new();
        let built = devices
            .iter()
            .try_for_each(|device| {
                self.lvm(&["pvcreate", "-q", "-ff", "--yes", device])?;
                made.push(*device);
                Ok(())
            })
            .and_then(|()| {
                self.lvm(&[&["vgcreate", "-q", "--yes", &self.group], &devices[..]].concat()).map(drop)
            });
        if built.is_err()
            && !made.is_empty()
            && let Err(left) = self.lvm(&[&["pvremove", "-q"], &made[..]].concat())
        {
            tracing::warn!("{left}");
        }
        built
    }

    fn start(&self) -> Result<Box<dyn Volumes>, StorageError> {
        self.needed_group()?;
        self.lvm(&["vgchange", "-q", "--activate", "y", &self.group])?;
        Ok(Box::new(LogicalVolumes { pool: self.clone(), unfinished: Mutex::new(HashSet::new()) }))
    }

    fn stop(&self) -> Result<(), StorageError> {
        if self.group()?.is_none() {
            return Ok(());
        }
        self.lvm(&["vgchange", "-q", "--activate", "n", &self.group]).map(drop)
    }

    fn delete(&self) -> Result<(), StorageError> {
        self.needed_group()?;
        self.lvm(&["vgremove", "-q", "-f", "--yes", &self.group])?;
        let devices: Vec<&str> = self.devices.iter().map(String::as_str).collect();
        match devices.is_empty() {
            true => Ok(()),
            false => self.lvm(&[&["pvremove", "-q", "--yes"], &devices[..]].concat()).map(drop),
        }
    }
}

impl LogicalPool {
    /// Where LVM shows a logical volume.
    fn path_of(&self, name: &str) -> PathBuf {
        Path::new("/dev").join(&self.group).join(name)
    }

    /// What LVM calls it.
    fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.group)
    }
}
