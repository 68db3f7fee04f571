//! `reeve vol create`, `create-as`, `create-from` and `clone` (guide 14.12.1).

use std::path::PathBuf;

use clap::Args;
use reeve_model::Bytes;
use reeve_model::storage::{
    BackingStore, CreatedVolume, Preallocation, StorageOperation, TakeVolume, VolumeConfig,
};
use serde::Serialize;

use super::Target;
use super::size::size;
use crate::context::{Context, read_document};
use crate::output::Show;
use crate::progress::{Watched, watched};

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
    #[command(flatten)]
    space: Space,
}

/// Space of a new volume.
#[derive(Debug, Args)]
pub(crate) struct Space {
    /// Space to take at once: off, metadata (qcow2), falloc, full; else what the document says as allocation counts
    #[arg(long, value_name = "MODE")]
    preallocation: Option<Preallocation>,
    /// The same as --preallocation metadata
    #[arg(long, conflicts_with = "preallocation")]
    prealloc_metadata: bool,
}

impl Space {
    fn wanted(&self) -> Option<Preallocation> {
        self.prealloc_metadata.then_some(Preallocation::Metadata).or(self.preallocation)
    }
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
    /// Version of the qcow2 format: 0.10 or 1.1
    #[arg(long, value_name = "VERSION")]
    compat: Option<String>,
    /// Bytes of a cluster of a qcow2 image, a power of two from 512 to 2M
    #[arg(long, value_parser = size, value_name = "SIZE")]
    cluster_size: Option<Bytes>,
    #[command(flatten)]
    space: Space,
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
    #[command(flatten)]
    space: Space,
}

/// Options of `reeve vol clone`.
#[derive(Debug, Args)]
#[command(after_help = "\
Where the file system can share blocks the copy takes no space. Into another format it is converted, and reads from no other image.

Examples:
  reeve vol clone --pool guest_images_disk volume3 clone1
  reeve vol clone --pool guest_images disk.img disk.qcow2 --format qcow2")]
pub struct Clone {
    #[command(flatten)]
    target: Target,
    /// Name of the new volume; without it one that is free, by policy where one names clones
    new_name: Option<String>,
    /// Format of the new volume, in pools of files; that of the old one when it is not given
    #[arg(long)]
    format: Option<String>,
    #[command(flatten)]
    space: Space,
}

impl Create {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let preallocation = self.space.wanted();
        let options = TakeVolume { strict: self.strict, preallocation, ..TakeVolume::default() };
        let created = filled(context, &self.pool, None, &read_document(&self.file)?, &options).await?;
        done(context, created, "created".to_owned())
    }
}

impl CreateAs {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut config = VolumeConfig::new(self.name, self.capacity);
        config.allocation = self.allocation;
        config.target.format = self.format;
        config.target.compat = self.compat;
        config.target.cluster_size = self.cluster_size;
        let format = self.backing_vol_format;
        let backing = |path| BackingStore { path, format, permissions: None, extra: Default::default() };
        config.backing = self.backing_vol.map(backing);
        config.check()?;
        let document = reeve_xml::volume::format(&config);
        if self.print_xml {
            return context.print(document.trim_end());
        }
        let options = TakeVolume { preallocation: self.space.wanted(), ..TakeVolume::default() };
        let created = filled(context, &self.pool, Some(&*config.name), &document, &options).await?;
        done(context, created, "created".to_owned())
    }
}

impl CreateFrom {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let document = read_document(&self.file)?;
        let options = TakeVolume {
            template: Some(self.volume.clone()),
            template_pool: self.input_pool,
            preallocation: self.space.wanted(),
            ..TakeVolume::default()
        };
        // The daemon tells what is wrong with a document that names nothing.
        let read = reeve_xml::volume::parse(&document, &Default::default());
        let name = read.map(|parsed| parsed.document.name).unwrap_or_default();
        let created = filled(context, &self.pool, Some(&name), &document, &options).await?;
        done(context, created, format!("created from '{}'", self.volume))
    }
}

impl Clone {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let from = self.target.look(context).await?;
        let name_clone = self.new_name.is_none();
        let name = self.new_name.unwrap_or_else(|| from.name.clone());
        let mut config = VolumeConfig { capacity: None, ..VolumeConfig::new(name, Bytes(0)) };
        config.target.format = self.format;
        config.check()?;
        let document = reeve_xml::volume::format(&config);
        let options = TakeVolume {
            strict: false,
            template: Some(from.name.clone()),
            template_pool: Some(from.pool.clone()),
            name_clone,
            preallocation: self.space.wanted(),
        };
        let named = (!name_clone).then_some(&*config.name);
        let created = filled(context, &from.pool, named, &document, &options).await?;
        done(context, created, format!("cloned from '{}'", from.name))
    }
}

/// Makes a volume that takes long, and shows how far it is.
async fn filled(
    context: &Context,
    pool: &str,
    volume: Option<&str>,
    document: &str,
    options: &TakeVolume,
) -> anyhow::Result<CreatedVolume> {
    let operation = match options.template {
        Some(_) => StorageOperation::CreateFrom,
        None => StorageOperation::Create,
    };
    let watch = Watched { pool: Some(pool), volume, operation, total: None };
    Ok(watched(context, watch, context.client.create_volume(pool, document, options)).await?)
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
