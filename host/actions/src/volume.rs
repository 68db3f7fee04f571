//! Verbs on volumes (guide 14.12).

mod content;

use reeve_model::storage::{
    BackingStore, CreatedVolume, Encryption, PoolChange, PoolConfig, ResizeVolume, SecretReference,
    TakeVolume, VolumeConfig, VolumeEncryption, VolumeSummary, WipeAlgorithm,
};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_storage::{Progress, Resize, Volume, VolumeKey};
use uuid::Uuid;

pub use content::{Incoming, Outgoing};

use crate::pool::life::refuse_inactive;
use crate::storing::Pool;
use crate::{Actions, document};

impl Actions {
    /// An active pool, and the name of a volume of it that a client calls by name, path or key.
    fn volume_of(
        &self,
        actor: &Actor,
        verb: Verb,
        pool: &str,
        volume: &str,
    ) -> Result<(Uuid, Pool, String), Error> {
        let (uuid, record) = self.pool(actor, verb, pool)?;
        refuse_inactive(&record)?;
        let storage = &self.storing.storage;
        let name = match storage.find(volume) {
            Some((owner, name)) if owner == uuid => name,
            _ => volume.to_owned(),
        };
        Ok((uuid, record, name))
    }

    /// The volumes of an active pool by name, as they were found at its last refresh.
    pub fn volumes(&self, actor: &Actor, pool: &str) -> Result<Vec<VolumeSummary>, Error> {
        let (uuid, record) = self.pool(actor, Verb::VolumeRead, pool)?;
        refuse_inactive(&record)?;
        let volumes = self.storing.storage.volumes(uuid)?;
        Ok(volumes.into_iter().map(|volume| summary(&record, volume)).collect())
    }

    /// One volume, looked at now.
    pub async fn volume_info(&self, actor: &Actor, pool: &str, volume: &str) -> Result<VolumeSummary, Error> {
        let (uuid, record, name) = self.volume_of(actor, Verb::VolumeRead, pool, volume)?;
        let volume = self.on_storage(move |storage| storage.volume(uuid, &name)).await?;
        Ok(summary(&record, volume))
    }

    /// The volume of an active pool with this path or key.
    pub async fn find_volume(&self, actor: &Actor, path_or_key: &str) -> Result<VolumeSummary, Error> {
        let found = self.storing.storage.find(path_or_key);
        let Some((uuid, name)) = found else {
            self.authorize(actor, Verb::VolumeRead, "")?;
            let message = format!("no active storage pool has a volume with the path or key '{path_or_key}'");
            let hint = "give --pool with a name, or refresh its pool with 'reeve pool refresh'";
            return Err(Error::new(ErrorCode::NotFound, message).with_hint(hint));
        };
        self.volume_info(actor, &uuid.to_string(), &name).await
    }

    /// The document of a volume.
    pub async fn volume_xml(&self, actor: &Actor, pool: &str, volume: &str) -> Result<String, Error> {
        let volume = self.volume_info(actor, pool, volume).await?;
        let mut config = VolumeConfig::new(volume.name, volume.capacity);
        config.kind = Some(volume.kind);
        config.key = Some(volume.key);
        config.allocation = Some(volume.allocation);
        config.physical = Some(volume.physical);
        config.target.path = Some(volume.path);
        config.target.format = Some(volume.format);
        config.target.encryption = volume.encryption.map(encryption);
        let extra = Default::default;
        config.backing =
            volume.backing.map(|path| BackingStore { path, format: None, permissions: None, extra: extra() });
        Ok(document::format_volume(&config))
    }

    /// Makes a volume, of zeroes or with the content of another. It is seen when it is whole.
    pub async fn create_volume(
        &self,
        actor: &Actor,
        pool: &str,
        xml: &str,
        options: &TakeVolume,
    ) -> Result<CreatedVolume, Error> {
        let (uuid, record) = self.pool(actor, Verb::VolumeCreate, pool)?;
        let (config, warnings) = document::parse_volume(xml, options.strict)?;
        refuse_inactive(&record)?;
        let name = config.name.clone();
        let volume = match &options.template {
            None if config.target.encryption.is_some() => {
                let key = self.volume_key(&config, record.config()).await?;
                self.on_storage(move |storage| storage.create_encrypted(uuid, &config, &key)).await?
            }
            None => self.on_storage(move |storage| storage.create(uuid, &config)).await?,
            Some(template) => {
                let home = options.template_pool.as_deref().unwrap_or(pool);
                let (from, _, template) = self.volume_of(actor, Verb::VolumeDownload, home, template)?;
                let key = match &config.target.encryption {
                    Some(_) => Some(self.volume_key(&config, record.config()).await?),
                    None => None,
                };
                let progress = Progress::default();
                let work = move |storage: &reeve_storage::Storage| {
                    if let Some(key) = &key {
                        storage.refuse_wrong_key(from, &template, key)?;
                    }
                    storage.create_from(uuid, &config, (from, &template), &progress)
                };
                self.on_storage(work).await?
            }
        };
        self.tell_pool(actor, record.config(), PoolChange::VolumeCreated, &name);
        Ok(CreatedVolume { volume: summary(&record, volume), warnings })
    }

    /// The passphrase that a document names for a volume (guide ch. 13).
    async fn volume_key(&self, config: &VolumeConfig, pool: &PoolConfig) -> Result<VolumeKey, Error> {
        let subject = format!("volume '{}' of pool '{}'", config.name, pool.name);
        let invalid = |reason: String| Error::new(ErrorCode::Invalid, format!("{subject}: {reason}"));
        let encryption = config.target.encryption.clone().unwrap_or_default();
        let format = encryption.format.as_deref().unwrap_or("default");
        if !["luks", "default"].contains(&format) {
            let reason = format!("an encryption '{format}' can't be made by this version; 'luks' can");
            return Err(Error::new(ErrorCode::Unsupported, format!("{subject}: {reason}")));
        }
        let [reference] = encryption.secrets.as_slice() else {
            let count = encryption.secrets.len();
            return Err(invalid(format!(
                "it names {count} secrets, and one opens it; write <secret type='passphrase' uuid='…'/>"
            )));
        };
        if let Some(kind) = reference.kind.as_deref().filter(|kind| *kind != "passphrase") {
            return Err(invalid(format!("a secret of type '{kind}' opens nothing; write type='passphrase'")));
        }
        let (secret, passphrase) = self.referred_secret(reference, &subject).await?;
        Ok(VolumeKey { secret, passphrase })
    }

    /// Deletes a volume.
    pub async fn delete_volume(&self, actor: &Actor, pool: &str, volume: &str) -> Result<(), Error> {
        let (uuid, record, name) = self.volume_of(actor, Verb::VolumeDelete, pool, volume)?;
        let meant = name.clone();
        self.on_storage(move |storage| storage.delete_volume(uuid, &meant)).await?;
        self.tell_pool(actor, record.config(), PoolChange::VolumeDeleted, &name);
        Ok(())
    }

    /// Gives a volume another capacity.
    pub async fn resize_volume(
        &self,
        actor: &Actor,
        pool: &str,
        volume: &str,
        change: ResizeVolume,
    ) -> Result<VolumeSummary, Error> {
        let (uuid, record, name) = self.volume_of(actor, Verb::VolumeChange, pool, volume)?;
        let ResizeVolume { capacity, delta, shrink, allocate } = change;
        let (meant, resize) = (name.clone(), Resize { capacity, delta, shrink, allocate });
        let volume = self.on_storage(move |storage| storage.resize(uuid, &meant, resize)).await?;
        self.tell_pool(actor, record.config(), PoolChange::VolumeResized, &name);
        Ok(summary(&record, volume))
    }

    /// Makes what a volume holds unreadable; the volume stays.
    pub async fn wipe_volume(
        &self,
        actor: &Actor,
        pool: &str,
        volume: &str,
        algorithm: WipeAlgorithm,
    ) -> Result<(), Error> {
        let (uuid, record, name) = self.volume_of(actor, Verb::VolumeChange, pool, volume)?;
        let meant = name.clone();
        let progress = Progress::default();
        self.on_storage(move |storage| storage.wipe(uuid, &meant, algorithm, &progress)).await?;
        self.tell_pool(actor, record.config(), PoolChange::VolumeWiped, &name);
        Ok(())
    }
}

fn encryption(found: VolumeEncryption) -> Encryption {
    let kind = Some("passphrase".to_owned());
    let reference = |uuid: Uuid| SecretReference { kind, uuid: Some(uuid.to_string()), usage: None };
    Encryption {
        format: Some(found.format),
        secrets: found.secret.map(reference).into_iter().collect(),
        ..Encryption::default()
    }
}

fn summary(pool: &Pool, volume: Volume) -> VolumeSummary {
    let Volume { name, key, path, kind, format, capacity, allocation, physical, backing, encryption, fault } =
        volume;
    let pool = pool.config().name.clone();
    VolumeSummary {
        name,
        pool,
        key,
        path,
        kind,
        format,
        capacity,
        allocation,
        physical,
        backing,
        encryption,
        fault,
    }
}
