//! `reeve vol upload` and `download` (guide 14.12.6).

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use reeve_client::Content;
use reeve_model::storage::{StorageOperation, VolumePart, VolumeSummary};

use super::Target;
use super::change::say;
use crate::context::Context;
use crate::progress::{Watched, watched};

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
Holes of the volume become holes of the file.

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
        let path = self.file.clone();
        // A pipe is not open before its other end is.
        let file = tokio::task::spawn_blocking(move || File::open(path)).await?;
        let file = file.with_context(|| format!("'{name}' can't be read"))?;
        let metadata = file.metadata().with_context(|| format!("'{name}' can't be measured"))?;
        let size = metadata.len();
        if let Some(length) = self.length
            && size > length
        {
            anyhow::bail!("'{name}' has {size} bytes, which is more than --length {length}");
        }
        let volume = self.target.look(context).await?;
        let part = VolumePart { offset: self.offset, length: self.length };
        let total = metadata.is_file().then_some(size);
        let watch = watch(&volume, StorageOperation::Upload, total);
        let sent = context.client.upload_volume(&volume.pool, &volume.name, part, file);
        let written = watched(context, watch, sent).await?;
        say(context, &format!("{written} bytes written to volume '{}'", volume.name))
    }
}

impl Download {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let volume = self.target.look(context).await?;
        let name = self.file.display();
        let mut file = File::create(&self.file).with_context(|| format!("'{name}' can't be written"))?;
        let part = VolumePart { offset: self.offset, length: self.length };
        let mut written = 0;
        let mut sink = |content: Content| match content {
            Content::Data(bytes) => {
                written += bytes.len() as u64;
                file.write_all(&bytes)
            }
            Content::Hole(length) => {
                written += length;
                let over = i64::try_from(length).map_err(io::Error::other)?;
                file.seek(SeekFrom::Current(over)).map(drop)
            }
        };
        let watch = watch(&volume, StorageOperation::Download, None);
        let received = context.client.download_volume(&volume.pool, &volume.name, part, &mut sink);
        watched(context, watch, received).await?;
        // A hole at the end is no write.
        file.set_len(written).with_context(|| format!("'{name}' can't be written"))?;
        say(context, &format!("{written} bytes read from volume '{}'", volume.name))
    }
}

fn watch(volume: &VolumeSummary, operation: StorageOperation, total: Option<u64>) -> Watched<'_> {
    Watched { pool: &volume.pool, volume: Some(&volume.name), operation, total }
}
