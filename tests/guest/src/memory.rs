//! The memory that tests may scribble on: everything usable above the guest's own image, less what the balloon took.

use alloc::vec::Vec;

use crate::start_info::Range;
use crate::{boot, paging};

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Bytes of a mebibyte.
pub const MIB: u64 = 1 << 20;
const LARGE_PAGE: u64 = 2 << 20;

/// Test memory in ascending order.
pub struct TestMemory {
    ranges: Vec<Range>,
    /// Bytes at the end that belong to the host now.
    ballooned: u64,
}

impl TestMemory {
    /// All of the loader's memory map that the guest itself does not use.
    pub fn new(memory: &[Range]) -> Self {
        let floor = (boot::image_end() as u64).next_multiple_of(LARGE_PAGE);
        let ranges = memory
            .iter()
            .filter_map(|range| {
                let start = range.start.max(floor).next_multiple_of(PAGE);
                let end = (range.start + range.bytes) / PAGE * PAGE;
                (start < end && paging::map(start, end - start)).then(|| Range { start, bytes: end - start })
            })
            .collect();
        Self { ranges, ballooned: 0 }
    }

    /// Bytes that tests may use now.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.bytes).sum::<u64>() - self.ballooned
    }

    /// The first `mib` mebibytes as runs of words.
    pub fn words(&self, mib: u64) -> Result<Vec<Words>, alloc::string::String> {
        let mut left = mib * MIB;
        if left > self.bytes() {
            return Err(alloc::format!("only {} MiB of memory are free for tests", self.bytes() / MIB));
        }
        let mut runs = Vec::new();
        for range in &self.ranges {
            let bytes = range.bytes.min(left);
            if bytes > 0 {
                runs.push(Words { start: range.start, count: bytes / 8 });
            }
            left -= bytes;
        }
        Ok(runs)
    }

    /// Takes one page for the balloon, from the end; its page frame number.
    pub fn give_up_page(&mut self) -> Option<u32> {
        let frame = self.frame_from_end(self.ballooned / PAGE)?;
        self.ballooned += PAGE;
        Some(frame)
    }

    /// Takes the page back that `give_up_page` gave last; its page frame number.
    pub fn take_back_page(&mut self) -> Option<u32> {
        self.ballooned = self.ballooned.checked_sub(PAGE)?;
        self.frame_from_end(self.ballooned / PAGE)
    }

    fn frame_from_end(&self, index: u64) -> Option<u32> {
        let mut from_end = index * PAGE;
        for range in self.ranges.iter().rev() {
            if from_end < range.bytes {
                return u32::try_from((range.start + range.bytes - PAGE - from_end) / PAGE).ok();
            }
            from_end -= range.bytes;
        }
        None
    }
}

/// A run of 64-bit words in test memory.
pub struct Words {
    start: u64,
    count: u64,
}

impl Words {
    /// The words of whole mapped memory that nothing else uses.
    pub fn at(start: u64, bytes: u64) -> Self {
        Self { start, count: bytes / 8 }
    }

    /// How many words.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Physical address of a word.
    pub fn address(&self, index: u64) -> u64 {
        self.start + index * 8
    }

    /// Reads a word.
    pub fn read(&self, index: u64) -> u64 {
        assert!(index < self.count, "a word beyond its run");
        // SAFETY: within usable, mapped memory that nothing else uses.
        unsafe { (self.address(index) as *const u64).read_volatile() }
    }

    /// Writes a word.
    pub fn write(&mut self, index: u64, value: u64) {
        assert!(index < self.count, "a word beyond its run");
        // SAFETY: as in `read`.
        unsafe { (self.address(index) as *mut u64).write_volatile(value) }
    }
}
