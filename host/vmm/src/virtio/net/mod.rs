//! Virtio network device (virtio 1.2, 5.1) on a tap of the host.

mod device;
mod metrics;
mod queue;
mod tap;

pub use device::{Net, NetControl, NetOptions};
pub use metrics::NetMetrics;
pub use tap::{Tap, TapError};

#[cfg(test)]
mod tests;
