//! `reeve image rebase`.

use std::path::PathBuf;

use clap::Args;
use reeve_image::{Access, BackingReference, Format};

use super::Done;
use super::cache::{Caches, Mode};
use super::open::{self, Backing};
use super::progress::ShowProgress;
use crate::context::Context;

/// Options of `reeve image rebase`.
#[derive(Debug, Args)]
#[command(after_help = "\
The disk shows the same as before: where the old and the new backing file differ, the image gets the old content first. With --unsafe
only the name is written; the new file must have the same content then.

Examples:
  reeve image rebase -f qcow2 -b new-base.qcow2 -F qcow2 disk.qcow2
  reeve image rebase -f qcow2 -b '' disk.qcow2                             stand alone
  reeve image rebase -f qcow2 -u -b moved/base.raw -F raw disk.qcow2       the same file at another place")]
pub struct Rebase {
    /// Image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// New backing file, as the image shall name it; empty for none
    #[arg(short, long, value_name = "FILE")]
    backing: String,
    /// Format of the new backing file
    #[arg(short = 'F', long, default_value = "raw")]
    backing_format: Format,
    /// Format of the image: only qcow2 can be rebased
    #[arg(short, long)]
    format: Option<Format>,
    /// Write the name and nothing else
    #[arg(short = 'u', long = "unsafe")]
    unsafely: bool,
    /// When what is written to the image is on the disk
    #[arg(short = 't', long, value_enum, default_value_t)]
    cache: Mode,
    /// Whether the old and the new backing files are read by the host's page cache
    #[arg(short = 'T', long, value_enum, default_value_t, value_name = "CACHE")]
    source_cache: Mode,
    #[command(flatten)]
    progress: ShowProgress,
    #[command(flatten)]
    directories: Backing,
}

impl Rebase {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let reference =
            (!self.backing.is_empty()).then(|| BackingReference::new(&self.backing, self.backing_format));
        if self.unsafely {
            let mut image = open::alone(context, &self.file, self.format, Access::Write, self.cache.into())?;
            image.set_backing(reference)?;
        } else {
            let caches = Caches { image: self.cache.into(), below: self.source_cache.into() };
            let (file, format, directories) = (&self.file, self.format, &self.directories);
            let mut image = open::chain(context, file, format, Access::Write, directories, caches)?;
            let resolver = open::resolver(file, format, directories, caches.below)?;
            let new =
                reference.as_ref().map(|reference| image.open_backing(reference, &resolver)).transpose()?;
            let meter = self.progress.meter();
            image.rebase(reference.as_ref().zip(new.as_ref()), &|done, all| meter.tell(done, all))?;
            meter.end();
        }
        context.show(&Done::new(&self.file, "rebased"))
    }
}
