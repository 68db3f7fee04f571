//! The i8042 keyboard controller, as far as guests use it to reset the machine. No keyboard is connected.

use std::sync::Arc;

use super::Chassis;
use crate::bus::BusDevice;

const COMMAND: u64 = 4;
const RESET: u8 = 0xfe;

/// Ports 0x60 to 0x64.
pub struct Keyboard {
    chassis: Arc<dyn Chassis>,
}

impl Keyboard {
    /// A controller whose reset line goes to `chassis`.
    pub fn new(chassis: Arc<dyn Chassis>) -> Self {
        Self { chassis }
    }
}

impl BusDevice for Keyboard {
    /// Everything reads as zero: no data, no command pending.
    fn read(&self, _offset: u64, _data: &mut [u8]) {}

    fn write(&self, offset: u64, data: &[u8]) {
        if (offset, data) == (COMMAND, &[RESET]) {
            self.chassis.reset();
        }
    }
}
