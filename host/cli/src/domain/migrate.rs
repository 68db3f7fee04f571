//! `reeve domain migrate` and what steers it (guide 4.4.2, 14.5).

use std::path::PathBuf;

use clap::Args;
use reeve_model::block_job::BlockJob;
use reeve_model::domain_save::SaveStatus;
use reeve_model::migration::{CopyStorage, Migrate, Migrated, MigrationJob, MigrationLimits};
use serde::Serialize;

use super::{Target, block_job};
use crate::context::{Context, read_document};
use crate::output::Show;

/// Options of `reeve domain migrate`.
#[derive(Debug, Args)]
#[command(after_help = "\
The guest runs while its memory is sent, stands still for a moment, and goes on at the destination. Exactly one host runs it, whatever
is killed or cut in between. Its disks must be the same for both hosts, or go along with it (--copy-storage-all, --copy-storage-inc): their
content is sent first, and what the guest writes meanwhile with its memory. The destination makes the files that it does not have; one that
is there must have the disk's size and be in nobody's use.

Rounds of memory go by the policy that is bound to the hook migration-strategy, within the limits of migrate-setmaxdowntime and
migrate-setspeed and, with --auto-converge, by holding the guest back; without a policy the host has a strategy of its own.

Examples:
  reeve domain migrate web qemu+tls://host2.example.com/system --live --verbose
  reeve domain migrate web --desturi qemu+tls://host2.example.com/system --live --persistent --undefinesource
  reeve domain migrate web --desturi … --live --timeout 30      after 30 s it stands still until all of it is sent
  reeve domain migrate web --desturi … --live --migrateuri tls://10.9.0.2     memory goes over another network
  reeve domain migrate web --desturi … --live --postcopy        and then 'reeve domain migrate-postcopy web': it goes on there at once
  reeve domain migrate web --desturi … --postcopy-resume        after the connection broke in post-copy
  reeve domain migrate web --desturi … --live --copy-storage-all     its disks go along
  reeve domain migrate web --desturi … --live --parallel --parallel-connections 4     its memory goes over four connections
  reeve domain migrate web reeve+unix:///srv/b/run/reeve/reeve.sock --live    to another daemon on this machine")]
pub struct MigrateDomain {
    #[command(flatten)]
    target: Target,
    /// The other host as this host's daemon reaches it: qemu+tls://HOST[:PORT]/system, or reeve+unix:///PATH/TO/reeve.sock
    #[arg(value_name = "DESTURI", required_unless_present = "desturi")]
    destination: Option<String>,
    /// The other host, as virsh names the option
    #[arg(long, value_name = "URI", conflicts_with = "destination")]
    desturi: Option<String>,
    /// The guest runs while its memory is sent; without it, it is stopped first
    #[arg(long)]
    live: bool,
    /// Keep a definition at the destination
    #[arg(long)]
    persistent: bool,
    /// This host's daemon reaches the destination's itself: always so
    #[arg(long)]
    p2p: bool,
    /// Memory goes through the connection of the daemons: what happens over TLS anyway
    #[arg(long, conflicts_with_all = ["direct", "migrateuri"])]
    tunnelled: bool,
    /// Memory goes from worker to worker with no daemon in between: over the network without TLS, where both hosts allow that
    #[arg(long)]
    direct: bool,
    /// Memory goes over a connection of its own: tls://HOST[:PORT], or tcp://HOST[:PORT] where both hosts allow that
    #[arg(long, value_name = "URI")]
    migrateuri: Option<String>,
    /// Address of the destination at which it waits for that connection
    #[arg(long, value_name = "ADDRESS")]
    listen_address: Option<String>,
    /// Remove the definition here once it has gone
    #[arg(long)]
    undefinesource: bool,
    /// Leave it suspended at the destination
    #[arg(long)]
    suspend: bool,
    /// File with another domain XML document for the destination; name and UUID stay
    #[arg(long, value_name = "FILE")]
    xml: Option<PathBuf>,
    /// Another name at the destination
    #[arg(long, value_name = "NAME")]
    dname: Option<String>,
    /// MiB a second while the guest runs, in place of that of migrate-setspeed
    #[arg(long, value_name = "MIB")]
    bandwidth: Option<u64>,
    /// Stop the guest after so many seconds, so that the rest can be sent
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// With --timeout: stop the guest, which is also what is done without it
    #[arg(long, requires = "timeout", conflicts_with = "timeout_postcopy")]
    timeout_suspend: bool,
    /// With --timeout: let it go on at the destination instead
    #[arg(long, requires = "timeout", requires = "postcopy")]
    timeout_postcopy: bool,
    /// Allow that the guest goes on at the destination before all of its memory is there
    #[arg(long)]
    postcopy: bool,
    /// With --postcopy: it does after the first round
    #[arg(long, requires = "postcopy")]
    postcopy_after_precopy: bool,
    /// MiB a second of what the guest does not wait for then; 0 is as many as the connection takes
    #[arg(long, value_name = "MIB", requires = "postcopy")]
    postcopy_bandwidth: Option<u64>,
    /// Go on with post-copy after its connection broke
    #[arg(long, conflicts_with_all = ["postcopy", "live", "persistent", "undefinesource", "suspend", "xml", "dname", "timeout", "copy_storage_all", "copy_storage_inc", "migrate_disks", "parallel"])]
    postcopy_resume: bool,
    /// Disks go along with the guest: all that they show. Those that are read-only, shared by guests or removable stay behind
    #[arg(long, conflicts_with = "copy_storage_inc")]
    copy_storage_all: bool,
    /// Disks go along with the guest: what their active images have themselves. Backing files are at the destination already
    #[arg(long)]
    copy_storage_inc: bool,
    /// Targets of the disks that go along, e.g. vda,vdb [default: every disk that can]
    #[arg(long, value_name = "TARGETS", value_delimiter = ',')]
    migrate_disks: Vec<String>,
    /// Hold a guest back that writes faster than it is sent
    #[arg(long)]
    auto_converge: bool,
    /// Compress memory where both hosts can
    #[arg(long)]
    compressed: bool,
    /// Memory goes over several connections at once
    #[arg(long)]
    parallel: bool,
    /// With --parallel: over so many [default: 2]
    #[arg(long, value_name = "N", requires = "parallel", value_parser = clap::value_parser!(u16).range(1..))]
    parallel_connections: Option<u16>,
    /// Don't look at disks: another host may not see what was written last
    #[arg(long = "unsafe")]
    allow_unsafe: bool,
    /// Give up when something goes wrong: always so, for scripts written for virsh
    #[arg(long)]
    abort_on_error: bool,
    /// Let nobody change the domain meanwhile: always so, for scripts written for virsh
    #[arg(long)]
    change_protection: bool,
    /// Policy that steers it; "host" is the host's own strategy [default: the first policy that is bound to migration-strategy]
    #[arg(long, value_name = "POLICY")]
    strategy: Option<String>,
    /// Say how far it is
    #[arg(long)]
    verbose: bool,
}

/// Hundredths of its time that a guest may lose with --auto-converge.
const CONVERGE: u8 = 90;
/// Looks at a round that goes on after which it is said how far it is.
const LOOKS_A_NOTE: u32 = 5;
/// Connections with --parallel.
const PARALLEL: u16 = 2;

impl MigrateDomain {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let xml = match &self.xml {
            Some(path) => Some(read_document(path)?),
            None => None,
        };
        let domain = &self.target.domain;
        let copy_storage = match (self.copy_storage_all, self.copy_storage_inc) {
            (true, _) => Some(CopyStorage::All),
            (false, true) => Some(CopyStorage::Incremental),
            (false, false) => None,
        };
        let request = Migrate {
            destination: self.destination.or(self.desturi).unwrap_or_default(),
            tunnelled: self.tunnelled,
            direct: self.direct,
            stream_uri: self.migrateuri,
            listen_address: self.listen_address,
            persistent: self.persistent,
            undefine_source: self.undefinesource,
            suspend: self.suspend,
            xml,
            name: self.dname,
            suspend_after_s: if self.live { self.timeout } else { Some(0) },
            post_copy_then: self.timeout_postcopy,
            resume_post_copy: self.postcopy_resume,
            copy_storage,
            migrate_disks: self.migrate_disks,
            streams: self.parallel.then(|| self.parallel_connections.unwrap_or(PARALLEL)),
            allow_unsafe: self.allow_unsafe,
            strategy: self.strategy,
            bandwidth_mib: self.bandwidth,
            compress: self.compressed,
            max_throttle: self.auto_converge.then_some(CONVERGE),
            post_copy: self.postcopy,
            post_copy_after: self.postcopy_after_precopy.then_some(1),
            post_copy_bandwidth_mib: self.postcopy_bandwidth,
        };
        let client = context.client.clone();
        let moving = client.migrate_domain(domain, &request);
        tokio::pin!(moving);
        let (mut shown, mut left, mut looks) = (0, u64::MAX, 0_u32);
        let moved = loop {
            tokio::select! {
                moved = &mut moving => break moved?,
                () = tokio::time::sleep(std::time::Duration::from_millis(200)), if self.verbose => {
                    // It may be over by now.
                    let Ok(job) = context.client.domain_job(domain).await else { continue };
                    if job.round == 0 && job.disk_remaining > 0 && job.disk_remaining != left {
                        left = job.disk_remaining;
                        context.note(&format!("disks: {:.1} MiB are left", mib(left)));
                    }
                    looks += 1;
                    if job.round > shown {
                        (shown, looks) = (job.round, 0);
                        context.note(&format!("round {}: {} pages are left", job.round, job.dirty_pages));
                    } else if looks >= LOOKS_A_NOTE && job.pages > 0 {
                        looks = 0;
                        let sent = job.bytes as f64 / f64::from(1 << 20);
                        let round = job.round + 1;
                        let pages = job.dirty_pages;
                        context.note(&format!("round {round} goes on: {pages} pages are left, {sent:.1} MiB were sent"));
                    }
                }
            }
        };
        context.show(&Moved(moved))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Moved(Migrated);

impl Show for Moved {
    const ELEMENT: &'static str = "migrated";

    fn human(&self) -> String {
        let Migrated { domain, downtime_ms, total_ms, .. } = &self.0;
        match downtime_ms {
            Some(downtime) => {
                format!(
                    "Domain '{}' migrated in {total_ms:.0} ms; it stood still for {downtime:.1} ms",
                    domain.name
                )
            }
            None => format!("Domain '{}' migrated in {total_ms:.0} ms", domain.name),
        }
    }
}

/// Options of `reeve domain migrate-setmaxdowntime`.
#[derive(Debug, Args)]
pub struct MigrateSetmaxdowntime {
    #[command(flatten)]
    target: Target,
    /// Milliseconds that the guest may stand still
    downtime: u64,
}

impl MigrateSetmaxdowntime {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut limits = context.client.migration_limits(&self.target.domain).await?;
        limits.max_downtime_ms = self.downtime;
        context.show(&Limits(context.client.set_migration_limits(&self.target.domain, limits).await?))
    }
}

/// Options of `reeve domain migrate-setspeed`.
#[derive(Debug, Args)]
pub struct MigrateSetspeed {
    #[command(flatten)]
    target: Target,
    /// MiB a second while the guest runs; 0 is as many as the connection takes
    bandwidth: u64,
    /// The limit for what is sent in post-copy instead
    #[arg(long)]
    postcopy: bool,
}

impl MigrateSetspeed {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut limits = context.client.migration_limits(&self.target.domain).await?;
        let limit =
            if self.postcopy { &mut limits.post_copy_bandwidth_mib } else { &mut limits.bandwidth_mib };
        *limit = self.bandwidth;
        context.show(&Limits(context.client.set_migration_limits(&self.target.domain, limits).await?))
    }
}

/// Options of `reeve domain migrate-postcopy`.
#[derive(Debug, Args)]
pub struct MigratePostcopy {
    #[command(flatten)]
    target: Target,
}

impl MigratePostcopy {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.switch_to_post_copy(&self.target.domain).await?;
        context.note(&format!("Domain '{}' goes on at its destination", self.target.domain));
        Ok(())
    }
}

/// Options of `reeve domain migrate-getspeed`.
#[derive(Debug, Args)]
pub struct MigrateGetspeed {
    #[command(flatten)]
    target: Target,
    /// The limit for what is sent in post-copy instead
    #[arg(long)]
    postcopy: bool,
}

impl MigrateGetspeed {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut limits = context.client.migration_limits(&self.target.domain).await?;
        if self.postcopy {
            limits.bandwidth_mib = limits.post_copy_bandwidth_mib;
        }
        context.show(&Limits(limits))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Limits(MigrationLimits);

impl Show for Limits {
    const ELEMENT: &'static str = "migration-limits";

    fn human(&self) -> String {
        let MigrationLimits { max_downtime_ms, bandwidth_mib, .. } = self.0;
        let speed = match bandwidth_mib {
            0 => "unlimited".to_owned(),
            mib => format!("{mib} MiB/s"),
        };
        format!("Speed:        {speed}\nMax downtime: {max_downtime_ms} ms")
    }
}

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
        let block_jobs: Vec<String> = block_jobs.iter().map(block_job::line).collect();
        if !job.active && job.round == 0 {
            let none = "Job type:          none".to_owned();
            return std::iter::once(none).chain(block_jobs).collect::<Vec<_>>().join("\n");
        }
        let lines = [
            ("Job type", job_type(job)),
            ("Time elapsed", format!("{} ms", job.elapsed_ms)),
            ("Memory iteration", job.round.to_string()),
            ("Pages sent", job.pages.to_string()),
            ("Constant pages", job.zero_pages.to_string()),
            ("Data sent", format!("{:.3} MiB", job.bytes as f64 / f64::from(1 << 20))),
            ("Pages remaining", job.dirty_pages.to_string()),
            ("Memory bandwidth", format!("{:.3} MiB/s", job.bandwidth as f64 / f64::from(1 << 20))),
            ("Expected downtime", format!("{} ms", job.expected_downtime_ms)),
            ("Auto converge", format!("{} %", job.throttle)),
            ("Connections", job.streams.to_string()),
        ];
        let lines = lines.map(|(what, value)| format!("{:<19}{value}", format!("{what}:")));
        let total = job.disk_processed + job.disk_remaining;
        let disks = [
            ("File total", total),
            ("File processed", job.disk_processed),
            ("File remaining", job.disk_remaining),
        ];
        let disks = disks.map(|(what, bytes)| format!("{:<19}{:.3} MiB", format!("{what}:"), mib(bytes)));
        let disks = disks.into_iter().filter(|_| total > 0);
        let interrupted = job.interrupted.iter().map(|reason| format!("Interrupted:       {reason}"));
        lines.into_iter().chain(disks).chain(interrupted).chain(block_jobs).collect::<Vec<_>>().join("\n")
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A save or dump.
#[derive(Serialize)]
#[serde(transparent)]
struct SaveJob(SaveStatus);

impl Show for SaveJob {
    const ELEMENT: &'static str = "job";

    fn human(&self) -> String {
        let SaveStatus { done, total, dump } = self.0;
        let mib = |bytes: u64| format!("{:.3} MiB", mib(bytes));
        let lines = [
            ("Job type", if dump { "dump" } else { "save" }.to_owned()),
            ("Memory processed", mib(done)),
            ("Memory remaining", mib(total.saturating_sub(done))),
            ("Memory total", mib(total)),
        ];
        lines.map(|(what, value)| format!("{:<19}{value}", format!("{what}:"))).join("\n")
    }
}

fn job_type(job: &MigrationJob) -> String {
    let words = match (job.active, job.post_copy) {
        (true, true) if job.interrupted.is_some() => "migration, post-copy, interrupted",
        (true, true) => "migration, post-copy",
        (true, false) => "migration",
        (false, _) => "migration, ended",
    };
    words.to_owned()
}

/// Options of `reeve domain domjobabort`.
#[derive(Debug, Args)]
pub struct Domjobabort {
    #[command(flatten)]
    target: Target,
    /// Break the connection of post-copy, which goes on with 'migrate --postcopy-resume'
    #[arg(long)]
    postcopy: bool,
}

impl Domjobabort {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        if self.postcopy {
            context.client.interrupt_post_copy(&self.target.domain).await?;
            context.note(&format!("The post-copy of domain '{}' is interrupted", self.target.domain));
            return Ok(());
        }
        if let Ok(status) = context.client.save_status(&self.target.domain).await {
            context.client.cancel_save(&self.target.domain).await?;
            let what = if status.dump { "dump" } else { "save" };
            context.note(&format!("The {what} of domain '{}' is being ended", self.target.domain));
            return Ok(());
        }
        context.client.abort_domain_job(&self.target.domain).await?;
        context.note(&format!("The migration of domain '{}' is being ended", self.target.domain));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_and_limits_are_shown_as_virsh_does() {
        let job = MigrationJob {
            active: true,
            elapsed_ms: 1200,
            round: 2,
            pages: 70000,
            zero_pages: 60000,
            bytes: 41 << 20,
            dirty_pages: 12,
            bandwidth: 500 << 20,
            expected_downtime_ms: 1,
            throttle: 0,
            streams: 4,
            disk_processed: 3 << 20,
            disk_remaining: 1 << 20,
            post_copy: false,
            interrupted: None,
        };
        let late = MigrationJob { post_copy: true, interrupted: Some("cut".to_owned()), ..job.clone() };
        let shown = Job { job: late, block_jobs: Vec::new() }.human();
        assert!(shown.contains("Job type:          migration, post-copy, interrupted"), "{shown}");
        assert!(shown.ends_with("Interrupted:       cut"), "{shown}");
        let shown = Job { job, block_jobs: Vec::new() }.human();
        for line in [
            "Job type:          migration",
            "Memory iteration:  2",
            "Data sent:         41.000 MiB",
            "Memory bandwidth:  500.000 MiB/s",
            "Connections:       4",
            "File total:        4.000 MiB",
            "File remaining:    1.000 MiB",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{shown}");
        }
        assert_eq!(
            Job { job: MigrationJob::default(), block_jobs: Vec::new() }.human(),
            "Job type:          none"
        );
        let shown = SaveJob(SaveStatus { done: 3 << 20, total: 64 << 20, dump: true }).human();
        for line in ["Job type:          dump", "Memory remaining:  61.000 MiB"] {
            assert!(shown.lines().any(|shown| shown == line), "{shown}");
        }
        let limits = Limits(MigrationLimits { bandwidth_mib: 5, ..MigrationLimits::default() }).human();
        assert_eq!(limits, "Speed:        5 MiB/s\nMax downtime: 300 ms");
    }
}
