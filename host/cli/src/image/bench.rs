//! `reeve image bench`.

use std::path::PathBuf;

use clap::Args;
use reeve_image::{Access, BenchOptions, Format};
use serde::Serialize;

use super::cache::{Caches, Mode};
use super::open::{self, Backing};
use super::size;
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve image bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve image bench -f qcow2 --count 10000 --buffer-size 64K disk.qcow2
  reeve image bench -f raw --write --pattern 1 --flush-interval 100 scratch.raw   overwrites the disk")]
pub struct Bench {
    /// Image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Format: raw or qcow2
    #[arg(short, long)]
    format: Option<Format>,
    /// How many requests
    #[arg(short, long, default_value_t = 75_000)]
    count: u64,
    /// Bytes of each
    #[arg(short = 's', long, value_parser = size::size, default_value = "4K", value_name = "SIZE")]
    buffer_size: u64,
    /// Where the first begins
    #[arg(long, value_parser = size::size, default_value = "0", value_name = "SIZE")]
    offset: u64,
    /// From the start of one to the start of the next [default: the buffer size]
    #[arg(short = 'S', long, value_parser = size::size, value_name = "SIZE")]
    step_size: Option<u64>,
    /// Write instead of reading: the content of the disk is lost
    #[arg(short, long)]
    write: bool,
    /// The byte to write
    #[arg(long, default_value_t = 0, requires = "write")]
    pattern: u8,
    /// After so many writes wait until they are on the disk
    #[arg(long, default_value_t = 0, requires = "write", value_name = "COUNT")]
    flush_interval: u64,
    /// Whether requests go by the host's page cache, and when writes are on the disk
    #[arg(short = 't', long, value_enum, default_value_t)]
    cache: Mode,
    #[command(flatten)]
    backing: Backing,
}

impl Bench {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let access = if self.write { Access::Write } else { Access::Read };
        let caches = Caches::all(self.cache);
        let mut image = open::chain(context, &self.file, self.format, access, &self.backing, caches)?;
        let took = image.bench(&BenchOptions {
            count: self.count,
            buffer: self.buffer_size,
            offset: self.offset,
            step: self.step_size.unwrap_or(self.buffer_size),
            write: self.write.then_some(self.pattern),
            flush_interval: self.flush_interval,
        })?;
        let seconds = took.as_secs_f64();
        let bytes = self.count.saturating_mul(self.buffer_size);
        context.show(&Outcome {
            count: self.count,
            seconds,
            mib_per_second: bytes as f64 / 1_048_576.0 / seconds,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Outcome {
    count: u64,
    seconds: f64,
    mib_per_second: f64,
}

impl Show for Outcome {
    const ELEMENT: &'static str = "bench";

    fn human(&self) -> String {
        let Self { count, seconds, mib_per_second } = self;
        format!("Run completed in {seconds:.3} seconds.\n{count} requests, {mib_per_second:.1} MiB/s")
    }
}
