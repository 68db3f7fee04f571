//! `reeve image snapshot`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reeve_image::{Access, Cache, Format, Image};
use serde::Serialize;

use super::Done;
use super::info::{SnapshotRow, snapshot_table};
use super::open;
use crate::context::Context;
use crate::output::Show;

/// What can be done with snapshots within an image.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// List the snapshots of an image
    List(List),
    /// Make a snapshot of the disk as it is
    Create(Create),
    /// Make the disk what it was at a snapshot
    Apply(Apply),
    /// Delete a snapshot
    Delete(Delete),
}

/// The image; only qcow2 has snapshots.
#[derive(Debug, Args)]
pub struct Target {
    /// Image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Format: only qcow2 has snapshots
    #[arg(short, long)]
    format: Option<Format>,
}

/// Options of `reeve image snapshot list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve image snapshot create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve image snapshot create -f qcow2 disk.qcow2 before-upgrade")]
pub struct Create {
    #[command(flatten)]
    target: Target,
    /// Name of the new snapshot
    snapshot: String,
}

/// What the disk has now is lost, unless a snapshot has it.
#[derive(Debug, Args)]
pub struct Apply {
    #[command(flatten)]
    target: Target,
    /// Id or name of the snapshot
    snapshot: String,
}

/// Options of `reeve image snapshot delete`.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    target: Target,
    /// Id or name of the snapshot
    snapshot: String,
}

impl Target {
    fn open(&self, context: &Context, access: Access) -> anyhow::Result<Image> {
        open::alone(context, &self.file, self.format, access, Cache::default())
    }
}

impl SnapshotCommand {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::List(List { target }) => {
                let image = target.open(context, Access::Read)?;
                context.show(&Snapshots(image.snapshots()?.into_iter().map(SnapshotRow::from).collect()))
            }
            Self::Create(Create { target, snapshot }) => {
                let now = time::OffsetDateTime::now_utc();
                target.open(context, Access::Write)?.create_snapshot(&snapshot, now)?;
                context.show(&Done::new(&target.file, "snapshotted"))
            }
            Self::Apply(Apply { target, snapshot }) => {
                target.open(context, Access::Write)?.apply_snapshot(&snapshot)?;
                context.show(&Done::new(&target.file, "reverted"))
            }
            Self::Delete(Delete { target, snapshot }) => {
                target.open(context, Access::Write)?.delete_snapshot(&snapshot)?;
                context.show(&Done::new(&target.file, "rid of the snapshot"))
            }
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Snapshots(Vec<SnapshotRow>);

impl Show for Snapshots {
    const ELEMENT: &'static str = "snapshots";

    fn human(&self) -> String {
        snapshot_table(&self.0)
    }
}
