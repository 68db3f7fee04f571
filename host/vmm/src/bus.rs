//! Address dispatch for port and memory-mapped I/O.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A device the guest reaches by address. Called from any vCPU thread, possibly from several at once; the data comes
/// from the guest and may be anything, so an implementation never panics on it.
pub trait BusDevice: Send + Sync {
    /// Reads `data.len()` bytes (1, 2, 4 or 8) at `offset` from the start of the device's range. What is not
    /// implemented reads as zero: the buffer arrives zeroed.
    fn read(&self, offset: u64, data: &mut [u8]);

    /// Writes `data` (1, 2, 4 or 8 bytes) at `offset` from the start of the device's range.
    fn write(&self, offset: u64, data: &[u8]);
}

/// Why a range could not be put on a bus.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BusError {
    /// The range is empty or passes the end of the address space.
    #[error("bus range of {len:#x} bytes at {base:#x} is not a valid range")]
    Invalid {
        /// First address.
        base: u64,
        /// Length in bytes.
        len: u64,
    },
    /// Another device is there.
    #[error("bus range {base:#x}..{end:#x} overlaps the device at {other:#x}")]
    Overlap {
        /// First address of the refused range.
        base: u64,
        /// One past the last address of the refused range.
        end: u64,
        /// First address of the device that is there.
        other: u64,
    },
}

struct Range {
    len: u64,
    device: Arc<dyn BusDevice>,
}

/// One address space. Ranges never overlap; devices may come, go and move while vCPUs run, also from inside a device's
/// own `write` (a BAR being programmed).
#[derive(Default)]
pub struct Bus {
    ranges: RwLock<BTreeMap<u64, Range>>,
}

impl Bus {
    /// An empty address space.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `device` at `base..base + len`.
    pub fn insert(&self, base: u64, len: u64, device: Arc<dyn BusDevice>) -> Result<(), BusError> {
        let end = base.checked_add(len).filter(|_| len > 0).ok_or(BusError::Invalid { base, len })?;
        let mut ranges = self.ranges.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((&other, below)) = ranges.range(..end).next_back()
            && other + below.len > base
        {
            return Err(BusError::Overlap { base, end, other });
        }
        ranges.insert(base, Range { len, device });
        Ok(())
    }

    /// Takes the device that starts at `base` off the bus. False when none starts there.
    pub fn remove(&self, base: u64) -> bool {
        self.ranges.write().unwrap_or_else(PoisonError::into_inner).remove(&base).is_some()
    }

    /// Takes all devices off the bus. A machine that ends does it, since devices may hold their bus.
    pub fn clear(&self) {
        let ranges = std::mem::take(&mut *self.ranges.write().unwrap_or_else(PoisonError::into_inner));
        // Outside of the lock: a device that is dropped may look for the bus.
        drop(ranges);
    }

    /// Reads from the device at `address`. False, with `data` all ones, when nothing answers there; an access that
    /// runs over the end of its device reads all ones too.
    pub fn read(&self, address: u64, data: &mut [u8]) -> bool {
        match self.find(address, data.len()) {
            Some((offset, device)) => {
                data.fill(0);
                device.read(offset, data);
                true
            }
            None => {
                data.fill(0xff);
                false
            }
        }
    }

    /// Writes to the device at `address`. False when nothing answers there.
    pub fn write(&self, address: u64, data: &[u8]) -> bool {
        match self.find(address, data.len()) {
            Some((offset, device)) => {
                device.write(offset, data);
                true
            }
            None => false,
        }
    }

    /// The device for an access, out of the lock: the device may change the bus while it handles the access.
    fn find(&self, address: u64, len: usize) -> Option<(u64, Arc<dyn BusDevice>)> {
        let ranges = self.ranges.read().unwrap_or_else(PoisonError::into_inner);
        let (base, range) = ranges.range(..=address).next_back()?;
        let offset = address - base;
        let end = offset.checked_add(len as u64)?;
        (end <= range.len).then(|| (offset, Arc::clone(&range.device)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;
    impl BusDevice for Echo {
        fn read(&self, offset: u64, data: &mut [u8]) {
            data[0] = offset as u8;
        }
        fn write(&self, _offset: u64, _data: &[u8]) {}
    }

    #[test]
    fn ranges_do_not_overlap() {
        let bus = Bus::new();
        bus.insert(0x100, 0x10, Arc::new(Echo)).unwrap();
        for (base, len) in [(0x100, 1), (0x10f, 1), (0xff, 2), (0x0, 0x1000)] {
            let refused = bus.insert(base, len, Arc::new(Echo)).unwrap_err();
            assert!(matches!(refused, BusError::Overlap { other: 0x100, .. }), "{refused}");
        }
        bus.insert(0x110, 1, Arc::new(Echo)).unwrap();
        bus.insert(0xff, 1, Arc::new(Echo)).unwrap();
        assert_eq!(bus.insert(0, 0, Arc::new(Echo)), Err(BusError::Invalid { base: 0, len: 0 }));
        assert_eq!(
            bus.insert(u64::MAX, 2, Arc::new(Echo)),
            Err(BusError::Invalid { base: u64::MAX, len: 2 })
        );
    }

    #[test]
    fn accesses_are_dispatched_by_offset_and_never_run_over_the_end() {
        let bus = Bus::new();
        bus.insert(0x100, 0x10, Arc::new(Echo)).unwrap();
        let mut data = [0xaa; 2];
        assert!(bus.read(0x105, &mut data));
        assert_eq!(data, [5, 0]);
        assert!(!bus.read(0x10f, &mut data));
        assert_eq!(data, [0xff; 2]);
        assert!(!bus.read(u64::MAX, &mut data));
        assert!(bus.remove(0x100));
        assert!(!bus.write(0x105, &[0]));
    }
}
