//! `reeve vol delete`, `wipe` and `resize` (guide 14.12.2, 14.12.7).

use clap::Args;
use reeve_model::Bytes;
use reeve_model::storage::{ResizeVolume, StorageOperation, WipeAlgorithm};

use super::Target;
use super::size::signed_size;
use crate::context::Context;
use crate::progress::{Watched, watched};

/// Options of `reeve vol delete`.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve vol wipe`.
#[derive(Debug, Args)]
#[command(after_help = "\
Algorithms, with their passes: zero 1, nnsa 4, dod 4, bsi 9, gutmann 35, schneier 7, pfitzner7 7, pfitzner33 33, random 1; trim gives the
blocks back. The volume stays.")]
pub struct Wipe {
    #[command(flatten)]
    target: Target,
    /// What is written over it
    #[arg(long, default_value = "zero")]
    algorithm: WipeAlgorithm,
}

/// Options of `reeve vol resize`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve vol resize --pool guest_images volume1 10G
  reeve vol resize --pool guest_images volume1 2G --delta --allocate
  reeve vol resize --pool guest_images volume1 1G --delta --shrink")]
pub struct Resize {
    #[command(flatten)]
    target: Target,
    /// The capacity, or by how much it changes
    #[arg(value_parser = signed_size, allow_hyphen_values = true)]
    capacity: (bool, Bytes),
    /// Take what it grows by from the pool at once
    #[arg(long)]
    allocate: bool,
    /// Change the capacity by that much
    #[arg(long)]
    delta: bool,
    /// Allow it to become smaller, and lose what is beyond its new end
    #[arg(long)]
    shrink: bool,
}

impl Delete {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let volume = self.target.look(context).await?;
        context.client.delete_volume(&volume.pool, &volume.name).await?;
        context.say(&format!("Vol '{}' deleted", volume.name))
    }
}

impl Wipe {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let volume = self.target.look(context).await?;
        let (pool, name) = (&volume.pool, &volume.name);
        let watch =
            Watched { pool: Some(pool), volume: Some(name), operation: StorageOperation::Wipe, total: None };
        watched(context, watch, context.client.wipe_volume(pool, name, self.algorithm)).await?;
        context.say(&format!("Vol '{}' wiped", volume.name))
    }
}

impl Resize {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let (negative, capacity) = self.capacity;
        if negative && !self.shrink {
            anyhow::bail!("a volume becomes smaller with --shrink only");
        }
        let volume = self.target.look(context).await?;
        let delta = self.delta || negative;
        let change = ResizeVolume { capacity, delta, shrink: self.shrink, allocate: self.allocate };
        let volume = context.client.resize_volume(&volume.pool, &volume.name, change).await?;
        context.say(&format!("Size of volume '{}' is {} bytes now", volume.name, volume.capacity.0))
    }
}
