//! `reeve image resize`.

use std::path::PathBuf;

use clap::Args;
use reeve_image::{Access, Format, NewSize, ResizeOptions};

use super::cache::Caches;
use super::create::Space;
use super::open::{self, Backing};
use super::{Done, size};
use crate::context::Context;
use crate::exit::Invalid;

/// Options of `reeve image resize`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is new reads as zeros. Before a disk is made smaller, make its file systems and partitions smaller within the guest, or data is
lost; after it was made larger, make them larger.

Examples:
  reeve image resize -f qcow2 disk.qcow2 40G
  reeve image resize -f raw disk.raw +10G
  reeve image resize -f qcow2 --shrink disk.qcow2 -- -10G")]
pub struct Resize {
    /// Image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// New size, or with + or - a change of the present one
    #[arg(value_parser = size::new_size, allow_hyphen_values = true)]
    size: NewSize,
    /// Format: raw or qcow2
    #[arg(short, long)]
    format: Option<Format>,
    /// Allow a smaller disk, and the loss of what is behind its new end
    #[arg(long)]
    shrink: bool,
    /// Space to take at once for what is new
    #[arg(long, value_enum, default_value_t = Space::Off, value_name = "MODE")]
    preallocation: Space,
    #[command(flatten)]
    backing: Backing,
}

impl Resize {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let caches = Caches::default();
        let mut image = open::chain(context, &self.file, self.format, Access::Write, &self.backing, caches)?;
        let Some(size) = self.size.of(image.size()) else {
            return Err(
                Invalid(format!("the disk has {} bytes and can't have so many less", image.size())).into()
            );
        };
        image
            .resize(size, ResizeOptions { shrink: self.shrink, preallocation: self.preallocation.into() })?;
        context.show(&Done::new(&self.file, "resized"))
    }
}
