//! Virtio network device (virtio 1.2, 5.1) on a tap, a multicast group or TCP tunnels of the host.

mod announce;
mod backend;
mod device;
mod features;
mod metrics;
mod multicast;
mod pairs;
mod queue;
mod stream;
mod tap;
mod tunnel;

pub use backend::{Backend, BackendError};
pub use device::{Net, NetControl, NetOptions};
pub use metrics::NetMetrics;
pub use tap::{Tap, TapError};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tunnel_tests;
