//! A guest's disk: the test guest reads and writes through virtio-blk, on Reeve and on QEMU, the same file by the same instructions. Both
//! open it with cache='none' and have a thread for it; a second row compares with threads of the host that read and write the file themselves.
//! They take turns, each first every other time: who comes first after the disk was filled finds another disk than who comes later.

mod host;
mod qemu;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use reeve_model::api::{ConsoleOptions, DefineOptions};
use reeve_tests::{Daemon, Guest};
use tokio::io::AsyncReadExt;

use self::qemu::Qemu;
use crate::row::{MIB_A_SECOND, RATE, Row};

/// Size of the disk: more than any cache of a device, less than would take long to fill.
const SIZE: u64 = 1 << 30;
/// Even, so that each comes first as often as the other.
const RUNS: usize = 4;
/// Requests at once.
const DEPTH: usize = 8;
const MS: u64 = 1500;
const MEMORY_MIB: u64 = 128;
const PATIENCE: Duration = Duration::from_secs(120);
const MIB: f64 = 1024.0 * 1024.0;

/// What is asked of the disk.
#[derive(Debug, Clone, Copy)]
struct Load {
    /// Its row, and that against the host.
    names: [&'static str; 2],
    write: bool,
    random: bool,
    bytes: usize,
}

const LOADS: [Load; 4] = [
    Load { names: ["seq-read", "seq-read-host"], write: false, random: false, bytes: 128 << 10 },
    Load { names: ["seq-write", "seq-write-host"], write: true, random: false, bytes: 128 << 10 },
    Load { names: ["rand-read-4k", "rand-read-4k-host"], write: false, random: true, bytes: 4 << 10 },
    Load { names: ["rand-write-4k", "rand-write-4k-host"], write: true, random: true, bytes: 4 << 10 },
];

/// How many requests were done in how long.
#[derive(Debug, Clone, Copy)]
struct Done {
    requests: u64,
    time: Duration,
}

/// `seq-read`, `seq-write`, `rand-read-4k`, `rand-write-4k` against QEMU, and each against the host's own threads (`-host`).
pub async fn measure() -> Result<Vec<Row>> {
    let guest = Guest::locate()?;
    // Beside the guest, since /tmp may be in memory.
    let place = guest.kernel().parent().context("the guest is in a directory")?;
    let place = tempfile::Builder::new().prefix("bench-disk-").tempdir_in(place)?;
    let disk = place.path().join("disk.raw");
    tokio::task::block_in_place(|| host::fill(&disk))?;
    let qemu = Qemu::find();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        for reeve in [run.is_multiple_of(2), !run.is_multiple_of(2)] {
            if reeve {
                ours.push(of_reeve(&guest, &disk).await?);
            } else if let Some(qemu) = &qemu {
                theirs.push(tokio::task::block_in_place(|| qemu.run(&guest, &disk))?);
            }
        }
    }
    let mut rows = Vec::new();
    for (number, load) in LOADS.into_iter().enumerate() {
        let rate = |runs: &[Vec<Done>]| median(load, runs.iter().filter_map(|run| run.get(number)));
        let ours = rate(&ours);
        let direct = tokio::task::block_in_place(|| host::run(&disk, load))?;
        let unit = if load.random { RATE } else { MIB_A_SECOND };
        let row = |name| Row::alone("disk", name, unit, ours, RUNS);
        let against_qemu = row(load.names[0]);
        rows.push(if qemu.is_some() {
            against_qemu.against("qemu io_uring", rate(&theirs))
        } else {
            against_qemu
        });
        rows.push(row(load.names[1]).against("O_DIRECT, 8 threads", median(load, direct.iter())));
    }
    Ok(rows)
}

/// Requests a second, or MiB of sequential ones.
fn median<'a>(load: Load, done: impl Iterator<Item = &'a Done>) -> f64 {
    let one = |done: &Done| done.requests as f64 / done.time.as_secs_f64();
    let mut rates: Vec<f64> = done.map(one).collect();
    rates.sort_unstable_by(f64::total_cmp);
    let at = |place: usize| rates.get(place).copied().unwrap_or_default();
    let rate = f64::midpoint(at(rates.len().saturating_sub(1) / 2), at(rates.len() / 2));
    if load.random { rate } else { rate * load.bytes as f64 / MIB }
}

/// What the guest does: every load once.
fn command_line() -> String {
    let run = |load: Load| {
        let (verb, order) =
            (if load.write { "write" } else { "read" }, if load.random { "rand" } else { "seq" });
        format!("run=disk+bench+0+{verb}+{order}+{}+{DEPTH}+{MS} ", load.bytes)
    };
    LOADS.map(run).concat() + "run=poweroff"
}

/// The guest's answers in what it wrote.
fn answers(console: &str) -> Result<Vec<Done>> {
    let number = |line: &str, name: &str| -> Option<u64> {
        line.split_whitespace().find_map(|word| word.strip_prefix(name))?.parse().ok()
    };
    let answer = |line: &str| {
        let time = Duration::from_micros(number(line, "us=")?);
        Some(Done { requests: number(line, "requests=")?, time })
    };
    let done: Vec<Done> = console.lines().filter_map(answer).collect();
    anyhow::ensure!(done.len() == LOADS.len(), "the guest did not do all it should:\n{console}");
    Ok(done)
}

async fn of_reeve(guest: &Guest, disk: &Path) -> Result<Vec<Done>> {
    let mut daemon = Daemon::start()?;
    let devices = format!(
        "<disk type='file'><driver name='qemu' type='raw' cache='none' io='io_uring'/><source file='{}'/>\
         <target dev='vda' bus='virtio'/></disk><serial type='pty'><target port='0'/></serial>",
        disk.display()
    );
    let document = guest.document_with("disk", MEMORY_MIB, &command_line(), &devices);
    let client = daemon.client();
    client.define_domain(&document, DefineOptions::default()).await?;
    client.start_domain("disk").await?;
    let mut console = client.console("disk", &ConsoleOptions::default()).await?;
    let mut said = Vec::new();
    // The console ends with the guest.
    tokio::time::timeout(PATIENCE, console.read_to_end(&mut said))
        .await
        .context("the guest takes too long")??;
    daemon.stop()?;
    answers(&String::from_utf8_lossy(&said))
}
