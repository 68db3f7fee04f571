//! `reeve vol list` (guide 14.12.4).

use clap::Args;
use reeve_model::storage::VolumeSummary;
use serde::Serialize;

use crate::context::Context;
use crate::output::{Show, table};

/// Options of `reeve vol list`.
#[derive(Debug, Args)]
pub struct List {
    /// Name or UUID of the pool
    #[arg(required_unless_present = "pool_option")]
    pool: Option<String>,
    /// The same, as other commands take it
    #[arg(long = "pool", id = "pool_option", value_name = "POOL", conflicts_with = "pool")]
    pool_option: Option<String>,
    /// Type and sizes, too
    #[arg(long)]
    details: bool,
}

impl List {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let pool = self.pool.or(self.pool_option).unwrap_or_default();
        let rows = context.client.list_volumes(&pool).await?;
        context.show(&Rows { rows, details: self.details })
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows {
    rows: Vec<VolumeSummary>,
    #[serde(skip)]
    details: bool,
}

impl Show for Rows {
    const ELEMENT: &'static str = "volumes";

    fn human(&self) -> String {
        if !self.details {
            let cells = |row: &VolumeSummary| [row.name.clone(), row.path.clone()];
            return table(["Name", "Path"], self.rows.iter().map(cells));
        }
        let cells = |row: &VolumeSummary| {
            [
                row.name.clone(),
                row.path.clone(),
                row.kind.to_string(),
                row.format.clone(),
                row.capacity.to_string(),
                row.allocation.to_string(),
            ]
        };
        table(["Name", "Path", "Type", "Format", "Capacity", "Allocation"], self.rows.iter().map(cells))
    }
}
