//! Counters of a worker as counters of a domain.

use std::collections::HashMap;

use reeve_model::Bytes;
use reeve_model::stats::{DiskStats, DomainStats, InterfaceStats, MemoryStats};
use reeve_vmm::protocol;

/// What a worker counts of a domain with so much memory. Disks and interfaces go by their targets.
pub(super) fn translate(
    stats: protocol::Stats,
    memory: Bytes,
    resident: Bytes,
    targets: &HashMap<String, String>,
) -> DomainStats {
    let target = |alias: String| targets.get(&alias).cloned().unwrap_or(alias);
    let balloon = stats.balloon.as_ref().map_or(memory.0, |balloon| balloon.actual);
    let memory = stats.balloon.map(|balloon| memory_stats(&balloon)).unwrap_or_default();
    DomainStats {
        cpu_time_ns: stats.process_time_ns,
        vcpu_time_ns: stats.vcpus.iter().map(|vcpu| vcpu.time_ns).collect(),
        resident,
        balloon_current: Bytes(balloon),
        memory,
        exits: stats.vcpus.iter().map(|vcpu| vcpu.exits).sum(),
        disks: stats
            .disks
            .into_iter()
            .map(|disk| DiskStats {
                target: target(disk.alias),
                read_requests: disk.read_requests,
                read_bytes: disk.read_bytes,
                write_requests: disk.write_requests,
                write_bytes: disk.write_bytes,
                flush_requests: disk.flush_requests,
                errors: disk.errors,
                read_time_ns: disk.read_time_ns,
                write_time_ns: disk.write_time_ns,
                flush_time_ns: disk.flush_time_ns,
                error: disk.error,
            })
            .collect(),
        interfaces: stats
            .interfaces
            .into_iter()
            .map(|tap| InterfaceStats {
                target: target(tap.alias),
                rx_packets: tap.rx_packets,
                rx_bytes: tap.rx_bytes,
                tx_packets: tap.tx_packets,
                tx_bytes: tap.tx_bytes,
                dropped: tap.rx_dropped + tap.tx_dropped,
                rx_errors: tap.rx_errors,
                rx_dropped: tap.rx_dropped,
                tx_errors: tap.tx_errors,
                tx_dropped: tap.tx_dropped,
            })
            .collect(),
    }
}

/// What a guest says about its memory, by the numbers of its balloon (virtio 1.2, 5.5.6.3).
fn memory_stats(balloon: &protocol::BalloonStats) -> MemoryStats {
    let value = |wanted: u16| balloon.guest.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    MemoryStats {
        swap_in: value(0).map(Bytes),
        swap_out: value(1).map(Bytes),
        major_faults: value(2),
        minor_faults: value(3),
        unused: value(4).map(Bytes),
        available: value(5).map(Bytes),
        usable: value(6).map(Bytes),
        disk_caches: value(7).map(Bytes),
        hugetlb_allocations: value(8),
        hugetlb_failures: value(9),
    }
}
