//! virtio 1.x over PCI. Queues and drivers are those of the crate `virtio-drivers`; the transport is our own, since the
//! crate's has no MSI-X and looks the notification address up on every notification.

mod balloon;
mod devices;
mod dma;
mod entropy;
mod transport;

pub use balloon::Balloon;
pub use devices::{Console, Devices, Disk, Network, Slot, read_sector};
pub use entropy::Entropy;
