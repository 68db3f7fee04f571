//! Counters of a network interface, seen from the guest.

use std::sync::atomic::{AtomicU64, Ordering};

/// What an interface did since the machine was launched. Read at any time from any thread.
#[derive(Debug, Default)]
pub struct NetMetrics {
    /// Frames the guest received.
    pub rx_packets: AtomicU64,
    /// Bytes of those frames.
    pub rx_bytes: AtomicU64,
    /// Frames for the guest that were no frames: of an impossible length.
    pub rx_errors: AtomicU64,
    /// Frames for the guest that it had no room for, or that came while the link was down.
    pub rx_dropped: AtomicU64,
    /// Frames the guest sent.
    pub tx_packets: AtomicU64,
    /// Bytes of those frames.
    pub tx_bytes: AtomicU64,
    /// Frames of the guest that the host refused: of an impossible length, or its side is gone.
    pub tx_errors: AtomicU64,
    /// Frames of the guest that the host had no room for, or that came while the link was down.
    pub tx_dropped: AtomicU64,
}

impl NetMetrics {
    pub(super) fn received(&self, bytes: usize) {
        self.rx_packets.fetch_add(1, Ordering::Relaxed);
        self.rx_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.tx_packets.fetch_add(1, Ordering::Relaxed);
        self.tx_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// One more of what a counter counts.
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
