//! What is known of a volume (guide 14.12.3 to 14.12.5).

use clap::Args;
use reeve_model::storage::VolumeSummary;
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::{Show, pairs};
use crate::pool::two_places;

/// Options of `reeve vol info`.
#[derive(Debug, Args)]
pub struct Info {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve vol xml`.
#[derive(Debug, Args)]
pub struct Xml {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve vol path`.
#[derive(Debug, Args)]
pub struct PathOf {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve vol key`.
#[derive(Debug, Args)]
pub struct Key {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve vol name`.
#[derive(Debug, Args)]
pub struct Name {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve vol pool`.
#[derive(Debug, Args)]
pub struct PoolOf {
    #[command(flatten)]
    target: Target,
    /// Its UUID instead of its name
    #[arg(long)]
    uuid: bool,
}

impl Info {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = self.target.look(context).await?;
        context.show(&One { row })
    }
}

impl Xml {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = self.target.look(context).await?;
        let document = context.client.volume_xml(&row.pool, &row.name).await?;
        context.print(document.trim_end())
    }
}

impl PathOf {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = self.target.look(context).await?;
        context.print(&row.path)
    }
}

impl Key {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = self.target.look(context).await?;
        context.print(&row.key)
    }
}

impl Name {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = self.target.look(context).await?;
        context.print(&row.name)
    }
}

impl PoolOf {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = self.target.look(context).await?;
        match self.uuid {
            false => context.print(&row.pool),
            true => {
                let pool = context.client.pool_info(&row.pool).await?;
                context.print(&pool.uuid.to_string())
            }
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct One {
    row: VolumeSummary,
}

impl Show for One {
    const ELEMENT: &'static str = "volume";

    fn human(&self) -> String {
        let row = &self.row;
        let mut lines = vec![
            ("Name", row.name.clone()),
            ("Type", row.kind.to_string()),
            ("Capacity", two_places(row.capacity)),
            ("Allocation", two_places(row.allocation)),
            ("Format", row.format.clone()),
        ];
        lines.extend(row.backing.as_ref().map(|backing| ("Backing", backing.clone())));
        lines.extend(row.encryption.as_ref().map(|encryption| {
            let secret = encryption.secret.map_or_else(String::new, |secret| format!(", secret {secret}"));
            ("Encryption", format!("{}{secret}", encryption.format))
        }));
        lines.extend(row.fault.as_ref().map(|fault| ("Fault", fault.clone())));
        pairs(lines)
    }
}
