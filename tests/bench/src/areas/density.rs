//! Many idle domains on one host.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use reeve_model::api::DefineOptions;
use reeve_tests::{Daemon, Guest};

use super::boot::resident_beside_guest;
use crate::row::Row;

const DOMAINS: usize = 100;
const MEMORY_MIB: u64 = 64;
const MIB: f64 = 1024.0 * 1024.0;
/// Until the guests have booted.
const SETTLE: Duration = Duration::from_secs(5);
const WATCH: Duration = Duration::from_secs(10);

/// `rss-per-idle`, `cpu-idle-100`.
pub async fn measure() -> Result<Vec<Row>> {
    let guest = Guest::locate()?;
    let mut daemon = Daemon::start()?;
    let mut workers = Vec::with_capacity(DOMAINS);
    for number in 0..DOMAINS {
        let name = format!("idle-{number}");
        let client = daemon.client();
        client.define_domain(&guest.document(&name, MEMORY_MIB), DefineOptions::default()).await?;
        client.start_domain(&name).await?;
        let info = client.domain_info(&name).await?;
        workers.push(info.worker_pid.with_context(|| format!("domain '{name}' has no worker"))?);
    }
    tokio::time::sleep(SETTLE).await;
    let (before, begun) = (ticks(&workers)?, Instant::now());
    tokio::time::sleep(WATCH).await;
    let (used, time) = (ticks(&workers)? - before, begun.elapsed());
    let resident: u64 =
        workers.iter().map(|pid| resident_beside_guest(*pid)).collect::<Result<Vec<_>>>()?.iter().sum();
    for number in 0..DOMAINS {
        let name = format!("idle-{number}");
        daemon.client().destroy_domain(&name).await?;
        daemon.client().undefine_domain(&name).await?;
    }
    daemon.stop()?;
    let percent = used as f64 / TICKS_A_SECOND / time.as_secs_f64() * 100.0;
    Ok(vec![
        Row::alone("density", "rss-per-idle", "MiB", resident as f64 / MIB / DOMAINS as f64, DOMAINS),
        Row::alone("density", "cpu-idle-100", "%", percent, 1),
    ])
}

/// What /proc counts processor time in (USER_HZ), the same on every Linux that runs x86-64.
const TICKS_A_SECOND: f64 = 100.0;

/// Processor time of all of these processes.
fn ticks(workers: &[u32]) -> Result<u64> {
    let one = |pid: &u32| -> Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // Behind the name, which may have blanks: state is field 3, user and system time 14 and 15.
        let fields = stat.rsplit(") ").next().context("no fields in stat")?;
        let number = |at: usize| fields.split(' ').nth(at - 3).and_then(|word| word.parse::<u64>().ok());
        Ok(number(14).context("no user time")? + number(15).context("no system time")?)
    };
    workers.iter().map(one).sum()
}
