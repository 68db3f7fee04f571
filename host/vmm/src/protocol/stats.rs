//! Counters of a machine and its devices, as a worker tells them.

use serde::{Deserialize, Serialize};

/// Counters of a machine since it was launched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// CPU time of the worker process in nanoseconds, vCPUs included.
    pub process_time_ns: u64,
    /// One entry a vCPU that is there.
    pub vcpus: Vec<VcpuStats>,
    /// Balloon, when there is one.
    pub balloon: Option<BalloonStats>,
    /// One entry a device of memory that is plugged in blocks.
    #[serde(default)]
    pub memory: Vec<MemoryStats>,
    /// One entry a disk.
    pub disks: Vec<DiskStats>,
    /// One entry a network interface.
    pub interfaces: Vec<InterfaceStats>,
}

/// Counters of one vCPU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VcpuStats {
    /// Its number.
    #[serde(default)]
    pub number: u32,
    /// CPU time of its thread in nanoseconds.
    pub time_ns: u64,
    /// Exits to the worker.
    pub exits: u64,
}

/// A balloon and what the guest says about its memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalloonStats {
    /// Alias of the device.
    pub alias: String,
    /// Bytes the guest shall keep.
    pub target: u64,
    /// Bytes the guest keeps now.
    pub actual: u64,
    /// Statistics the guest sent, tag (virtio 1.2, 5.5.6.3) to value.
    pub guest: Vec<(u16, u64)>,
}

/// Memory that is plugged in blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryStats {
    /// Alias of the device.
    pub alias: String,
    /// Bytes the guest shall have.
    pub requested: u64,
    /// Bytes the guest has.
    pub plugged: u64,
}

/// Counters of one disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStats {
    /// Alias of the device.
    pub alias: String,
    /// Read requests.
    pub read_requests: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Write requests.
    pub write_requests: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Flush requests.
    pub flush_requests: u64,
    /// Requests that ended in an error.
    pub errors: u64,
    /// Nanoseconds that read requests took together.
    #[serde(default)]
    pub read_time_ns: u64,
    /// Nanoseconds that write requests took together.
    #[serde(default)]
    pub write_time_ns: u64,
    /// Nanoseconds that flush requests took together.
    #[serde(default)]
    pub flush_time_ns: u64,
    /// The error that it stands on.
    #[serde(default)]
    pub error: Option<String>,
}

/// Counters of one network interface, seen from the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStats {
    /// Alias of the device.
    pub alias: String,
    /// Frames the guest received.
    pub rx_packets: u64,
    /// Bytes the guest received.
    pub rx_bytes: u64,
    /// Frames the guest sent.
    pub tx_packets: u64,
    /// Bytes the guest sent.
    pub tx_bytes: u64,
    /// Frames for the guest that were no frames.
    #[serde(default)]
    pub rx_errors: u64,
    /// Frames for the guest that it had no room for, or that came while the link was down.
    #[serde(default)]
    pub rx_dropped: u64,
    /// Frames of the guest that the host refused.
    #[serde(default)]
    pub tx_errors: u64,
    /// Frames of the guest that the host had no room for, or that came while the link was down.
    #[serde(default)]
    pub tx_dropped: u64,
}
