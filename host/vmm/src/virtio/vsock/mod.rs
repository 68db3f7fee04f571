//! Virtio socket device (virtio 1.2, 5.10): streams between programs of the guest and programs of the host, without a network.
//!
//! ```text
//!   host program ── connects to PATH, says "CONNECT 1234\n" ──> device ── REQUEST ──> port 1234 of the guest
//!                <─ "OK 1073741824\n", then the guest's bytes ──       <── RESPONSE ──
//!   host program <─ connection to PATH_1234 ── daemon <── dial ── device <── REQUEST to port 1234 of the host ── guest
//! ```
//!
//! The device has the listening socket of PATH. It knows no paths: for a guest that connects it asks the daemon, which hands it the connection
//! or says that there is nobody. As with Firecracker, whose protocol this is, the host's ends are unix sockets, and two guests may have one address.
//!
//! Everything is bounded: connections (one too many is refused, from either side), bytes of the guest that wait for a slow program ([`packet::BUFFER`], which is the credit it is given),
//! and resets that wait for room in its queue, before which no more of it is read. Bytes for the guest stay in the host's socket until there
//! is credit and room.
//!
//! Connections do not survive a save or a migration: the guest is told that its transport was reset.

mod connection;
mod control;
mod device;
mod packet;
mod queue;
mod table;

pub use control::{Dial, VsockControl};
pub use device::Vsock;

#[cfg(test)]
mod tests;
