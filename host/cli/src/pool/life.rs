//! Verbs of a pool's life.

use clap::Args;
use reeve_model::storage::{BuildMode, PoolSummary, StorageOperation};
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::Show;
use crate::progress::{Watched, watched};

/// Options of `reeve pool build`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without an option only the directory of a pool is made, and what a disk holds is kept.

Examples:
  reeve pool build guest_images
  reeve pool build guest_images_fs --no-overwrite")]
pub struct Build {
    #[command(flatten)]
    target: Target,
    /// Format the source, and lose what it holds
    #[arg(long, conflicts_with = "no_overwrite")]
    overwrite: bool,
    /// Format the source if it holds nothing, and fail if it does
    #[arg(long)]
    no_overwrite: bool,
}

/// Options of `reeve pool start`.
#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    target: Target,
}

/// Guests that use its volumes keep it from being stopped.
#[derive(Debug, Args)]
pub struct Destroy {
    #[command(flatten)]
    target: Target,
}

/// What the pool is made of is lost: a directory, which must be empty, or a partition table. The definition stays.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    target: Target,
}

/// The pool must not be active. Its data stays.
#[derive(Debug, Args)]
pub struct Undefine {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve pool refresh`.
#[derive(Debug, Args)]
pub struct Refresh {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve pool autostart`.
#[derive(Debug, Args)]
pub struct Autostart {
    #[command(flatten)]
    target: Target,
    /// Leave it off when the daemon starts
    #[arg(long)]
    disable: bool,
}

impl Build {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mode = match (self.overwrite, self.no_overwrite) {
            (true, _) => BuildMode::Overwrite,
            (_, true) => BuildMode::NoOverwrite,
            _ => BuildMode::Keep,
        };
        context.client.build_pool(&self.target.pool, mode).await?;
        say(context, &self.target.pool, "built")
    }
}

impl Start {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let pool = &self.target.pool;
        let row = watched(context, reading(pool), context.client.start_pool(pool)).await?;
        context.show(&Done { row, participle: "started" })
    }
}

impl Destroy {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.destroy_pool(&self.target.pool).await?;
        say(context, &self.target.pool, "destroyed")
    }
}

impl Delete {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.delete_pool(&self.target.pool).await?;
        say(context, &self.target.pool, "deleted")
    }
}

impl Undefine {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.undefine_pool(&self.target.pool).await?;
        say(context, &self.target.pool, "undefined")
    }
}

impl Refresh {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let pool = &self.target.pool;
        let row = watched(context, reading(pool), context.client.refresh_pool(pool)).await?;
        context.show(&Done { row, participle: "refreshed" })
    }
}

impl Autostart {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.set_pool_autostart(&self.target.pool, !self.disable).await?;
        let participle = if self.disable { "unmarked as autostarted" } else { "marked as autostarted" };
        context.show(&Done { row, participle })
    }
}

/// The volumes of a pool are read.
fn reading(pool: &str) -> Watched<'_> {
    Watched { pool: Some(pool), volume: Some(""), operation: StorageOperation::Refresh, total: None }
}

/// The end of a verb that answers nothing.
fn say(context: &mut Context, pool: &str, participle: &str) -> anyhow::Result<()> {
    context.say(&format!("Pool '{pool}' {participle}"))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Done {
    row: PoolSummary,
    #[serde(skip)]
    participle: &'static str,
}

impl Show for Done {
    const ELEMENT: &'static str = "pool";

    fn human(&self) -> String {
        format!("Pool '{}' {}", self.row.name, self.participle)
    }
}
