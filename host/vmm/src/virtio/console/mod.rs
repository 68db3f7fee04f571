//! Virtio console device with several ports (virtio 1.2, 5.3).
//!
//! Every port is backed by a [`Console`](crate::console::Console), which takes what the guest writes at any time and has
//! a session or not: the guest never waits for anybody to look.

mod control;
mod device;
mod queue;

pub use device::{ConsoleDevice, ConsolePort};

#[cfg(test)]
mod tests;
