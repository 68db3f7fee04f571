//! `reeve domain save`, `restore`, `managedsave`, `managedsave-remove` (guide 14.5.21, 14.8.7, 14.8.11).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use reeve_client::{Client, ClientError};
use reeve_model::domain_save::{RestoredState, SaveFile};
use reeve_model::stats::DomainSummary;

use super::{Done, Target};
use crate::context::{Context, read_document};

/// How often progress is asked for.
const PAUSE: Duration = Duration::from_millis(500);

/// What the domain does once it is restored.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Restored {
    /// It runs once it is restored, whatever it did when it was saved
    #[arg(long, conflicts_with = "paused")]
    running: bool,
    /// It stands still once it is restored
    #[arg(long)]
    paused: bool,
}

impl Restored {
    pub(super) fn state(self) -> Option<RestoredState> {
        match (self.running, self.paused) {
            (true, _) => Some(RestoredState::Running),
            (_, true) => Some(RestoredState::Paused),
            _ => None,
        }
    }
}

/// What saves and restores have in common.
#[derive(Debug, Args)]
struct How {
    /// Read and write the file past the page cache of the host; slower at times
    #[arg(long)]
    bypass_cache: bool,
    #[command(flatten)]
    restored: Restored,
}

/// The path of a file as the daemon can use it, which has another directory.
pub(super) fn absolute(file: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(file).with_context(|| format!("'{}' is no path", file.display()))?;
    path.into_os_string().into_string().map_err(|path| anyhow::anyhow!("'{}' is not UTF-8", path.display()))
}

impl How {
    fn file(&self, file: &Path) -> anyhow::Result<SaveFile> {
        Ok(SaveFile { path: absolute(file)?, bypass_cache: self.bypass_cache, state: self.restored.state() })
    }
}

/// Options of `reeve domain save`.
#[derive(Debug, Args)]
#[command(after_help = "\
The domain runs on until all of it is in the file and on the disk; a save that fails leaves no file and a running domain. The file has
the guest's memory: who can read it can read all that the guest knew.

Examples:
  reeve domain save web /srv/saved/web.save
  reeve domain restore /srv/saved/web.save --paused")]
pub struct Save {
    #[command(flatten)]
    target: Target,
    /// The file, on the host
    file: PathBuf,
    #[command(flatten)]
    how: How,
    /// A document to restore it with; it may differ in what the guest does not see
    #[arg(long, value_name = "FILE")]
    xml: Option<PathBuf>,
    /// Say how far it is
    #[arg(long)]
    verbose: bool,
}

impl Save {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let xml = self.xml.as_deref().map(read_document).transpose()?;
        let file = self.how.file(&self.file)?;
        let client = context.client.clone();
        let work = client.save_domain(&self.target.domain, &file, xml.as_deref());
        let row = watched(context, &self.target.domain, self.verbose, work).await?;
        context.show(&Done::new(row, "saved"))
    }
}

/// Options of `reeve domain managedsave`.
#[derive(Debug, Args)]
#[command(after_help = "\
The next start of the domain goes on from there, by hand or with the host. 'reeve domain list --all --with-managed-save' shows which domains have one.")]
pub struct ManagedSave {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    how: How,
    /// Say how far it is
    #[arg(long)]
    verbose: bool,
}

impl ManagedSave {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = reeve_model::domain_save::SaveOptions {
            bypass_cache: self.how.bypass_cache,
            state: self.how.restored.state(),
        };
        let client = context.client.clone();
        let work = client.managed_save_domain(&self.target.domain, options);
        let row = watched(context, &self.target.domain, self.verbose, work).await?;
        context.show(&Done::new(row, "saved; its next start goes on from there"))
    }
}

/// The next start boots.
#[derive(Debug, Args)]
pub struct ManagedSaveRemove {
    #[command(flatten)]
    target: Target,
}

impl ManagedSaveRemove {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.remove_managed_save(&self.target.domain).await?;
        context.show(&Done::new(row, "has no managed save any more"))
    }
}

/// Options of `reeve domain restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Name and UUID are those of the saved domain. The file stays; restoring it twice brings back a guest that knows nothing of what its disks
went through since.")]
pub struct Restore {
    /// The file, on the host
    file: PathBuf,
    #[command(flatten)]
    how: How,
    /// A document in place of the one in the file; it may differ in what the guest does not see
    #[arg(long, value_name = "FILE")]
    xml: Option<PathBuf>,
}

impl Restore {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let xml = self.xml.as_deref().map(read_document).transpose()?;
        let row = context.client.restore_domain(&self.how.file(&self.file)?, xml.as_deref()).await?;
        context.show(&Done::new(row, "restored"))
    }
}

/// Waits for the end of a save or dump, and says how far it is where that is wanted.
pub(super) async fn watched(
    context: &mut Context,
    domain: &str,
    verbose: bool,
    work: impl Future<Output = Result<DomainSummary, ClientError>>,
) -> anyhow::Result<DomainSummary> {
    let client: Client = context.client.clone();
    tokio::pin!(work);
    loop {
        tokio::select! {
            row = &mut work => return Ok(row?),
            () = tokio::time::sleep(PAUSE), if verbose => {
                // It has not begun yet, or has just ended.
                if let Ok(status) = client.save_status(domain).await {
                    let percent = status.done * 100 / status.total.max(1);
                    context.note(&format!("{percent} % of {} MiB", status.total >> 20));
                }
            }
        }
    }
}
