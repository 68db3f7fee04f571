//! The entropy device (5.4 of the specification). Unlike the driver of the crate `virtio-drivers`, this one lets its
//! caller say how to wait for the answer.

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport as _};

use super::dma::Identity;
use super::transport::Transport;

const REQUESTS: u16 = 0;
const QUEUE: usize = 8;
const EVENT_IDX: u64 = 1 << 29;
const VERSION_1: u64 = 1 << 32;

/// Driver for an entropy device.
pub struct Entropy {
    transport: Transport,
    queue: VirtQueue<Identity, QUEUE>,
}

impl Entropy {
    /// Starts the device.
    pub fn new(mut transport: Transport) -> virtio_drivers::Result<Self> {
        transport.set_status(DeviceStatus::empty());
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER);
        let features = transport.read_device_features() & (EVENT_IDX | VERSION_1);
        transport.write_driver_features(features);
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER | DeviceStatus::FEATURES_OK);
        let queue = VirtQueue::new(&mut transport, REQUESTS, false, features & EVENT_IDX != 0)?;
        transport.finish_init();
        Ok(Self { transport, queue })
    }

    /// Fills `bytes` as far as the device does, and returns how far. The queue is only looked at after each `wait`.
    pub fn request(&mut self, bytes: &mut [u8], mut wait: impl FnMut()) -> virtio_drivers::Result<usize> {
        // SAFETY: the buffer stays borrowed until the token comes back.
        let token = unsafe { self.queue.add(&[], &mut [&mut *bytes])? };
        if self.queue.should_notify() {
            self.transport.notify(REQUESTS);
        }
        wait();
        while !self.queue.can_pop() {
            wait();
        }
        // SAFETY: the same buffer was added under this token.
        unsafe { self.queue.pop_used(token, &[], &mut [bytes]).map(|written| written as usize) }
    }
}
