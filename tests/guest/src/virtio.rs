//! virtio 1.x over PCI. Queues and drivers are those of the crate `virtio-drivers`; the transport is our own, since the
//! crate's has no MSI-X and looks the notification address up on every notification.

mod balloon;
mod console;
mod devices;
mod dma;
mod entropy;
mod pluggable;
mod ports;
mod shared;
mod sockets;
mod transport;
mod wide;

pub use balloon::Balloon;
pub use console::Console;
pub use devices::{Devices, Disk, Network, Slot, read_sector};
pub use entropy::Entropy;
pub use pluggable::{PLUG, Pluggable, UNPLUG};
pub use ports::Ports;
pub use shared::Shared;
pub use sockets::Sockets;
pub use wide::{Frame as WideFrame, Wide};
