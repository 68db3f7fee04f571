//! `reeve vol create`, `create-as`, `create-from` and `clone` (guide 14.12.1).

use std::path::PathBuf;

use clap::Args;
use reeve_model::Bytes;
use reeve_model::storage::{BackingStore, CreatedVolume, TakeVolume, VolumeConfig};
use serde::Serialize;

use super::Target;
use super::size::size;
use crate::context::{Context, read_document};
use crate::output::Show;

/// Options of `reeve vol create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  reeve vol xml --pool images disk.img | sed s/disk/copy/ | reeve vol create other -")]
pub struct Create {
    /// Name or UUID of the pool
    pool: String,
    /// A volume XML document, - for standard input
    file: PathBuf,
    /// Refuse the document instead of warning about what in it would be ignored
    #[arg(long)]
    strict: bool,
}

/// Options of `reeve vol create-as`.
#[derive(Debug, Args)]
#[command(after_help = "\
Sizes are whole numbers of bytes, or have a unit: 8G, 512MiB. Without --allocation a raw volume takes all of its capacity at once.

Examples:
  reeve vol create-as guest_images volume1 8G
  reeve vol create-as guest_images overlay.qcow2 8G --format qcow2 --backing-vol base.img --backing-vol-format raw")]
pub struct CreateAs {
    /// Name or UUID of the pool
    pool: String,
    /// Name of the volume
    name: String,
    /// What a guest sees
    #[arg(value_parser = size)]
    capacity: Bytes,
    /// What is taken from the pool at once
    #[arg(long, value_parser = size)]
    allocation: Option<Bytes>,
    /// Format of the image, in pools of files: raw, qcow2
    #[arg(long)]
    format: Option<String>,
    /// Volume of the same pool that the new one reads what it does not hold from
    #[arg(long)]
    backing_vol: Option<String>,
    /// Format of that volume
    #[arg(long, requires = "backing_vol")]
    backing_vol_format: Option<String>,
    /// Print the XML document, and do nothing
    #[arg(long)]
    print_xml: bool,
}

/// Options of `reeve vol create-from`.
#[derive(Debug, Args)]
pub struct CreateFrom {
    /// Name or UUID of the pool
    pool: String,
    /// A volume XML document, - for standard input
    file: PathBuf,
    /// Name, path or key of the volume whose content the new one gets
    volume: String,
    /// Pool of that volume, if it is another
    #[arg(long, visible_alias = "inputpool")]
    input_pool: Option<String>,
}

/// Options of `reeve vol clone`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  reeve vol clone --pool guest_images_disk volume3 clone1")]
pub struct Clone {
    #[command(flatten)]
    target: Target,
    /// Name of the new volume; without it one that is free, by policy where one names clones
    new_name: Option<String>,
}

impl Create {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = TakeVolume { strict: self.strict, ..TakeVolume::default() };
        let created = context.client.create_volume(&self.pool, &read_document(&self.file)?, &options).await?;
        done(context, created, "created".to_owned())
    }
}

impl CreateAs {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut config = VolumeConfig::new(self.name, self.capacity);
        config.allocation = self.allocation;
        config.target.format = self.format;
        let format = self.backing_vol_format;
        let backing = |path| BackingStore { path, format, permissions: None, extra: Default::default() };
        config.backing = self.backing_vol.map(backing);
        config.check()?;
        let document = reeve_xml::volume::format(&config);
        if self.print_xml {
            return context.print(document.trim_end());
        }
        let created = context.client.create_volume(&self.pool, &document, &TakeVolume::default()).await?;
        done(context, created, "created".to_owned())
    }
}

impl CreateFrom {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = TakeVolume {
            template: Some(self.volume.clone()),
            template_pool: self.input_pool,
            ..TakeVolume::default()
        };
        let created = context.client.create_volume(&self.pool, &read_document(&self.file)?, &options).await?;
        done(context, created, format!("created from '{}'", self.volume))
    }
}

impl Clone {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let from = self.target.look(context).await?;
        let name_clone = self.new_name.is_none();
        let name = self.new_name.unwrap_or_else(|| from.name.clone());
        let config = VolumeConfig { capacity: None, ..VolumeConfig::new(name, Bytes(0)) };
        config.check()?;
        let document = reeve_xml::volume::format(&config);
        let options = TakeVolume {
            strict: false,
            template: Some(from.name.clone()),
            template_pool: Some(from.pool.clone()),
            name_clone,
        };
        let created = context.client.create_volume(&from.pool, &document, &options).await?;
        done(context, created, format!("cloned from '{}'", from.name))
    }
}

fn done(context: &mut Context, created: CreatedVolume, participle: String) -> anyhow::Result<()> {
    context.warn(&created.warnings);
    context.show(&Done { created, participle })
}

#[derive(Serialize)]
#[serde(transparent)]
struct Done {
    created: CreatedVolume,
    #[serde(skip)]
    participle: String,
}

impl Show for Done {
    const ELEMENT: &'static str = "created";

    fn human(&self) -> String {
        format!("Vol '{}' {}", self.created.volume.name, self.participle)
    }
}
