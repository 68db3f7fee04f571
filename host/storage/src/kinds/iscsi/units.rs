//! The units of a target as volumes. Their number and sizes are the server's.

use std::fs::File;
use std::path::{Path, PathBuf};

use reeve_model::Bytes;
use reeve_model::storage::{PoolSpace, VolumeConfig, VolumeKind};
use reeve_sys::block;

use super::IscsiPool;
use super::portal::iscsiadm;
use super::session::{self, Unit};
use crate::directory::claimed;
use crate::pool::{Content, Volume, Volumes, volume_subject};
use crate::{Progress, StorageError};

/// The units as the kernel has them now.
#[derive(Debug)]
pub(super) struct Units {
    pub(super) pool: IscsiPool,
}

impl Units {
    fn subject(&self, name: &str) -> String {
        volume_subject(name, &self.pool.pool)
    }

    /// Units by name. Several sessions show the same ones; the first counts.
    pub(super) fn found(&self) -> Result<Vec<(String, Unit)>, StorageError> {
        let failed = || StorageError::file("/sys/class/iscsi_session", "listed");
        let Some(session) = self.pool.sessions()?.into_iter().next() else { return Ok(Vec::new()) };
        let units = session::units(session).map_err(failed())?;
        let name = |unit: &Unit| {
            let (channel, target, unit) = unit.address;
            format!("unit:{channel}:{target}:{unit}")
        };
        Ok(units.into_iter().map(|unit| (name(&unit), unit)).collect())
    }

    /// The name that a device keeps, where the pool's directory has one for it.
    fn path_of(&self, device: &Path) -> PathBuf {
        let directory = self.pool.directory.iter().filter(|path| path.starts_with("/dev/disk/"));
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

    fn of_the_server(&self, name: &str, what: &str) -> StorageError {
        let reason = format!("units of an iSCSI target are {what} on its server, not here");
        StorageError::unsupported(self.subject(name), reason)
    }
}

impl Volumes for Units {
    fn refresh(&self, progress: &Progress) -> Result<Vec<Volume>, StorageError> {
        for session in self.pool.sessions()? {
            let session = session.to_string();
            iscsiadm(&["--mode", "session", "--sid", &session, "--rescan"], &[], &self.pool.subject())?;
        }
        let found = self.found()?;
        progress.expect(found.len() as u64);
        let volume = |(name, unit)| {
            progress.advance(1, &self.pool.subject())?;
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
        Err(self.of_the_server(&config.name, "made"))
    }

    fn delete(&self, name: &str) -> Result<(), StorageError> {
        Err(self.of_the_server(name, "deleted"))
    }

    fn resize(&self, name: &str, _capacity: u64, _allocate: bool) -> Result<Volume, StorageError> {
        Err(self.of_the_server(name, "resized"))
    }

    fn open(&self, name: &str, write: bool) -> Result<File, StorageError> {
        let volume = self.look(name)?;
        let device = block::open(volume.path.as_ref(), write, false)
            .map_err(StorageError::file(&volume.path, "opened"))?;
        claimed(device, write, &self.subject(name), &volume.path)
    }

    fn look(&self, name: &str) -> Result<Volume, StorageError> {
        let found = self.found()?.into_iter().find(|(found, _)| found == name);
        let (name, unit) = found.ok_or_else(|| StorageError::Missing(self.subject(name)))?;
        Ok(self.volume(name, unit))
    }
}
