//! Virtio block device (virtio 1.2, 5.2): a raw image or a host block device.

mod device;
mod disk;
mod engine;
mod metrics;
mod queue;
mod request;

pub use device::{Block, BlockControl};
pub use disk::{Disk, DiskError, DiskOptions, ResizeError};
pub use metrics::BlockMetrics;

#[cfg(test)]
mod tests;
