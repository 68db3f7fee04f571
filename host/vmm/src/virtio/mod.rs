//! Virtio 1.x devices over PCI.
//!
//! ```text
//!  vCPU thread                                     device thread (epoll; its own or an I/O thread)
//!  ───────────                                     ───────────────────────────────────────────────
//!  config space, BARs ──> PciTransport             Worker<Handler>
//!     status machine, features, queue addresses       queue eventfd ──> Handler::handle
//!     DRIVER_OK  ── VirtioDevice::activate ──────────>  owns DeviceQueues and Memory
//!     status = 0 ── VirtioDevice::stop <── queues ────  ends, hands everything back
//!  queue notify ── ioeventfd (no exit to us) ───────> queue eventfd
//!  MSI-X line  <── irqfd ──────────────────────────── Interrupt
//! ```
//!
//! A device is a folder of the same few files: `device` (what the transport and the control plane see), `queue` (the
//! handler that runs in the thread), `metrics` (counters). Live resources such as file descriptors are constructor
//! arguments; everything else about a device is plain data.
//!
//! The guest is hostile. A descriptor chain becomes a [`chain::Chain`] once, at the edge, with every address and length
//! checked; what breaks the rules of the ring is a [`queue::QueueError`], which stops the device's thread and sets
//! NEEDS_RESET until the guest resets the device. What merely cannot be done is an error status in the request.

pub mod balloon;
pub mod block;
pub mod chain;
pub mod console;
pub mod device;
pub mod fs;
pub mod interrupt;
pub mod mem;
pub mod net;
pub mod queue;
pub mod rng;
pub mod transport;
pub mod vsock;
pub mod worker;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
pub(crate) mod testing;

pub use crate::memory::Memory;
pub use device::{Activation, ConversationState, OwnState, OwnStateError, VirtioDevice};
pub use transport::{Doorbells, PciTransport, TransportError, TransportState, TransportStateError};
