//! `reeve image commit`.

use std::path::PathBuf;

use clap::Args;
use reeve_image::{Access, Format};

use super::Done;
use super::cache::Mode;
use super::open::{self, Backing};
use super::progress::ShowProgress;
use crate::context::Context;

/// Options of `reeve image commit`.
#[derive(Debug, Args)]
#[command(after_help = "\
The backing file gets all that the image has itself, and is made larger where it must be. Afterwards the image is empty and shows the
same disk. Other images on the same backing file show something else then.

Examples:
  reeve image commit -f qcow2 disk.qcow2")]
pub struct Commit {
    /// Image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Format of the image: only qcow2 has a backing file
    #[arg(short, long)]
    format: Option<Format>,
    /// Leave the content in the image, too
    #[arg(short = 'd', long)]
    keep: bool,
    /// When what is written to the backing file and the image is on the disk
    #[arg(short = 't', long, value_enum, default_value_t)]
    cache: Mode,
    #[command(flatten)]
    progress: ShowProgress,
    #[command(flatten)]
    directories: Backing,
}

impl Commit {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut image = open::alone(context, &self.file, self.format, Access::Write, self.cache.into())?;
        let resolver = open::resolver(&self.file, self.format, &self.directories, self.cache.into())?;
        let meter = self.progress.meter();
        image.commit(&resolver, !self.keep, &|done, all| meter.tell(done, all))?;
        meter.end();
        context.show(&Done::new(&self.file, "committed"))
    }
}
