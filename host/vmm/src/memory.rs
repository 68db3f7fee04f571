//! Guest memory: anonymous mappings of this process, or files without names where another process works on it too; one a RAM range.

mod dirty;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

pub use dirty::{DeviceWrites, DirtyPages};

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use vm_memory::bitmap::Bitmap;
use vm_memory::mmap::{GuestRegionMmap, MmapRegionBuilder, NewBitmap};
use vm_memory::{Address, FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

use crate::config::{Binding, MemoryConfig, MemoryRegion, NumaConfig, NumaMode};
use crate::layout;

/// Guest memory. Cheap to clone: regions are shared.
pub type Memory = vm_memory::GuestMemoryMmap<DeviceWrites>;

/// Why guest memory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The host has no room for it.
    #[error("{bytes} bytes of guest memory can't be mapped: {source}")]
    Map {
        /// Size of the range.
        bytes: u64,
        /// Reason.
        source: vm_memory::mmap::MmapRegionError,
    },
    /// The host has no file for it.
    #[error("{bytes} bytes of guest memory can't be shared: {source}")]
    Share {
        /// Size of the range.
        bytes: u64,
        /// Reason.
        source: io::Error,
    },
    /// It can't be given the wanted properties.
    #[error("guest memory can't be {what}: {source}")]
    Advise {
        /// What was asked for, e.g. "locked".
        what: &'static str,
        /// Reason.
        source: io::Error,
    },
    /// The ranges don't fit together.
    #[error("guest memory ranges don't fit together: {0}")]
    Ranges(#[from] vm_memory::GuestRegionCollectionError),
}

/// Maps the memory of a machine, zeroed.
pub fn allocate(config: &MemoryConfig) -> Result<Memory, MemoryError> {
    Ok(Memory::from_regions(map(config, &layout::ram_ranges(config.bytes), &config.bindings())?)?)
}

/// Maps the memory of a machine and regions that come and go, zeroed: RAM, and all of it. Regions among the `bindings` come from these
/// nodes of the host.
pub fn allocate_with(
    config: &MemoryConfig,
    regions: &[MemoryRegion],
    bindings: &[Binding<'_>],
) -> Result<(Memory, Memory), MemoryError> {
    let ram = allocate(config)?;
    let pluggable: Vec<_> = regions.iter().map(|region| (region.start, region.bytes)).collect();
    let mut all = ram.clone();
    for region in map(config, &pluggable, bindings)? {
        all = all.insert_region(Arc::new(region))?;
    }
    Ok((ram, all))
}

type Region = GuestRegionMmap<DeviceWrites>;

/// Maps ranges of guest memory.
fn map(
    config: &MemoryConfig,
    ranges: &[(u64, u64)],
    bindings: &[Binding<'_>],
) -> Result<Vec<Region>, MemoryError> {
    let mut flags = if config.shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS };
    flags |= match config.hugepages {
        // Of a file it is the file that has huge pages.
        Some(_) if config.shared => 0,
        Some(size) => libc::MAP_HUGETLB | (size.trailing_zeros() as i32) << libc::MAP_HUGE_SHIFT,
        None => libc::MAP_NORESERVE,
    };
    let mut regions = Vec::new();
    for (start, bytes) in ranges.iter().copied() {
        let mut mapping =
            MmapRegionBuilder::new_with_bitmap(bytes as usize, DeviceWrites::with_len(bytes as usize))
                .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
                .with_mmap_flags(flags);
        if config.shared {
            let file =
                file(bytes, config.hugepages).map_err(|source| MemoryError::Share { bytes, source })?;
            mapping = mapping.with_file_offset(FileOffset::new(file, 0));
        }
        let mapping = mapping.build().map_err(|source| MemoryError::Map { bytes, source })?;
        let region = GuestRegionMmap::new(mapping, GuestAddress(start))
            .expect("RAM ranges end far below the end of the address space");
        apply(config, &region, bindings)?;
        regions.push(region);
    }
    Ok(regions)
}

/// A file for a range of memory. Nobody who is given it can make it shorter, which would end who has it mapped.
fn file(bytes: u64, hugepages: Option<u64>) -> io::Result<File> {
    let mut flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    if let Some(size) = hugepages {
        flags |= MemfdFlags::HUGETLB;
        flags |= if size == 1 << 30 { MemfdFlags::HUGE_1GB } else { MemfdFlags::HUGE_2MB };
    }
    let file = rustix::fs::memfd_create("guest-memory", flags)?;
    rustix::fs::ftruncate(&file, bytes)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}

fn apply(config: &MemoryConfig, region: &Region, bindings: &[Binding<'_>]) -> Result<(), MemoryError> {
    let (start, len) = (region.as_ptr().cast::<libc::c_void>(), region.len() as usize);
    let check = |what, result: i32| match result {
        0 => Ok(()),
        _ => Err(MemoryError::Advise { what, source: io::Error::last_os_error() }),
    };
    // SAFETY: the range is exactly the mapping of `region`, which is borrowed; the advice changes no contents.
    check("left out of core dumps", unsafe { libc::madvise(start, len, libc::MADV_DONTDUMP) })?;
    if config.hugepages.is_none() {
        // Most hosts give large pages only to whom asks for them. Without, a transfer past the page cache pins and maps every 4 KiB
        // by itself, and the guest's own addresses are translated by one more level. A kernel without them refuses, and nothing is
        // lost.
        // SAFETY: as above.
        let _ = unsafe { libc::madvise(start, len, libc::MADV_HUGEPAGE) };
    }
    if config.mergeable && config.hugepages.is_none() && !config.shared {
        // SAFETY: as above; merged pages are copied on write by the kernel.
        check("merged (KSM)", unsafe { libc::madvise(start, len, libc::MADV_MERGEABLE) })?;
    }
    if let Some(numa) = &config.numa {
        bind(region, 0..len, numa)?;
    }
    // What is said of a node of the guest counts more than what is said of all of it.
    let first = region.start_addr().raw_value();
    for (range, numa) in bindings {
        let (start, end) = (range.start.max(first), (range.start + range.bytes).min(first + len as u64));
        if start < end {
            bind(region, (start - first) as usize..(end - first) as usize, numa)?;
        }
    }
    if config.locked {
        // SAFETY: as above.
        check("locked", unsafe { libc::mlock(start, len) })?;
    }
    Ok(())
}

/// Says which nodes of the host a part of a region comes from. Nothing of it was touched yet.
fn bind(region: &Region, part: Range<usize>, numa: &NumaConfig) -> Result<(), MemoryError> {
    assert!(part.start < part.end && part.end <= region.len() as usize, "it is a part of the region");
    let (mode, nodes) = policy(numa);
    // One more than the number of bits: the kernel does not look at the last one.
    let bits = nodes.len() * u64::BITS as usize + 1;
    let start = region.as_ptr().wrapping_add(part.start).cast::<libc::c_void>();
    // SAFETY: the range is within the mapping of `region`, which is borrowed; `nodes` has the bits that the kernel reads. Nothing is
    // moved, since nothing was touched yet.
    let bound = unsafe { libc::syscall(libc::SYS_mbind, start, part.len(), mode, nodes.as_ptr(), bits, 0) };
    match bound {
        0 => Ok(()),
        _ => Err(MemoryError::Advise { what: "bound to NUMA nodes", source: io::Error::last_os_error() }),
    }
}

/// A policy as the kernel takes it: its mode, and a bit a node.
fn policy(numa: &NumaConfig) -> (libc::c_int, [u64; NumaConfig::LIMIT as usize / 64]) {
    let mut mask = [0; NumaConfig::LIMIT as usize / 64];
    for node in &numa.nodes {
        mask[*node as usize / 64] |= 1 << (node % 64);
    }
    let mode = match numa.mode {
        NumaMode::Strict => libc::MPOL_BIND,
        NumaMode::Preferred => libc::MPOL_PREFERRED,
        NumaMode::Interleave => libc::MPOL_INTERLEAVE,
    };
    (mode, mask)
}

/// Takes the pages of a range, which lies within one RAM range, away from guest memory. Nobody uses them meanwhile.
pub fn discard(memory: &Memory, run: &Range<u64>) -> io::Result<()> {
    if let Some(punched) = punch(memory, run) {
        return punched;
    }
    let length = (run.end - run.start) as usize;
    let start = memory.get_host_address(GuestAddress(run.start)).map_err(io::Error::other)?;
    // SAFETY: the caller says that the range is whole pages of one mapping of guest memory, which is never seen as a Rust reference.
    if unsafe { libc::madvise(start.cast(), length, libc::MADV_DONTNEED) } == 0 {
        return Ok(());
    }
    // SAFETY: as above. Memory that is locked is only taken away like this.
    match unsafe { libc::madvise(start.cast(), length, libc::MADV_DONTNEED_LOCKED) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes the pages of a range, which lies within one RAM range, out of the file that they are of; none where they are of no file. For who
/// maps them privately unmapping is enough, but these stay with the file.
pub fn punch(memory: &Memory, run: &Range<u64>) -> Option<io::Result<()>> {
    let region = memory.find_region(GuestAddress(run.start))?;
    let file = region.file_offset()?;
    let start = file.start() + (run.start - region.start_addr().raw_value());
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Some(rustix::fs::fallocate(file.file(), flags, start, run.end - run.start).map_err(io::Error::from))
}

/// Makes all of guest memory read as zero and gives it back to the host where that is possible. No vCPU and no device
/// uses it meanwhile.
pub fn clear(memory: &Memory) {
    for region in memory.iter() {
        let (start, len) = (region.as_ptr(), region.len() as usize);
        let first = region.start_addr().raw_value();
        let given_back = match punch(memory, &(first..first + region.len())) {
            Some(punched) => punched.is_ok(),
            // SAFETY: the range is exactly the mapping of `region`; nothing in this process keeps references into it.
            None => unsafe { libc::madvise(start.cast(), len, libc::MADV_DONTNEED) == 0 },
        };
        if !given_back {
            // Locked memory stays where it is.
            // SAFETY: as above, and the mapping is writable.
            unsafe { std::ptr::write_bytes(start, 0, len) };
        }
        region.bitmap().mark_dirty(0, len);
    }
}

#[cfg(test)]
mod tests {
    use vm_memory::Bytes;

    use super::*;

    const BYTES: u64 = 8 << 20;

    fn shared() -> Memory {
        let config = MemoryConfig {
            bytes: BYTES,
            mergeable: true,
            hugepages: None,
            locked: false,
            numa: None,
            shared: true,
            cells: Vec::new(),
        };
        allocate(&config).unwrap()
    }

    #[test]
    fn shared_memory_is_a_file_that_nobody_can_shorten() {
        let memory = shared();
        let region = memory.iter().next().unwrap();
        let file = region.file_offset().unwrap().file();
        memory.write_slice(b"from here", GuestAddress(4096)).unwrap();
        let mut there = [0; 9];
        std::os::unix::fs::FileExt::read_exact_at(file, &mut there, 4096).unwrap();
        assert_eq!(&there, b"from here");
        assert!(file.set_len(4096).is_err() && file.set_len(2 * BYTES).is_err());
    }

    #[test]
    fn what_is_taken_away_of_shared_memory_is_gone_for_everybody() {
        let memory = shared();
        let blocks = || {
            use std::os::unix::fs::MetadataExt;
            memory
                .iter()
                .map(|region| region.file_offset().unwrap().file().metadata().unwrap().blocks())
                .sum::<u64>()
        };
        let word = |at| memory.read_obj::<u8>(GuestAddress(at)).unwrap();
        memory.write_slice(&vec![7; BYTES as usize], GuestAddress(0)).unwrap();
        let full = blocks();
        discard(&memory, &(4096..3 * 4096)).unwrap();
        assert_eq!([word(0), word(4096), word(3 * 4096 - 1), word(3 * 4096)], [7, 0, 0, 7]);
        discard(&memory, &(1 << 20..2 << 20)).unwrap();
        assert!(blocks() < full, "the host has nothing of it back");
        clear(&memory);
        assert_eq!(blocks(), 0);
        assert!((0..BYTES).step_by(4096).all(|at| word(at) == 0));
    }
}
