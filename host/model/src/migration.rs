//! Moving a running domain to another host: what is asked for, and how far it is.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::migrated_disk::DiskFacts;
use crate::stats::DomainSummary;

/// What a migration may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MigrationLimits {
    /// Milliseconds that the guest may stand still, as far as that can be foreseen.
    pub max_downtime_ms: u64,
    /// MiB a second while the guest runs; 0 is as many as the connection takes.
    pub bandwidth_mib: u64,
    /// Most hundredths of its time that the guest may lose so that it writes less; 0 never holds it back.
    pub max_throttle: u8,
    /// Rounds after which the guest stays where it is.
    pub max_rounds: u32,
    /// Memory is compressed where both hosts can.
    pub compress: bool,
    /// The guest may go on at the destination before all of its memory is there.
    pub post_copy: bool,
    /// It does after so many rounds; none waits for a strategy or an operator to say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_copy_after: Option<u32>,
    /// MiB a second then of what the guest does not wait for; 0 is as many as the connection takes.
    pub post_copy_bandwidth_mib: u64,
}

impl MigrationLimits {
    /// These limits after somebody who saw `seen` said `said`: what he left as it was is not changed.
    pub fn changed(self, seen: Self, said: Self) -> Self {
        fn pick<T: PartialEq>(own: T, seen: &T, said: T) -> T {
            if *seen == said { own } else { said }
        }
        Self {
            max_downtime_ms: pick(self.max_downtime_ms, &seen.max_downtime_ms, said.max_downtime_ms),
            bandwidth_mib: pick(self.bandwidth_mib, &seen.bandwidth_mib, said.bandwidth_mib),
            max_throttle: pick(self.max_throttle, &seen.max_throttle, said.max_throttle),
            max_rounds: pick(self.max_rounds, &seen.max_rounds, said.max_rounds),
            compress: pick(self.compress, &seen.compress, said.compress),
            post_copy: pick(self.post_copy, &seen.post_copy, said.post_copy),
            post_copy_after: pick(self.post_copy_after, &seen.post_copy_after, said.post_copy_after),
            post_copy_bandwidth_mib: pick(
                self.post_copy_bandwidth_mib,
                &seen.post_copy_bandwidth_mib,
                said.post_copy_bandwidth_mib,
            ),
        }
    }
}

impl Default for MigrationLimits {
    fn default() -> Self {
        Self {
            max_downtime_ms: 300,
            bandwidth_mib: 0,
            max_throttle: 0,
            max_rounds: 100,
            compress: false,
            post_copy: false,
            post_copy_after: None,
            post_copy_bandwidth_mib: 0,
        }
    }
}

/// Body that moves a domain to another host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Migrate {
    /// The other host: `qemu+tls://HOST/system`, or `reeve+unix:///PATH/TO/reeve.sock` on this machine.
    pub destination: String,
    /// The guest's memory goes through the connection of the daemons; over TLS it does unless something else is asked for.
    #[serde(default)]
    pub tunnelled: bool,
    /// The guest's memory goes from worker to worker, with no daemon in between: over the network without TLS.
    #[serde(default)]
    pub direct: bool,
    /// The guest's memory goes over a connection of its own to `tls://HOST[:PORT]` or `tcp://HOST[:PORT]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_uri: Option<String>,
    /// Address of the destination at which it waits for that connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_address: Option<String>,
    /// The other host keeps a definition of it.
    #[serde(default)]
    pub persistent: bool,
    /// This host removes its definition when the domain has gone.
    #[serde(default)]
    pub undefine_source: bool,
    /// It stands still at the destination until it is resumed there.
    #[serde(default)]
    pub suspend: bool,
    /// Another document for the destination; name and UUID stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xml: Option<String>,
    /// Its name at the destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds after which the guest is stopped, so that the rest can be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend_after_s: Option<u64>,
    /// After those seconds it goes on at the destination by post-copy instead of being stopped.
    #[serde(default)]
    pub post_copy_then: bool,
    /// Disks that both hosts don't share go along with the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_storage: Option<CopyStorage>,
    /// Targets of the disks that go along; none is every disk that can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub migrate_disks: Vec<String>,
    /// Disks are not looked at: they may be where the destination does not see the same, or in a cache.
    #[serde(default, rename = "unsafe")]
    pub allow_unsafe: bool,
    /// Streams that its memory goes over from the beginning on; none is one, and what the strategy adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<u16>,
    /// Policy that steers it; none is the first one that is bound to the hook `migration-strategy`, `host` the host's own strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Nothing new begins: post-copy of the domain, whose connection broke, goes on over another one.
    #[serde(default)]
    pub resume_post_copy: bool,
    /// MiB a second while the guest runs, for this migration in place of the domain's limit; 0 is as many as the connection takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_mib: Option<u64>,
    /// Memory is compressed in this migration where both hosts can.
    #[serde(default)]
    pub compress: bool,
    /// Most hundredths of its time that the guest may lose in this migration, in place of the domain's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_throttle: Option<u8>,
    /// The guest may go on at the destination before all of its memory is there.
    #[serde(default)]
    pub post_copy: bool,
    /// It does after so many rounds; none waits for a strategy or an operator to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_copy_after: Option<u32>,
    /// MiB a second then of what the guest does not wait for, in place of the domain's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_copy_bandwidth_mib: Option<u64>,
}

impl Migrate {
    /// What this migration may cost, of a domain with these limits.
    pub fn limits(&self, domain: MigrationLimits) -> MigrationLimits {
        MigrationLimits {
            max_downtime_ms: domain.max_downtime_ms,
            bandwidth_mib: self.bandwidth_mib.unwrap_or(domain.bandwidth_mib),
            max_throttle: self.max_throttle.unwrap_or(domain.max_throttle),
            max_rounds: domain.max_rounds,
            compress: self.compress || domain.compress,
            post_copy: self.post_copy || domain.post_copy,
            post_copy_after: self.post_copy_after.or(domain.post_copy_after),
            post_copy_bandwidth_mib: self.post_copy_bandwidth_mib.unwrap_or(domain.post_copy_bandwidth_mib),
        }
    }
}

/// How disks go along with a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CopyStorage {
    /// All that a disk shows.
    All,
    /// What its active image has itself; the backing file is at the destination.
    Incremental,
}

/// A disk that goes along with its guest, as its source describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CopiedDisk {
    /// Its target, e.g. `vda`.
    pub target: String,
    /// Bytes of it.
    pub size: u64,
    /// The backing file that the destination has already; none when all of the disk comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backing: Option<CopiedBacking>,
}

/// The backing file of a disk that goes along, as its image names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CopiedBacking {
    /// Its name.
    pub name: String,
    /// Its format.
    pub format: String,
}

/// One of the two hosts of a migration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MigrationHost {
    /// Host name.
    pub name: String,
    /// Version of the daemon.
    pub version: String,
}

/// What is asked for, as policies are told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    /// Names the migration on both hosts.
    pub id: Uuid,
    /// Where the guest runs.
    pub source: MigrationHost,
    /// Where it shall run.
    pub destination: MigrationHost,
    /// Both hosts are one machine.
    pub same_machine: bool,
    /// What carries it, e.g. `unix`.
    pub transport: String,
    /// Disks are not looked at.
    pub unchecked: bool,
    /// A definition is kept at the destination.
    pub persistent: bool,
}

/// A domain that has moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Migrated {
    /// The domain's row at the source, as it was last.
    pub domain: DomainSummary,
    /// Milliseconds that the guest stood still; none when that is not known because the connection broke at the end.
    pub downtime_ms: Option<f64>,
    /// Milliseconds it took in all.
    pub total_ms: f64,
    /// Milliseconds of that in which the source waited for the strategy.
    #[serde(default)]
    pub strategy_ms: f64,
}

/// What a source asks a destination to make ready for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PrepareMigration {
    /// Names the migration on both hosts.
    pub migration: Uuid,
    /// The domain's document.
    pub xml: String,
    /// Where devices are on the guest's PCI bus, by alias.
    pub slots: Vec<DeviceSlot>,
    /// The guest stands still when it has arrived.
    pub paused: bool,
    /// A definition is kept.
    pub persistent: bool,
    /// The address of the source's daemon, to ask whose the guest is.
    pub source: String,
    /// How the guest's memory and state come.
    #[serde(default)]
    pub route: StreamRoute,
    /// Boot id of the source's kernel: files are the same where it is this host's.
    pub boot_id: String,
    /// Disks are not looked at.
    pub allow_unsafe: bool,
    /// The source.
    #[serde(default)]
    pub host: MigrationHost,
    /// Disks that come with the guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<CopiedDisk>,
    /// What the source says of all disks, for policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disk_facts: Vec<DiskFacts>,
}

/// What a source asks a destination to make ready for when the connection broke in post-copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResumeMigration {
    /// How the rest of the guest's memory comes.
    pub route: StreamRoute,
}

/// What a source asks a destination for when a guest's memory shall go over more streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddStreams {
    /// How many more.
    pub count: u16,
    /// How they come.
    pub route: StreamRoute,
}

/// How a guest's memory and state travel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StreamRoute {
    /// From worker to worker over a unix socket: both hosts are one machine.
    #[default]
    Socket,
    /// Through the connection of the daemons.
    Tunnel,
    /// Over a connection of its own.
    Own {
        /// Encrypted, and both ends authenticated.
        tls: bool,
        /// Address of the destination at which it waits; none is the one that its daemon listens at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        listen: Option<String>,
        /// Port of the destination; none is one that is free.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
}

/// A device on the guest's PCI bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceSlot {
    /// Its alias.
    pub alias: String,
    /// Its slot.
    pub slot: u8,
}

/// A destination that is ready. Where several streams were asked for, the socket or port takes all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MigrationPrepared {
    /// The socket that takes the guest, once; empty where it comes another way.
    pub socket: String,
    /// The port that takes the guest, once, where it comes over a connection of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// How a host sees a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MigrationStage {
    /// It knows of no such migration.
    Unknown,
    /// Source: the guest is its own. Destination: it is on its way.
    UnderWay,
    /// Source: it has given the guest up for good.
    GivenUp,
    /// Destination: the guest is its own now, and misses memory that only the source has.
    PostCopy,
    /// The guest is lost: in post-copy one of both halves of it has ended.
    Lost,
    /// Destination: the guest is its own now, whatever became of it since.
    Arrived,
    /// Destination: the guest never ran here and never will.
    Refused,
}

/// A host's answer about a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MigrationReport {
    /// How it sees it.
    pub stage: MigrationStage,
    /// Who it is.
    #[serde(default)]
    pub host: MigrationHost,
    /// Boot id of its kernel.
    #[serde(default)]
    pub boot_id: String,
    /// It takes disks that come with a guest.
    #[serde(default)]
    pub takes_disks: bool,
    /// It hears what the source says of disks.
    #[serde(default)]
    pub hears_disk_facts: bool,
    /// Most streams that it takes a guest's memory over.
    #[serde(default = "one_stream")]
    pub max_streams: u16,
}

fn one_stream() -> u16 {
    1
}

/// How far the migration of a domain is (`domjobinfo`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MigrationJob {
    /// Whether one is under way.
    pub active: bool,
    /// Milliseconds since it began.
    pub elapsed_ms: u64,
    /// Round of memory that was sent last.
    pub round: u32,
    /// Pages sent so far, zeros included.
    pub pages: u64,
    /// Pages of zeros sent so far.
    pub zero_pages: u64,
    /// Bytes sent so far, over all streams.
    pub bytes: u64,
    /// Bytes of memory that the guest has.
    #[serde(default)]
    pub memory: u64,
    /// Pages that travelled compressed.
    #[serde(default)]
    pub compressed_pages: u64,
    /// Bytes that they were then.
    #[serde(default)]
    pub compressed_bytes: u64,
    /// Pages that were not worth compressing, and travelled as they are.
    #[serde(default)]
    pub compression_overflows: u64,
    /// Pages that are left as far as is known.
    pub dirty_pages: u64,
    /// Bytes a second in the last round.
    pub bandwidth: u64,
    /// Milliseconds that the guest would stand still if it were stopped now.
    pub expected_downtime_ms: u64,
    /// Hundredths of its time that the guest loses.
    pub throttle: u8,
    /// Streams that memory went over in the last round.
    #[serde(default)]
    pub streams: u16,
    /// Bytes of disks that go along and were looked after so far, what was written again included.
    #[serde(default)]
    pub disk_processed: u64,
    /// Bytes of them that are left as far as is known.
    #[serde(default)]
    pub disk_remaining: u64,
    /// The guest runs at the destination, which fetches the pages that are left.
    #[serde(default)]
    pub post_copy: bool,
    /// The connection broke in post-copy: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
}
