//! Function 00.0: the host bridge a guest expects on bus 0.

use super::config::{ConfigSpace, Identity};
use super::function::PciFunction;

/// A generic PCI Express host bridge without registers of its own.
pub struct HostBridge {
    config: ConfigSpace,
}

impl HostBridge {
    /// The bridge, ready for slot 0.
    pub fn new() -> Self {
        let identity = Identity {
            vendor: 0x1b36,
            device: 0x0008,
            revision: 0,
            class: 0x06_0000,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1100,
        };
        Self { config: ConfigSpace::new(identity) }
    }
}

impl Default for HostBridge {
    fn default() -> Self {
        Self::new()
    }
}

impl PciFunction for HostBridge {
    fn config(&self) -> &ConfigSpace {
        &self.config
    }

    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.config
    }

    fn read_config(&mut self, offset: usize, data: &mut [u8]) {
        self.config.read(offset, data);
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        self.config.write(offset, data);
    }

    fn read_bar(&mut self, _bar: usize, _offset: u64, _data: &mut [u8]) {}

    fn write_bar(&mut self, _bar: usize, _offset: u64, _data: &[u8]) {}

    fn bar_moved(&mut self, _bar: usize, _base: Option<u64>) {}

    fn reset(&mut self) {
        self.config.reset();
    }
}
