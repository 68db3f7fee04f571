//! Giving pages of the guest back to the host.

use vm_memory::{Address, GuestAddress, GuestMemory, GuestMemoryBackend, GuestMemoryRegion, Permissions};

use crate::virtio::Memory;

/// Pages of the balloon are 4 KiB whatever the host's or the guest's are.
pub(super) const PAGE: u64 = 4096;

/// Joins neighbouring pages, so that a run of them costs one system call. Numbers come from the guest, in any order.
pub(super) fn runs(mut pages: Vec<u32>) -> Vec<(u64, u64)> {
    pages.sort_unstable();
    pages.dedup();
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for page in pages {
        let start = u64::from(page) * PAGE;
        match runs.last_mut() {
            Some((first, length)) if *first + *length == start => *length += PAGE,
            _ => runs.push((start, PAGE)),
        }
    }
    runs
}

/// Frees the whole pages in a range of guest memory; they read as zero when the guest touches them again. What is not
/// guest memory, or what the host does not let go of (locked or huge pages), is left alone.
pub(super) fn free(memory: &Memory, start: u64, length: u64) {
    let first = start.next_multiple_of(PAGE);
    let end = start.saturating_add(length) / PAGE * PAGE;
    let Some(length) = end.checked_sub(first).filter(|length| *length > 0) else { return };
    let Ok(slices) =
        GuestMemory::get_slices(memory, GuestAddress(first), length as usize, Permissions::Write)
    else {
        return;
    };
    for region in memory.iter().filter(|region| region.file_offset().is_some()) {
        let (start, last) = (region.start_addr().raw_value(), region.last_addr().raw_value());
        let run = start.max(first)..end.min(last + 1);
        if !run.is_empty() {
            // What the host does not let go of is left alone here too.
            let _ = crate::memory::punch(memory, &run);
        }
    }
    for slice in slices.flatten() {
        let guard = slice.ptr_guard_mut();
        // SAFETY: the range is whole pages of a live mapping of guest memory, and guest memory is never seen as a Rust
        // reference, so its contents may change to zero at any time.
        unsafe { libc::madvise(guard.as_ptr().cast(), slice.len(), libc::MADV_DONTNEED) };
    }
}
