//! `reeve pool …` (guide 14.11): a file a group of commands.

mod define;
mod edit;
mod find;
mod jobs;
mod life;
mod list;
mod make;
mod show;

use clap::{Args, Subcommand};

pub(crate) use show::two_places;

use crate::context::Context;

/// What can be done with storage pools.
#[derive(Debug, Subcommand)]
pub enum PoolCommand {
    /// Add a definition from a pool XML document, or replace one
    Define(define::Define),
    /// Add a definition from arguments
    DefineAs(make::DefineAs),
    /// Start a transient pool from a pool XML document
    Create(define::Create),
    /// Start a transient pool from arguments
    CreateAs(make::CreateAs),
    /// Make the source of a pool
    Build(life::Build),
    /// Start a defined pool
    Start(life::Start),
    /// Stop a pool; its data stays
    Destroy(life::Destroy),
    /// Remove the source of a pool for good
    Delete(life::Delete),
    /// Remove a definition
    Undefine(life::Undefine),
    /// Read the volumes of a pool again
    Refresh(life::Refresh),
    /// List the long operations on a pool and its volumes that go on
    Jobs(jobs::Jobs),
    /// List what pools of a type could be made of
    FindSources(find::FindSources),
    /// Have the daemon start a pool by itself, or not
    Autostart(life::Autostart),
    /// List pools
    #[command(visible_alias = "ls")]
    List(list::List),
    /// Show what is known of a pool
    Info(show::Info),
    /// Print the pool XML document
    #[command(visible_alias = "dumpxml")]
    Xml(show::Xml),
    /// Print the name of a pool
    Name(show::Name),
    /// Print the UUID of a pool
    Uuid(show::Uuid),
    /// Change a definition in an editor
    Edit(edit::Edit),
}

impl PoolCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::Define(command) => command.run(context).await,
            Self::DefineAs(command) => command.run(context).await,
            Self::Create(command) => command.run(context).await,
            Self::CreateAs(command) => command.run(context).await,
            Self::Build(command) => command.run(context).await,
            Self::Start(command) => command.run(context).await,
            Self::Destroy(command) => command.run(context).await,
            Self::Delete(command) => command.run(context).await,
            Self::Undefine(command) => command.run(context).await,
            Self::Refresh(command) => command.run(context).await,
            Self::Jobs(command) => command.run(context).await,
            Self::FindSources(command) => command.run(context).await,
            Self::Autostart(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Info(command) => command.run(context).await,
            Self::Xml(command) => command.run(context).await,
            Self::Name(command) => command.run(context).await,
            Self::Uuid(command) => command.run(context).await,
            Self::Edit(command) => command.run(context).await,
        }
    }
}

/// A pool on the command line.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Name or UUID
    pub(crate) pool: String,
}

#[cfg(test)]
pub(crate) mod samples {
    use reeve_model::Bytes;
    use reeve_model::storage::{PoolKind, PoolSpace, PoolSummary};
    use uuid::Uuid;

    /// An active pool.
    pub(crate) fn images() -> PoolSummary {
        PoolSummary {
            uuid: Uuid::from_u128(0x9a05_da11_e96b_47f3_8253_a3a4_82e4_45f5),
            name: "guest_images".into(),
            kind: PoolKind::Dir,
            active: true,
            persistent: true,
            autostart: true,
            path: Some("/guest_images".into()),
            space: Some(PoolSpace {
                capacity: Bytes::gib(40),
                allocation: Bytes::gib(8),
                available: Bytes::gib(32),
            }),
            volumes: 3,
        }
    }
}
