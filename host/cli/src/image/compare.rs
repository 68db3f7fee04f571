//! `reeve image compare`.

use std::path::PathBuf;

use clap::Args;
use reeve_image::{Access, Difference, Format};
use serde::Serialize;

use super::cache::{Caches, Mode};
use super::open::{self, Backing};
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve image compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
A disk that is longer is the same as a shorter one when the rest is zeros, unless --strict says otherwise.

Exit status: 0 when both show the same disk, 1 when they do not.

Examples:
  reeve image compare -f raw -F qcow2 disk.raw disk.qcow2")]
pub struct Compare {
    /// One image
    #[arg(value_name = "ONE")]
    one: PathBuf,
    /// The other
    #[arg(value_name = "OTHER")]
    other: PathBuf,
    /// Format of the one: raw or qcow2
    #[arg(short, long)]
    format: Option<Format>,
    /// Format of the other
    #[arg(short = 'F', long)]
    other_format: Option<Format>,
    /// Sizes must be the same, too
    #[arg(short, long)]
    strict: bool,
    /// Whether reads go by the host's page cache
    #[arg(short = 'T', long, value_enum, default_value_t, value_name = "CACHE")]
    source_cache: Mode,
    #[command(flatten)]
    backing: Backing,
}

/// Two images show different disks.
#[derive(Debug, thiserror::Error)]
#[error("the images differ")]
struct Differ;

impl Compare {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let (backing, caches) = (&self.backing, Caches::all(self.source_cache));
        let one = open::chain(context, &self.one, self.format, Access::Read, backing, caches)?;
        let other = open::chain(context, &self.other, self.other_format, Access::Read, backing, caches)?;
        let difference = one.difference(&other, self.strict)?;
        let (offset, size) = match difference {
            Some(Difference::Content { offset }) => (Some(offset), false),
            Some(Difference::Size) => (None, true),
            None => (None, false),
        };
        context.show(&Outcome { identical: difference.is_none(), offset, size_differs: size })?;
        if difference.is_none() { Ok(()) } else { Err(Differ.into()) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Outcome {
    identical: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    size_differs: bool,
}

impl Show for Outcome {
    const ELEMENT: &'static str = "comparison";

    fn human(&self) -> String {
        match self.offset {
            Some(offset) => format!("Content mismatch at offset {offset}!"),
            None if self.size_differs => "Image size mismatch!".to_owned(),
            None => "Images are identical.".to_owned(),
        }
    }
}
