//! `reeve image create`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use reeve_image::{
    Access, BackingReference, Cache, Compat, CreateOptions, Format, Preallocation, Qcow2Options,
};

use super::target::Target;
use super::{Done, open, size};
use crate::context::Context;
use crate::exit::Usage;

/// Options of `reeve image create`.
#[derive(Debug, Args)]
#[command(after_help = "\
The image is there when it is whole, and not before. With a backing file it holds differences only.

Examples:
  reeve image create -f qcow2 disk.qcow2 20G
  reeve image create -f raw --preallocation falloc disk.raw 20G
  reeve image create -f qcow2 --backing base.qcow2 --backing-format qcow2 disk.qcow2")]
pub struct Create {
    /// New image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Size of the disk, e.g. 20G; that of the backing file when it is left out
    #[arg(value_parser = size::size)]
    size: Option<u64>,
    /// Format: raw or qcow2
    #[arg(short, long, default_value = "raw")]
    format: Format,
    /// Backing file, as the image shall name it
    #[arg(short, long, value_name = "FILE", requires = "backing_format")]
    backing: Option<String>,
    /// Format of the backing file
    #[arg(short = 'F', long)]
    backing_format: Option<Format>,
    #[command(flatten)]
    options: NewImage,
    /// Replace what is there
    #[arg(long)]
    overwrite: bool,
}

/// What can be chosen for a new image.
#[derive(Debug, Clone, Args)]
pub(super) struct NewImage {
    /// Space to take at once
    #[arg(long, value_enum, default_value_t = Space::Off, value_name = "MODE")]
    preallocation: Space,
    /// Bytes of a cluster, a power of two from 512 to 2M [default: 64K]
    #[arg(long, value_parser = size::size, value_name = "SIZE")]
    cluster_size: Option<u64>,
    /// Version of the format: 0.10 or 1.1
    #[arg(long, value_enum, value_name = "VERSION")]
    compat: Option<Version>,
    /// Bits of a refcount, a power of two up to 64 [default: 16]
    #[arg(long, value_name = "BITS")]
    refcount_bits: Option<u32>,
    /// Let QEMU keep refcounts in memory while it writes
    #[arg(long)]
    lazy_refcounts: bool,
    /// 32 subclusters a cluster
    #[arg(long)]
    extended_l2: bool,
}

/// Space to take at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Space {
    /// None
    Off,
    /// Places for all clusters
    #[value(alias = "meta")]
    Metadata,
    /// All, reserved
    Falloc,
    /// All, written with zeros
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Version {
    #[value(name = "0.10")]
    Old,
    #[value(name = "1.1")]
    New,
}

impl From<Space> for Preallocation {
    fn from(space: Space) -> Self {
        match space {
            Space::Off => Self::Off,
            Space::Metadata => Self::Metadata,
            Space::Falloc => Self::Falloc,
            Space::Full => Self::Full,
        }
    }
}

impl NewImage {
    /// The image as the library wants it said.
    pub(super) fn options(&self, format: Format, size: u64) -> CreateOptions {
        let qcow2 = Qcow2Options {
            compat: if self.compat == Some(Version::Old) { Compat::V0_10 } else { Compat::V1_1 },
            cluster_size: self.cluster_size,
            refcount_bits: self.refcount_bits,
            lazy_refcounts: self.lazy_refcounts,
            extended_l2: self.extended_l2,
            backing: None,
        };
        CreateOptions { preallocation: self.preallocation.into(), qcow2, ..CreateOptions::new(format, size) }
    }
}

impl Create {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let backing = self.backing.as_ref().zip(self.backing_format);
        let size = match (self.size, backing) {
            (Some(size), _) => size,
            (None, Some((name, format))) => {
                let path = self.file.parent().unwrap_or(Path::new("")).join(name);
                open::alone(context, &path, Some(format), Access::Read, Cache::default())?.size()
            }
            (None, None) => {
                let message = "a new image needs a size".to_owned();
                return Err(Usage { message, hint: Some("write it behind the file, e.g. 20G") }.into());
            }
        };
        let mut options = self.options.options(self.format, size);
        options.qcow2.backing = backing.map(|(name, format)| BackingReference::new(name, format));
        let (target, file) = Target::begin(&self.file, self.overwrite)?;
        reeve_image::create(file, &options)?;
        target.finish()?;
        context.show(&Done::new(&self.file, "created"))
    }
}
