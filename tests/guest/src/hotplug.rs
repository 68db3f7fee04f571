//! Hot-plug of PCI functions and of processors: the event that says that something came or shall go, and the registers that say what. Where the registers
//! are is in DSDT's regions `HPRG` and `CPRG`; the methods around it are for guests with an AML interpreter.

use crate::acpi::HotplugRegisters;
use crate::ring0;

/// The general-purpose events of the controllers.
const EVENT: u8 = 1 << 1;
const CPU_EVENT: u8 = 1 << 2;
/// Offsets of the registers of the controller of PCI functions.
const PLUGGED: u16 = 0;
const LEAVING: u16 = 4;
const EJECT: u16 = 8;
/// Offsets of the first words of the registers of the controller of processors.
const CPU_PRESENT: u16 = 0;
const CPU_PLUGGED: u16 = 32;
const CPU_LEAVING: u16 = 64;
const CPU_EJECT: u16 = 96;

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
            ring0::out8(enable, EVENT | CPU_EVENT);
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

/// The controller of processors, where there is one. It knows more processors than the 64 that this guest can run.
pub struct CpuHotplug {
    registers: Option<HotplugRegisters>,
    /// Do what the host wants without being told.
    pub automatic: bool,
}

/// Processors, a bit each.
#[derive(Clone, Copy, PartialEq)]
pub struct CpuNews {
    /// They came.
    pub plugged: u64,
    /// The host wants them back.
    pub leaving: u64,
}

impl CpuHotplug {
    /// Whose event is enabled with that of PCI functions.
    pub fn new(registers: Option<HotplugRegisters>) -> Self {
        Self { registers, automatic: true }
    }

    fn read(&self, register: u16) -> u64 {
        let Some(HotplugRegisters { block, .. }) = self.registers else { return 0 };
        u64::from(ring0::in32(block + register)) | u64::from(ring0::in32(block + register + 4)) << 32
    }

    /// Processors that are there.
    pub fn present(&self) -> u64 {
        self.read(CPU_PRESENT)
    }

    /// What the host says, after an interrupt; None if it says nothing.
    pub fn news(&self) -> Option<CpuNews> {
        let HotplugRegisters { status, .. } = self.registers?;
        if ring0::in8(status) & CPU_EVENT == 0 {
            return None;
        }
        ring0::out8(status, CPU_EVENT);
        Some(CpuNews { plugged: self.read(CPU_PLUGGED), leaving: self.read(CPU_LEAVING) })
    }

    /// Lets go of processors, whether the host wants them or not.
    pub fn eject(&self, processors: u64) {
        if let Some(HotplugRegisters { block, .. }) = self.registers {
            ring0::out32(block + CPU_EJECT, processors as u32);
            ring0::out32(block + CPU_EJECT + 4, (processors >> 32) as u32);
        }
    }
}

/// The slots of a mask.
pub fn slots(mask: u32) -> impl Iterator<Item = u8> {
    (0..32).filter(move |slot| mask >> slot & 1 == 1)
}
