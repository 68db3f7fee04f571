//! `reeve domain dump` (guide 14.5.22).

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use reeve_model::domain_dump::{DumpFile, DumpFormat, DumpMode};

use super::save::{absolute, watched};
use super::{Done, Target};
use crate::context::Context;

/// How a core is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Elf,
    KdumpZlib,
    KdumpLzo,
    KdumpSnappy,
}

/// Options of `reeve domain dump`.
#[derive(Debug, Args)]
#[command(after_help = "\
The file is an ELF core of the guest's memory by its physical addresses, with the registers of every vCPU, for crash(8) and gdb; only its
owner reads it. The domain is paused afterwards. 'domjobinfo' shows how far it is, 'domjobabort' gives it up.

Examples:
  reeve domain dump web /srv/cores/web.core --memory-only
  reeve domain resume web
  reeve domain dump web /srv/cores/web.core --memory-only --live")]
pub struct Dump {
    #[command(flatten)]
    target: Target,
    /// The file, on the host
    file: PathBuf,
    /// The domain runs on while it is dumped
    #[arg(long, conflicts_with_all = ["crash", "reset"])]
    live: bool,
    /// The domain counts as crashed afterwards and is ended
    #[arg(long, conflicts_with = "reset")]
    crash: bool,
    /// The domain is reset afterwards
    #[arg(long)]
    reset: bool,
    /// Write the file past the page cache of the host; slower at times
    #[arg(long)]
    bypass_cache: bool,
    /// Memory and vCPUs alone, which is all that a core has
    #[arg(long)]
    memory_only: bool,
    /// How it is written; only elf is there
    #[arg(long, value_enum, default_value = "elf")]
    format: Format,
    /// Say how far it is
    #[arg(long)]
    verbose: bool,
}

impl Dump {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mode = match (self.live, self.crash, self.reset) {
            (true, ..) => Some(DumpMode::Live),
            (_, true, _) => Some(DumpMode::Crash),
            (.., true) => Some(DumpMode::Reset),
            _ => None,
        };
        let format = match self.format {
            Format::Elf => DumpFormat::Elf,
            Format::KdumpZlib => DumpFormat::KdumpZlib,
            Format::KdumpLzo => DumpFormat::KdumpLzo,
            Format::KdumpSnappy => DumpFormat::KdumpSnappy,
        };
        let path = absolute(&self.file)?;
        let (bypass_cache, memory_only) = (self.bypass_cache, self.memory_only);
        let file = DumpFile { path, bypass_cache, memory_only, mode, format };
        let client = context.client.clone();
        let work = client.dump_domain(&self.target.domain, &file);
        let row = watched(context, &self.target.domain, self.verbose, work).await?;
        context.show(&Done::new(row, "dumped"))
    }
}
