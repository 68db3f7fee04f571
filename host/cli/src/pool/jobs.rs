//! `reeve pool jobs`: how far long operations are.

use clap::Args;
use reeve_model::Bytes;
use reeve_model::storage::StorageJob;
use serde::Serialize;

use crate::context::Context;
use crate::output::{Show, table};

/// Options of `reeve pool jobs`.
#[derive(Debug, Args)]
pub struct Jobs {
    /// Name or UUID of a pool; without it, the operations on all of them, and on disks that are in none
    pool: Option<String>,
}

impl Jobs {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let jobs = match &self.pool {
            Some(pool) => context.client.pool_jobs(pool).await?,
            None => context.client.storage_jobs().await?,
        };
        context.show(&Rows(jobs))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<StorageJob>);

impl Show for Rows {
    const ELEMENT: &'static str = "jobs";

    fn human(&self) -> String {
        let cells = |job: &StorageJob| {
            let amount = |count: u64| match (job.operation.counts_bytes(), count) {
                (_, 0) => "-".to_owned(),
                (true, count) => Bytes(count).to_string(),
                (false, count) => count.to_string(),
            };
            let volume = if job.volume.is_empty() { "-".to_owned() } else { job.volume.clone() };
            [
                job.id.to_string(),
                job.pool.clone().unwrap_or_else(|| "-".to_owned()),
                job.operation.as_str().to_owned(),
                volume,
                amount(job.done),
                amount(job.total),
            ]
        };
        table(["Id", "Pool", "Operation", "Volume", "Done", "Total"], self.0.iter().map(cells))
    }
}
