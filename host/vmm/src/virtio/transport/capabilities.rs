//! The vendor-specific capabilities that say where the registers are, and the window to them in configuration space.

use super::{COMMON, DEVICE, DOORBELL_SIZE, DOORBELLS, ISR, REGION, REGISTERS_BAR};
use crate::pci::ConfigSpace;

const VENDOR_SPECIFIC: u8 = 0x09;
const COMMON_CFG: u8 = 1;
const NOTIFY_CFG: u8 = 2;
const ISR_CFG: u8 = 3;
const DEVICE_CFG: u8 = 4;
const PCI_CFG: u8 = 5;

/// Length of the common configuration of virtio 1.0 and 1.1.
pub(super) const COMMON_LENGTH: usize = 56;
/// Offsets in struct virtio_pci_cap, from the start of the capability.
const CAP_BAR: usize = 4;
const CAP_OFFSET: usize = 8;
const CAP_LENGTH: usize = 12;
const CAP_DATA: usize = 16;

/// The VIRTIO_PCI_CAP_PCI_CFG capability: access to the BARs through configuration space.
pub(super) struct Access {
    at: usize,
}

/// What an access through configuration space is for.
pub(super) struct Target {
    pub bar: usize,
    pub offset: u64,
    pub length: usize,
}

/// Adds all virtio capabilities of a device with `queues` queues.
pub(super) fn add(config: &mut ConfigSpace, queues: usize) -> Access {
    let doorbells = queues as u32 * DOORBELL_SIZE;
    config.add_capability(VENDOR_SPECIFIC, &body(COMMON_CFG, COMMON, COMMON_LENGTH as u32, &[]));
    config.add_capability(VENDOR_SPECIFIC, &body(ISR_CFG, ISR, 1, &[]));
    config.add_capability(VENDOR_SPECIFIC, &body(DEVICE_CFG, DEVICE, REGION, &[]));
    let multiplier = DOORBELL_SIZE.to_le_bytes();
    config.add_capability(VENDOR_SPECIFIC, &body(NOTIFY_CFG, DOORBELLS, doorbells, &multiplier));
    let at = config.add_capability(VENDOR_SPECIFIC, &body(PCI_CFG, 0, 0, &[0; 4]));
    config.make_writable(at + CAP_BAR, &[0xff]);
    config.make_writable(at + CAP_OFFSET, &[0xff; 12]);
    Access { at }
}

/// A struct virtio_pci_cap without its first two bytes.
fn body(kind: u8, offset: u32, length: u32, more: &[u8]) -> Vec<u8> {
    let size = (CAP_DATA + more.len()) as u8;
    let mut body = vec![size, kind, REGISTERS_BAR as u8, 0, 0, 0];
    body.extend(offset.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(more);
    body
}

impl Access {
    /// Offset of the data field in configuration space.
    pub(super) fn data(&self) -> usize {
        self.at + CAP_DATA
    }

    /// Whether an access to configuration space overlaps the data field.
    pub(super) fn touches_data(&self, offset: usize, length: usize) -> bool {
        offset < self.data() + 4 && offset + length > self.data()
    }

    /// What the driver selected, None when it is not an aligned access within a BAR.
    pub(super) fn target(&self, config: &ConfigSpace) -> Option<Target> {
        let bar = usize::from(config.u16_at(self.at + CAP_BAR) as u8);
        let offset = config.u32_at(self.at + CAP_OFFSET);
        let length = config.u32_at(self.at + CAP_LENGTH);
        let size = if bar <= super::MSIX_BAR { config.bar_size(bar) } else { 0 };
        let valid = matches!(length, 1 | 2 | 4) && offset.is_multiple_of(length) && offset < size;
        valid.then_some(Target { bar, offset: u64::from(offset), length: length as usize })
    }
}
