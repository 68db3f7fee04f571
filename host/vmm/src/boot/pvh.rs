//! What a PVH kernel is told (xen/include/public/arch-x86/hvm/start_info.h).

use linux_loader::loader::elf::start_info::{hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info};
use vm_memory::{ByteValued, Bytes, GuestAddress, GuestMemoryError};

use super::{Initrd, memory_map};
use crate::layout;
use crate::memory::Memory;

const MAGIC: u32 = 0x336e_c578;
const VERSION: u32 = 1;

/// A structure of the protocol, to be written as its bytes.
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
struct Plain<T>(T);

// SAFETY: `hvm_start_info` is `repr(C)` integers without padding.
unsafe impl ByteValued for Plain<hvm_start_info> {}
// SAFETY: `hvm_modlist_entry` is `repr(C)` integers without padding.
unsafe impl ByteValued for Plain<hvm_modlist_entry> {}
// SAFETY: `hvm_memmap_table_entry` is `repr(C)` integers without padding.
unsafe impl ByteValued for Plain<hvm_memmap_table_entry> {}

/// Writes `hvm_start_info`, module list and memory map.
pub(super) fn write_boot_data(
    memory: &Memory,
    initrd: Option<Initrd>,
    rsdp: u64,
) -> Result<(), GuestMemoryError> {
    let map = memory_map(memory);
    for (index, (addr, size, usage)) in map.iter().enumerate() {
        let entry = hvm_memmap_table_entry { addr: *addr, size: *size, type_: *usage as u32, reserved: 0 };
        let at = layout::PVH_MEMMAP + (index * size_of::<hvm_memmap_table_entry>()) as u64;
        memory.write_obj(Plain(entry), GuestAddress(at))?;
    }
    if let Some(Initrd { address, len }) = initrd {
        let module = hvm_modlist_entry { paddr: address, size: len, cmdline_paddr: 0, reserved: 0 };
        memory.write_obj(Plain(module), GuestAddress(layout::PVH_MODULES))?;
    }
    let info = hvm_start_info {
        magic: MAGIC,
        version: VERSION,
        flags: 0,
        nr_modules: u32::from(initrd.is_some()),
        modlist_paddr: if initrd.is_some() { layout::PVH_MODULES } else { 0 },
        cmdline_paddr: layout::CMDLINE,
        rsdp_paddr: rsdp,
        memmap_paddr: layout::PVH_MEMMAP,
        memmap_entries: map.len() as u32,
        reserved: 0,
    };
    memory.write_obj(Plain(info), GuestAddress(layout::PVH_INFO))
}
