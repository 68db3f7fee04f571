//! Where things are in the guest's physical address space and port space.
//!
//! ```text
//! 0            RAM (first 640 KiB hold boot data), legacy hole 0xa0000..0x100000 with the ACPI tables at 0xe0000
//! 0x100000     RAM, at most up to 0xc000_0000
//! 0xc000_0000  PCI memory window below 4 GiB
//! 0xe000_0000  PCI ECAM, one bus
//! 0xfec0_0000  I/O APIC, local APICs, KVM's private pages
//! 4 GiB        rest of RAM
//! ```

use std::ops::Range;

/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;

/// First RAM address that is not below the 1 MiB line.
pub const HIGH_RAM_START: u64 = 0x10_0000;
/// End of conventional memory; what follows up to 1 MiB is reserved.
pub const LOW_RAM_END: u64 = 0x9_fc00;
/// RAM below 4 GiB ends here at the latest.
pub const MMIO_HOLE_START: u64 = 0xc000_0000;
/// RAM goes on here when it does not fit under the hole.
pub const MMIO_HOLE_END: u64 = 0x1_0000_0000;

/// 32-bit window for PCI BARs.
pub const PCI_MMIO32: Range<u64> = MMIO_HOLE_START..0xe000_0000;
/// PCI Express configuration space (ECAM) of segment 0, bus 0: 1 MiB.
pub const PCI_ECAM: Range<u64> = 0xe000_0000..0xe010_0000;
/// Address of the I/O APIC.
pub const IOAPIC: u64 = 0xfec0_0000;
/// Address of the local APICs.
pub const LOCAL_APIC: u64 = 0xfee0_0000;
/// One page KVM wants on Intel hosts.
pub const KVM_IDENTITY_MAP: u64 = 0xfffb_c000;
/// Three pages KVM wants on Intel hosts.
pub const KVM_TSS: u64 = 0xfffb_d000;

/// Boot data in low RAM: the GDT of 64-bit boot.
pub const BOOT_GDT: u64 = 0x500;
/// Boot data in low RAM: `hvm_start_info` of PVH boot.
pub const PVH_INFO: u64 = 0x6000;
/// Boot data in low RAM: PVH module list.
pub const PVH_MODULES: u64 = 0x6040;
/// Boot data in low RAM: PVH memory map.
pub const PVH_MEMMAP: u64 = 0x7000;
/// Boot data in low RAM: the zero page of 64-bit Linux boot.
pub const ZERO_PAGE: u64 = 0x8000;
/// Boot data in low RAM: stack pointer at 64-bit entry.
pub const BOOT_STACK: u64 = 0x8ff0;
/// Boot data in low RAM: page tables of 64-bit boot (PML4, PDPT, four page directories).
pub const BOOT_PAGE_TABLES: u64 = 0x9000;
/// Boot data in low RAM: kernel command line.
pub const CMDLINE: u64 = 0x2_0000;
/// Longest command line, with its terminating zero.
pub const CMDLINE_MAX: usize = 0x1_0000;
/// Start of the ACPI tables (the RSDP comes first).
pub const ACPI_TABLES: Range<u64> = 0xe_0000..SMBIOS.start;
/// SMBIOS entry point and structures, where guests search for them.
pub const SMBIOS: Range<u64> = 0xf_c000..0x10_0000;

/// 16550 ports COM1 to COM4.
pub const SERIAL_PORTS: [u16; 4] = [0x3f8, 0x2f8, 0x3e8, 0x2e8];
/// Interrupt lines of COM1 to COM4.
pub const SERIAL_IRQS: [u32; 4] = [4, 3, 4, 3];
/// PCI configuration address and data ports (0xcf8..0xd00).
pub const PCI_CONFIG_PORTS: Range<u64> = 0xcf8..0xd00;
/// Reset control register, inside the PCI configuration ports as on a PIIX.
pub const RESET_PORT: u16 = 0xcf9;
/// i8042 data and command ports.
pub const I8042_PORTS: Range<u64> = 0x60..0x65;
/// Real-time clock index and data ports.
pub const RTC_PORTS: Range<u64> = 0x70..0x72;
/// ACPI PM1a event block (status, enable), PM1a control block, reset register, PM timer, general-purpose event block.
pub const ACPI_PM_PORTS: Range<u64> = 0x600..0x60e;
/// Registers of the PCI hot-plug controller.
pub const HOTPLUG_PORTS: Range<u64> = 0x620..0x62c;
/// Registers of the vCPU hot-plug controller.
pub const CPU_HOTPLUG_PORTS: Range<u64> = 0x640..0x6c0;
/// Interrupt line of the real-time clock.
pub const RTC_IRQ: u32 = 8;
/// Interrupt line of ACPI's SCI.
pub const ACPI_SCI: u32 = 9;

/// First line of MSI routes; 0..24 are the pins of the in-kernel interrupt controllers.
pub const FIRST_MSI_GSI: u32 = 24;

/// RAM ranges (start, length) of a guest with `memory` bytes.
pub fn ram_ranges(memory: u64) -> Vec<(u64, u64)> {
    if memory <= MMIO_HOLE_START {
        vec![(0, memory)]
    } else {
        vec![(0, MMIO_HOLE_START), (MMIO_HOLE_END, memory - MMIO_HOLE_START)]
    }
}
