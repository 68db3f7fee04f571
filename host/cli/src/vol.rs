//! `reeve vol …` (guide 14.12): a file a group of commands.

mod change;
mod content;
mod create;
mod list;
mod show;
pub(crate) mod size;

use clap::{Args, Subcommand};
use reeve_model::storage::VolumeSummary;

use crate::context::Context;

/// What can be done with volumes.
#[derive(Debug, Subcommand)]
pub enum VolCommand {
    /// Make a volume from a volume XML document
    Create(create::Create),
    /// Make a volume from arguments
    CreateAs(create::CreateAs),
    /// Make a volume with the content of another
    CreateFrom(create::CreateFrom),
    /// Copy a volume within its pool
    Clone(create::Clone),
    /// Delete a volume
    Delete(change::Delete),
    /// Make what a volume holds unreadable
    Wipe(change::Wipe),
    /// Give a volume another capacity
    Resize(change::Resize),
    /// Write a file into a volume
    Upload(content::Upload),
    /// Read a volume into a file
    Download(content::Download),
    /// List the volumes of a pool
    #[command(visible_alias = "ls")]
    List(list::List),
    /// Show what is known of a volume
    Info(show::Info),
    /// Print the volume XML document
    #[command(visible_alias = "dumpxml")]
    Xml(show::Xml),
    /// Print the path of a volume
    Path(show::PathOf),
    /// Print the key of a volume
    Key(show::Key),
    /// Print the name of a volume
    Name(show::Name),
    /// Print the pool of a volume
    Pool(show::PoolOf),
}

impl VolCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run(context).await,
            Self::CreateAs(command) => command.run(context).await,
            Self::CreateFrom(command) => command.run(context).await,
            Self::Clone(command) => command.run(context).await,
            Self::Delete(command) => command.run(context).await,
            Self::Wipe(command) => command.run(context).await,
            Self::Resize(command) => command.run(context).await,
            Self::Upload(command) => command.run(context).await,
            Self::Download(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Info(command) => command.run(context).await,
            Self::Xml(command) => command.run(context).await,
            Self::Path(command) => command.run(context).await,
            Self::Key(command) => command.run(context).await,
            Self::Name(command) => command.run(context).await,
            Self::Pool(command) => command.run(context).await,
        }
    }
}

/// A volume on the command line (guide 11.2).
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Name with --pool, or path or key
    volume: String,
    /// Name or UUID of its pool
    #[arg(long)]
    pool: Option<String>,
}

impl Target {
    /// What is known of the volume.
    async fn look(&self, context: &Context) -> anyhow::Result<VolumeSummary> {
        Ok(match &self.pool {
            Some(pool) => context.client.volume_info(pool, &self.volume).await?,
            None => context.client.find_volume(&self.volume).await?,
        })
    }
}
