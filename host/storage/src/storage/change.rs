//! Volumes are made, resized, wiped and deleted.

use std::fs::File;

use reeve_model::Bytes;
use reeve_model::storage::{Preallocation, VolumeConfig, WipeAlgorithm};
use uuid::Uuid;

use super::Storage;
use crate::pool::{Content, Volume};
use crate::probe::RAW;
use crate::{Progress, StorageError, content, wipe};

/// How a volume gets another capacity (guide 14.12.7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resize {
    /// The capacity, or by how much it changes.
    pub capacity: Bytes,
    /// `capacity` is added to what there is; taken away, where it may shrink.
    pub delta: bool,
    /// It may become smaller; what is beyond the new end is lost.
    pub shrink: bool,
    /// What it grows by is taken from the pool at once.
    pub allocate: bool,
}

impl Storage {
    /// Makes a volume of zeroes.
    pub fn create(&self, pool: Uuid, config: &VolumeConfig) -> Result<Volume, StorageError> {
        self.create_watched(pool, config, &Progress::default())
    }

    /// As [`Self::create`]; tells how far it is where all of the volume is written.
    pub fn create_watched(
        &self,
        pool: Uuid,
        config: &VolumeConfig,
        progress: &Progress,
    ) -> Result<Volume, StorageError> {
        let active = self.active(pool)?;
        let subject = active.subject(&config.name);
        if config.target.encryption.is_some() {
            return Err(StorageError::invalid(subject, "an encrypted volume is made with a passphrase"));
        }
        if config.capacity.is_none() && config.backing.is_none() {
            return Err(StorageError::invalid(
                subject,
                "it needs a capacity; add <capacity unit='GiB'>…</capacity>",
            ));
        }
        let _held = active.hold(&config.name, true)?;
        let length = config.capacity.unwrap_or_default().0;
        let mut fill = |file: &File| content::write_zeroes(file, length, progress, &subject);
        let is_raw = config.target.format.as_deref().is_none_or(|format| format == RAW);
        let is_written = config.target.preallocation == Some(Preallocation::Full)
            && is_raw
            && config.backing.is_none()
            && active.config.kind.holds_files();
        let content = is_written.then_some(Content { format: RAW, length, fill: &mut fill });
        let volume = active.volumes.create(config, content)?;
        active.note(&config.name, Some(&volume));
        Ok(volume)
    }

    /// Deletes a volume.
    pub fn delete_volume(&self, pool: Uuid, name: &str) -> Result<(), StorageError> {
        let active = self.active(pool)?;
        let _held = active.hold(name, true)?;
        active.refuse_needed(name)?;
        active.volumes.delete(name)?;
        active.note(name, None);
        Ok(())
    }

    /// Makes what a volume holds unreadable (guide 14.12.2). The volume stays.
    pub fn wipe(
        &self,
        pool: Uuid,
        name: &str,
        algorithm: WipeAlgorithm,
        progress: &Progress,
    ) -> Result<(), StorageError> {
        let active = self.active(pool)?;
        let _held = active.hold(name, true)?;
        active.refuse_read(name)?;
        let file = active.volumes.open(name, true)?;
        wipe::wipe(&file, algorithm, progress, &active.subject(name))?;
        drop(file);
        let volume = active.volumes.look(name)?;
        active.note(name, Some(&volume));
        Ok(())
    }

    /// Gives a volume another capacity (guide 14.12.7).
    pub fn resize(&self, pool: Uuid, name: &str, resize: Resize) -> Result<Volume, StorageError> {
        let active = self.active(pool)?;
        let subject = active.subject(name);
        let _held = active.hold(name, true)?;
        let before = active.volumes.look(name)?.capacity.0;
        let after = match (resize.delta, resize.shrink) {
            (false, _) => Some(resize.capacity.0),
            (true, false) => before.checked_add(resize.capacity.0),
            (true, true) => before.checked_sub(resize.capacity.0),
        };
        let after = after.filter(|after| i64::try_from(*after).is_ok()).ok_or_else(|| {
            StorageError::invalid(
                &subject,
                format!("{before} bytes can't be changed by {}", resize.capacity.0),
            )
        })?;
        if after < before && !resize.shrink {
            let reason =
                format!("it has {before} bytes; to make it smaller and lose what is beyond, give --shrink");
            return Err(StorageError::invalid(subject, reason));
        }
        if resize.shrink && resize.allocate {
            return Err(StorageError::invalid(subject, "--allocate and --shrink contradict each other"));
        }
        if after < before {
            active.refuse_read(name)?;
        }
        let volume = active.volumes.resize(name, after, resize.allocate)?;
        active.note(name, Some(&volume));
        Ok(volume)
    }
}
