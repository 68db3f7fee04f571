//! Volumes are made, copied, resized, wiped and deleted.

use reeve_model::Bytes;
use reeve_model::storage::{VolumeConfig, WipeAlgorithm};
use uuid::Uuid;

use super::Storage;
use crate::pool::{Content, Volume};
use crate::{Progress, StorageError, content, probe, wipe};

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
        let volume = active.volumes.create(config, None)?;
        active.note(&config.name, Some(&volume));
        Ok(volume)
    }

    /// Makes a volume with the content of another, of the same pool or not. It gets the capacity of that one where it names none.
    pub fn create_from(
        &self,
        pool: Uuid,
        config: &VolumeConfig,
        template: (Uuid, &str),
        progress: &Progress,
    ) -> Result<Volume, StorageError> {
        let (active, source) = (self.active(pool)?, self.active(template.0)?);
        let subject = active.subject(&config.name);
        let _held = active.hold(&config.name, true)?;
        let _read = source.hold(template.1, false)?;
        let from = source.volumes.look(template.1)?;
        if let Some(fault) = &from.fault {
            return Err(StorageError::conflict(source.subject(&from.name), fault));
        }
        if from.backing.is_some() && pool != template.0 {
            let reason = "it is an overlay; its backing image would not be found from another pool";
            return Err(StorageError::unsupported(source.subject(&from.name), reason));
        }
        let capacity = config.capacity.unwrap_or(from.capacity);
        if capacity < from.capacity {
            let reason =
                format!("it can't be smaller than '{}', which has {} bytes", from.name, from.capacity.0);
            return Err(StorageError::invalid(subject, reason));
        }
        if from.format != "raw" && capacity != from.capacity {
            let reason = format!(
                "a copy of an image of format '{}' has its capacity; leave <capacity> out",
                from.format
            );
            return Err(StorageError::unsupported(subject, reason));
        }
        let config = VolumeConfig { capacity: Some(capacity), ..config.clone() };
        let file = source.volumes.open(&from.name, false)?;
        let length = content::size(&file).map_err(StorageError::file(&from.path, "measured"))?;
        let secret = from.encryption.as_ref().and_then(|encryption| encryption.secret);
        let mut fill = |to: &std::fs::File| {
            secret.inspect(|secret| probe::mark_secret(to, *secret));
            content::copy(&file, to, length, true, progress, &subject)
        };
        let format = if from.encryption.is_some() { probe::LUKS } else { &from.format };
        // A container is as much longer as its disk is larger.
        let length = if from.encryption.is_some() { length + (capacity.0 - from.capacity.0) } else { length };
        let content = Content { format, length, fill: &mut fill };
        let volume = active.volumes.create(&config, Some(content))?;
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
        let volume = active.volumes.resize(name, after, resize.allocate)?;
        active.note(name, Some(&volume));
        Ok(volume)
    }
}
