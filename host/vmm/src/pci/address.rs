//! Where a function sits on the bus.

use std::fmt;

/// Slots of a bus.
const SLOTS: u8 = 32;
/// Functions of a slot.
const FUNCTIONS: u8 = 8;

/// Slot and function on bus 0 of segment 0, the only bus there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "(u8, u8)", into = "(u8, u8)")]
pub struct PciAddress {
    slot: u8,
    function: u8,
}

/// Why a PCI address cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PciAddressError {
    /// Another segment or bus than the one there is.
    #[error("PCI address {domain:04x}:{bus:02x} is on another bus; this machine has only 0000:00")]
    OtherBus {
        /// PCI domain (segment).
        domain: u16,
        /// Bus number.
        bus: u8,
    },
    /// Slot or function past the end.
    #[error("PCI slot {slot:#x} function {function:#x} does not exist; slots end at 0x1f, functions at 0x7")]
    OutOfRange {
        /// Slot asked for.
        slot: u8,
        /// Function asked for.
        function: u8,
    },
}

impl PciAddress {
    /// The host bridge.
    pub const HOST_BRIDGE: Self = Self { slot: 0, function: 0 };

    /// The address as domain XML writes it (guide 9.4). Only domain 0 and bus 0 exist.
    pub fn new(domain: u16, bus: u8, slot: u8, function: u8) -> Result<Self, PciAddressError> {
        if domain != 0 || bus != 0 {
            return Err(PciAddressError::OtherBus { domain, bus });
        }
        Self::try_from((slot, function))
    }

    /// All first functions after the host bridge, in the order they are given out.
    pub(super) fn candidates() -> impl Iterator<Item = Self> {
        (1..SLOTS).map(|slot| Self { slot, function: 0 })
    }

    /// From the device and function bits of a configuration address, as ECAM and 0xcf8 lay them out.
    pub(super) fn from_devfn(devfn: u8) -> Self {
        Self { slot: devfn >> 3, function: devfn & 7 }
    }

    /// Slot on the bus, 0 to 31.
    pub fn slot(self) -> u8 {
        self.slot
    }

    /// Function in the slot, 0 to 7.
    pub fn function(self) -> u8 {
        self.function
    }
}

impl TryFrom<(u8, u8)> for PciAddress {
    type Error = PciAddressError;

    fn try_from((slot, function): (u8, u8)) -> Result<Self, Self::Error> {
        if slot >= SLOTS || function >= FUNCTIONS {
            return Err(PciAddressError::OutOfRange { slot, function });
        }
        Ok(Self { slot, function })
    }
}

impl From<PciAddress> for (u8, u8) {
    fn from(address: PciAddress) -> Self {
        (address.slot, address.function)
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0000:00:{:02x}.{:x}", self.slot, self.function)
    }
}
