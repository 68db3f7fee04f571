//! Virtio entropy device (virtio 1.2, 5.4): random bytes of the host, at a limited rate.

mod device;
mod queue;

pub use device::Rng;

#[cfg(test)]
mod tests;
