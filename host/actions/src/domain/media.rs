//! What becomes of a disk: another document, another medium, other limits (guide 10.5, 14.4, 20.16.1.5).

use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;

use reeve_model::api::ChangedDomain;
use reeve_model::domain::{Device, Disk, DiskSource, DomainConfig, IoTune};
use reeve_model::domain_disk::{ChangeMedia, MediaAction};
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSnapshot;
use reeve_model::{Actor, Error, ErrorCode, Verb};

use super::update::Update;
use super::{Attachment, Question, disk};
use crate::{Actions, document};

/// A change of one disk.
pub(super) enum DiskChange {
    /// What a document says.
    Document(Box<Disk>),
    /// Another medium in the drive of that name.
    Media(String, ChangeMedia),
    /// Other limits for the disk of that name.
    Limits(String, Box<IoTune>),
}

impl DiskChange {
    /// Changes the disk in a definition; the disk as it is then.
    pub fn put(&self, config: &mut DomainConfig) -> Result<Disk, Error> {
        match self {
            Self::Document(disk) => put_document(config, disk.as_ref().clone()),
            Self::Media(name, change) => put_medium(config, name, change.clone()),
            Self::Limits(name, limits) => put_limits(config, name, **limits),
        }
        .map(|(_, new)| new)
    }

    /// The disk of a running machine as it is and as it becomes.
    pub fn live(&self, config: &mut DomainConfig) -> Result<(Disk, Disk), Error> {
        match self {
            Self::Limits(name, limits) => put_limits(config, name, **limits),
            Self::Media(name, change) => put_medium(config, name, change.clone()),
            Self::Document(disk) => {
                let (old, new) = put_document(config, disk.as_ref().clone())?;
                let medium = old.with_medium_of(&new);
                // What the document of a drive does not say of its bus and rights is as it was: it is about the medium.
                let said = Disk { bus: new.bus.or(old.bus.clone()), readonly: old.readonly, ..new };
                if !old.is_drive() || said != medium {
                    let (disk, domain) = (&old.target, &config.name);
                    let message = format!(
                        "disk '{disk}' of domain '{domain}' can't be changed while the machine runs, but for the medium of a drive"
                    );
                    return Err(Error::new(ErrorCode::Unsupported, message)
                        .with_hint("change the definition with --config: it holds from the next start on"));
                }
                Ok((old, medium))
            }
        }
    }
}

impl Actions {
    /// Changes the medium in a drive for CDs or floppies.
    pub async fn change_media(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        drive: &str,
        change: ChangeMedia,
        attachment: Attachment,
    ) -> Result<ChangedDomain, Error> {
        let subject = self.subject(actor, Verb::DomainDevice, key)?;
        let update = Update::Disk(DiskChange::Media(drive.to_owned(), change));
        let changed = Box::pin(self.update(actor, &subject, attachment, update)).await?;
        Ok(ChangedDomain { domain: self.row(subject.uuid)?, warnings: changed.warnings })
    }

    /// What a running drive becomes: its new medium is found, and the guards of `device-attach` are asked about one that goes in.
    pub(super) async fn plan_medium(
        &self,
        actor: &Actor,
        snapshot: &DomainSnapshot,
        old: &Disk,
        new: Disk,
    ) -> Result<Disk, Error> {
        if new.source == old.source || new.source.is_empty() {
            return Ok(new);
        }
        let mut device = Device::Disk(new);
        self.find_device(&snapshot.config.name, &mut device).await?;
        let xml = document::format_device(&device);
        let (hook, state, config) = (Hook::DeviceAttach, snapshot.summary.state, snapshot.config.clone());
        self.ask(Question { hook, actor, state, config, device: Some(&xml), forced: false }).await?;
        match device {
            Device::Disk(found) => Ok(found),
            _ => unreachable!("it is the disk that was put in"),
        }
    }

    /// Gives a disk other limits; what is not said stays. The limits as they are afterwards, of the machine where it was changed there.
    pub async fn set_disk_limits(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        name: &str,
        limits: IoTune,
        attachment: Attachment,
    ) -> Result<IoTune, Error> {
        let subject = self.subject(actor, Verb::DomainDevice, key)?;
        let (live, _) = self.scope(&subject, attachment)?;
        let update = Update::Disk(DiskChange::Limits(name.to_owned(), Box::new(limits)));
        Box::pin(self.update(actor, &subject, attachment, update)).await?;
        self.disk_limits(actor, key, name, !live)
    }

    /// The limits of a disk: those of its machine while it is active, those of its definition when `inactive` or off.
    pub fn disk_limits(&self, actor: &Actor, key: &str, name: &str, inactive: bool) -> Result<IoTune, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        Ok(*disk::find(&self.configuration(&subject, inactive)?, name)?.iotune)
    }
}

/// Gives a disk other limits; the disk as it was and as it is.
fn put_limits(config: &mut DomainConfig, name: &str, limits: IoTune) -> Result<(Disk, Disk), Error> {
    let target = disk::find(config, name)?.target.clone();
    let domain = config.name.clone();
    let place = config.devices.disks.iter_mut().find(|disk| disk.target == target);
    let place = place.expect("it was found by this target");
    let old = place.clone();
    *place.iotune = old.iotune.changed_to(limits);
    place.iotune.check().map_err(|sentence| {
        let message = format!("disk '{target}' of domain '{domain}' can't have these limits: {sentence}");
        Error::new(ErrorCode::Invalid, message)
    })?;
    Ok((old, place.clone()))
}

/// Gives a disk another document; the disk as it was and as it is.
fn put_document(config: &mut DomainConfig, mut disk: Disk) -> Result<(Disk, Disk), Error> {
    let found = config.devices.disks.iter().position(|other| other.target == disk.target);
    let Some(position) = found else {
        let message = format!("domain '{}' has no disk '{}'", config.name, disk.target);
        return Err(Error::new(ErrorCode::NotFound, message).with_hint("name it by its target, e.g. vda"));
    };
    let place = &mut config.devices.disks[position];
    disk.common.alias = disk.common.alias.or_else(|| place.common.alias.clone());
    disk.common.address = disk.common.address.or_else(|| place.common.address.clone());
    let old = std::mem::replace(place, disk.clone());
    Ok((old, disk))
}

/// Gives a drive another medium; the drive as it was and as it is.
fn put_medium(config: &mut DomainConfig, name: &str, change: ChangeMedia) -> Result<(Disk, Disk), Error> {
    let ChangeMedia { action, source, pool, force, block } = change;
    let target = disk::find(config, name)?.target.clone();
    let domain = config.name.clone();
    let refused = |code, sentence: &str, hint: &str| {
        let message = format!("drive '{target}' of domain '{domain}' {sentence}");
        Err(Error::new(code, message).with_hint(hint))
    };
    let named = config.devices.disks.iter_mut().find(|disk| disk.target == target);
    let drive = named.expect("it was found by this target");
    if !drive.is_drive() {
        return refused(
            ErrorCode::Invalid,
            "holds no media: it is a disk",
            "change it with 'reeve domain update-device', or replace it with detach-disk and attach-disk",
        );
    }
    let is_empty = drive.source.is_empty();
    let new = match (action, source) {
        (MediaAction::Eject, Some(_)) => {
            return refused(ErrorCode::Invalid, "can't be ejected into a source", "leave the source out");
        }
        (MediaAction::Eject, None) if is_empty => {
            return refused(ErrorCode::WrongState, "is empty already", "there is nothing to eject");
        }
        (MediaAction::Eject, None) => DiskSource::File { path: None },
        (MediaAction::Insert | MediaAction::Update, None) => {
            return refused(ErrorCode::Invalid, "is to get a medium that is not named", "name its source");
        }
        (MediaAction::Insert, Some(_)) if !is_empty && !force => {
            return refused(ErrorCode::WrongState, "has a medium already", "eject it first, or give --force");
        }
        (MediaAction::Insert | MediaAction::Update, Some(source)) => medium(source, pool, block),
    };
    let old = drive.clone();
    // Format and key of a volume are its own.
    if [&old.source, &new].iter().any(|source| matches!(source, DiskSource::Volume { .. })) {
        (drive.driver.format, drive.encryption) = (None, None);
    }
    drive.source = new;
    Ok((old, drive.clone()))
}

/// The source that a path or volume is.
fn medium(source: String, pool: Option<String>, block: bool) -> DiskSource {
    let is_device =
        || block || std::fs::metadata(&source).is_ok_and(|metadata| metadata.file_type().is_block_device());
    match pool {
        Some(pool) => DiskSource::Volume { pool, volume: source, found: None },
        None if is_device() => DiskSource::Block { path: Some(source) },
        None => DiskSource::File { path: Some(source) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(source: &str) -> DomainConfig {
        let xml = format!(
            "<domain type='sim'><name>web</name><memory>65536</memory><os><type>hvm</type></os><devices>
               <disk device='disk'><source file='/a'/><target dev='vda'/></disk>
               <disk device='cdrom'>{source}<target dev='hdc'/></disk></devices></domain>"
        );
        document::parse(&xml, false).unwrap().config
    }

    fn after(source: &str, action: MediaAction, new: Option<&str>, force: bool) -> Result<DiskSource, Error> {
        let mut config = domain(source);
        let source = new.map(str::to_owned);
        put_medium(&mut config, "hdc", ChangeMedia { action, source, force, ..ChangeMedia::default() })?;
        Ok(config.devices.disks[1].source.clone())
    }

    #[test]
    fn a_medium_goes_in_and_out() {
        let (empty, full) = ("", "<source file='/a.iso'/>");
        let file = |path: Option<&str>| DiskSource::File { path: path.map(str::to_owned) };
        assert_eq!(after(full, MediaAction::Eject, None, false).unwrap(), file(None));
        assert_eq!(after(empty, MediaAction::Insert, Some("/b.iso"), false).unwrap(), file(Some("/b.iso")));
        assert_eq!(after(full, MediaAction::Insert, Some("/b.iso"), true).unwrap(), file(Some("/b.iso")));
        assert_eq!(after(full, MediaAction::Update, Some("/b.iso"), false).unwrap(), file(Some("/b.iso")));
        for (source, action, new) in [
            (empty, MediaAction::Eject, None),
            (full, MediaAction::Eject, Some("/b.iso")),
            (full, MediaAction::Insert, Some("/b.iso")),
            (full, MediaAction::Update, None),
            (empty, MediaAction::Insert, None),
        ] {
            let error = after(source, action, new, false).unwrap_err();
            assert!(error.message.contains("drive 'hdc' of domain 'web'"), "{error}");
        }
    }

    #[test]
    fn only_drives_have_media() {
        let mut config = domain("");
        let error = put_medium(&mut config, "vda", ChangeMedia::default()).unwrap_err();
        assert!(error.message.contains("holds no media"), "{error}");
        let error = put_medium(&mut config, "hdd", ChangeMedia::default()).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
    }
}
