//! Counters of devices as the daemon gets them.

use std::sync::atomic::Ordering;

use crate::protocol::{DiskStats, InterfaceStats};
use crate::virtio::block::BlockMetrics;
use crate::virtio::net::NetMetrics;

pub(super) fn disk(alias: &str, metrics: &BlockMetrics) -> DiskStats {
    DiskStats {
        alias: alias.to_owned(),
        read_requests: metrics.read_requests.load(Ordering::Relaxed),
        read_bytes: metrics.read_bytes.load(Ordering::Relaxed),
        write_requests: metrics.write_requests.load(Ordering::Relaxed),
        write_bytes: metrics.write_bytes.load(Ordering::Relaxed),
        flush_requests: metrics.flush_requests.load(Ordering::Relaxed),
        errors: metrics.errors.load(Ordering::Relaxed),
        read_time_ns: metrics.read_time_ns.load(Ordering::Relaxed),
        write_time_ns: metrics.write_time_ns.load(Ordering::Relaxed),
        flush_time_ns: metrics.flush_time_ns.load(Ordering::Relaxed),
        error: None,
    }
}

pub(super) fn interface(alias: &str, metrics: &NetMetrics) -> InterfaceStats {
    InterfaceStats {
        alias: alias.to_owned(),
        rx_packets: metrics.rx_packets.load(Ordering::Relaxed),
        rx_bytes: metrics.rx_bytes.load(Ordering::Relaxed),
        tx_packets: metrics.tx_packets.load(Ordering::Relaxed),
        tx_bytes: metrics.tx_bytes.load(Ordering::Relaxed),
        rx_errors: metrics.rx_errors.load(Ordering::Relaxed),
        rx_dropped: metrics.rx_dropped.load(Ordering::Relaxed),
        tx_errors: metrics.tx_errors.load(Ordering::Relaxed),
        tx_dropped: metrics.tx_dropped.load(Ordering::Relaxed),
    }
}
