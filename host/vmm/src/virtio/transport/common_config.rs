//! The common configuration structure and the status machine behind it (virtio 1.2, 4.1.4.3 and 3.1).

use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET, VIRTIO_F_VERSION_1,
};
use virtio_queue::QueueT;

use super::PciTransport;
use super::capabilities::COMMON_LENGTH;

const DRIVER: u8 = VIRTIO_CONFIG_S_DRIVER as u8;
pub(super) const DRIVER_OK: u8 = VIRTIO_CONFIG_S_DRIVER_OK as u8;
pub(super) const FEATURES_OK: u8 = VIRTIO_CONFIG_S_FEATURES_OK as u8;
pub(super) const NEEDS_RESET: u8 = VIRTIO_CONFIG_S_NEEDS_RESET as u8;

const DEVICE_FEATURE_SELECT: usize = 0x00;
const DEVICE_FEATURE: usize = 0x04;
const DRIVER_FEATURE_SELECT: usize = 0x08;
const DRIVER_FEATURE: usize = 0x0c;
const CONFIG_MSIX_VECTOR: usize = 0x10;
const NUM_QUEUES: usize = 0x12;
const DEVICE_STATUS: usize = 0x14;
const CONFIG_GENERATION: usize = 0x15;
const QUEUE_SELECT: usize = 0x16;
const QUEUE_SIZE: usize = 0x18;
const QUEUE_MSIX_VECTOR: usize = 0x1a;
const QUEUE_ENABLE: usize = 0x1c;
const QUEUE_NOTIFY_OFF: usize = 0x1e;
const QUEUE_DESC: usize = 0x20;
const QUEUE_DRIVER: usize = 0x28;
const QUEUE_DEVICE: usize = 0x30;
const HIGH: usize = 4;

/// The half of a 64-bit feature set that a select register means.
fn half(features: u64, select: u32) -> u32 {
    match select {
        0 => features as u32,
        1 => (features >> 32) as u32,
        _ => 0,
    }
}

impl PciTransport {
    pub(super) fn is_driver_ok(&self) -> bool {
        self.registers.status & DRIVER_OK != 0
    }

    /// Reads any bytes of the structure.
    pub(super) fn read_common(&self, offset: usize, data: &mut [u8]) {
        let image = self.common_image();
        data.iter_mut().zip(image.iter().skip(offset)).for_each(|(target, byte)| *target = *byte);
    }

    /// The whole structure as it reads now.
    fn common_image(&self) -> [u8; COMMON_LENGTH] {
        let registers = &self.registers;
        let mut image = [0; COMMON_LENGTH];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(DEVICE_FEATURE_SELECT, &registers.device_feature_select.to_le_bytes());
        put(DEVICE_FEATURE, &half(self.features(), registers.device_feature_select).to_le_bytes());
        put(DRIVER_FEATURE_SELECT, &registers.driver_feature_select.to_le_bytes());
        put(DRIVER_FEATURE, &half(registers.driver_features, registers.driver_feature_select).to_le_bytes());
        put(CONFIG_MSIX_VECTOR, &self.interrupt.config_vector().to_le_bytes());
        put(NUM_QUEUES, &(self.queues.len() as u16).to_le_bytes());
        let needs_reset = if self.interrupt.needs_reset() { NEEDS_RESET } else { 0 };
        put(DEVICE_STATUS, &[registers.status | needs_reset]);
        put(CONFIG_GENERATION, &[self.interrupt.generation()]);
        put(QUEUE_SELECT, &registers.queue_select.to_le_bytes());
        put(QUEUE_MSIX_VECTOR, &self.interrupt.queue_vector(registers.queue_select).to_le_bytes());
        if let Some(queue) = self.queues.get(usize::from(registers.queue_select)) {
            put(QUEUE_SIZE, &queue.size().to_le_bytes());
            put(QUEUE_ENABLE, &u16::from(queue.ready()).to_le_bytes());
            put(QUEUE_NOTIFY_OFF, &registers.queue_select.to_le_bytes());
            put(QUEUE_DESC, &queue.desc_table().to_le_bytes());
            put(QUEUE_DRIVER, &queue.avail_ring().to_le_bytes());
            put(QUEUE_DEVICE, &queue.used_ring().to_le_bytes());
        }
        image
    }

    /// Writes one field in the width it has; eight-byte fields also as two halves. Other accesses are ignored.
    pub(super) fn write_common(&mut self, offset: usize, data: &[u8]) {
        match *data {
            [value] if offset == DEVICE_STATUS => self.write_status(value),
            [low, high] => self.write_u16(offset, u16::from_le_bytes([low, high])),
            [a, b, c, d] => self.write_u32(offset, u32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] if matches!(offset, QUEUE_DESC | QUEUE_DRIVER | QUEUE_DEVICE) => {
                self.write_u32(offset, u32::from_le_bytes([a, b, c, d]));
                self.write_u32(offset + HIGH, u32::from_le_bytes([e, f, g, h]));
            }
            _ => {}
        }
    }

    fn write_u16(&mut self, offset: usize, value: u16) {
        let selected = self.registers.queue_select;
        match offset {
            CONFIG_MSIX_VECTOR => self.interrupt.set_config_vector(value),
            QUEUE_SELECT => self.registers.queue_select = value,
            QUEUE_MSIX_VECTOR => self.interrupt.set_queue_vector(selected, value),
            QUEUE_SIZE => self.with_idle_queue(|queue| queue.set_size(value)),
            QUEUE_ENABLE if value == 1 => self.with_idle_queue(|queue| queue.set_ready(true)),
            _ => {}
        }
    }

    fn write_u32(&mut self, offset: usize, value: u32) {
        match offset {
            DEVICE_FEATURE_SELECT => self.registers.device_feature_select = value,
            DRIVER_FEATURE_SELECT => self.registers.driver_feature_select = value,
            DRIVER_FEATURE => self.write_driver_feature(value),
            QUEUE_DESC => self.with_idle_queue(|queue| queue.set_desc_table_address(Some(value), None)),
            QUEUE_DRIVER => self.with_idle_queue(|queue| queue.set_avail_ring_address(Some(value), None)),
            QUEUE_DEVICE => self.with_idle_queue(|queue| queue.set_used_ring_address(Some(value), None)),
            _ => match offset.wrapping_sub(HIGH) {
                QUEUE_DESC => self.with_idle_queue(|queue| queue.set_desc_table_address(None, Some(value))),
                QUEUE_DRIVER => self.with_idle_queue(|queue| queue.set_avail_ring_address(None, Some(value))),
                QUEUE_DEVICE => self.with_idle_queue(|queue| queue.set_used_ring_address(None, Some(value))),
                _ => {}
            },
        }
    }

    /// Features are frozen by FEATURES_OK; until then the driver may set any, offered or not.
    fn write_driver_feature(&mut self, value: u32) {
        if self.registers.status & FEATURES_OK != 0 {
            return;
        }
        let features = self.registers.driver_features;
        self.registers.driver_features = match self.registers.driver_feature_select {
            0 => features & !0xffff_ffff | u64::from(value),
            1 => features & 0xffff_ffff | u64::from(value) << 32,
            _ => features,
        };
    }

    /// Changes the selected queue while the driver may: between FEATURES_OK and DRIVER_OK, before it enables it.
    fn with_idle_queue(&mut self, change: impl FnOnce(&mut virtio_queue::Queue)) {
        let status = self.registers.status;
        if status & (FEATURES_OK | DRIVER_OK) != FEATURES_OK {
            return;
        }
        if let Some(queue) = self.queues.get_mut(usize::from(self.registers.queue_select))
            && !queue.ready()
        {
            change(queue);
        }
    }

    /// Status bits are only added. FEATURES_OK stays off when the features are not acceptable, DRIVER_OK without it.
    fn write_status(&mut self, value: u8) {
        if value == 0 {
            return self.reset_device();
        }
        let mut added = value & !self.registers.status & !NEEDS_RESET;
        if added & FEATURES_OK != 0 && !self.accepts_features(value) {
            added &= !FEATURES_OK;
        }
        if (self.registers.status | added) & FEATURES_OK == 0 {
            added &= !DRIVER_OK;
        }
        self.registers.status |= added;
        if added & DRIVER_OK != 0 {
            self.start();
        }
    }

    /// Whether the driver chose among what was offered, and the one feature without which there is no modern device.
    fn accepts_features(&self, status: u8) -> bool {
        let chosen = self.registers.driver_features;
        status & DRIVER != 0 && chosen & !self.features() == 0 && chosen & 1 << VIRTIO_F_VERSION_1 != 0
    }
}
