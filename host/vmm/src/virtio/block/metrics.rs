//! Counters of a disk.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a disk did since the machine was launched. Read at any time from any thread.
#[derive(Debug, Default)]
pub struct BlockMetrics {
    /// Read requests done.
    pub read_requests: AtomicU64,
    /// Bytes read.
    pub read_bytes: AtomicU64,
    /// Write requests done.
    pub write_requests: AtomicU64,
    /// Bytes written.
    pub write_bytes: AtomicU64,
    /// Flush requests done.
    pub flush_requests: AtomicU64,
    /// Nanoseconds from the start of a read request to its end, all of them together.
    pub read_time_ns: AtomicU64,
    /// Of write requests.
    pub write_time_ns: AtomicU64,
    /// Of flush requests.
    pub flush_time_ns: AtomicU64,
    /// Requests that ended in an error status.
    pub errors: AtomicU64,
}

impl BlockMetrics {
    pub(super) fn add(counter: &AtomicU64, value: u64) {
        counter.fetch_add(value, Ordering::Relaxed);
    }
}
