//! Volumes as policies see them, and pieces of what they hold.

use std::io::Cursor;
use std::path::Path;
use std::time::UNIX_EPOCH;

use reeve_model::storage::{PoolChange, VolumeKind, VolumeSummary};
use reeve_model::{Actor, Bytes, Error, Verb};
use reeve_storage::{Progress, Stretch};

use super::summary;
use crate::Actions;
use crate::policy_port::VolumeView;
use crate::pool::life::refuse_inactive;

/// The most bytes that are read at once.
const PIECE: u64 = 1 << 20;

impl Actions {
    /// The volumes of an active pool by name, those that are being made among them.
    pub async fn volume_views(&self, actor: &Actor, pool: &str) -> Result<Vec<VolumeView>, Error> {
        let (uuid, record) = self.pool(actor, Verb::VolumeRead, pool)?;
        refuse_inactive(&record)?;
        let mut intended = self.storing.intended(uuid);
        let name = record.config().name.clone();
        self.on_storage(move |storage| {
            let mut views: Vec<VolumeView> = storage
                .volumes(uuid)?
                .into_iter()
                .map(|volume| view(summary(&record, volume), &mut intended))
                .collect();
            views.extend(intended.into_iter().map(|(volume, capacity)| on_its_way(&name, volume, capacity)));
            views.sort_by(|one, other| one.summary.name.cmp(&other.summary.name));
            Ok(views)
        })
        .await
    }

    /// One volume, looked at now.
    pub async fn volume_view(&self, actor: &Actor, pool: &str, volume: &str) -> Result<VolumeView, Error> {
        let (uuid, record, name) = self.volume_of(actor, Verb::VolumeRead, pool, volume)?;
        let mut intended = self.storing.intended(uuid);
        let look = move |storage: &reeve_storage::Storage| {
            Ok(view(summary(&record, storage.volume(uuid, &name)?), &mut intended))
        };
        self.on_storage(look).await
    }

    /// Reads what a volume holds from `offset` on: `length` bytes, fewer at its end, and 1 MiB at most.
    pub async fn read_volume(
        &self,
        actor: &Actor,
        pool: &str,
        volume: &str,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, Error> {
        let (uuid, _, name) = self.volume_of(actor, Verb::VolumeDownload, pool, volume)?;
        let part = (offset, Some(length.min(PIECE)));
        self.on_storage(move |storage| {
            let mut bytes = Vec::new();
            let mut sink = |stretch: Stretch<'_>| {
                match stretch {
                    Stretch::Data(data) => bytes.extend_from_slice(data),
                    // The part is a piece at most.
                    Stretch::Hole(length) => bytes.resize(bytes.len() + length as usize, 0),
                }
                Ok(())
            };
            storage.download(uuid, &name, part, &mut sink, &Progress::default())?;
            Ok(bytes)
        })
        .await
    }

    /// Writes bytes into a volume from `offset` on.
    pub async fn write_volume(
        &self,
        actor: &Actor,
        pool: &str,
        volume: &str,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<(), Error> {
        let (uuid, record, name) = self.volume_of(actor, Verb::VolumeChange, pool, volume)?;
        let meant = name.clone();
        let write = move |storage: &reeve_storage::Storage| {
            let mut data = Cursor::new(data);
            storage.upload(uuid, &meant, (offset, None), &mut data, &Progress::default())
        };
        self.on_storage(write).await?;
        self.tell_pool(actor, record.config(), PoolChange::VolumeUploaded, &name);
        Ok(())
    }
}

fn view(mut summary: VolumeSummary, intended: &mut std::collections::BTreeMap<String, Bytes>) -> VolumeView {
    if let Some(capacity) = intended.remove(&summary.name) {
        summary.capacity = Bytes(summary.capacity.0.max(capacity.0));
    }
    let created = created(&summary);
    VolumeView { summary, created, complete: true }
}

/// A volume that is being made, as far as it is known.
fn on_its_way(pool: &str, name: String, capacity: Bytes) -> VolumeView {
    let summary = VolumeSummary {
        key: String::new(),
        path: String::new(),
        kind: VolumeKind::File,
        format: String::new(),
        allocation: Bytes(0),
        physical: Bytes(0),
        backing: None,
        encryption: None,
        fault: None,
        pool: pool.to_owned(),
        name,
        capacity,
    };
    VolumeView { summary, created: None, complete: false }
}

/// When the file of a volume was made, or where that is not kept, when it was last changed: milliseconds since the Unix epoch.
fn created(summary: &VolumeSummary) -> Option<u64> {
    let metadata = std::fs::symlink_metadata(Path::new(&summary.path)).ok().filter(|it| it.is_file())?;
    let time = metadata.created().or_else(|_| metadata.modified()).ok()?;
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}
