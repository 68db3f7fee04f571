//! `reeve vol upload` and `download` (guide 14.12.6).

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use reeve_client::{ClientError, Content};
use reeve_model::ErrorCode;
use reeve_model::storage::{StorageOperation, VolumePart, VolumeSummary};

use super::Target;
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
        let client = &context.client;
        let sent = async {
            if metadata.is_file() {
                match client.upload_volume_file(&volume.pool, &volume.name, part, &file).await {
                    Err(error) if must_be_sent(&error) => {}
                    done => return done,
                }
            }
            client.upload_volume(&volume.pool, &volume.name, part, file).await
        };
        let written = watched(context, watch, sent).await?;
        context.say(&format!("{written} bytes written to volume '{}'", volume.name))
    }
}

impl Download {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let volume = self.target.look(context).await?;
        let name = self.file.display();
        // What it holds goes when there is something to have in its place.
        let opened = File::options().write(true).create(true).truncate(false).open(&self.file);
        let file = opened.with_context(|| format!("'{name}' can't be written"))?;
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let part = VolumePart { offset: self.offset, length: self.length };
        let client = &context.client;
        let received = async {
            if is_file {
                match client.download_volume_file(&volume.pool, &volume.name, part, &file).await {
                    Err(error) if must_be_sent(&error) => {}
                    done => return done,
                }
            }
            let mut output = Output { file: &file, is_file, written: 0 };
            let mut sink = |content| output.take(content);
            client.download_volume(&volume.pool, &volume.name, part, &mut sink).await?;
            Ok(output.written)
        };
        let watch = watch(&volume, StorageOperation::Download, None);
        let written = watched(context, watch, received).await?;
        if is_file && file.metadata().is_ok_and(|metadata| metadata.len() != written) {
            // A hole at the end is no write.
            file.set_len(written).with_context(|| format!("'{name}' can't be written"))?;
        }
        context.say(&format!("{written} bytes read from volume '{}'", volume.name))
    }
}

/// Whether the daemon does not take the file itself: its content goes through the socket then.
fn must_be_sent(error: &ClientError) -> bool {
    error.refusal().is_some_and(|error| error.code == ErrorCode::Unsupported)
}

/// What is received.
struct Output<'a> {
    file: &'a File,
    /// It can have holes.
    is_file: bool,
    written: u64,
}

impl Output<'_> {
    fn take(&mut self, content: Content) -> io::Result<()> {
        if self.is_file && self.written == 0 && self.file.metadata()?.len() > 0 {
            self.file.set_len(0)?;
        }
        match content {
            Content::Data(bytes) => {
                self.written += bytes.len() as u64;
                self.file.write_all(&bytes)
            }
            Content::Hole(length) if self.is_file => {
                self.written += length;
                let over = i64::try_from(length).map_err(io::Error::other)?;
                self.file.seek(SeekFrom::Current(over)).map(drop)
            }
            Content::Hole(length) => {
                self.written += length;
                io::copy(&mut io::repeat(0).take(length), &mut self.file).map(drop)
            }
        }
    }
}

fn watch(volume: &VolumeSummary, operation: StorageOperation, total: Option<u64>) -> Watched<'_> {
    Watched { pool: Some(&volume.pool), volume: Some(&volume.name), operation, total }
}
