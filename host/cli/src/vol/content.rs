//! `reeve vol upload` and `download` (guide 14.12.6).

use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use reeve_model::storage::VolumePart;

use super::Target;
use super::change::say;
use crate::context::Context;

/// Options of `reeve vol upload`.
#[derive(Debug, Args)]
#[command(after_help = "\
Stretches of zeroes become holes where the volume can have them.

Example:
  reeve vol upload --pool guest_images volume1 disk.img")]
pub struct Upload {
    #[command(flatten)]
    target: Target,
    /// The file that is read
    file: PathBuf,
    /// Where in the volume it begins, in bytes
    #[arg(long, default_value_t = 0)]
    offset: u64,
    /// The most bytes that may be written; a larger file is refused
    #[arg(long)]
    length: Option<u64>,
}

/// Options of `reeve vol download`.
#[derive(Debug, Args)]
#[command(after_help = "\
Stretches of zeroes become holes of the file.

Example:
  reeve vol download --pool guest_images volume1 disk.img")]
pub struct Download {
    #[command(flatten)]
    target: Target,
    /// The file that is written
    file: PathBuf,
    /// Where in the volume it begins, in bytes
    #[arg(long, default_value_t = 0)]
    offset: u64,
    /// The most bytes that are read
    #[arg(long)]
    length: Option<u64>,
}

impl Upload {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let name = self.file.display();
        let file =
            tokio::fs::File::open(&self.file).await.with_context(|| format!("'{name}' can't be read"))?;
        let size = file.metadata().await.with_context(|| format!("'{name}' can't be measured"))?.len();
        if let Some(length) = self.length
            && size > length
        {
            anyhow::bail!("'{name}' has {size} bytes, which is more than --length {length}");
        }
        let volume = self.target.look(context).await?;
        let part = VolumePart { offset: self.offset, length: self.length };
        let written = context.client.upload_volume(&volume.pool, &volume.name, part, file).await?;
        say(context, &format!("{written} bytes written to volume '{}'", volume.name))
    }
}

impl Download {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let volume = self.target.look(context).await?;
        let name = self.file.display();
        let mut file =
            std::fs::File::create(&self.file).with_context(|| format!("'{name}' can't be written"))?;
        let part = VolumePart { offset: self.offset, length: self.length };
        let mut written = 0;
        let mut sink = |bytes: &[u8]| {
            written += bytes.len() as u64;
            match bytes.iter().all(|byte| *byte == 0) {
                true => file.seek(SeekFrom::Current(bytes.len() as i64)).map(drop),
                false => file.write_all(bytes),
            }
        };
        context.client.download_volume(&volume.pool, &volume.name, part, &mut sink).await?;
        // A hole at the end is no write.
        file.set_len(written).with_context(|| format!("'{name}' can't be written"))?;
        say(context, &format!("{written} bytes read from volume '{}'", volume.name))
    }
}
