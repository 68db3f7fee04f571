//! `reeve domain domjobinfo` (guide 14.5.20): what takes its time on a domain.
//!
//! Lines come in the order of the guide, then what only this host tells. There is no cache of pages that compression could miss: a page that
//! does not become smaller is an overflow.

use clap::Args;
use reeve_model::block_job::BlockJob;
use reeve_model::domain_save::SaveStatus;
use reeve_model::migration::MigrationJob;
use serde::Serialize;

use super::{Target, block_job};
use crate::context::Context;
use crate::output::Show;

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Units of sizes, each 1024 times the one before.
const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// Options of `reeve domain domjobinfo`.
#[derive(Debug, Args)]
pub struct Domjobinfo {
    #[command(flatten)]
    target: Target,
}

impl Domjobinfo {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = &self.target.domain;
        let job = context.client.domain_job(domain).await;
        if !job.as_ref().is_ok_and(|job| job.active)
            && let Ok(status) = context.client.save_status(domain).await
        {
            return context.show(&SaveJob(status));
        }
        // One that does not run has none.
        let block_jobs = context.client.block_jobs(domain).await.unwrap_or_default();
        context.show(&Job { job: job?, block_jobs })
    }
}

#[derive(Serialize)]
struct Job {
    #[serde(flatten)]
    job: MigrationJob,
    /// Jobs on the images of its disks.
    block_jobs: Vec<BlockJob>,
}

impl Show for Job {
    const ELEMENT: &'static str = "job";

    fn human(&self) -> String {
        let Self { job, block_jobs } = self;
        let block_jobs = block_jobs.iter().map(block_job::line);
        if !job.active && job.round == 0 {
            return std::iter::once(line("Job type", "None"))
                .chain(block_jobs)
                .collect::<Vec<_>>()
                .join("\n");
        }
        let normal = job.pages.saturating_sub(job.zero_pages);
        let remaining = job.dirty_pages.saturating_mul(PAGE);
        let files = job.disk_processed + job.disk_remaining;
        let mut lines = vec![
            ("Job type", if job.active { "Unbounded" } else { "Completed" }.to_owned()),
            ("Time elapsed", format!("{} ms", job.elapsed_ms)),
            ("Data processed", size(job.bytes + job.disk_processed)),
            ("Data remaining", size(remaining + job.disk_remaining)),
            ("Data total", size(job.memory + files)),
            ("Memory processed", size(job.bytes)),
            ("Memory remaining", size(remaining)),
            ("Memory total", size(job.memory)),
            ("Constant pages", job.zero_pages.to_string()),
            ("Normal pages", normal.to_string()),
            ("Normal data", size(normal.saturating_mul(PAGE))),
            ("Expected downtime", format!("{} ms", job.expected_downtime_ms)),
            ("Compressed data", size(job.compressed_bytes)),
            ("Compressed pages", job.compressed_pages.to_string()),
            ("Compression overflows", job.compression_overflows.to_string()),
            ("Operation", operation(job).to_owned()),
            ("Memory bandwidth", format!("{}/s", size(job.bandwidth))),
            ("Memory iteration", job.round.to_string()),
            ("Pages remaining", job.dirty_pages.to_string()),
            ("Auto converge", format!("{} %", job.throttle)),
            ("Connections", job.streams.to_string()),
        ];
        if files > 0 {
            lines.extend([
                ("File processed", size(job.disk_processed)),
                ("File remaining", size(job.disk_remaining)),
                ("File total", size(files)),
            ]);
        }
        lines.extend(job.interrupted.iter().map(|reason| ("Interrupted", reason.clone())));
        let lines = lines.into_iter().map(|(what, value)| line(what, &value));
        lines.chain(block_jobs).collect::<Vec<_>>().join("\n")
    }
}

/// A save or dump.
#[derive(Serialize)]
#[serde(transparent)]
struct SaveJob(SaveStatus);

impl Show for SaveJob {
    const ELEMENT: &'static str = "job";

    fn human(&self) -> String {
        let SaveStatus { done, total, dump } = self.0;
        // How much there is to write is known.
        let lines = [
            ("Job type", "Bounded".to_owned()),
            ("Memory processed", size(done)),
            ("Memory remaining", size(total.saturating_sub(done))),
            ("Memory total", size(total)),
            ("Operation", if dump { "Dump" } else { "Save" }.to_owned()),
        ];
        lines.map(|(what, value)| line(what, &value)).join("\n")
    }
}

fn line(what: &str, value: &str) -> String {
    format!("{:<22} {value}", format!("{what}:"))
}

/// Bytes in the largest unit of which there is one at least.
fn size(bytes: u64) -> String {
    let unit = (1..UNITS.len()).rev().find(|unit| bytes >> (10 * unit) > 0).unwrap_or_default();
    format!("{:.3} {}", bytes as f64 / (1_u64 << (10 * unit)) as f64, UNITS[unit])
}

fn operation(job: &MigrationJob) -> &'static str {
    match (job.post_copy, job.interrupted.is_some()) {
        (true, true) => "Outgoing migration, post-copy, interrupted",
        (true, false) => "Outgoing migration, post-copy",
        (false, _) => "Outgoing migration",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the guide's example, as far as this host has such ones; its total is that of memory that was not sent as well.
    fn job() -> MigrationJob {
        MigrationJob {
            active: true,
            elapsed_ms: 1603,
            round: 1,
            pages: 126_387,
            zero_pages: 114_382,
            bytes: 49_287_267,
            memory: 9 << 27,
            compressed_pages: 0,
            compressed_bytes: 0,
            compression_overflows: 0,
            dirty_pages: 168_610,
            bandwidth: 500 << 20,
            expected_downtime_ms: 0,
            throttle: 0,
            streams: 4,
            disk_processed: 0,
            disk_remaining: 0,
            post_copy: false,
            interrupted: None,
        }
    }

    #[test]
    fn a_migration_is_told_as_in_the_guide() {
        let shown = Job { job: job(), block_jobs: Vec::new() }.human();
        let words: Vec<&str> = shown.split_whitespace().collect();
        let printed = "Job type: Unbounded Time elapsed: 1603 ms Data processed: 47.004 MiB Data remaining: 658.633 MiB \
                       Data total: 1.125 GiB Memory processed: 47.004 MiB Memory remaining: 658.633 MiB Memory total: 1.125 GiB \
                       Constant pages: 114382 Normal pages: 12005 Normal data: 46.895 MiB Expected downtime: 0 ms \
                       Compressed data: 0.000 B Compressed pages: 0 Compression overflows: 0 Operation: Outgoing migration";
        assert!(words.join(" ").starts_with(printed), "{shown}");
        assert!(shown.contains("Memory bandwidth:      500.000 MiB/s"), "{shown}");
    }

    #[test]
    fn disks_and_what_went_wrong_come_last() {
        let late = MigrationJob {
            post_copy: true,
            interrupted: Some("cut".to_owned()),
            disk_processed: 3 << 20,
            disk_remaining: 1 << 20,
            ..job()
        };
        let shown = Job { job: late, block_jobs: Vec::new() }.human();
        assert!(
            shown.contains("Operation:             Outgoing migration, post-copy, interrupted"),
            "{shown}"
        );
        assert!(shown.contains("File total:            4.000 MiB"), "{shown}");
        assert!(shown.ends_with("Interrupted:           cut"), "{shown}");
        let none = Job { job: MigrationJob::default(), block_jobs: Vec::new() }.human();
        assert_eq!(none, "Job type:              None");
    }

    #[test]
    fn a_save_has_an_end() {
        let shown = SaveJob(SaveStatus { done: 3 << 20, total: 64 << 20, dump: true }).human();
        for line in [
            "Job type:              Bounded",
            "Memory remaining:      61.000 MiB",
            "Operation:             Dump",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{shown}");
        }
    }
}
