//! Listing thousands of simulated domains, over the API.

use std::time::Instant;

use anyhow::Result;
use reeve_model::api::{DefineOptions, DomainFilter};
use reeve_tests::Daemon;

use crate::row::Row;
use crate::samples::Samples;

const RUNS: usize = 20;

/// `sim-1000` and `sim-10000`: one list over the socket, parsed by the client.
pub async fn measure() -> Result<Vec<Row>> {
    let mut daemon = Daemon::start()?;
    let mut rows = Vec::new();
    let mut defined = 0;
    for (name, count) in [("sim-1000", 1_000), ("sim-10000", 10_000)] {
        while defined < count {
            daemon.client().define_domain(&document(defined), DefineOptions::default()).await?;
            defined += 1;
        }
        let mut samples = Samples::default();
        for _ in 0..RUNS {
            let before = Instant::now();
            let listed = daemon.client().list_domains(&DomainFilter::default()).await?;
            samples.add(before.elapsed());
            anyhow::ensure!(listed.len() == count, "{} of {count} domains were listed", listed.len());
        }
        rows.push(Row::alone("list", name, "ms", samples.median_ms(), samples.len()));
    }
    daemon.stop()?;
    Ok(rows)
}

/// A simulated domain.
fn document(number: usize) -> String {
    format!(
        "<domain type='sim'><name>sim-{number:05}</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>\
         <os><type>hvm</type></os></domain>"
    )
}
