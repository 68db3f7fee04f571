//! `reeve pool jobs`: how far long operations are.

use clap::Args;
use reeve_model::Bytes;
use reeve_model::storage::StorageJob;
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::{Show, table};

/// Options of `reeve pool jobs`.
#[derive(Debug, Args)]
pub struct Jobs {
    #[command(flatten)]
    target: Target,
}

impl Jobs {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let jobs = context.client.pool_jobs(&self.target.pool).await?;
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
                job.operation.as_str().to_owned(),
                volume,
                amount(job.done),
                amount(job.total),
            ]
        };
        table(["Id", "Operation", "Volume", "Done", "Total"], self.0.iter().map(cells))
    }
}
