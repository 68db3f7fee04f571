//! Verbs on volumes (guide 14.12).

mod asking;
mod content;
mod view;

use reeve_model::storage::{
    CreatedVolume, EncryptionError, PoolChange, PoolConfig, ResizeVolume, StorageOperation, TakeVolume,
    VolumeConfig, VolumeKind, VolumeSummary, WipeAlgorithm,
};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_storage::{Resize, Volume, VolumeKey};
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
        let (uuid, _, name) = self.volume_of(actor, Verb::VolumeRead, pool, volume)?;
        let config = self.on_storage(move |storage| storage.document(uuid, &name)).await?;
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
        let (config, mut warnings) = document::parse_volume(xml, options.strict)?;
        refuse_inactive(&record)?;
        let template = match &options.template {
            None => None,
            Some(template) => {
                let home = options.template_pool.as_deref().unwrap_or(pool);
                let (from, _, template) = self.volume_of(actor, Verb::VolumeDownload, home, template)?;
                Some((from, self.volume_view(&Actor::Daemon, home, &template).await?, template))
            }
        };
        let source = template.as_ref().map(|(_, view, _)| view);
        let config = match source.filter(|_| options.name_clone) {
            None => config,
            Some(source) => self.name_volume(actor, &record, config, &source.summary.name).await?,
        };
        let (mut config, intent) = self.ask_volume_create(actor, (uuid, &record), config, source).await?;
        config.target.preallocation = options.preallocation;
        let name = config.name.clone();
        let key = match &config.target.encryption {
            Some(_) => Some(self.volume_key(&config, record.config()).await?),
            None => None,
        };
        let operation = match template {
            Some(_) => StorageOperation::CreateFrom,
            None => StorageOperation::Create,
        };
        let job = self.storing.begin(uuid, operation, &name);
        let asked = config.allocation.filter(|_| config.backing.is_none());
        let work = move |storage: &reeve_storage::Storage| {
            let _kept = intent;
            match (template, key) {
                (Some((from, _, template)), key) => {
                    if let Some(key) = &key {
                        storage.refuse_wrong_key(from, &template, key)?;
                    }
                    storage.create_from(uuid, &config, (from, &template), &job.progress)
                }
                (None, Some(key)) => storage.create_encrypted(uuid, &config, &key),
                (None, None) => storage.create_watched(uuid, &config, &job.progress),
            }
        };
        let volume = self.on_storage(work).await?;
        self.tell_pool(actor, record.config(), PoolChange::VolumeCreated, &name);
        if volume.kind == VolumeKind::Block && asked.is_some_and(|asked| asked < volume.allocation) {
            let (pool, all) = (record.config(), volume.allocation);
            warnings.push(format!(
                "volume '{name}' of pool '{}' takes all of its {all} at once: volumes of a pool of type '{}' can't be thin (guide 12.4)",
                pool.name, pool.kind
            ));
        }
        Ok(CreatedVolume { volume: summary(&record, volume), warnings })
    }

    /// The document with a name that is free.
    async fn name_volume(
        &self,
        actor: &Actor,
        pool: &Pool,
        config: VolumeConfig,
        source: &str,
    ) -> Result<VolumeConfig, Error> {
        let pool = &pool.config().name;
        let views = self.volume_views(&Actor::Daemon, pool).await?;
        let taken = views.into_iter().map(|view| view.summary.name).collect();
        let config =
            VolumeConfig { name: self.clone_name(actor, source, Some(pool), taken).await?, ..config };
        config.check().map_err(|broken| Error::new(ErrorCode::Invalid, broken.to_string()))?;
        Ok(config)
    }

    /// The passphrase that a document names for a volume (guide ch. 13).
    async fn volume_key(&self, config: &VolumeConfig, pool: &PoolConfig) -> Result<VolumeKey, Error> {
        let subject = format!("volume '{}' of pool '{}'", config.name, pool.name);
        let encryption = config.target.encryption.clone().unwrap_or_default();
        let reference = encryption.passphrase().map_err(|error| {
            let code = match error {
                EncryptionError::Format(_) => ErrorCode::Unsupported,
                EncryptionError::Secrets(_) | EncryptionError::Kind(_) => ErrorCode::Invalid,
            };
            Error::new(code, format!("{subject}: {error}"))
        })?;
        let (secret, passphrase) = self.referred_secret(reference, &subject).await?;
        Ok(VolumeKey { secret, passphrase })
    }

    /// Deletes a volume.
    pub async fn delete_volume(&self, actor: &Actor, pool: &str, volume: &str) -> Result<(), Error> {
        let (uuid, record, name) = self.volume_of(actor, Verb::VolumeDelete, pool, volume)?;
        let view = self.volume_view(&Actor::Daemon, pool, &name).await?;
        self.ask_volume_delete(actor, (uuid, &record), view).await?;
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
        let view = self.volume_view(&Actor::Daemon, pool, &name).await?;
        let (change, intent) = match self.ask_volume_resize(actor, (uuid, &record), view, change).await? {
            Some((capacity, intent)) => (ResizeVolume { capacity, delta: false, ..change }, Some(intent)),
            None => (change, None),
        };
        let ResizeVolume { capacity, delta, shrink, allocate } = change;
        let (meant, resize) = (name.clone(), Resize { capacity, delta, shrink, allocate });
        let work = move |storage: &reeve_storage::Storage| {
            let _kept = intent;
            storage.resize(uuid, &meant, resize)
        };
        let volume = self.on_storage(work).await?;
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
        let job = self.storing.begin(uuid, StorageOperation::Wipe, &name);
        self.on_storage(move |storage| storage.wipe(uuid, &meant, algorithm, &job.progress)).await?;
        self.tell_pool(actor, record.config(), PoolChange::VolumeWiped, &name);
        Ok(())
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
