//! What the loader tells: command line, memory map and where ACPI's tables begin, in either boot protocol's words.

use alloc::string::String;
use alloc::vec::Vec;

use crate::boot::{self, Entry};

/// A piece of physical memory that is free to use.
#[derive(Clone, Copy)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// Length.
    pub bytes: u64,
}

/// The loader's parameters, copied out of memory that is reused later.
pub struct StartInfo {
    /// Kernel command line.
    pub command_line: String,
    /// Usable memory by ascending address.
    pub memory: Vec<Range>,
    /// Address of ACPI's root pointer, if the loader says it.
    pub rsdp: Option<u64>,
}

const PVH_MAGIC: u32 = 0x336e_c578;
const USABLE: u32 = 1;

/// Reads a value of any alignment at a physical address.
///
/// # Safety
/// The address must be mapped and hold plain data.
pub unsafe fn peek<T: Copy>(address: u64) -> T {
    // SAFETY: promised by the caller; memory is mapped at its own address.
    unsafe { (address as *const T).read_unaligned() }
}

impl StartInfo {
    /// Reads what the entry code was handed.
    pub fn read() -> Self {
        let (entry, address) = boot::parameters();
        let mut info = match entry {
            Entry::Pvh => Self::from_pvh(address as u64),
            Entry::Linux64 => Self::from_zero_page(address as u64),
        };
        info.memory.sort_by_key(|range| range.start);
        info
    }

    fn from_pvh(at: u64) -> Self {
        // SAFETY: the PVH protocol puts hvm_start_info there; its pointers are checked for null below.
        unsafe {
            assert!(peek::<u32>(at) == PVH_MAGIC, "the PVH start info has no magic number");
            let version: u32 = peek(at + 4);
            let (table, entries) =
                if version >= 1 { (peek::<u64>(at + 40), peek::<u32>(at + 48)) } else { (0, 0) };
            let memory = (0..u64::from(entries))
                .map(|index| table + index * 24)
                .filter(|&entry| peek::<u32>(entry + 16) == USABLE)
                .map(|entry| Range { start: peek(entry), bytes: peek(entry + 8) })
                .collect();
            Self {
                command_line: text(peek(at + 24)),
                memory,
                rsdp: Some(peek(at + 32)).filter(|&rsdp| rsdp != 0),
            }
        }
    }

    fn from_zero_page(at: u64) -> Self {
        // SAFETY: the Linux boot protocol puts boot_params there.
        unsafe {
            let entries: u8 = peek(at + 0x1e8);
            let memory = (0..u64::from(entries))
                .map(|index| at + 0x2d0 + index * 20)
                .filter(|&entry| peek::<u32>(entry + 16) == USABLE)
                .map(|entry| Range { start: peek(entry), bytes: peek(entry + 8) })
                .collect();
            let line = u64::from(peek::<u32>(at + 0x228)) | u64::from(peek::<u32>(at + 0xc8)) << 32;
            Self { command_line: text(line), memory, rsdp: Some(peek(at + 0x70)).filter(|&rsdp| rsdp != 0) }
        }
    }
}

/// Copies a null-terminated string; at most 4 KiB, the longest line any protocol allows.
///
/// # Safety
/// The address must be zero or mapped.
unsafe fn text(address: u64) -> String {
    const LONGEST: u64 = 4096;
    if address == 0 {
        return String::new();
    }
    let bytes = (address..address + LONGEST)
        // SAFETY: promised by the caller.
        .map(|at| unsafe { peek::<u8>(at) })
        .take_while(|&byte| byte != 0)
        .collect::<Vec<u8>>();
    String::from_utf8_lossy(&bytes).into_owned()
}
