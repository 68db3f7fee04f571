//! The few ACPI facts a guest without an AML interpreter needs: processors, PCI configuration window, power registers.

use alloc::vec::Vec;

use crate::ioapic::{self, Trigger};
use crate::paging;
use crate::start_info::peek;

/// A register of the fixed hardware, by the generic address structure.
#[derive(Clone, Copy)]
pub enum Register {
    /// In memory.
    Memory(u64),
    /// An I/O port.
    Port(u16),
}

/// Registers of the power management part (FADT).
#[derive(Default)]
pub struct PowerRegisters {
    /// PM1a event block: status, then enable at half of its length.
    pub event: Option<(u16, u16)>,
    /// PM1a control register and the sleep type of S5.
    pub control: Option<(u16, u16)>,
    /// Sleep types of S3 and S4, where there are such.
    pub sleep: [Option<u8>; 2],
    /// Address of the FACS, or 0.
    pub facs: u64,
    /// Sleep control register of reduced hardware and the sleep type of S5.
    pub sleep_control: Option<(Register, u8)>,
    /// Reset register and the value that resets.
    pub reset: Option<(Register, u8)>,
    /// Line of the system control interrupt and how it signals.
    pub interrupt: Option<(u8, Trigger)>,
}

/// Registers of a hot-plug controller.
#[derive(Clone, Copy)]
pub struct HotplugRegisters {
    /// Status of the first eight general-purpose events.
    pub status: u16,
    /// Enables them.
    pub enable: u16,
    /// The controller's registers.
    pub block: u16,
}

/// What the tables say.
#[derive(Default)]
pub struct Acpi {
    /// Enabled processors.
    pub cpus: u32,
    /// PCI Express configuration window of segment 0.
    pub ecam: Option<u64>,
    /// Power management.
    pub power: PowerRegisters,
    /// Processors that may come later.
    pub possible_cpus: u32,
    /// PCI hot-plug.
    pub hotplug: Option<HotplugRegisters>,
    /// Hot-plug of processors.
    pub cpu_hotplug: Option<HotplugRegisters>,
}

const HEADER: u64 = 36;

impl Acpi {
    /// Reads the tables from the root pointer the loader gave, or looks for one where a PC has it.
    pub fn read(rsdp: Option<u64>) -> Self {
        let mut acpi = Self { cpus: 1, ..Self::default() };
        let Some(rsdp) = rsdp.or_else(find_rsdp) else { return acpi };
        for table in tables(rsdp) {
            // SAFETY: `tables` yields addresses of mapped tables.
            let signature: [u8; 4] = unsafe { peek(table) };
            match &signature {
                b"APIC" => acpi.read_madt(table),
                // SAFETY: MCFG's first allocation begins after its 8 reserved bytes.
                b"MCFG" if length(table) >= 52 => acpi.ecam = Some(unsafe { peek(table + 44) }),
                b"FACP" => {
                    acpi.power = read_fadt(table);
                    acpi.hotplug = hotplug_of(table, b"HPRG");
                    acpi.cpu_hotplug = hotplug_of(table, b"CPRG");
                }
                _ => {}
            }
        }
        // The interrupt's mode may be overridden in MADT, which can come after FADT.
        if let Some((line, trigger)) = acpi.power.interrupt.as_mut()
            && let Some(found) = tables(rsdp).into_iter().find_map(|table| override_of(table, *line))
        {
            (*line, *trigger) = found;
        }
        acpi
    }

    fn read_madt(&mut self, madt: u64) {
        const LOCAL_APIC: u8 = 0;
        const IO_APIC: u8 = 1;
        const ENABLED: u32 = 1;
        const ONLINE_CAPABLE: u32 = 2;
        let mut cpus = 0;
        for entry in madt_entries(madt) {
            // SAFETY: entries lie within the table.
            unsafe {
                match peek::<u8>(entry) {
                    LOCAL_APIC if peek::<u32>(entry + 4) & ENABLED != 0 => cpus += 1,
                    LOCAL_APIC if peek::<u32>(entry + 4) & ONLINE_CAPABLE != 0 => self.possible_cpus += 1,
                    IO_APIC => ioapic::set_base(peek::<u32>(entry + 4) as usize),
                    _ => {}
                }
            }
        }
        self.cpus = cpus.max(1);
    }
}

fn madt_entries(madt: u64) -> Vec<u64> {
    let end = madt + u64::from(length(madt));
    let mut entries = Vec::new();
    let mut at = madt + 44;
    // SAFETY: within the table.
    while at + 2 <= end && unsafe { peek::<u8>(at + 1) } >= 2 {
        entries.push(at);
        // SAFETY: as above.
        at += u64::from(unsafe { peek::<u8>(at + 1) });
    }
    entries
}

/// Line and mode that an interrupt source override gives an ISA line.
fn override_of(table: u64, isa_line: u8) -> Option<(u8, Trigger)> {
    const OVERRIDE: u8 = 2;
    // SAFETY: `tables` yields addresses of mapped tables, whose entries lie within.
    unsafe {
        if &peek::<[u8; 4]>(table) != b"APIC" {
            return None;
        }
        let entry = madt_entries(table)
            .into_iter()
            .find(|&entry| peek::<u8>(entry) == OVERRIDE && peek::<u8>(entry + 3) == isa_line)?;
        let flags: u16 = peek(entry + 8);
        let trigger = match (flags >> 2 & 3, flags & 3) {
            (1, _) => Trigger::Edge,
            (_, 1) => Trigger::LevelHigh,
            _ => Trigger::LevelLow,
        };
        Some((peek::<u32>(entry + 4) as u8, trigger))
    }
}

fn find_rsdp() -> Option<u64> {
    // SAFETY: the area is mapped; where no memory is, reads give all ones.
    (0xe_0000..0x10_0000).step_by(16).find(|&at| unsafe { &peek::<[u8; 8]>(at) == b"RSD PTR " })
}

/// Addresses of all tables, made accessible.
fn tables(rsdp: u64) -> Vec<u64> {
    // SAFETY: the pointer is what the loader gave or what carries the signature.
    let (root, width) = unsafe {
        if peek::<u8>(rsdp + 15) >= 2 && peek::<u64>(rsdp + 24) != 0 {
            (peek::<u64>(rsdp + 24), 8)
        } else {
            (u64::from(peek::<u32>(rsdp + 16)), 4)
        }
    };
    paging::map(root, HEADER);
    (root + HEADER..root + u64::from(length(root)))
        .step_by(width)
        // SAFETY: within the root table.
        .map(|at| unsafe { if width == 8 { peek::<u64>(at) } else { peek::<u32>(at).into() } })
        .filter(|&table| table != 0 && paging::map(table, HEADER))
        .collect()
}

fn length(table: u64) -> u32 {
    // SAFETY: callers pass the address of a table.
    unsafe { peek(table + 4) }
}

fn read_fadt(fadt: u64) -> PowerRegisters {
    const RESET_SUPPORTED: u32 = 1 << 10;
    const REDUCED_HARDWARE: u32 = 1 << 20;
    let bytes = length(fadt);
    // SAFETY: the fields up to 129 exist in every FADT since ACPI 2; later ones are checked against the length.
    unsafe {
        let flags: u32 = peek(fadt + 112);
        let wide_dsdt: u64 = if bytes >= 148 { peek(fadt + 140) } else { 0 };
        let dsdt = if wide_dsdt != 0 { wide_dsdt } else { u64::from(peek::<u32>(fadt + 40)) };
        let sleep_type = sleep_type_of(dsdt, b"_S5_");
        let mut power = PowerRegisters {
            sleep: [sleep_type_of(dsdt, b"_S3_"), sleep_type_of(dsdt, b"_S4_")],
            facs: peek::<u32>(fadt + 36).into(),
            ..PowerRegisters::default()
        };
        if bytes >= 129 && flags & RESET_SUPPORTED != 0 {
            power.reset = register(fadt + 116).map(|reset| (reset, peek(fadt + 128)));
        }
        if flags & REDUCED_HARDWARE != 0 {
            if bytes >= 256 {
                power.sleep_control = register(fadt + 244).zip(sleep_type);
            }
            return power;
        }
        let (event, control): (u32, u32) = (peek(fadt + 56), peek(fadt + 64));
        let half = u16::from(peek::<u8>(fadt + 88)) / 2;
        power.event = (event != 0).then(|| (event as u16, event as u16 + half.max(2)));
        power.control = sleep_type.filter(|_| control != 0).map(|kind| (control as u16, u16::from(kind)));
        power.interrupt = Some((peek::<u16>(fadt + 46) as u8, Trigger::LevelLow));
        power
    }
}

/// The registers of a hot-plug controller by the name of its region, where the machine is one of Reeve's.
fn hotplug_of(fadt: u64, region: &[u8; 4]) -> Option<HotplugRegisters> {
    const IO_SPACE: u8 = 1;
    const WORD: u8 = 0x0b;
    // SAFETY: the fields exist in every FADT since ACPI 1; all other reads lie within the DSDT.
    unsafe {
        let (events, bytes) = (peek::<u32>(fadt + 80) as u16, u16::from(peek::<u8>(fadt + 92)));
        let dsdt = u64::from(peek::<u32>(fadt + 40));
        if events == 0 || bytes < 2 || dsdt == 0 || !paging::map(dsdt, HEADER) {
            return None;
        }
        let end = dsdt + u64::from(length(dsdt));
        let name = (dsdt + HEADER..end.saturating_sub(8)).find(|&at| &peek::<[u8; 4]>(at) == region)?;
        if (peek::<u8>(name + 4), peek::<u8>(name + 5)) != (IO_SPACE, WORD) {
            return None;
        }
        Some(HotplugRegisters { status: events, enable: events + bytes / 2, block: peek::<u16>(name + 6) })
    }
}

/// Reads a generic address structure.
///
/// # Safety
/// It must lie in a table.
unsafe fn register(at: u64) -> Option<Register> {
    const MEMORY: u8 = 0;
    const PORT: u8 = 1;
    // SAFETY: promised by the caller.
    let (space, address) = unsafe { (peek::<u8>(at), peek::<u64>(at + 4)) };
    match space {
        _ if address == 0 => None,
        MEMORY => Some(Register::Memory(address)),
        PORT => Some(Register::Port(address as u16)),
        _ => None,
    }
}

/// The first element of DSDT's package of a sleep state, found by its name: no other name looks like it.
fn sleep_type_of(dsdt: u64, state: &[u8; 4]) -> Option<u8> {
    const PACKAGE: u8 = 0x12;
    const BYTE: u8 = 0x0a;
    if dsdt == 0 || !paging::map(dsdt, HEADER) {
        return None;
    }
    let end = dsdt + u64::from(length(dsdt));
    // SAFETY: all reads lie within the table but the last few, which a package's encoding bounds.
    unsafe {
        let name = (dsdt + HEADER..end.saturating_sub(8)).find(|&at| &peek::<[u8; 4]>(at) == state)?;
        if peek::<u8>(name + 4) != PACKAGE {
            return None;
        }
        let length_bytes = u64::from(peek::<u8>(name + 5) >> 6) + 1;
        let element = name + 5 + length_bytes + 1;
        Some(if peek::<u8>(element) == BYTE { peek(element + 1) } else { peek(element) })
    }
}
