//! PCI: find functions, read their BARs, switch MSI-X on.

use alloc::vec::Vec;

use crate::{paging, ring0};

const ADDRESS_PORT: u16 = 0xcf8;
const DATA_PORT: u16 = 0xcfc;
const ABSENT: u32 = u32::MAX;
const COMMAND: u16 = 0x04;
const MEMORY_AND_MASTER: u32 = 0b110;
const CAPABILITIES: u16 = 0x34;
const FIRST_BAR: u16 = 0x10;
const MSIX: u8 = 0x11;
const MSIX_ENABLE: u32 = 1 << 31;
const MESSAGE_BASE: u32 = 0xfee0_0000;

/// How configuration space is reached.
#[derive(Clone, Copy)]
pub enum Access {
    /// The memory window that MCFG names.
    Window(u64),
    /// The two I/O ports.
    Ports,
}

/// One function of bus 0.
#[derive(Clone, Copy)]
pub struct Function {
    access: Access,
    /// Device and function number as in configuration addresses.
    number: u8,
}

impl Access {
    /// The window if there is one and something answers in it, else the ports.
    pub fn choose(window: Option<u64>) -> Self {
        match window {
            Some(base) if paging::map(base, 1 << 20) => Self::Window(base),
            _ => Self::Ports,
        }
    }

    /// All functions on bus 0.
    pub fn functions(self) -> Vec<Function> {
        const MULTIFUNCTION: u32 = 1 << 23;
        let mut found = Vec::new();
        for device in 0..32u8 {
            let first = Function { access: self, number: device << 3 };
            if first.read(0) == ABSENT {
                continue;
            }
            found.push(first);
            if first.read(0x0c) & MULTIFUNCTION != 0 {
                let others = (1..8).map(|number| Function { access: self, number: device << 3 | number });
                found.extend(others.filter(|function| function.read(0) != ABSENT));
            }
        }
        found
    }
}

impl Function {
    /// Vendor and device id.
    pub fn id(self) -> (u16, u16) {
        let word = self.read(0);
        (word as u16, (word >> 16) as u16)
    }

    /// Slot on bus 0.
    pub fn slot(self) -> u8 {
        self.number >> 3
    }

    /// Reads an aligned double word of configuration space.
    pub fn read(self, offset: u16) -> u32 {
        match self.access {
            // SAFETY: the window is mapped and reads have no side effects on virtual devices.
            Access::Window(base) => unsafe { (self.in_window(base, offset) as *const u32).read_volatile() },
            Access::Ports => {
                ring0::out32(ADDRESS_PORT, self.port_address(offset));
                ring0::in32(DATA_PORT)
            }
        }
    }

    /// Writes an aligned double word of configuration space.
    pub fn write(self, offset: u16, value: u32) {
        match self.access {
            // SAFETY: configuration space writes change the device only.
            Access::Window(base) => unsafe {
                (self.in_window(base, offset) as *mut u32).write_volatile(value)
            },
            Access::Ports => {
                ring0::out32(ADDRESS_PORT, self.port_address(offset));
                ring0::out32(DATA_PORT, value);
            }
        }
    }

    /// Lets the function answer at its BARs and read memory.
    pub fn enable(self) {
        self.write(COMMAND, self.read(COMMAND) & 0xffff | MEMORY_AND_MASTER);
    }

    /// Address of a memory BAR, mapped.
    pub fn bar(self, index: u8) -> Option<u64> {
        const IO: u32 = 1;
        const WIDE: u32 = 0b100;
        let offset = FIRST_BAR + u16::from(index) * 4;
        let low = self.read(offset);
        if low & IO != 0 {
            return None;
        }
        let high = if low & WIDE != 0 { self.read(offset + 4) } else { 0 };
        let address = u64::from(high) << 32 | u64::from(low & !0xf);
        (address != 0 && paging::map(address, 1 << 20)).then_some(address)
    }

    /// Offsets of all capabilities with their ids.
    pub fn capabilities(self) -> Vec<(u8, u16)> {
        let mut found = Vec::new();
        let mut at = (self.read(CAPABILITIES) & 0xfc) as u16;
        while at != 0 && found.len() < 48 {
            let word = self.read(at);
            found.push((word as u8, at));
            at = (word >> 8 & 0xfc) as u16;
        }
        found
    }

    /// Switches MSI-X on with entry 0 sent to `vector` of `cpu`; every other entry stays masked.
    pub fn enable_msix(self, vector: u8, cpu: u8) -> Option<MsixEntry> {
        let (_, at) = self.capabilities().into_iter().find(|(id, _)| *id == MSIX)?;
        let table = self.read(at + 4);
        let entry = MsixEntry { address: self.bar((table & 7) as u8)? + u64::from(table & !7) };
        entry.write(0, MESSAGE_BASE | u32::from(cpu) << 12);
        entry.write(4, 0);
        entry.write(8, vector.into());
        entry.mask(false);
        self.write(at, self.read(at) | MSIX_ENABLE);
        Some(entry)
    }

    fn port_address(self, offset: u16) -> u32 {
        1 << 31 | u32::from(self.number) << 8 | u32::from(offset & 0xfc)
    }

    fn in_window(self, base: u64, offset: u16) -> u64 {
        base + (u64::from(self.number) << 12) + u64::from(offset)
    }
}

/// One entry of a function's MSI-X table.
#[derive(Clone, Copy)]
pub struct MsixEntry {
    address: u64,
}

impl MsixEntry {
    /// Holds messages back, or lets them through (a held one then goes out).
    pub fn mask(self, masked: bool) {
        self.write(12, masked.into());
    }

    fn write(self, offset: u64, value: u32) {
        // SAFETY: the table lies in a mapped BAR.
        unsafe { ((self.address + offset) as *mut u32).write_volatile(value) }
    }
}
