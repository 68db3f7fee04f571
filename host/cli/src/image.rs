//! `reeve image …`: disk images without a daemon.

mod bench;
mod cache;
mod check;
mod commit;
mod compare;
mod convert;
mod create;
mod info;
mod map;
mod open;
mod progress;
mod rebase;
mod resize;
mod size;
mod snapshot;
mod target;

use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use crate::context::Context;
use crate::output::Show;

pub(crate) use open::OpenImage;

/// What can be done with images alone.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Show what is known about an image, or a whole backing chain
    Info(info::Info),
    /// Check a qcow2 image, and repair it
    Check(check::Check),
    /// Make a new image
    Create(create::Create),
    /// Copy a disk into another image, of another format or compressed
    Convert(convert::Convert),
    /// Make a disk larger or smaller
    Resize(resize::Resize),
    /// Give an image another backing file
    Rebase(rebase::Rebase),
    /// Write what an image has itself into its backing file
    Commit(commit::Commit),
    /// Show which bytes are where in the backing chain
    Map(map::Map),
    /// Make, list, apply and delete snapshots within an image
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// Say whether two images show the same disk
    Compare(compare::Compare),
    /// Time reads or writes
    Bench(bench::Bench),
}

impl ImageCommand {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::Info(command) => command.run(context),
            Self::Check(command) => command.run(context),
            Self::Create(command) => command.run(context),
            Self::Convert(command) => command.run(context),
            Self::Resize(command) => command.run(context),
            Self::Rebase(command) => command.run(context),
            Self::Commit(command) => command.run(context),
            Self::Map(command) => command.run(context),
            Self::Snapshot(command) => command.run(context),
            Self::Compare(command) => command.run(context),
            Self::Bench(command) => command.run(context),
        }
    }
}

/// What was done to an image.
#[derive(Serialize)]
struct Done {
    image: String,
    done: &'static str,
}

impl Done {
    fn new(image: &Path, done: &'static str) -> Self {
        Self { image: image.display().to_string(), done }
    }
}

impl Show for Done {
    const ELEMENT: &'static str = "image";

    fn human(&self) -> String {
        format!("Image '{}' {}", self.image, self.done)
    }
}
