//! What the disks of a domain are: listed, measured, resized while they are in use (guide 14.5.12, 14.5.13, 14.5.17).

use std::path::PathBuf;
use std::sync::Arc;

use reeve_domain::{DomainError, Request};
use reeve_model::domain::{Disk, DiskSource, DomainConfig};
use reeve_model::domain_disk::{DiskFilter, DiskSize, DomainDisk, ResizeDisk};
use reeve_model::storage::PoolChange;
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_storage::ImageSource;
use uuid::Uuid;

use super::Subject;
use crate::error::explain;
use crate::{Actions, storing};

impl Actions {
    /// Disks of a domain in document order: those of its machine while it is active, those of its definition when `inactive` or off.
    pub fn disks(&self, actor: &Actor, key: &str, inactive: bool) -> Result<Vec<DomainDisk>, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let config = self.configuration(&subject, inactive)?;
        Ok(config.devices.disks.iter().map(DomainDisk::from).collect())
    }

    /// The configuration of the machine while it is active, that of the definition when `inactive` or off.
    pub(super) fn configuration(&self, subject: &Subject, inactive: bool) -> Result<DomainConfig, Error> {
        if !inactive {
            return Ok(self.domains.snapshot(subject.uuid).map_err(explain)?.config);
        }
        let definition = self.domains.definition(subject.uuid).map_err(explain)?;
        definition.map(|definition| definition.as_ref().clone()).ok_or_else(|| {
            let message = format!("domain '{}' is transient: it has no definition", subject.name);
            Error::new(ErrorCode::WrongState, message)
        })
    }

    /// Sizes of the disks of a domain, or of one that is named; looked at now.
    pub async fn disk_sizes(
        &self,
        actor: &Actor,
        key: &str,
        filter: &DiskFilter,
    ) -> Result<Vec<DiskSize>, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let config = self.domains.snapshot(subject.uuid).map_err(explain)?.config;
        let disks = match &filter.disk {
            Some(name) => vec![find(&config, name)?.clone()],
            None => config.devices.disks,
        };
        let mut sizes = Vec::with_capacity(disks.len());
        for disk in disks {
            sizes.push(self.size_of(&config.name, disk).await);
        }
        match (filter.disk.is_some(), sizes.first().and_then(|size| size.fault.clone())) {
            (true, Some(fault)) => Err(Error::new(ErrorCode::WrongState, fault)),
            _ => Ok(sizes),
        }
    }

    async fn size_of(&self, domain: &str, mut disk: Disk) -> DiskSize {
        let target = disk.target.clone();
        let found = self.find_disk(domain, &mut disk).await;
        let Some(source) = image_source(&disk) else {
            return DiskSize { target, fault: found.err().map(|error| error.message), ..DiskSize::default() };
        };
        let measured = crate::blocking(move || Ok(reeve_storage::measure(&source)?)).await;
        match measured {
            Ok(size) => DiskSize {
                target,
                capacity: Some(size.capacity),
                allocation: Some(size.allocation),
                physical: Some(size.physical),
                fault: None,
            },
            Err(error) => {
                let fault = Some(format!("disk '{target}' of domain '{domain}': {}", error.message));
                DiskSize { target, fault, ..DiskSize::default() }
            }
        }
    }

    /// Gives a disk of a running domain another capacity; the guest sees it at once. Sizes as they are afterwards.
    pub async fn resize_disk(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        name: &str,
        request: ResizeDisk,
    ) -> Result<DiskSize, Error> {
        let subject = self.subject(actor, Verb::DomainDevice, key)?;
        self.permits(&subject, Request::UpdateDevice)?;
        let turn = self.turn(actor, subject.uuid, Request::UpdateDevice).await?;
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        if snapshot.summary.id.is_none() {
            let sentence = "is not running".to_owned();
            return Err(explain(DomainError::WrongState { name: subject.name, sentence }));
        }
        let disk = find(&snapshot.config, name)?.clone();
        let refused = |sentence: &str| {
            let message = format!("disk '{}' of domain '{}' {sentence}", disk.target, subject.name);
            Err(Error::new(ErrorCode::Invalid, message))
        };
        if disk.readonly || matches!(disk.device.as_str(), "cdrom" | "floppy") {
            return refused("can't be given another size: it is read-only");
        }
        if disk.shareable && request.shrink {
            return refused("can't become smaller: it is shared, and others would lose what they can't see");
        }
        let volume = self.volume_behind(&disk);
        if let Some((pool, _)) = &volume {
            self.pool(actor, Verb::VolumeChange, &pool.to_string())?;
        }
        turn.resize_disk(&disk.target, request.capacity, request.shrink).await.map_err(explain)?;
        drop(turn);
        if let Some((pool, volume)) = volume {
            let (meant, uuid) = (volume.clone(), pool);
            // It is resized, whatever can be said of it now.
            let _ = self.on_storage(move |storage| storage.volume(uuid, &meant)).await;
            if let Some((_, pool)) = storing::find(&self.storing.pools(), &pool.to_string()) {
                self.tell_pool(actor, pool.config(), PoolChange::VolumeResized, &volume);
            }
        }
        Ok(self.size_of(&subject.name, disk).await)
    }

    /// The volume that the image of a disk is, if an active pool has it.
    pub(super) fn volume_behind(&self, disk: &Disk) -> Option<(Uuid, String)> {
        match &disk.source {
            DiskSource::Volume { pool, volume, .. } => {
                let (uuid, record) = storing::find(&self.storing.pools(), pool)?;
                record.live.is_some().then(|| (uuid, volume.clone()))
            }
            source => self.storing.storage.find(source.path()?),
        }
    }
}

/// The image of a disk for who reads it; none of an empty drive and of what has no path.
pub(super) fn image_source(disk: &Disk) -> Option<ImageSource> {
    let is_volume_file =
        matches!(&disk.source, DiskSource::Volume { found: Some(found), .. } if found.is_file);
    Some(ImageSource {
        path: PathBuf::from(disk.source.path()?),
        format: disk.driver.format.clone().unwrap_or_else(|| "raw".to_owned()),
        encrypted: disk.encryption.is_some(),
        follow: !is_volume_file,
        locked: false,
    })
}

/// The disk of a configuration with this target, alias or path.
pub(super) fn find<'a>(config: &'a DomainConfig, key: &str) -> Result<&'a Disk, Error> {
    let found = config.devices.disks.iter().find(|disk| DomainDisk::from(*disk).is_named(key));
    found.ok_or_else(|| {
        let message = format!("domain '{}' has no disk '{key}'", config.name);
        let hint = format!(
            "'reeve domain domblklist {}' shows what it has; name one by its target or path",
            config.name
        );
        Error::new(ErrorCode::NotFound, message).with_hint(hint)
    })
}
