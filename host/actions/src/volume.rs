//! Verbs on volumes (guide 14.12).

mod content;

use reeve_model::storage::{
    CreatedVolume, PoolChange, ResizeVolume, StorageOperation, TakeVolume, VolumeSummary, WipeAlgorithm,
};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_storage::{Resize, Volume};
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
        let (mut config, warnings) = document::parse_volume(xml, options.strict)?;
        config.target.preallocation = options.preallocation;
        refuse_inactive(&record)?;
        let name = config.name.clone();
        let volume = match &options.template {
            None => self.on_storage(move |storage| storage.create(uuid, &config)).await?,
            Some(template) => {
                let home = options.template_pool.as_deref().unwrap_or(pool);
                let (from, _, template) = self.volume_of(actor, Verb::VolumeDownload, home, template)?;
                let job = self.storing.begin(uuid, StorageOperation::CreateFrom, &name);
                let work = move |storage: &reeve_storage::Storage| {
                    storage.create_from(uuid, &config, (from, &template), &job.progress)
                };
                self.on_storage(work).await?
            }
        };
        self.tell_pool(actor, record.config(), PoolChange::VolumeCreated, &name);
        Ok(CreatedVolume { volume: summary(&record, volume), warnings })
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
        let job = self.storing.begin(uuid, StorageOperation::Wipe, &name);
        self.on_storage(move |storage| storage.wipe(uuid, &meant, algorithm, &job.progress)).await?;
        self.tell_pool(actor, record.config(), PoolChange::VolumeWiped, &name);
        Ok(())
    }
}

fn summary(pool: &Pool, volume: Volume) -> VolumeSummary {
    let Volume { name, key, path, kind, format, capacity, allocation, physical, backing, fault } = volume;
    let pool = pool.config().name.clone();
    VolumeSummary { name, pool, key, path, kind, format, capacity, allocation, physical, backing, fault }
}
