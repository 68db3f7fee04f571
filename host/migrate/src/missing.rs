//! Pages of a guest that runs and that are not here yet.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{MemoryMap, PAGE};

const WORD_BITS: u64 = u64::BITS as u64;

/// Which pages are missing. Shared between whoever places pages and whoever is asked for one.
#[derive(Debug)]
pub struct Missing {
    map: MemoryMap,
    words: Box<[AtomicU64]>,
    count: AtomicU64,
}

impl Missing {
    /// Nothing of this memory is missing.
    pub fn new(map: MemoryMap) -> Self {
        let words = (map.bytes() / PAGE).div_ceil(WORD_BITS);
        Self { map, words: (0..words).map(|_| AtomicU64::new(0)).collect(), count: AtomicU64::new(0) }
    }

    /// Number of missing pages.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// These whole pages are missing from now on.
    pub fn insert(&self, run: &Range<u64>) {
        self.change(
            run,
            |word, bit| word.fetch_or(bit, Ordering::SeqCst) & bit == 0,
            |count| self.count.fetch_add(count, Ordering::SeqCst),
        );
    }

    /// These whole pages are here.
    pub fn remove(&self, run: &Range<u64>) {
        self.change(
            run,
            |word, bit| word.fetch_and(!bit, Ordering::SeqCst) & bit != 0,
            |count| self.count.fetch_sub(count, Ordering::SeqCst),
        );
    }

    fn change(
        &self,
        run: &Range<u64>,
        changed: impl Fn(&AtomicU64, u64) -> bool,
        count: impl Fn(u64) -> u64,
    ) {
        let Some(first) = self.map.position(run) else { return };
        let pages = first..first + (run.end - run.start) / PAGE;
        let all =
            pages.filter(|page| changed(&self.words[(page / WORD_BITS) as usize], 1 << (page % WORD_BITS)));
        count(all.count() as u64);
    }

    /// Whether the page at an address is missing.
    pub fn contains(&self, page: u64) -> bool {
        self.map.position(&(page..page + PAGE)).is_some_and(|page| self.is_set(page))
    }

    /// The first run of missing pages at or after an address, cut off at `most` bytes.
    pub fn after(&self, from: u64, most: u64) -> Option<Range<u64>> {
        let mut before = 0;
        for range in self.map.ranges() {
            let pages = (range.end - range.start) / PAGE;
            let begin = from.max(range.start).min(range.end);
            let mut page = before + (begin - range.start) / PAGE;
            let end = before + pages;
            while page < end && !self.is_set(page) {
                // Whole words of pages that are here are passed over at once.
                let empty = self.words[(page / WORD_BITS) as usize].load(Ordering::SeqCst) == 0;
                page = if empty { (page / WORD_BITS + 1) * WORD_BITS } else { page + 1 };
            }
            if page < end {
                let last = end.min(page + (most / PAGE).max(1));
                let run = (page..last).take_while(|page| self.is_set(*page)).count() as u64;
                let start = range.start + (page - before) * PAGE;
                return Some(start..start + run * PAGE);
            }
            before = end;
        }
        None
    }

    fn is_set(&self, page: u64) -> bool {
        self.words[(page / WORD_BITS) as usize].load(Ordering::SeqCst) & 1 << (page % WORD_BITS) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_found_in_runs_and_counted() {
        let map = MemoryMap::new(vec![0..200 * PAGE, 300 * PAGE..310 * PAGE]).unwrap();
        let missing = Missing::new(map);
        assert_eq!(missing.after(0, u64::MAX), None);
        missing.insert(&(150 * PAGE..155 * PAGE));
        missing.insert(&(198 * PAGE..200 * PAGE));
        missing.insert(&(300 * PAGE..302 * PAGE));
        missing.insert(&(301 * PAGE..303 * PAGE));
        assert_eq!(missing.count(), 10);
        assert!(
            missing.contains(152 * PAGE) && !missing.contains(155 * PAGE) && !missing.contains(250 * PAGE)
        );
        assert_eq!(missing.after(0, u64::MAX), Some(150 * PAGE..155 * PAGE));
        assert_eq!(missing.after(151 * PAGE, 2 * PAGE), Some(151 * PAGE..153 * PAGE));
        assert_eq!(missing.after(155 * PAGE, u64::MAX), Some(198 * PAGE..200 * PAGE), "not beyond the gap");
        assert_eq!(missing.after(220 * PAGE, u64::MAX), Some(300 * PAGE..303 * PAGE));
        missing.remove(&(150 * PAGE..200 * PAGE));
        missing.remove(&(300 * PAGE..301 * PAGE));
        missing.remove(&(300 * PAGE..301 * PAGE));
        assert_eq!((missing.count(), missing.after(0, PAGE)), (2, Some(301 * PAGE..302 * PAGE)));
    }
}
