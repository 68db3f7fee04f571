//! Migrations as the contract has them.

use std::time::Duration;

use reeve_migrate::{Capabilities, RoundStats};
use reeve_model::domain::DomainConfig;
use reeve_model::migrated_disk::{CacheMode, DiskWay, MigratedDisk, MovingDisks};
use reeve_model::migration::{Journey, MigrationHost, MigrationLimits};

use super::Disks;
use crate::bindings::reeve::migration::{disks, journey, strategy};

const MIB: u64 = 1 << 20;

/// What is asked for.
pub(crate) fn contract_journey(journey: &Journey) -> journey::Journey {
    let host =
        |host: &MigrationHost| journey::Peer { name: host.name.clone(), version: host.version.clone() };
    journey::Journey {
        id: journey.id.to_string(),
        source: host(&journey.source),
        destination: host(&journey.destination),
        same_machine: journey.same_machine,
        transport: journey.transport.clone(),
        unchecked: journey.unchecked,
        persistent: journey.persistent,
    }
}

/// The disks of a document, with what else is known of them.
pub(crate) fn contract_disks(config: &DomainConfig, known: &MovingDisks) -> Disks {
    known.of(config).into_iter().map(contract_disk).collect()
}

fn contract_disk(disk: MigratedDisk) -> disks::MigratedDisk {
    disks::MigratedDisk {
        target: disk.target,
        device: disk.device,
        source: disk.source,
        path: disk.path,
        pool: disk.pool,
        volume: disk.volume,
        format: disk.format,
        capacity: disk.capacity,
        allocation: disk.allocation,
        file_system: disk.file_system,
        readonly: disk.readonly,
        shareable: disk.shareable,
        cache: match disk.cache {
            CacheMode::None => disks::CacheMode::None,
            CacheMode::Writethrough => disks::CacheMode::Writethrough,
            CacheMode::Writeback => disks::CacheMode::Writeback,
            CacheMode::Directsync => disks::CacheMode::Directsync,
            CacheMode::Unsafe => disks::CacheMode::Unsafe,
        },
        coherent: disk.coherent,
        way: match disk.way {
            DiskWay::Shared => disks::Way::Shared,
            DiskWay::Copied => disks::Way::Copied,
            DiskWay::CopiedAboveBacking => disks::Way::CopiedAboveBacking,
        },
        backing: disk.backing,
    }
}

/// What both hosts offer. Post-copy is offered where the operator allows it, since a guest can be lost by it.
pub(crate) fn contract_offer(agreed: &Capabilities, limits: &MigrationLimits) -> strategy::Capabilities {
    let post_copy = agreed.post_copy && limits.post_copy;
    strategy::Capabilities { compression: agreed.zstd, streams: agreed.streams, post_copy }
}

/// What the operator allows.
pub(crate) fn contract_limits(limits: &MigrationLimits) -> strategy::Limits {
    strategy::Limits {
        max_downtime_us: limits.max_downtime_ms.saturating_mul(1000),
        bandwidth: (limits.bandwidth_mib > 0).then_some(limits.bandwidth_mib.saturating_mul(MIB)),
        max_throttle: limits.max_throttle,
        max_rounds: limits.max_rounds,
    }
}

/// What a round did.
pub(crate) fn contract_round(stats: &RoundStats) -> strategy::Round {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    strategy::Round {
        number: stats.round,
        elapsed_us: micros(stats.elapsed),
        duration_us: micros(stats.duration),
        pages: stats.pages,
        zero_pages: stats.zero_pages,
        sent: stats.bytes,
        dirty_pages: stats.dirty_pages,
        bandwidth: stats.bandwidth,
        expected_downtime_us: micros(stats.expected_downtime),
        max_downtime_us: micros(stats.max_downtime),
        throttle: stats.throttle,
        compressed: stats.compressed,
        streams: stats.streams,
    }
}
