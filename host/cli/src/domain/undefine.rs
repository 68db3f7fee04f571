//! `reeve domain undefine` (guide 14.8.5).

use anyhow::ensure;
use clap::{ArgGroup, Args};
use reeve_client::ClientError;
use reeve_model::api::{UndefineOptions, XmlOptions};
use reeve_model::domain_disk::DomainDisk;
use reeve_model::storage::{VolumeSummary, WipeAlgorithm};
use reeve_model::{Error, ErrorCode};

use super::Target;
use crate::context::Context;

/// A running domain goes on as a transient one; disks and other files are kept unless they are named.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("volumes").args(["storage", "remove_all_storage"]))]
#[command(after_help = "\
Volumes are deleted once the definition is gone, of a domain that is off only. What is in no pool stays, and so does, with
--remove-all-storage, what the domain could only read or others may have.

Examples:
  reeve domain undefine web
  reeve domain undefine web --storage vda,/srv/images/data.img
  reeve domain undefine web --remove-all-storage --wipe-storage")]
pub struct Undefine {
    #[command(flatten)]
    target: Target,
    /// Remove its managed save too, which is in the way otherwise
    #[arg(long)]
    managed_save: bool,
    /// Forget its snapshots too, which are in the way otherwise; what is in its images stays
    #[arg(long)]
    snapshots_metadata: bool,
    /// Delete the volumes of these disks too: targets or sources, with commas between
    #[arg(long, value_name = "DISKS", value_delimiter = ',')]
    storage: Vec<String>,
    /// Delete the volumes of all of its disks too
    #[arg(long)]
    remove_all_storage: bool,
    /// Make what volumes hold unreadable before they are deleted
    #[arg(long, requires = "volumes")]
    wipe_storage: bool,
}

impl Undefine {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = &self.target.domain;
        let volumes = self.volumes(context).await?;
        let options =
            UndefineOptions { managed_save: self.managed_save, snapshots_metadata: self.snapshots_metadata };
        context.client.undefine_domain_with(domain, options).await?;
        context.say(&format!("Domain '{domain}' undefined"))?;
        let mut left = Vec::new();
        for (target, volume) in &volumes {
            match self.delete(context, volume).await {
                Ok(()) => context.say(&format!("Volume '{target}' ({}) removed", volume.path))?,
                Err(error) => {
                    context.note(&format!("volume '{target}' ({}) is left: {error}", volume.path));
                    left.push(target.as_str());
                }
            }
        }
        ensure!(left.is_empty(), "the domain is undefined, but volumes are left: {}", left.join(", "));
        Ok(())
    }

    async fn delete(&self, context: &Context, volume: &VolumeSummary) -> Result<(), ClientError> {
        let (pool, name) = (&volume.pool, &volume.name);
        if self.wipe_storage {
            context.client.wipe_volume(pool, name, WipeAlgorithm::default()).await?;
        }
        context.client.delete_volume(pool, name).await
    }

    /// The volumes that are to be deleted, each with the target of its disk, or the targets of all of them. Found before anything is changed.
    async fn volumes(&self, context: &Context) -> anyhow::Result<Vec<(String, VolumeSummary)>> {
        if !self.remove_all_storage && self.storage.is_empty() {
            return Ok(Vec::new());
        }
        let domain = &self.target.domain;
        if context.client.domain_info(domain).await?.summary.id.is_some() {
            let message = format!("domain '{domain}' is active: its volumes are in use");
            let hint = "shut it down first, or leave its storage alone";
            return Err(refused(ErrorCode::WrongState, message, hint));
        }
        let disks = context.client.domain_disks(domain, XmlOptions { inactive: true }).await?;
        if let Some(word) = self.storage.iter().find(|word| !disks.iter().any(|disk| is(disk, word))) {
            let message = format!("domain '{domain}' has no disk '{word}'");
            return Err(refused(ErrorCode::NotFound, message, "'reeve domain domblklist' lists them"));
        }
        let mut found: Vec<(String, VolumeSummary)> = Vec::new();
        for disk in disks {
            let named = self.storage.iter().any(|word| is(&disk, word));
            let (true, Some(source)) = (named || self.remove_all_storage, &disk.source) else { continue };
            if !named && (disk.readonly || disk.shareable) {
                context.note(&format!("disk '{}' ({source}) stays: others may have it too", disk.target));
                continue;
            }
            let volume = match &disk.pool {
                Some(pool) => context.client.volume_info(pool, source).await,
                None => context.client.find_volume(source).await,
            };
            match volume {
                // Several disks may be on one volume, which can be deleted once.
                Ok(volume) => match found.iter_mut().find(|(_, known)| known.path == volume.path) {
                    Some((targets, _)) => *targets = format!("{targets}, {}", disk.target),
                    None => found.push((disk.target, volume)),
                },
                Err(ClientError::Refused(error)) if error.code == ErrorCode::NotFound && !named => {
                    context
                        .note(&format!("disk '{}' ({source}) stays: it is no volume of a pool", disk.target));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }
}

/// Whether a disk is meant by its target or its source.
fn is(disk: &DomainDisk, word: &str) -> bool {
    disk.target == word || disk.source.as_deref() == Some(word)
}

fn refused(code: ErrorCode, message: String, hint: &str) -> anyhow::Error {
    ClientError::Refused(Error::new(code, message).with_hint(hint.to_owned())).into()
}
