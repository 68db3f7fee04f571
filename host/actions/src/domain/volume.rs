//! Disks that are volumes of storage pools: where they are, when a domain gets them.

use std::path::PathBuf;

use reeve_model::domain::{Device, Disk, DiskSource, DomainConfig, FoundVolume};
use reeve_model::storage::{Encryption, VolumeKind};
use reeve_model::{Error, ErrorCode};
use reeve_storage::Storage;

use super::disk::image_source;
use crate::{Actions, storing};

impl Actions {
    /// Looks up every volume of a configuration that was not looked up yet.
    pub(super) async fn find_volumes(&self, config: &mut DomainConfig) -> Result<(), Error> {
        for disk in &mut config.devices.disks {
            self.find_disk(&config.name, disk).await?;
        }
        Ok(())
    }

    /// What a machine needs of its disks: their volumes, and the keys of those that are encrypted.
    pub(super) async fn find_disks(&self, config: &mut DomainConfig) -> Result<(), Error> {
        self.find_volumes(config).await?;
        for disk in &config.devices.disks {
            self.find_key(&config.name, disk).await?;
        }
        Ok(())
    }

    /// The configuration with the volumes that are there now, without the disks whose volumes can't be had, and why those can't.
    pub(super) async fn present_volumes(&self, config: &DomainConfig) -> (DomainConfig, Vec<String>) {
        let (mut present, mut missing) = (config.clone(), Vec::new());
        let mut disks = Vec::new();
        for mut disk in std::mem::take(&mut present.devices.disks) {
            let found = match self.find_disk(&config.name, &mut disk).await {
                Ok(()) => self.find_key(&config.name, &disk).await,
                missing => missing,
            };
            match found {
                Ok(()) => disks.push(disk),
                // The domain starts without it.
                Err(_) if disk.startup_policy.as_deref() == Some("optional") => {}
                Err(error) => missing.push(error.message),
            }
        }
        present.devices.disks = disks;
        (present, missing)
    }

    /// What is to be minded about devices of the host that a guest would write, a sentence each (guide 12.1, 13.3). What is a volume was chosen
    /// for guests when its pool was made.
    pub(super) async fn device_warnings(&self, disks: &[Disk]) -> Vec<String> {
        let written = |disk: &&Disk| !(disk.readonly || disk.device == "cdrom");
        let named = disks.iter().filter(written).filter_map(|disk| match &disk.source {
            DiskSource::File { path: Some(path) } | DiskSource::Block { path: Some(path) } => {
                Some((disk.target.clone(), PathBuf::from(path)))
            }
            _ => None,
        });
        let named: Vec<_> = named.collect();
        let look = move |_: &Storage| {
            let warn = |(target, path): &(String, PathBuf)| {
                Some(format!("disk '{target}': {}", reeve_storage::warn_guest_device(path)?))
            };
            Ok(named.iter().filter_map(warn).collect())
        };
        // Who can't look says nothing.
        self.on_storage(look).await.unwrap_or_default()
    }

    /// Looks up the volume of a device, if it is a disk that has one.
    pub(super) async fn find_device(&self, domain: &str, device: &mut Device) -> Result<(), Error> {
        match device {
            Device::Disk(disk) => {
                self.find_disk(domain, disk).await?;
                self.find_key(domain, disk).await
            }
            _ => Ok(()),
        }
    }

    /// Fails unless the secret of an encrypted disk has a value. The value itself is for who opens the disk.
    async fn find_key(&self, domain: &str, disk: &Disk) -> Result<(), Error> {
        let Some(encryption) = &disk.encryption else { return Ok(()) };
        let subject = format!("disk '{}' of domain '{domain}'", disk.target);
        let secret = encryption.passphrase();
        let secret = secret.map_err(|error| Error::new(ErrorCode::Invalid, format!("{subject}: {error}")))?;
        self.referred_secret(secret, &subject).await.map(drop)
    }

    /// Fails where the secret of an encrypted disk does not open it. That takes as long as a guess is to take.
    pub(super) async fn refuse_wrong_keys(&self, config: &DomainConfig) -> Result<(), Error> {
        for disk in &config.devices.disks {
            let (Some(encryption), Some(image)) = (&disk.encryption, image_source(disk)) else { continue };
            let subject = format!("disk '{}' of domain '{}'", disk.target, config.name);
            let invalid = |reason: String| Error::new(ErrorCode::Invalid, format!("{subject}: {reason}"));
            let secret = encryption.passphrase().map_err(|error| invalid(error.to_string()))?;
            let (_, passphrase) = self.referred_secret(secret, &subject).await?;
            if !crate::blocking(move || Ok(image.opens(&passphrase)?)).await? {
                return Err(invalid("the passphrase of its secret does not open it".to_owned()));
            }
        }
        Ok(())
    }

    pub(super) async fn find_disk(&self, domain: &str, disk: &mut Disk) -> Result<(), Error> {
        let DiskSource::Volume { pool, volume, found: found @ None } = &mut disk.source else {
            return Ok(());
        };
        let refused = |code, reason: String| {
            Error::new(code, format!("disk '{}' of domain '{domain}': {reason}", disk.target))
        };
        let record = storing::find(&self.storing.pools(), pool);
        let Some((uuid, record)) = record else {
            let hint = "'reeve pool list --all' shows all storage pools";
            return Err(
                refused(ErrorCode::NotFound, format!("storage pool '{pool}' does not exist")).with_hint(hint)
            );
        };
        if record.live.is_none() {
            let hint = format!("start it with 'reeve pool start {pool}'");
            return Err(refused(ErrorCode::WrongState, format!("storage pool '{pool}' is not active"))
                .with_hint(hint));
        }
        let name = volume.clone();
        let there = self
            .on_storage(move |storage| storage.volume(uuid, &name))
            .await
            .map_err(|error| refused(error.code, error.message.clone()))?;
        if let Some(fault) = there.fault {
            return Err(refused(
                ErrorCode::WrongState,
                format!("volume '{volume}' of pool '{pool}': {fault}"),
            ));
        }
        match &disk.driver.format {
            None => disk.driver.format = Some(there.format),
            Some(told) if *told == there.format => {}
            Some(told) => {
                let reason = format!(
                    "volume '{volume}' of pool '{pool}' has the format '{}', not '{told}'",
                    there.format
                );
                let hint = format!("write <driver type='{}'/>, or leave the type out", there.format);
                return Err(refused(ErrorCode::Invalid, reason).with_hint(hint));
            }
        }
        // Whoever made the volume said which secret opens it; a disk may name another, of the same passphrase.
        if let (None, Some(there)) = (&disk.encryption, &there.encryption) {
            let Some(secret) = there.secret else {
                let reason = format!(
                    "volume '{volume}' of pool '{pool}' is encrypted, and it is not known which secret opens it"
                );
                let hint = "name it in the disk: <encryption format='luks'><secret type='passphrase' uuid='…'/></encryption>";
                return Err(refused(ErrorCode::Invalid, reason).with_hint(hint));
            };
            disk.encryption = Some(Encryption::luks(secret));
        }
        *found = Some(FoundVolume { path: there.path, is_file: there.kind == VolumeKind::File });
        Ok(())
    }
}
