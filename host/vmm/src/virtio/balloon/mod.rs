//! Virtio memory balloon (virtio 1.2, 5.5): takes memory back from a guest that agrees, and learns how it is doing.

mod device;
mod queue;
mod reclaim;

pub use device::{Balloon, BalloonControl};

#[cfg(test)]
mod tests;
