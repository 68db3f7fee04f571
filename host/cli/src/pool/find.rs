//! `reeve pool find-sources` (guide 14.11.1).

use clap::Args;
use reeve_model::storage::{FoundSource, PoolKind};
use serde::Serialize;

use crate::context::Context;
use crate::output::{Show, or_dash, table};

/// Options of `reeve pool find-sources`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  reeve pool find-sources --type fs       devices with a file system
  reeve pool find-sources --type disk     whole devices, and the partition tables on them")]
pub struct FindSources {
    /// Type of the pool
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    kind: PoolKind,
}

fn kind(word: &str) -> Result<PoolKind, String> {
    PoolKind::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = PoolKind::ALL.iter().map(|(_, word)| *word).collect();
        format!("'{word}' is not one of {}", words.join(", "))
    })
}

impl FindSources {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let sources = context.client.pool_sources(self.kind).await?;
        context.show(&Rows(sources))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<FoundSource>);

impl Show for Rows {
    const ELEMENT: &'static str = "sources";

    fn human(&self) -> String {
        let cells = |source: &FoundSource| {
            [source.path.clone(), or_dash(source.format.as_ref()), source.size.to_string()]
        };
        table(["Device", "Format", "Size"], self.0.iter().map(cells))
    }
}
