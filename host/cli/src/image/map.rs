//! `reeve image map`.

use std::path::PathBuf;

use clap::Args;
use reeve_image::{Access, Extent, Format, ImageError};
use serde::Serialize;

use super::cache::Caches;
use super::open::{self, Backing};
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve image map`.
#[derive(Debug, Args)]
#[command(after_help = "\
The table leaves out what reads as zeros; -o json has everything, with the depth in the chain of the image that has it.

Examples:
  reeve image map -f qcow2 disk.qcow2
  reeve image map -f qcow2 -o json disk.qcow2")]
pub struct Map {
    /// Image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Format: raw or qcow2
    #[arg(short, long)]
    format: Option<Format>,
    /// Look at an image that a machine is writing to
    #[arg(short = 'U', long)]
    force_share: bool,
    #[command(flatten)]
    backing: Backing,
}

impl Map {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let file = match self.force_share {
            true => open::unlocked(&self.file)?,
            false => open::file(&self.file, Access::Read)?,
        };
        let (backing, caches) = (&self.backing, Caches::default());
        let image = open::with_chain(context, file, &self.file, self.format, Access::Read, backing, caches)?;
        let mut rows = Vec::new();
        image.map(|extent| {
            let name = image.name_at(extent.depth).unwrap_or_default().to_owned();
            rows.push(Row { extent, name });
            Ok::<_, ImageError>(())
        })?;
        context.show(&Rows(rows))
    }
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    extent: Extent,
    #[serde(skip)]
    name: String,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<Row>);

impl Show for Rows {
    const ELEMENT: &'static str = "extents";

    fn human(&self) -> String {
        let mut lines = vec![format!("{:<16}{:<16}{:<16}File", "Offset", "Length", "Mapped to")];
        for Row { extent, name } in self.0.iter().filter(|row| row.extent.data && !row.extent.zero) {
            let number = |value: u64| if value == 0 { "0".to_owned() } else { format!("{value:#x}") };
            let place = extent.offset.map_or_else(|| "compressed".to_owned(), number);
            lines.push(format!("{:<16}{:<16}{place:<16}{name}", number(extent.start), number(extent.length)));
        }
        lines.join("\n")
    }
}
