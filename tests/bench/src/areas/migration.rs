//! Live migration between two hosts: idle guests and guests that write all the time, by the host's own strategy and by the shipped
//! policies, against QEMU moving the same guest.

mod qemu;

use std::time::Duration;

use anyhow::Result;
use reeve_client::Client;
use reeve_model::api::DefineOptions;
use reeve_model::migration::{Migrate, Migrated, MigrationLimits};
use reeve_tests::{Daemon, Guest, Options, policy};

use crate::row::Row;

const RUNS: usize = 5;
/// The host's own strategy, and the policies.
const STRATEGIES: [&str; 3] = ["host", "migration-precopy", "migration-converge"];
const NAME: &str = "moving";
/// Until the guest has booted and writes.
const SETTLE: Duration = Duration::from_secs(2);
/// What it writes to again and again.
const REGION_MIB: u64 = 128;
const LIMITS: MigrationLimits = MigrationLimits {
    max_downtime_ms: 300,
    bandwidth_mib: 0,
    max_throttle: 90,
    max_rounds: 100,
    compress: false,
    post_copy: false,
    post_copy_after: None,
    post_copy_bandwidth_mib: 0,
};

/// A guest, and the rows of its moves.
struct Case {
    memory_mib: u64,
    /// MiB that it writes a second; none is idle.
    rate: Option<u64>,
    /// Row of the total time.
    total: Option<&'static str>,
    downtime: &'static str,
}

const CASES: [Case; 5] = [
    Case { memory_mib: 256, rate: None, total: None, downtime: "idle-256-downtime" },
    Case { memory_mib: 2048, rate: None, total: None, downtime: "idle-2048-downtime" },
    Case { memory_mib: 512, rate: Some(50), total: Some("dirty-50"), downtime: "dirty-50-downtime" },
    Case { memory_mib: 512, rate: Some(200), total: Some("dirty-200"), downtime: "dirty-200-downtime" },
    Case { memory_mib: 512, rate: Some(1000), total: Some("dirty-1000"), downtime: "dirty-1000-downtime" },
];

impl Case {
    fn command_line(&self) -> String {
        self.rate.map_or_else(String::new, |rate| format!("run=dirty+{rate}+{REGION_MIB}+3600"))
    }
}

/// One move, milliseconds.
#[derive(Debug, Clone, Copy)]
struct Moved {
    total: f64,
    downtime: f64,
    asked: f64,
}

/// `idle-256-downtime`, `idle-2048-downtime`, `dirty-50`, `dirty-200`, `dirty-1000` with a `-downtime` row each, and `strategy-share`:
/// a row a strategy. The peer is QEMU on KVM with auto-converge and the same limits, where it can run the guest.
pub async fn measure() -> Result<Vec<Row>> {
    let guest = Guest::locate()?;
    let mut rows = Vec::new();
    let mut shares = [(0.0, 0.0); STRATEGIES.len()];
    for case in &CASES {
        let ours = of_reeve(&guest, case).await?;
        let theirs = tokio::task::block_in_place(|| qemu::run(&guest, case));
        for (strategy, (moves, share)) in STRATEGIES.into_iter().zip(ours.iter().zip(&mut shares)) {
            share.0 += moves.iter().map(|moved| moved.asked).sum::<f64>();
            share.1 += moves.iter().map(|moved| moved.total).sum::<f64>();
            let seconds = |moved: &Moved| moved.total / 1000.0;
            if let Some(name) = case.total {
                let row = Row::alone("migration", name, "s", median(moves, seconds), RUNS);
                rows.push(against(row.of(strategy), &theirs, seconds));
            }
            let row =
                Row::alone("migration", case.downtime, "ms", median(moves, |moved| moved.downtime), RUNS);
            rows.push(against(row.of(strategy), &theirs, |moved| moved.downtime));
        }
    }
    for (strategy, (asked, total)) in STRATEGIES.into_iter().zip(shares).skip(1) {
        let runs = RUNS * CASES.len();
        rows.push(Row::alone("migration", "strategy-share", "%", asked / total * 100.0, runs).of(strategy));
    }
    Ok(rows)
}

fn against(row: Row, theirs: &Result<Vec<Moved>>, of: impl Fn(&Moved) -> f64) -> Row {
    match theirs {
        Ok(moves) => row.against("qemu auto-converge", median(moves, of)),
        Err(_) => row.without("qemu can't here"),
    }
}

fn median(moves: &[Moved], of: impl Fn(&Moved) -> f64) -> f64 {
    let mut values: Vec<f64> = moves.iter().map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The moves of one guest, to and fro, by strategy.
async fn of_reeve(guest: &Guest, case: &Case) -> Result<Vec<Vec<Moved>>> {
    // Both hosts are this machine, and would have the domain in the same group.
    let host = || {
        Daemon::start_with(Options { config: "[workers]\ncgroup = ''\n".to_owned(), ..Options::default() })
    };
    let mut hosts = [host()?, host()?];
    for daemon in &hosts {
        for strategy in STRATEGIES.iter().skip(1) {
            let component = policy(strategy)?.display().to_string();
            tokio::task::block_in_place(|| daemon.reeve(&["policy", "load", &component]))?.ok();
        }
    }
    let devices = "<serial type='pty'><target port='0'/></serial>";
    let document = guest.document_with(NAME, case.memory_mib, &case.command_line(), devices);
    let client = hosts[0].client();
    client.define_domain(&document, DefineOptions::default()).await?;
    client.start_domain(NAME).await?;
    tokio::time::sleep(SETTLE).await;
    let mut all = Vec::new();
    for strategy in STRATEGIES {
        let mut moves = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let [source, destination] = &hosts;
            let address =
                format!("reeve+unix://{}", destination.root().join("run/reeve/reeve.sock").display());
            moves.push(go(&source.client(), address, strategy).await?);
            hosts.swap(0, 1);
        }
        all.push(moves);
    }
    hosts[0].client().destroy_domain(NAME).await?;
    for daemon in &mut hosts {
        daemon.stop()?;
    }
    Ok(all)
}

async fn go(source: &Client, destination: String, strategy: &str) -> Result<Moved> {
    source.set_migration_limits(NAME, LIMITS).await?;
    let request =
        Migrate { destination, persistent: true, strategy: Some(strategy.to_owned()), ..Migrate::default() };
    let Migrated { downtime_ms, total_ms, strategy_ms, .. } = source.migrate_domain(NAME, &request).await?;
    Ok(Moved { total: total_ms, downtime: downtime_ms.unwrap_or_default(), asked: strategy_ms })
}
