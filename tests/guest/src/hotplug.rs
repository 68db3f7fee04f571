//! PCI hot-plug: the event that says that something came or shall go, and the registers that say what. Where the registers
//! are is in DSDT's region `HPRG`; the methods around it are for guests with an AML interpreter.

use crate::acpi::HotplugRegisters;
use crate::ring0;

/// The general-purpose event of the controller.
const EVENT: u8 = 1 << 1;
/// Offsets of the controller's registers.
const PLUGGED: u16 = 0;
const LEAVING: u16 = 4;
const EJECT: u16 = 8;

/// The hot-plug controller, where there is one.
pub struct Hotplug {
    registers: Option<HotplugRegisters>,
    /// Do what the host wants without being told.
    pub automatic: bool,
}

/// Slots, a bit each.
#[derive(Clone, Copy, PartialEq)]
pub struct News {
    /// Something was put in.
    pub plugged: u32,
    /// The host wants it back, or took it.
    pub leaving: u32,
}

impl Hotplug {
    /// Enables the event.
    pub fn new(registers: Option<HotplugRegisters>) -> Self {
        if let Some(HotplugRegisters { enable, .. }) = registers {
            ring0::out8(enable, EVENT);
        }
        Self { registers, automatic: true }
    }

    /// What the host says, after an interrupt; None if it says nothing.
    pub fn news(&self) -> Option<News> {
        let HotplugRegisters { status, block, .. } = self.registers?;
        if ring0::in8(status) & EVENT == 0 {
            return None;
        }
        ring0::out8(status, EVENT);
        Some(News { plugged: ring0::in32(block + PLUGGED), leaving: ring0::in32(block + LEAVING) })
    }

    /// Lets go of slots.
    pub fn eject(&self, slots: u32) {
        if let Some(HotplugRegisters { block, .. }) = self.registers {
            ring0::out32(block + EJECT, slots);
        }
    }
}

/// The slots of a mask.
pub fn slots(mask: u32) -> impl Iterator<Item = u8> {
    (0..32).filter(move |slot| mask >> slot & 1 == 1)
}
