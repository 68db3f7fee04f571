//! Putting a kernel into guest memory: which boot protocol it speaks, and what it is told.
//!
//! | file | protocol | entry |
//! |---|---|---|
//! | bzImage | 64-bit Linux | kernel + 0x200, zero page |
//! | 64-bit ELF with a PVH note (18) | PVH | 32-bit, `hvm_start_info` |
//! | any other 64-bit ELF for x86-64 | 64-bit Linux | ELF entry, zero page |

mod linux;
mod pvh;

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use linux_loader::loader::bzimage::BzImage;
use linux_loader::loader::elf::{Elf, PvhBootCapability};
use linux_loader::loader::{self, KernelLoader, KernelLoaderResult};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryError, GuestMemoryRegion};

use crate::acpi::{self, Board};
use crate::config::{Numa, SmbiosConfig};
use crate::hypervisor::BootState;
use crate::layout;
use crate::legacy::{CpuMask, SleepStates};
use crate::memory::Memory;
use crate::smbios::{self, Hardware};

/// Why a machine can't be booted from its files.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The kernel file can't be read.
    #[error("the kernel file can't be read: {0}")]
    Read(#[source] io::Error),
    /// The kernel file is neither a bzImage nor a 64-bit ELF for x86-64.
    #[error("the kernel file is neither a bzImage nor a 64-bit x86 ELF executable")]
    Format,
    /// The kernel file is damaged or does not fit into guest memory.
    #[error("the kernel can't be loaded into {memory} bytes of guest memory: {source}")]
    Load {
        /// Size of guest memory.
        memory: u64,
        /// Reason.
        source: loader::Error,
    },
    /// The initial RAM disk can't be read.
    #[error("the initial RAM disk can't be read: {0}")]
    ReadInitrd(#[source] io::Error),
    /// The initial RAM disk does not fit into guest memory behind the kernel.
    #[error("the initial RAM disk of {initrd} bytes does not fit into guest memory behind the kernel")]
    InitrdSize {
        /// Its size.
        initrd: u64,
    },
    /// The command line is longer than the kernel takes.
    #[error("the command line of {length} bytes is longer than the kernel takes ({limit})")]
    Cmdline {
        /// Its length.
        length: usize,
        /// The kernel's limit.
        limit: u32,
    },
    /// Boot data does not fit into guest memory.
    #[error("boot data can't be written into guest memory: {0}")]
    Memory(#[from] GuestMemoryError),
}

/// What is booted.
pub struct BootSource<'a> {
    /// Kernel file.
    pub kernel: &'a File,
    /// Initial RAM disk.
    pub initrd: Option<&'a File>,
    /// Command line.
    pub cmdline: &'a str,
    /// vCPUs that are there, for the tables.
    pub present: CpuMask,
    /// vCPUs that can be there, for the tables.
    pub max_vcpus: u32,
    /// Serial ports, for the tables.
    pub serials: usize,
    /// There is a real-time clock, for the tables.
    pub rtc: bool,
    /// Sleep states, for the tables.
    pub sleep: SleepStates,
    /// What the guest is told about its machine.
    pub smbios: &'a SmbiosConfig,
    /// What there is of it.
    pub hardware: Hardware,
    /// Its NUMA nodes, for the tables.
    pub numa: &'a Numa,
}

/// An initial RAM disk in guest memory.
#[derive(Debug, Clone, Copy)]
struct Initrd {
    address: u64,
    len: u64,
}

/// What the kernel finds in a range of addresses; values as in E820 and PVH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Usage {
    Ram = 1,
    Reserved = 2,
}

/// Loads everything into cleared memory and returns how the first vCPU enters the kernel.
pub fn load(memory: &Memory, source: &BootSource<'_>) -> Result<BootState, BootError> {
    let rsdp = acpi::write_tables(
        memory,
        &Board {
            present: &source.present,
            max_vcpus: source.max_vcpus,
            serials: source.serials,
            rtc: source.rtc,
            sleep: source.sleep,
            numa: source.numa,
        },
    )?;
    smbios::write(memory, source.smbios, source.hardware)?;
    let mut cmdline = source.cmdline.as_bytes().to_vec();
    cmdline.push(0);
    memory.write_slice(&cmdline, GuestAddress(layout::CMDLINE))?;
    let mut head = [0; 0x210];
    let length = read_up_to(source.kernel, &mut head).map_err(BootError::Read)?;
    if is_bzimage(&head[..length]) {
        let kernel = load_kernel::<BzImage>(memory, source.kernel)?;
        let header = kernel.setup_header.ok_or(BootError::Format)?;
        let limit = header.cmdline_size;
        if source.cmdline.len() > limit as usize {
            return Err(BootError::Cmdline { length: source.cmdline.len(), limit });
        }
        let initrd =
            load_initrd(memory, source.initrd, kernel.kernel_end, u64::from(header.initrd_addr_max))?;
        linux::write_boot_data(memory, Some(header), source.cmdline.len(), initrd, rsdp)?;
        return Ok(BootState::Long { entry: kernel.kernel_load.0 + linux::ENTRY_OFFSET });
    }
    if !is_elf(&head[..length]) {
        return Err(BootError::Format);
    }
    let kernel = load_kernel::<Elf>(memory, source.kernel)?;
    let initrd = load_initrd(memory, source.initrd, kernel.kernel_end, u64::from(u32::MAX))?;
    match kernel.pvh_boot_cap {
        PvhBootCapability::PvhEntryPresent(entry) => {
            pvh::write_boot_data(memory, initrd, rsdp)?;
            Ok(BootState::Pvh { entry: entry.0 })
        }
        _ => {
            linux::write_boot_data(memory, None, source.cmdline.len(), initrd, rsdp)?;
            Ok(BootState::Long { entry: kernel.kernel_load.0 })
        }
    }
}

fn is_bzimage(head: &[u8]) -> bool {
    head.get(0x202..0x206) == Some(b"HdrS")
}

/// 64-bit, little-endian, x86-64.
fn is_elf(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF\x02\x01") && head.get(18..20) == Some(&[62, 0])
}

fn read_up_to(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn load_kernel<L: KernelLoader>(memory: &Memory, file: &File) -> Result<KernelLoaderResult, BootError> {
    let mut file = file.try_clone().map_err(BootError::Read)?;
    file.rewind().map_err(BootError::Read)?;
    L::load(memory, None, &mut file, Some(GuestAddress(layout::HIGH_RAM_START)))
        .map_err(|source| BootError::Load { memory: memory.iter().map(GuestMemoryRegion::len).sum(), source })
}

/// Puts the initial RAM disk as high as the kernel takes it, below 4 GiB.
fn load_initrd(
    memory: &Memory,
    file: Option<&File>,
    kernel_end: u64,
    highest: u64,
) -> Result<Option<Initrd>, BootError> {
    let Some(mut file) = file else { return Ok(None) };
    let len = file
        .seek(SeekFrom::End(0))
        .and_then(|len| file.rewind().map(|()| len))
        .map_err(BootError::ReadInitrd)?;
    let low_end = memory.iter().next().map_or(0, GuestMemoryRegion::len);
    let end = low_end.min(highest.saturating_add(1));
    let too_large = BootError::InitrdSize { initrd: len };
    let address = match end.checked_sub(len).map(|start| start / layout::PAGE_SIZE * layout::PAGE_SIZE) {
        Some(address) if address >= kernel_end.max(layout::HIGH_RAM_START) => address,
        _ => return Err(too_large),
    };
    memory
        .read_exact_volatile_from(GuestAddress(address), &mut file, len as usize)
        .map_err(|error| BootError::ReadInitrd(io::Error::other(error)))?;
    Ok(Some(Initrd { address, len }))
}

/// The memory map a kernel is told.
fn memory_map(memory: &Memory) -> Vec<(u64, u64, Usage)> {
    let mut map = vec![
        (0, layout::LOW_RAM_END, Usage::Ram),
        (layout::LOW_RAM_END, layout::HIGH_RAM_START - layout::LOW_RAM_END, Usage::Reserved),
    ];
    for region in memory.iter() {
        let start = region.start_addr().0.max(layout::HIGH_RAM_START);
        map.push((start, region.start_addr().0 + region.len() - start, Usage::Ram));
    }
    map.push((layout::PCI_ECAM.start, layout::PCI_ECAM.end - layout::PCI_ECAM.start, Usage::Reserved));
    map.sort_by_key(|(start, ..)| *start);
    map
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
