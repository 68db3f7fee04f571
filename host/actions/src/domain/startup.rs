//! Media and images that a document says may be missing when its domain starts (`startupPolicy`, guide 20.16.1).

use reeve_model::domain::{Disk, DiskSource, DomainConfig};
use tracing::warn;

use crate::Actions;

/// How a machine comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// It boots.
    Boot,
    /// It goes on from a save image, a snapshot, or another host.
    GoOn,
}

impl Actions {
    /// Takes out of an effective configuration what is missing and may be: a drive is left without its medium, another disk is not
    /// there. A guest that goes on has its disks already, so that only a medium may be missing then.
    pub(super) async fn leave_out_missing(&self, config: &mut DomainConfig, occasion: Occasion) {
        let mut kept = Vec::new();
        for mut disk in std::mem::take(&mut config.devices.disks) {
            if !may_be_missing(&disk, occasion) || self.has_content(&config.name, &disk).await {
                kept.push(disk);
                continue;
            }
            let target = disk.target.clone();
            warn!(
                domain = config.name,
                target, "what is in a disk is missing, and the domain starts without it"
            );
            if disk.is_drive() {
                disk.source = DiskSource::File { path: None };
                disk.driver.format = None;
                disk.encryption = None;
                kept.push(disk);
            }
        }
        config.devices.disks = kept;
    }

    async fn has_content(&self, domain: &str, disk: &Disk) -> bool {
        if let DiskSource::Volume { .. } = &disk.source {
            return self.find_disk(domain, &mut disk.clone()).await.is_ok();
        }
        let Some(path) = disk.source.path().map(std::path::PathBuf::from) else { return true };
        // What can't be looked at is an error of the start, which says why.
        crate::blocking(move || Ok(path.try_exists().unwrap_or(true))).await.unwrap_or(true)
    }
}

fn may_be_missing(disk: &Disk, occasion: Occasion) -> bool {
    match disk.startup_policy.as_deref() {
        Some("optional") => disk.is_drive() || occasion == Occasion::Boot,
        Some("requisite") => disk.is_drive() && occasion == Occasion::GoOn,
        _ => false,
    }
}
