//! Which pages were written: by devices ([`DeviceWrites`], kept by every write into guest memory) and by both devices and
//! vCPUs ([`DirtyPages`], what one look at the logs has found).

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use vm_memory::bitmap::{Bitmap, BitmapSlice, NewBitmap, WithBitmapSlice};

use crate::layout::PAGE_SIZE;

const WORD_BITS: usize = u64::BITS as usize;

/// Pages of one RAM range that devices have written. It costs a look at a flag while nobody tracks.
#[derive(Debug, Clone, Default)]
pub struct DeviceWrites(Arc<Log>);

#[derive(Debug, Default)]
struct Log {
    tracked: AtomicBool,
    words: Box<[AtomicU64]>,
}

impl DeviceWrites {
    /// Starts with nothing noted, or stops.
    pub fn track(&self, on: bool) {
        self.0.words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        self.0.tracked.store(on, Ordering::SeqCst);
    }

    /// Adds what was noted to `words`, one bit a page, and forgets it.
    pub fn take_into(&self, words: &mut [u64]) {
        for (word, noted) in words.iter_mut().zip(&self.0.words) {
            *word |= noted.swap(0, Ordering::AcqRel);
        }
    }
}

impl Log {
    fn mark(&self, offset: usize, len: usize) {
        if len == 0 || !self.tracked.load(Ordering::SeqCst) {
            return;
        }
        let (first, last) = (offset / PAGE_SIZE as usize, (offset + len - 1) / PAGE_SIZE as usize);
        for page in first..=last {
            if let Some(word) = self.words.get(page / WORD_BITS) {
                word.fetch_or(1 << (page % WORD_BITS), Ordering::AcqRel);
            }
        }
    }

    fn is_marked(&self, offset: usize) -> bool {
        let page = offset / PAGE_SIZE as usize;
        let word = self.words.get(page / WORD_BITS).map_or(0, |word| word.load(Ordering::Acquire));
        word & 1 << (page % WORD_BITS) != 0
    }
}

/// The part of a [`DeviceWrites`] from an offset on.
#[derive(Debug, Clone, Copy)]
pub struct DeviceWritesFrom<'a> {
    log: &'a Log,
    base: usize,
}

impl<'a> WithBitmapSlice<'a> for DeviceWrites {
    type S = DeviceWritesFrom<'a>;
}

impl Bitmap for DeviceWrites {
    fn mark_dirty(&self, offset: usize, len: usize) {
        self.0.mark(offset, len);
    }

    fn dirty_at(&self, offset: usize) -> bool {
        self.0.is_marked(offset)
    }

    fn slice_at(&self, offset: usize) -> DeviceWritesFrom<'_> {
        DeviceWritesFrom { log: &self.0, base: offset }
    }
}

impl NewBitmap for DeviceWrites {
    fn with_len(len: usize) -> Self {
        let words = len.div_ceil(PAGE_SIZE as usize * WORD_BITS);
        let words = (0..words).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Log { tracked: AtomicBool::new(false), words }))
    }
}

impl WithBitmapSlice<'_> for DeviceWritesFrom<'_> {
    type S = Self;
}

impl BitmapSlice for DeviceWritesFrom<'_> {}

impl Bitmap for DeviceWritesFrom<'_> {
    fn mark_dirty(&self, offset: usize, len: usize) {
        self.log.mark(self.base + offset, len);
    }

    fn dirty_at(&self, offset: usize) -> bool {
        self.log.is_marked(self.base + offset)
    }

    fn slice_at(&self, offset: usize) -> Self {
        Self { log: self.log, base: self.base + offset }
    }
}

/// Pages of a whole machine, one bit a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirtyPages {
    /// Start of each RAM range, and its bits.
    ranges: Vec<(u64, Vec<u64>)>,
}

impl DirtyPages {
    /// Adds the bits of a RAM range that lies above those before.
    pub fn push(&mut self, start: u64, words: Vec<u64>) {
        self.ranges.push((start, words));
    }

    /// Number of pages.
    pub fn count(&self) -> u64 {
        self.ranges.iter().flat_map(|(_, words)| words).map(|word| u64::from(word.count_ones())).sum()
    }

    /// Runs of neighbouring pages as addresses, in order.
    pub fn runs(&self) -> impl Iterator<Item = Range<u64>> {
        self.ranges.iter().flat_map(|(start, words)| Runs { start: *start, words, page: 0 })
    }
}

struct Runs<'a> {
    start: u64,
    words: &'a [u64],
    page: usize,
}

impl Runs<'_> {
    /// The first page from `self.page` on whose bit is `set`; the number of bits when there is none.
    fn next_that_is(&self, set: bool) -> usize {
        let mut page = self.page;
        while let Some(word) = self.words.get(page / WORD_BITS) {
            let word = if set { *word } else { !*word };
            let rest = word >> (page % WORD_BITS);
            if rest != 0 {
                return page + rest.trailing_zeros() as usize;
            }
            page = (page / WORD_BITS + 1) * WORD_BITS;
        }
        self.words.len() * WORD_BITS
    }
}

impl Iterator for Runs<'_> {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        let first = self.next_that_is(true);
        if first == self.words.len() * WORD_BITS {
            return None;
        }
        self.page = first;
        self.page = self.next_that_is(false);
        let address = |page: usize| self.start + page as u64 * PAGE_SIZE;
        Some(address(first)..address(self.page))
    }
}

#[cfg(test)]
#[path = "dirty_tests.rs"]
#[allow(clippy::single_range_in_vec_init, reason = "lists of ranges, some with one")]
mod tests;
