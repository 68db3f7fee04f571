//! `reeve domain migrate` and what steers it (guide 4.4.2, 14.5).

use std::path::PathBuf;

use clap::Args;
use reeve_client::ClientError;
use reeve_model::migration::{CopyStorage, Migrate, Migrated, MigrationLimits};
use reeve_model::{Error, ErrorCode};
use serde::Serialize;

use super::Target;
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
    /// Name or UUID
    #[arg(value_name = "DOMAIN", required_unless_present = "domain")]
    first: Option<String>,
    /// The other host as this host's daemon reaches it: qemu+tls://HOST[:PORT]/system, or reeve+unix:///PATH/TO/reeve.sock
    #[arg(value_name = "DESTURI", required_unless_present_any = ["desturi", "domain"])]
    second: Option<String>,
    /// Name or UUID, as virsh names the option
    #[arg(long, value_name = "DOMAIN", conflicts_with = "second")]
    domain: Option<String>,
    /// The other host, as virsh names the option
    #[arg(long, value_name = "URI", conflicts_with = "second")]
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
    /// With --live: stop the guest after so many seconds, so that the rest can be sent
    #[arg(long, value_name = "SECONDS", requires = "live", value_parser = timeout)]
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

/// Seconds of `--timeout`: none at all would be no live migration, and virsh refuses that too.
fn timeout(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => {
            Err("it is a second or more; without --live the guest stands still from the start".to_owned())
        }
        Ok(seconds) => Ok(seconds),
        Err(_) => Err("it is a whole number of seconds".to_owned()),
    }
}

impl MigrateDomain {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let xml = match &self.xml {
            Some(path) => Some(read_document(path)?),
            None => None,
        };
        let (domain, destination) = named(self.first, self.second, self.domain, self.desturi)?;
        let domain = domain.as_str();
        let copy_storage = match (self.copy_storage_all, self.copy_storage_inc) {
            (true, _) => Some(CopyStorage::All),
            (false, true) => Some(CopyStorage::Incremental),
            (false, false) => None,
        };
        let request = Migrate {
            destination,
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
                        context.note(&format!("disks: {:.1} MiB are left", left as f64 / f64::from(1 << 20)));
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

/// The domain and the other host: each by its place or by its name, where the other one may be the first that has none.
fn named(
    first: Option<String>,
    second: Option<String>,
    domain: Option<String>,
    desturi: Option<String>,
) -> Result<(String, String), ClientError> {
    match (domain, desturi, first, second) {
        (None, None, Some(domain), Some(host)) => Ok((domain, host)),
        (None, Some(host), Some(domain), None) => Ok((domain, host)),
        (Some(domain), None, Some(host), None) => Ok((domain, host)),
        (Some(domain), Some(host), None, None) => Ok((domain, host)),
        _ => {
            let message = "a migration takes one domain and one host to go to".to_owned();
            let hint = "name each of them once, e.g. 'reeve domain migrate --domain web --desturi URI'";
            Err(ClientError::Refused(Error::new(ErrorCode::Invalid, message).with_hint(hint)))
        }
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
    use clap::Parser as _;

    use super::*;

    #[test]
    fn domain_and_host_have_places_or_names() {
        let name = |text: &str| Some(text.to_owned());
        let both = ("web".to_owned(), "there".to_owned());
        for (first, second, domain, desturi) in [
            (name("web"), name("there"), None, None),
            (name("web"), None, None, name("there")),
            (name("there"), None, name("web"), None),
            (None, None, name("web"), name("there")),
        ] {
            assert_eq!(named(first, second, domain, desturi).unwrap(), both);
        }
        assert!(named(name("web"), None, name("web"), name("there")).is_err());
        assert!(named(None, None, name("web"), None).is_err());
    }

    #[test]
    fn a_timeout_is_a_second_or_more() {
        let line = |seconds: &str| {
            let words = ["reeve", "domain", "migrate", "web", "there", "--live", "--timeout", seconds];
            crate::Cli::try_parse_from(words).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(line("1"), Ok(()));
        let said = line("0").unwrap_err();
        assert!(said.contains("it is a second or more; without --live the guest stands still"), "{said}");
        assert!(line("soon").unwrap_err().contains("a whole number of seconds"));
    }

    #[test]
    fn limits_are_shown_as_virsh_does() {
        let limits = Limits(MigrationLimits { bandwidth_mib: 5, ..MigrationLimits::default() }).human();
        assert_eq!(limits, "Speed:        5 MiB/s\nMax downtime: 300 ms");
    }
}
