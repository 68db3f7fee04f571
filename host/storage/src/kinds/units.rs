//! Units of SCSI targets as volumes. Their number and sizes are of who serves them: another host, or a storage system.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use reeve_model::Bytes;
use reeve_model::storage::{PoolSpace, VolumeConfig, VolumeKind};
use reeve_sys::block;

use crate::directory::opened_device;
use crate::pool::{Content, Volume, Volumes, volume_subject};
use crate::{Progress, StorageError};

/// Channel, target and unit.
pub(super) type Address = (u32, u32, u64);

/// A unit of a target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit {
    /// Where it is.
    pub(super) address: Address,
    /// What the kernel calls its device, as `sdb`.
    pub(super) device: String,
    /// Identity that the unit has where it is served, where it tells one.
    pub(super) id: Option<String>,
}

/// Where the kernel has units from.
pub(super) trait Source: Send + Sync {
    /// Units that there are now.
    fn units(&self) -> Result<Vec<Unit>, StorageError>;

    /// Makes the kernel look for others.
    fn rescan(&self) -> Result<(), StorageError>;

    /// What nobody can do here: a sentence with "made", "deleted" or "resized" in it.
    fn not_here(&self, what: &str) -> String;
}

/// The units of a source as the kernel has them now.
pub(super) struct Units {
    pub(super) pool: String,
    /// Directory of stable names of devices.
    pub(super) directory: Option<String>,
    pub(super) source: Box<dyn Source>,
}

/// The units at an address, of whose directory in sysfs this is: none where it is no disk.
pub(super) fn at(directory: &Path, address: Address) -> io::Result<Vec<Unit>> {
    let id = std::fs::read_to_string(directory.join("wwid")).ok();
    let id = id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty() && id.len() <= 255);
    let devices = names(&directory.join("block"))?;
    Ok(devices.into_iter().map(|device| Unit { address, device, id: id.clone() }).collect())
}

/// Host, and channel, target and unit, of a name as `3:0:0:1`.
pub(super) fn address_of(name: &str) -> Option<(u32, Address)> {
    let mut parts = name.split(':');
    let host = parts.next()?.parse().ok()?;
    let address = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some((host, address))
}

/// Names in a directory; none where it is not there: a unit may go while it is looked at.
pub(super) fn names(directory: &Path) -> io::Result<Vec<String>> {
    match std::fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => Ok(entries?.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()),
    }
}

impl Units {
    fn subject(&self, name: &str) -> String {
        volume_subject(name, &self.pool)
    }

    /// Units by name.
    pub(super) fn found(&self) -> Result<Vec<(String, Unit)>, StorageError> {
        let name = |unit: &Unit| {
            let (channel, target, unit) = unit.address;
            format!("unit:{channel}:{target}:{unit}")
        };
        Ok(self.source.units()?.into_iter().map(|unit| (name(&unit), unit)).collect())
    }

    /// The name that a device keeps, where the pool's directory has one for it.
    fn path_of(&self, device: &Path) -> PathBuf {
        let directory = self.directory.iter().filter(|path| path.starts_with("/dev/disk/"));
        let links = directory.flat_map(std::fs::read_dir).flatten().flatten().map(|entry| entry.path());
        let same = |link: &PathBuf| link.canonicalize().is_ok_and(|real| real == device);
        let mut stable: Vec<PathBuf> = links.filter(same).collect();
        stable.sort();
        stable.into_iter().next().unwrap_or_else(|| device.to_owned())
    }

    fn volume(&self, name: String, unit: Unit) -> Volume {
        let device = Path::new("/dev").join(&unit.device);
        let size = block::open(&device, false, false).and_then(block::size);
        let path = self.path_of(&device).display().to_string();
        let capacity = Bytes(size.as_ref().copied().unwrap_or_default());
        Volume {
            name,
            key: unit.id.unwrap_or_else(|| path.clone()),
            path,
            kind: VolumeKind::Block,
            format: "raw".to_owned(),
            capacity,
            allocation: capacity,
            physical: capacity,
            backing: None,
            encryption: None,
            fault: size.err().map(|error| format!("its device can't be opened: {error}")),
        }
    }

    fn not_here(&self, name: &str, what: &str) -> StorageError {
        StorageError::unsupported(self.subject(name), self.source.not_here(what))
    }
}

impl Volumes for Units {
    fn refresh(&self, progress: &Progress) -> Result<Vec<Volume>, StorageError> {
        self.source.rescan()?;
        let found = self.found()?;
        progress.expect(found.len() as u64);
        let volume = |(name, unit)| {
            progress.advance(1, &crate::pool::subject(&self.pool))?;
            Ok(self.volume(name, unit))
        };
        found.into_iter().map(volume).collect()
    }

    fn space(&self) -> Result<PoolSpace, StorageError> {
        let volumes = self.found()?.into_iter().map(|(name, unit)| self.volume(name, unit).capacity.0);
        let capacity = Bytes(volumes.fold(0, u64::saturating_add));
        Ok(PoolSpace { capacity, allocation: capacity, available: Bytes(0) })
    }

    fn create(&self, config: &VolumeConfig, _content: Option<Content<'_>>) -> Result<Volume, StorageError> {
        Err(self.not_here(&config.name, "made"))
    }

    fn delete(&self, name: &str) -> Result<(), StorageError> {
        Err(self.not_here(name, "deleted"))
    }

    fn resize(&self, name: &str, _capacity: u64, _allocate: bool) -> Result<Volume, StorageError> {
        Err(self.not_here(name, "resized"))
    }

    fn open(&self, name: &str, write: bool) -> Result<File, StorageError> {
        let volume = self.look(name)?;
        // Who writes a disk of the host has nothing mounted on it, nor made others of it.
        opened_device(&volume.path, write, &self.subject(name))
    }

    fn look(&self, name: &str) -> Result<Volume, StorageError> {
        let found = self.found()?.into_iter().find(|(found, _)| found == name);
        let (name, unit) = found.ok_or_else(|| StorageError::Missing(self.subject(name)))?;
        Ok(self.volume(name, unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_four_numbers() {
        assert_eq!(address_of("3:0:1:16384"), Some((3, (0, 1, 16384))));
        for name in ["3:0:1", "3:0:1:2:3", "power", "3:0:-1:2", ""] {
            assert_eq!(address_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_unit_that_is_no_disk_is_none() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(at(place.path(), (0, 0, 1)).unwrap(), []);
        std::fs::create_dir_all(place.path().join("block/sdx")).unwrap();
        std::fs::write(place.path().join("wwid"), "naa.1\n").unwrap();
        let unit = Unit { address: (0, 0, 1), device: "sdx".to_owned(), id: Some("naa.1".to_owned()) };
        assert_eq!(at(place.path(), (0, 0, 1)).unwrap(), [unit]);
    }
}
