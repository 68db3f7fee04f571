//! What a kernel of the 64-bit Linux boot protocol is told: zero page, GDT and page tables.

use linux_loader::bootparam::{boot_params, setup_header};
use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

use super::{Initrd, memory_map};
use crate::hypervisor::BOOT_GDT;
use crate::layout;
use crate::memory::Memory;

/// Offset of the 64-bit entry point in a loaded bzImage.
pub(super) const ENTRY_OFFSET: u64 = 0x200;
const BOOT_FLAG: u16 = 0xaa55;
const HEADER_MAGIC: u32 = 0x5372_6448;
const KERNEL_ALIGNMENT: u32 = 0x100_0000;
/// Boot loader id of one without an own id.
const UNDEFINED_LOADER: u8 = 0xff;

/// Present, writable, for user code too: memory is the kernel's to protect, and a kernel that runs unprivileged from its
/// first instruction on can read it.
const TABLE_FLAGS: u64 = 7;
/// As above, for a page of 2 MiB.
const LARGE_PAGE_FLAGS: u64 = 0x87;
const DIRECTORIES: u64 = 4;
const ENTRIES: u64 = 512;

/// Writes the zero page, the GDT and page tables that map the first 4 GiB. `header` comes from a bzImage.
pub(super) fn write_boot_data(
    memory: &Memory,
    header: Option<setup_header>,
    cmdline_len: usize,
    initrd: Option<Initrd>,
    rsdp: u64,
) -> Result<(), GuestMemoryError> {
    let mut params = boot_params { hdr: header.unwrap_or_default(), ..Default::default() };
    if header.is_none() {
        params.hdr.boot_flag = BOOT_FLAG;
        params.hdr.header = HEADER_MAGIC;
        params.hdr.kernel_alignment = KERNEL_ALIGNMENT;
    }
    params.hdr.type_of_loader = UNDEFINED_LOADER;
    params.hdr.cmd_line_ptr = layout::CMDLINE as u32;
    params.hdr.cmdline_size = cmdline_len as u32;
    if let Some(Initrd { address, len }) = initrd {
        params.hdr.ramdisk_image = address as u32;
        params.hdr.ramdisk_size = len as u32;
    }
    params.acpi_rsdp_addr = rsdp;
    let map = memory_map(memory);
    params.e820_entries = map.len() as u8;
    for (entry, (addr, size, usage)) in params.e820_table.iter_mut().zip(map) {
        entry.addr = addr;
        entry.size = size;
        entry.r#type = usage as u32;
    }
    memory.write_obj(params, GuestAddress(layout::ZERO_PAGE))?;
    for (index, descriptor) in BOOT_GDT.iter().enumerate() {
        memory.write_obj(*descriptor, GuestAddress(layout::BOOT_GDT + index as u64 * 8))?;
    }
    write_page_tables(memory)
}

fn write_page_tables(memory: &Memory) -> Result<(), GuestMemoryError> {
    let root = layout::BOOT_PAGE_TABLES;
    let pointers = root + layout::PAGE_SIZE;
    let directories = pointers + layout::PAGE_SIZE;
    memory.write_obj(pointers | TABLE_FLAGS, GuestAddress(root))?;
    for directory in 0..DIRECTORIES {
        let address = directories + directory * layout::PAGE_SIZE;
        memory.write_obj(address | TABLE_FLAGS, GuestAddress(pointers + directory * 8))?;
        let pages = (0..ENTRIES).flat_map(|page| {
            let target = (directory * ENTRIES + page) << 21;
            (target | LARGE_PAGE_FLAGS).to_le_bytes()
        });
        memory.write_slice(&pages.collect::<Vec<_>>(), GuestAddress(address))?;
    }
    Ok(())
}
