//! Real domains on /dev/kvm, through the whole path: API, hooks, journal, worker, KVM.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reeve_model::api::{ConsoleOptions, DefineOptions, DomainFilter};
use reeve_tests::{Daemon, Guest};
use tokio::io::AsyncReadExt;

use crate::row::Row;
use crate::samples::Samples;

const FIRST_BYTE_RUNS: usize = 15;
const IDLE_DOMAINS: usize = 50;
const CHURN_DOMAINS: usize = 200;
const MEMORY_MIB: u64 = 256;
const MIB: f64 = 1024.0 * 1024.0;

/// `first-byte`, `rss-overhead`, `rss-overhead-50`, `churn-200`.
pub async fn measure() -> Result<Vec<Row>> {
    let guest = Guest::locate()?;
    let mut daemon = Daemon::start()?;
    let rows = vec![
        first_byte(&daemon, &guest).await?,
        overhead(&daemon, &guest, "rss-overhead", 1).await?,
        overhead(&daemon, &guest, "rss-overhead-50", IDLE_DOMAINS).await?,
        churn(&daemon, &guest).await?,
    ];
    daemon.stop()?;
    Ok(rows)
}

/// From the request to start until the first byte of the guest is in the client's hands.
async fn first_byte(daemon: &Daemon, guest: &Guest) -> Result<Row> {
    let name = "first-byte";
    daemon.client().define_domain(&guest.document(name, MEMORY_MIB), DefineOptions::default()).await?;
    let mut samples = Samples::default();
    for _ in 0..FIRST_BYTE_RUNS {
        let before = Instant::now();
        daemon.client().start_domain(name).await?;
        let mut console = daemon.client().console(name, &ConsoleOptions::default()).await?;
        let mut byte = [0u8];
        tokio::time::timeout(Duration::from_secs(10), console.read_exact(&mut byte))
            .await
            .context("the guest said nothing for 10 s")??;
        samples.add(before.elapsed());
        daemon.client().destroy_domain(name).await?;
    }
    daemon.client().undefine_domain(name).await?;
    Ok(Row::alone("boot", "first-byte", "ms", samples.median_ms(), samples.len()))
}

/// Resident memory of idle workers less the guest memory they touched, per domain.
async fn overhead(daemon: &Daemon, guest: &Guest, row: &'static str, count: usize) -> Result<Row> {
    let names = start_many(daemon, guest, row, count).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut total = 0;
    for name in &names {
        let info = daemon.client().domain_info(name).await?;
        let pid = info.worker_pid.with_context(|| format!("domain '{name}' has no worker"))?;
        total += resident_beside_guest(pid)?;
    }
    stop_many(daemon, &names).await?;
    Ok(Row::alone("boot", row, "MiB", total as f64 / MIB / count as f64, count))
}

/// Start, list and destroy many domains, per domain; nothing may be left behind.
async fn churn(daemon: &Daemon, guest: &Guest) -> Result<Row> {
    let fds_before = daemon.open_fds()?;
    let before = Instant::now();
    let names = start_many(daemon, guest, "churn", CHURN_DOMAINS).await?;
    let active = DomainFilter { active: Some(true), ..DomainFilter::default() };
    let listed = daemon.client().list_domains(&active).await?.len();
    ensure!(listed == CHURN_DOMAINS, "{listed} of {CHURN_DOMAINS} domains run");
    stop_many(daemon, &names).await?;
    let each = before.elapsed().as_secs_f64() * 1e3 / CHURN_DOMAINS as f64;
    let fds_after = daemon.open_fds()?;
    ensure!(fds_after <= fds_before + 4, "descriptors leak: {fds_before} before, {fds_after} after");
    Ok(Row::alone("boot", "churn-200", "ms", each, CHURN_DOMAINS))
}

async fn start_many(daemon: &Daemon, guest: &Guest, prefix: &str, count: usize) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(count);
    for number in 0..count {
        let name = format!("{prefix}-{number}");
        daemon.client().define_domain(&guest.document(&name, MEMORY_MIB), DefineOptions::default()).await?;
        daemon.client().start_domain(&name).await?;
        names.push(name);
    }
    Ok(names)
}

async fn stop_many(daemon: &Daemon, names: &[String]) -> Result<()> {
    for name in names {
        daemon.client().destroy_domain(name).await?;
        daemon.client().undefine_domain(name).await?;
    }
    Ok(())
}

/// Bytes resident in `pid` outside the mappings of guest memory, which are the ones of tens of MiB and more.
pub(super) fn resident_beside_guest(pid: u32) -> Result<u64> {
    const GUEST_MAPPING_KIB: u64 = 64 * 1024;
    let smaps = std::fs::read_to_string(format!("/proc/{pid}/smaps"))?;
    let (mut anonymous, mut size, mut resident) = (false, 0, 0);
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        match (words.next().unwrap_or_default(), words.next().and_then(|word| word.parse::<u64>().ok())) {
            ("Size:", Some(kib)) => size = kib,
            ("Rss:", Some(kib)) if !(anonymous && size >= GUEST_MAPPING_KIB) => resident += kib,
            // The first line of a mapping: its addresses, access, offset, device, inode and file.
            (word, None) if !word.ends_with(':') => anonymous = words.nth(2) == Some("0"),
            _ => {}
        }
    }
    Ok(resident * 1024)
}
