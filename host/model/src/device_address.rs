//! Where a device sits on its bus (guide 9.4).

use serde::{Deserialize, Serialize};

use crate::domain::Extra;

/// `<address type='…' …/>` of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum DeviceAddress {
    /// PCI function.
    Pci {
        /// PCI domain (segment).
        domain: u16,
        /// Bus number.
        bus: u8,
        /// Slot on the bus, 0 to 31.
        slot: u8,
        /// Function in the slot, 0 to 7.
        function: u8,
        /// `multifunction='on'`.
        multifunction: Option<bool>,
    },
    /// Drive on a controller.
    Drive {
        /// Controller index.
        controller: u32,
        /// Bus on the controller.
        bus: u32,
        /// Target number.
        target: u32,
        /// Unit on the bus.
        unit: u32,
    },
    /// Port of a virtio-serial controller.
    VirtioSerial {
        /// Controller index.
        controller: u32,
        /// Bus on the controller.
        bus: u32,
        /// Port number.
        port: u32,
    },
    /// Any other kind, kept as it was written.
    Other {
        /// All attributes in document order, `type` included.
        extra: Extra,
    },
}
