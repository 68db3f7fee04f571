//! `reeve image convert`.

use std::path::PathBuf;

use clap::Args;
use reeve_image::{Access, ConvertOptions, Format};

use super::cache::{Caches, Mode};
use super::create::NewImage;
use super::open::{self, Backing};
use super::progress::ShowProgress;
use super::target::Target;
use super::{Done, size};
use crate::context::Context;

/// Options of `reeve image convert`.
#[derive(Debug, Args)]
#[command(after_help = "\
The new image stands alone: what backing files show is copied. It is there when it is whole, and not before. Zeros take no space.

Examples:
  reeve image convert -f raw -O qcow2 disk.raw disk.qcow2
  reeve image convert -p -c -f qcow2 -O qcow2 disk.qcow2 archive.qcow2   compressed, with progress
  reeve image convert -f qcow2 -O raw -S 0 disk.qcow2 disk.raw           zeros are written too")]
pub struct Convert {
    /// Image to read
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// New image
    #[arg(value_name = "NEW")]
    target: PathBuf,
    /// Format of the image to read: raw or qcow2
    #[arg(short, long)]
    format: Option<Format>,
    /// Format of the new image
    #[arg(short = 'O', long, default_value = "raw")]
    output_format: Format,
    /// Compress; only qcow2 can
    #[arg(short, long)]
    compress: bool,
    /// Zero bytes in a row that become a hole; 0 writes all zeros
    #[arg(short = 'S', long, value_parser = size::size, default_value = "4K", value_name = "SIZE")]
    sparse: u64,
    /// When what is written is on the disk
    #[arg(short = 't', long, value_enum, default_value_t)]
    cache: Mode,
    /// Whether the image is read by the host's page cache
    #[arg(short = 'T', long, value_enum, default_value_t, value_name = "CACHE")]
    source_cache: Mode,
    #[command(flatten)]
    options: NewImage,
    #[command(flatten)]
    progress: ShowProgress,
    #[command(flatten)]
    backing: Backing,
    /// Replace what is there
    #[arg(long)]
    overwrite: bool,
}

impl Convert {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let caches = Caches::all(self.source_cache);
        let source = open::chain(context, &self.source, self.format, Access::Read, &self.backing, caches)?;
        let options = ConvertOptions {
            create: self.options.options(self.output_format, 0),
            compress: self.compress,
            sparse: self.sparse,
        };
        let (target, file) = Target::begin(&self.target, self.overwrite)?;
        let file = file.with_cache(self.cache.into())?;
        let meter = self.progress.meter();
        let file = reeve_image::convert(&source, file, &options, &|done, all| meter.tell(done, all))?;
        file.sync()?;
        target.finish()?;
        meter.end();
        context.show(&Done::new(&self.target, "written"))
    }
}
