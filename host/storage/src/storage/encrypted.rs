//! Volumes in LUKS containers (guide ch. 13): made, and told which secret opens them. What is in them, guests write.

use std::fs::File;

use reeve_image::{Effort, ImageFile, LUKS_PAYLOAD};
use reeve_model::secret::SecretValue;
use reeve_model::storage::VolumeConfig;
use uuid::Uuid;

use super::Storage;
use crate::files::allocate;
use crate::pool::{Content, Volume};
use crate::{StorageError, probe};

/// What opens an encrypted volume.
#[derive(Debug, Clone)]
pub struct VolumeKey {
    /// The secret that has it.
    pub secret: Uuid,
    /// The passphrase.
    pub passphrase: SecretValue,
}

impl Storage {
    /// Makes an encrypted volume. Its disk holds nothing that anybody wrote: what is read of it before it is written is noise.
    pub fn create_encrypted(
        &self,
        pool: Uuid,
        config: &VolumeConfig,
        key: &VolumeKey,
    ) -> Result<Volume, StorageError> {
        let active = self.active(pool)?;
        let subject = active.subject(&config.name);
        let capacity = config.capacity.ok_or_else(|| {
            StorageError::invalid(&subject, "it needs a capacity; add <capacity unit='GiB'>…</capacity>")
        })?;
        if config.backing.is_some() {
            let reason = "an encrypted volume has no backing image; leave <backingStore> out";
            return Err(StorageError::unsupported(subject, reason));
        }
        if let Some(format) = config.target.format.as_deref().filter(|format| *format != probe::RAW) {
            let reason = format!(
                "an encrypted volume of format '{format}' can't be made by this version; write <format type='raw'/>"
            );
            return Err(StorageError::unsupported(subject, reason));
        }
        let _held = active.hold(&config.name, true)?;
        let length = capacity.0.saturating_add(LUKS_PAYLOAD);
        let allocation = config.allocation.map_or(length, |allocation| allocation.0.min(length));
        let mut fill = |to: &File| {
            let full = StorageError::written(&subject, allocation);
            if allocation > 0 {
                allocate(to, 0, allocation).map_err(full)?;
            }
            probe::mark_secret(to, key.secret);
            let copy = to.try_clone().map_err(StorageError::file(&subject, "opened"))?;
            let image = ImageFile::new(copy, &subject)?;
            reeve_image::luks_create(&image, capacity.0, key.passphrase.expose(), Effort::Second)?;
            Ok(())
        };
        let content = Content { format: probe::LUKS, length, fill: &mut fill };
        let volume = active.volumes.create(config, Some(content))?;
        active.note(&config.name, Some(&volume));
        Ok(volume)
    }

    /// Fails unless a volume is encrypted and a passphrase opens it. That takes as long as a guess is to take.
    pub fn refuse_wrong_key(&self, pool: Uuid, name: &str, key: &VolumeKey) -> Result<(), StorageError> {
        let active = self.active(pool)?;
        let subject = active.subject(name);
        let _read = active.hold(name, false)?;
        if active.volumes.look(name)?.encryption.is_none() {
            let reason = "it is not encrypted, and its copy would have to be encrypted; leave <encryption> out, \
                          or make an encrypted volume and copy within a guest";
            return Err(StorageError::unsupported(subject, reason));
        }
        let image = ImageFile::new(active.volumes.open(name, false)?, &subject)?;
        match reeve_image::luks_opens(&image, key.passphrase.expose())? {
            true => Ok(()),
            false => {
                let reason =
                    format!("secret {} does not open it; name the one that it was made with", key.secret);
                Err(StorageError::invalid(subject, reason))
            }
        }
    }
}
