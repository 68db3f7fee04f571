//! Type-0 configuration space: bytes, which of their bits the guest may change, and what those bits mean.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Bytes of conventional configuration space. The extended space of ECAM reads as zero: no extended capabilities.
pub const CONFIG_SIZE: usize = 256;
/// BAR registers of a type-0 header.
pub const BARS: usize = 6;

const VENDOR: usize = 0x00;
const DEVICE: usize = 0x02;
const COMMAND: usize = 0x04;
const STATUS: usize = 0x06;
const REVISION: usize = 0x08;
const BAR0: usize = 0x10;
const SUBSYSTEM_VENDOR: usize = 0x2c;
const SUBSYSTEM: usize = 0x2e;
const CAPABILITIES: usize = 0x34;
const INTERRUPT_LINE: usize = 0x3c;
/// First byte after the type-0 header.
const HEADER_END: usize = 0x40;

const COMMAND_MEMORY: u16 = 1 << 1;
const COMMAND_BUS_MASTER: u16 = 1 << 2;
const COMMAND_INTX_DISABLE: u16 = 1 << 10;
const STATUS_CAPABILITIES: u8 = 1 << 4;

/// Who a function says it is.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Revision id.
    pub revision: u8,
    /// Class, subclass and programming interface as `0xccsspp`.
    pub class: u32,
    /// Subsystem vendor id.
    pub subsystem_vendor: u16,
    /// Subsystem id.
    pub subsystem: u16,
}

/// Configuration space of one function.
#[derive(Debug, Clone)]
pub struct ConfigSpace {
    bytes: [u8; CONFIG_SIZE],
    writable: [u8; CONFIG_SIZE],
    bar_sizes: [u32; BARS],
    last_capability: Option<usize>,
    free: usize,
}

/// The bytes of a configuration space as they are saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigState {
    /// All 256 bytes.
    pub bytes: Vec<u8>,
}

/// Why saved configuration space does not fit the function it is loaded into.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigStateError {
    /// Not 256 bytes.
    #[error("saved PCI configuration space has {0} bytes instead of 256")]
    Size(usize),
    /// A bit the guest cannot have changed differs: another device, or a damaged file.
    #[error("saved PCI configuration space differs from the device at offset {0:#x}")]
    Differs(usize),
}

impl ConfigSpace {
    /// A function without BARs and capabilities. Memory decoding starts on: BARs are assigned before the guest runs.
    pub fn new(identity: Identity) -> Self {
        let mut space = Self {
            bytes: [0; CONFIG_SIZE],
            writable: [0; CONFIG_SIZE],
            bar_sizes: [0; BARS],
            last_capability: None,
            free: HEADER_END,
        };
        space.put(VENDOR, &identity.vendor.to_le_bytes());
        space.put(DEVICE, &identity.device.to_le_bytes());
        space.put(COMMAND, &COMMAND_MEMORY.to_le_bytes());
        space.put(REVISION, &(identity.class << 8 | u32::from(identity.revision)).to_le_bytes());
        space.put(SUBSYSTEM_VENDOR, &identity.subsystem_vendor.to_le_bytes());
        space.put(SUBSYSTEM, &identity.subsystem.to_le_bytes());
        let command = COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_INTX_DISABLE;
        space.make_writable(COMMAND, &command.to_le_bytes());
        space.make_writable(INTERRUPT_LINE, &[0xff]);
        space
    }

    /// Appends a capability and returns its offset. `body` follows the two-byte header of id and next pointer.
    ///
    /// # Panics
    /// When the capabilities of a function don't fit its configuration space, which is a mistake in the function.
    pub fn add_capability(&mut self, id: u8, body: &[u8]) -> usize {
        let offset = self.free;
        let end = offset + 2 + body.len();
        assert!(end <= CONFIG_SIZE, "capabilities of a function fit its configuration space");
        self.put(offset, &[id, 0]);
        self.put(offset + 2, body);
        let link = self.last_capability.map_or(CAPABILITIES, |last| last + 1);
        self.bytes[link] = offset as u8;
        self.bytes[STATUS] |= STATUS_CAPABILITIES;
        self.last_capability = Some(offset);
        self.free = end.next_multiple_of(4);
        offset
    }

    /// Lets the guest change the bits of `mask` at `offset`.
    pub fn make_writable(&mut self, offset: usize, mask: &[u8]) {
        self.writable[offset..offset + mask.len()].copy_from_slice(mask);
    }

    /// Declares a 32-bit non-prefetchable memory BAR. `size` is a power of two of at least a page. Sizing works by
    /// itself: the bits below the size cannot be written.
    pub fn add_memory_bar(&mut self, bar: usize, size: u32) {
        assert!(size.is_power_of_two() && size >= 4096, "BARs are a power of two of at least a page");
        self.bar_sizes[bar] = size;
        self.make_writable(BAR0 + 4 * bar, &(!(size - 1)).to_le_bytes());
    }

    /// Size in bytes of a BAR, zero where there is none.
    pub fn bar_size(&self, bar: usize) -> u32 {
        self.bar_sizes[bar]
    }

    /// Programs a BAR, as firmware would.
    pub fn set_bar(&mut self, bar: usize, address: u32) {
        self.put(BAR0 + 4 * bar, &(address & !(self.bar_sizes[bar].wrapping_sub(1))).to_le_bytes());
    }

    /// The addresses a BAR decodes now. None when memory decoding is off or there is no such BAR.
    pub fn decoded_bar(&self, bar: usize) -> Option<Range<u64>> {
        let size = self.bar_sizes[bar];
        if size == 0 || self.u16_at(COMMAND) & COMMAND_MEMORY == 0 {
            return None;
        }
        let base = u64::from(self.u32_at(BAR0 + 4 * bar));
        Some(base..base + u64::from(size))
    }

    /// Reads configuration space; bytes past the end read as zero.
    pub fn read(&self, offset: usize, data: &mut [u8]) {
        for (byte, at) in data.iter_mut().zip(offset..) {
            *byte = self.bytes.get(at).copied().unwrap_or(0);
        }
    }

    /// Writes the writable bits; everything else keeps its value.
    pub fn write(&mut self, offset: usize, data: &[u8]) {
        for (byte, at) in data.iter().zip(offset..CONFIG_SIZE) {
            self.bytes[at] = self.bytes[at] & !self.writable[at] | byte & self.writable[at];
        }
    }

    /// Sets bytes whatever the guest may write there.
    pub fn put(&mut self, offset: usize, data: &[u8]) {
        self.bytes[offset..offset + data.len()].copy_from_slice(data);
    }

    /// Two bytes, little endian.
    pub fn u16_at(&self, offset: usize) -> u16 {
        u16::from_le_bytes([self.bytes[offset], self.bytes[offset + 1]])
    }

    /// Four bytes, little endian.
    pub fn u32_at(&self, offset: usize) -> u32 {
        u32::from(self.u16_at(offset)) | u32::from(self.u16_at(offset + 2)) << 16
    }

    /// Back to what it was at power-on: every bit the guest can write is zero, memory decoding is on.
    pub fn reset(&mut self) {
        for (byte, writable) in self.bytes.iter_mut().zip(self.writable) {
            *byte &= !writable;
        }
        self.put(COMMAND, &COMMAND_MEMORY.to_le_bytes());
    }

    /// What to save.
    pub fn state(&self) -> ConfigState {
        ConfigState { bytes: self.bytes.to_vec() }
    }

    /// Loads saved bytes. Only bits the guest could have written may differ from this function's.
    pub fn restore(&mut self, state: &ConfigState) -> Result<(), ConfigStateError> {
        let bytes: [u8; CONFIG_SIZE] =
            state.bytes.as_slice().try_into().map_err(|_| ConfigStateError::Size(state.bytes.len()))?;
        for (at, byte) in bytes.iter().enumerate() {
            if (byte ^ self.bytes[at]) & !self.writable[at] != 0 {
                return Err(ConfigStateError::Differs(at));
            }
        }
        self.bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> ConfigSpace {
        let mut space = ConfigSpace::new(Identity {
            vendor: 0x1af4,
            device: 0x1042,
            revision: 1,
            class: 0x01_8000,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1100,
        });
        space.add_memory_bar(0, 0x4000);
        space.add_capability(0x09, &[16, 1]);
        space.add_capability(0x11, &[0; 10]);
        space
    }

    #[test]
    fn identity_and_capability_list_are_where_the_specification_wants_them() {
        let space = space();
        assert_eq!(space.u32_at(0), 0x1042_1af4);
        assert_eq!(space.u32_at(8), 0x0180_0001);
        assert_eq!(space.u32_at(0x2c), 0x1100_1af4);
        let first = usize::from(space.bytes[0x34]);
        let second = usize::from(space.bytes[first + 1]);
        assert_eq!((space.bytes[first], space.bytes[second], space.bytes[second + 1]), (0x09, 0x11, 0));
        assert_eq!(space.bytes[STATUS] & STATUS_CAPABILITIES, STATUS_CAPABILITIES);
    }

    #[test]
    fn a_bar_is_sized_and_moved_by_the_guest() {
        let mut space = space();
        space.write(BAR0, &u32::MAX.to_le_bytes());
        assert_eq!(space.u32_at(BAR0), 0xffff_c000);
        space.write(BAR0, &0xc000_1234u32.to_le_bytes());
        assert_eq!(space.decoded_bar(0), Some(0xc000_0000..0xc000_4000));
        space.write(COMMAND, &[0, 0]);
        assert_eq!(space.decoded_bar(0), None);
        space.write(0x14, &u32::MAX.to_le_bytes());
        assert_eq!(space.u32_at(0x14), 0, "a BAR that does not exist reads as zero");
    }

    #[test]
    fn read_only_bits_survive_any_write() {
        let mut space = space();
        let before = space.state();
        for offset in 0..CONFIG_SIZE + 8 {
            space.write(offset, &[0xff; 4]);
            space.write(offset, &[0; 4]);
        }
        let mut expected = ConfigSpace::restore(&mut self::space(), &space.state());
        assert_eq!(expected, Ok(()));
        space.write(COMMAND, &COMMAND_MEMORY.to_le_bytes());
        assert_eq!(space.state(), before);
        expected = space.restore(&ConfigState { bytes: vec![0; 255] });
        assert_eq!(expected, Err(ConfigStateError::Size(255)));
        assert_eq!(space.restore(&ConfigState { bytes: vec![0; 256] }), Err(ConfigStateError::Differs(0)));
    }
}
