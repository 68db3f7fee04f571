//! Ports 0xcf8 to 0xcff: the PCI configuration ports, and in their midst the reset control register of a PIIX.

use std::sync::Arc;

use super::Chassis;
use crate::bus::BusDevice;
use crate::layout;

const RESET_OFFSET: u64 = layout::RESET_PORT as u64 - layout::PCI_CONFIG_PORTS.start;
const RESET_CPU: u8 = 4;

/// The configuration ports with the reset register laid over them: single bytes at 0xcf9 are its own.
pub struct PciPorts {
    config: Arc<dyn BusDevice>,
    chassis: Arc<dyn Chassis>,
}

impl PciPorts {
    /// Lays the reset register over `config`.
    pub fn new(config: Arc<dyn BusDevice>, chassis: Arc<dyn Chassis>) -> Self {
        Self { config, chassis }
    }
}

impl BusDevice for PciPorts {
    fn read(&self, offset: u64, data: &mut [u8]) {
        if (offset, data.len()) != (RESET_OFFSET, 1) {
            self.config.read(offset, data);
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        match (offset, data) {
            (RESET_OFFSET, [value]) if value & RESET_CPU != 0 => self.chassis.reset(),
            (RESET_OFFSET, [_]) => {}
            _ => self.config.write(offset, data),
        }
    }
}
