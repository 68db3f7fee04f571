//! Memory that a guest takes and gives back in blocks (virtio 1.2, 5.15). The host says how much it may have; the driver plugs and unplugs
//! until that is so. No block is memory for vCPUs before the device has given it ([`crate::hypervisor::MemoryBlocks`]). Devices of the
//! machine reach the whole region: a guest that has them write where it has nothing costs the host at most what the region is large.

mod device;
mod queue;
#[cfg(test)]
mod tests;

pub use device::{Mem, MemControl};
