//! The ACPI tables of a machine: RSDP, XSDT, FADT with FACS and DSDT, MADT, MCFG, and SRAT and SLIT of a guest with NUMA nodes, in the BIOS area below 1 MiB.

use acpi_tables::aml::{
    AddressSpace, AddressSpaceCacheable, Device, EISAName, IO, Interrupt, Memory32Fixed, Name, Package, Path,
    ResourceTemplate, Usize,
};
use acpi_tables::fadt::{FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace as Space, GAS};
use acpi_tables::sdt::Sdt;
use acpi_tables::{Aml, aml, facs::FACS, mcfg::MCFG, rsdp::Rsdp, xsdt::XSDT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

mod cpus;
mod hotplug;
mod numa;

use crate::config::Numa;
use crate::layout;
use crate::legacy::{self, CENTURY_REGISTER, CpuMask, SleepStates, power};
use crate::memory::Memory;

const OEM: [u8; 6] = *b"REEVE ";
const TABLE: [u8; 8] = *b"REEVEVM ";
const REVISION: u32 = 1;
/// Tables start at multiples of this; the FACS needs 64.
const ALIGN: u64 = 64;
/// FADT boot flag: there is no real-time clock.
const NO_RTC: u16 = 1 << 5;
const LOCAL_APIC_ENABLED: u32 = 1;
/// One that is off, but may be switched on later.
const LOCAL_APIC_ONLINE_CAPABLE: u32 = 2;
/// MADT flag: there are also two 8259s.
const PC_AT_COMPATIBLE: u32 = 1;
/// Polarity high, level-triggered.
const LEVEL_HIGH: u16 = 0b1101;

/// Where the tables go, one after the other.
struct Area<'a> {
    memory: &'a Memory,
    next: u64,
}

impl Area<'_> {
    fn put(&mut self, table: &dyn Aml) -> Result<u64, GuestMemoryError> {
        let mut bytes = Vec::new();
        table.to_aml_bytes(&mut bytes);
        self.put_bytes(&bytes)
    }

    fn put_bytes(&mut self, bytes: &[u8]) -> Result<u64, GuestMemoryError> {
        let address = self.next;
        self.memory.write_slice(bytes, GuestAddress(address))?;
        self.next = (address + bytes.len() as u64).next_multiple_of(ALIGN);
        assert!(self.next <= layout::ACPI_TABLES.end, "254 vCPUs and four serial ports fit the BIOS area");
        Ok(address)
    }
}

/// What the tables tell of.
pub struct Board<'a> {
    /// vCPUs that are there.
    pub present: &'a CpuMask,
    /// vCPUs that can be there.
    pub max_vcpus: u32,
    /// Serial ports.
    pub serials: usize,
    /// There is a real-time clock.
    pub rtc: bool,
    /// Sleep states that the guest is told of.
    pub sleep: SleepStates,
    /// NUMA nodes.
    pub numa: &'a Numa,
}

/// Offsets in the FACS of where a guest wants to go on.
pub const WAKING_VECTOR: u64 = 12;
/// As [`WAKING_VECTOR`], in protected mode.
pub const X_WAKING_VECTOR: u64 = 24;

/// Address of the FACS.
pub fn facs() -> u64 {
    layout::ACPI_TABLES.start + ALIGN
}

/// Writes the tables of a machine, and returns the address of the RSDP, where guests find it by searching too.
pub fn write_tables(memory: &Memory, board: &Board<'_>) -> Result<u64, GuestMemoryError> {
    let rsdp_address = layout::ACPI_TABLES.start;
    let mut area = Area { memory, next: rsdp_address + ALIGN };
    let facs = area.put(&FACS::new())?;
    debug_assert_eq!(facs, self::facs(), "it is the first table");
    let dsdt = area.put_bytes(dsdt(board).as_slice())?;
    let mut tables = vec![
        area.put(&fadt(facs, dsdt, board))?,
        area.put_bytes(madt(board.present, board.max_vcpus).as_slice())?,
        area.put(&mcfg())?,
    ];
    if !board.numa.cells.is_empty() {
        tables.push(area.put_bytes(numa::srat(board.numa, board.max_vcpus).as_slice())?);
        tables.push(area.put_bytes(numa::slit(board.numa).as_slice())?);
    }
    let mut xsdt = XSDT::new(OEM, TABLE, REVISION);
    tables.iter().for_each(|table| xsdt.add_entry(*table));
    let xsdt = area.put(&xsdt)?;
    let mut rsdp = Vec::new();
    Rsdp::new(OEM, xsdt).to_aml_bytes(&mut rsdp);
    memory.write_slice(&rsdp, GuestAddress(rsdp_address))?;
    Ok(rsdp_address)
}

fn fadt(facs: u64, dsdt: u64, board: &Board<'_>) -> impl Aml {
    let port = |offset| layout::ACPI_PM_PORTS.start + offset;
    let register = |bits, size, offset| GAS::new(Space::SystemIo, bits, 0, size, port(offset));
    let mut fadt = FADTBuilder::new(OEM, TABLE, REVISION).dsdt_64(dsdt).firmware_ctrl_32(facs as u32);
    // Both forms of every address: some guests read the old ones only. No SMI port: ACPI is always on.
    fadt.dsdt = (dsdt as u32).into();
    fadt.sci_int = (layout::ACPI_SCI as u16).into();
    fadt.pm1a_evt_blk = (port(0) as u32).into();
    fadt.pm1_evt_len = 4;
    fadt.x_pm1a_evt_blk = register(32, AccessSize::WordAccess, 0);
    fadt.pm1a_cnt_blk = (port(power::CONTROL) as u32).into();
    fadt.pm1_cnt_len = 2;
    fadt.x_pm1a_cnt_blk = register(16, AccessSize::WordAccess, power::CONTROL);
    fadt.pm_tmr_blk = (port(power::TIMER) as u32).into();
    fadt.pm_tmr_len = 4;
    fadt.x_pm_tmr_blk = register(32, AccessSize::DwordAccess, power::TIMER);
    fadt.gpe0_blk = (port(power::GPE) as u32).into();
    fadt.gpe0_blk_len = power::GPE_LEN;
    fadt.x_gpe0_blk = register(16, AccessSize::ByteAccess, power::GPE);
    fadt.reset_reg = register(8, AccessSize::ByteAccess, power::RESET);
    fadt.reset_value = power::RESET_VALUE;
    // Latencies above these say that there are no C2 and C3 states.
    fadt.p_lvl2_lat = 101.into();
    fadt.p_lvl3_lat = 1001.into();
    // Legacy devices are there; no VGA, and no i8042 that would answer: only its reset line is there.
    fadt.century = if board.rtc { CENTURY_REGISTER } else { 0 };
    fadt.iapc_boot_arch = (if board.rtc { 0b101 } else { 0b101 | NO_RTC }).into();
    // The alarm of a real-time clock is seen in the fixed registers; a guest without one must not look for it there.
    let no_rtc = (!board.rtc).then_some(Flags::FixRtc);
    [Flags::Wbinvd, Flags::ProcC1, Flags::SlpButton, Flags::TmrValExt, Flags::ResetRegSup]
        .into_iter()
        .chain(no_rtc)
        .fold(fadt, FADTBuilder::flag)
        .finalize()
}

fn madt(present: &CpuMask, max: u32) -> Sdt {
    let mut madt = Sdt::new(*b"APIC", 36, 5, OEM, TABLE, REVISION);
    let mut body = Vec::new();
    body.extend((layout::LOCAL_APIC as u32).to_le_bytes());
    body.extend(PC_AT_COMPATIBLE.to_le_bytes());
    for id in 0..max {
        let flags = if present.contains(id) { LOCAL_APIC_ENABLED } else { LOCAL_APIC_ONLINE_CAPABLE };
        body.extend(local_apic(id, flags));
    }
    body.extend([1, 12, 0, 0]);
    body.extend((layout::IOAPIC as u32).to_le_bytes());
    body.extend(0u32.to_le_bytes());
    body.extend([2, 10, 0, layout::ACPI_SCI as u8]);
    body.extend(layout::ACPI_SCI.to_le_bytes());
    body.extend(LEVEL_HIGH.to_le_bytes());
    madt.append_slice(&body);
    madt
}

/// What the MADT says of one processor.
fn local_apic(id: u32, flags: u32) -> [u8; 8] {
    let [a, b, c, d] = flags.to_le_bytes();
    [0, 8, id as u8, id as u8, a, b, c, d]
}

fn mcfg() -> MCFG {
    let mut mcfg = MCFG::new(OEM, TABLE, REVISION);
    mcfg.add_ecam(layout::PCI_ECAM.start, 0, 0, 0);
    mcfg
}

fn dsdt(board: &Board<'_>) -> Sdt {
    let (max, serials) = (board.max_vcpus, board.serials);
    let mut bytes = Vec::new();
    let states = [
        ("_S3_", legacy::SLEEP_TYPE_S3, board.sleep.mem),
        ("_S4_", legacy::SLEEP_TYPE_S4, board.sleep.disk),
        ("_S5_", legacy::SLEEP_TYPE_S5, true),
    ];
    for (name, sleep, _) in states.into_iter().filter(|(.., told)| *told) {
        let package = Package::new(vec![&sleep, &sleep, &aml::ZERO, &aml::ZERO]);
        Name::new(Path::new(name), &package).to_aml_bytes(&mut bytes);
    }
    let mut devices = Vec::new();
    pci_root(&mut devices);
    processors(&mut devices, max, board.numa);
    ecam_reservation(&mut devices);
    for (index, (port, irq)) in
        layout::SERIAL_PORTS.into_iter().zip(layout::SERIAL_IRQS).take(serials).enumerate()
    {
        serial(&mut devices, index, port, irq);
    }
    bytes.extend(aml::Scope::raw(Path::new("\\_SB_"), devices));
    hotplug::events().to_aml_bytes(&mut bytes);
    let mut dsdt = Sdt::new(*b"DSDT", 36, 2, OEM, TABLE, REVISION);
    dsdt.append_slice(&bytes);
    dsdt
}

fn pci_root(out: &mut Vec<u8>) {
    let ports = layout::PCI_CONFIG_PORTS.start as u16;
    let window = layout::PCI_MMIO32;
    let (window_start, window_end) = (window.start as u32, (window.end - 1) as u32);
    let not_cached = AddressSpaceCacheable::NotCacheable;
    let slots = hotplug::slots();
    Device::new(
        Path::new("PCI0"),
        vec![
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0A08")),
            &Name::new(Path::new("_CID"), &EISAName::new("PNP0A03")),
            &Name::new(Path::new("_SEG"), &aml::ZERO),
            &Name::new(Path::new("_BBN"), &aml::ZERO),
            &Name::new(Path::new("_UID"), &aml::ZERO),
            &Name::new(
                Path::new("_CRS"),
                &ResourceTemplate::new(vec![
                    &AddressSpace::new_bus_number(0u16, 0u16),
                    &IO::new(ports, ports, 1, 8),
                    &AddressSpace::new_memory(not_cached, true, window_start, window_end, None),
                ]),
            ),
            &slots,
        ],
    )
    .to_aml_bytes(out);
}

fn processors(out: &mut Vec<u8>, max: u32, numa: &Numa) {
    let processors = cpus::processors(max, numa);
    let container = Name::new(Path::new("_HID"), &"ACPI0010");
    Device::new(Path::new("CPUS"), vec![&container, &processors]).to_aml_bytes(out);
}

/// A guest uses ECAM only where the DSDT says that the range is taken.
fn ecam_reservation(out: &mut Vec<u8>) {
    let range = layout::PCI_ECAM;
    let memory = Memory32Fixed::new(true, range.start as u32, (range.end - range.start) as u32);
    Device::new(
        Path::new("ECAM"),
        vec![
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0C02")),
            &Name::new(Path::new("_CRS"), &ResourceTemplate::new(vec![&memory])),
        ],
    )
    .to_aml_bytes(out);
}

fn serial(out: &mut Vec<u8>, index: usize, port: u16, irq: u32) {
    let uid: Usize = index;
    Device::new(
        Path::new(&format!("COM{}", index + 1)),
        vec![
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0501")),
            &Name::new(Path::new("_UID"), &uid),
            &Name::new(
                Path::new("_CRS"),
                &ResourceTemplate::new(vec![
                    &Interrupt::new(true, true, false, false, irq),
                    &IO::new(port, port, 1, legacy::serial::PORTS as u8),
                ]),
            ),
        ],
    )
    .to_aml_bytes(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MemoryConfig;

    fn table(memory: &Memory, address: u64) -> Vec<u8> {
        let length: u32 = memory.read_obj(GuestAddress(address + 4)).unwrap();
        let mut bytes = vec![0; length as usize];
        memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
        bytes
    }

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }

    #[test]
    fn the_tables_hang_together_and_their_checksums_are_right() {
        let config = MemoryConfig {
            bytes: 4 << 20,
            mergeable: false,
            hugepages: None,
            locked: false,
            numa: None,
            shared: false,
            cells: Vec::new(),
        };
        let memory = crate::memory::allocate(&config).unwrap();
        let rsdp = write_tables(
            &memory,
            &Board {
                present: &CpuMask::first(200),
                max_vcpus: 254,
                serials: 4,
                rtc: true,
                sleep: SleepStates { mem: true, disk: true },
                numa: &Numa::default(),
            },
        )
        .unwrap();
        let mut bytes = [0; 36];
        memory.read_slice(&mut bytes, GuestAddress(rsdp)).unwrap();
        assert_eq!((&bytes[..8], sum(&bytes[..20]), sum(&bytes)), (b"RSD PTR ".as_slice(), 0, 0));
        let xsdt = table(&memory, memory.read_obj(GuestAddress(rsdp + 24)).unwrap());
        assert_eq!((&xsdt[..4], sum(&xsdt)), (b"XSDT".as_slice(), 0));
        let entries = xsdt[36..].chunks_exact(8).map(|entry| u64::from_le_bytes(entry.try_into().unwrap()));
        let tables: Vec<_> = entries.map(|address| table(&memory, address)).collect();
        let names: Vec<_> = tables.iter().map(|table| table[..4].to_vec()).collect();
        assert_eq!(names, [b"FACP", b"APIC", b"MCFG"]);
        assert!(tables.iter().all(|table| sum(table) == 0));
        let fadt = &tables[0];
        let dsdt = u64::from_le_bytes(fadt[140..148].try_into().unwrap());
        assert_eq!(u64::from(u32::from_le_bytes(fadt[40..44].try_into().unwrap())), dsdt);
        let dsdt = table(&memory, dsdt);
        assert_eq!((&dsdt[..4], sum(&dsdt)), (b"DSDT".as_slice(), 0));
        let states = |sleep| {
            let memory = crate::memory::allocate(&config).unwrap();
            let numa = &Numa::default();
            let board =
                Board { present: &CpuMask::first(1), max_vcpus: 1, serials: 0, rtc: false, sleep, numa };
            write_tables(&memory, &board).unwrap();
            let mut bytes = vec![0; 0x1_0000];
            memory.read_slice(&mut bytes, GuestAddress(layout::ACPI_TABLES.start)).unwrap();
            ["_S3_", "_S4_", "_S5_"].map(|name| bytes.windows(4).any(|window| window == name.as_bytes()))
        };
        assert_eq!(states(SleepStates { mem: true, disk: false }), [true, false, true]);
        assert_eq!(states(SleepStates { mem: false, disk: true }), [false, true, true]);
        // What a guest needs to see devices come and go: the event's registers, its method, an ejectable object a slot.
        assert_eq!((u32::from_le_bytes(fadt[80..84].try_into().unwrap()), fadt[92]), (0x60c, 2));
        let count = |name: &[u8]| dsdt.windows(name.len()).filter(|window| *window == name).count();
        assert_eq!((count(b"_E01"), count(b"_EJ0"), count(b"_SUN"), count(b"S1F_")), (1, 31 + 253, 31, 3));
        assert_eq!((count(b"_E02"), count(b"_MAT"), count(b"C0FD")), (1, 254, 3));
        let processors = tables[1][44..].chunks_exact(8).take(254);
        let flags = |flags: u8| processors.clone().filter(|entry| entry[4] == flags).count();
        assert_eq!((flags(1), flags(2)), (200, 54), "those that are there, and those that may come");
    }
}
