//! Virtio block device (virtio 1.2, 5.2): a raw image, a host block device, or a qcow2 image with its backing files.

mod chained;
mod device;
mod disk;
mod disk_error;
mod engine;
mod job;
mod metrics;
mod mirror;
mod moving;
mod queue;
mod request;
mod throttle;
mod trouble;
mod waiting;
mod written;

pub use device::{Block, BlockControl};
pub use disk::{Disk, DiskOptions};
pub use disk_error::{DiskError, ResizeError};
pub use job::{BlockJob, JobError, Progress, Task};
pub use metrics::BlockMetrics;
pub(crate) use moving::{ArrivingDisk, LeavingDisk};

#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod job_tests;
#[cfg(test)]
mod moving_tests;
#[cfg(test)]
mod tests;
