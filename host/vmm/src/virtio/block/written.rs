//! Which blocks of a disk were written since somebody looked last. Costs one look at a flag while nobody does.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that are noted together.
const BLOCK: u64 = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Written {
    noting: AtomicBool,
    blocks: Mutex<Blocks>,
}

#[derive(Debug, Default)]
struct Blocks {
    /// Who takes the note: each one has another number.
    taker: u64,
    /// Bytes of the disk.
    size: u64,
    words: Vec<u64>,
}

impl Written {
    /// Starts to note what is written to a disk of `size` bytes; nothing was yet. The number of who takes the note from now on.
    pub fn begin(&self, size: u64) -> u64 {
        let words = vec![0; size.div_ceil(BLOCK).div_ceil(64) as usize];
        let mut blocks = self.lock();
        let taker = blocks.taker + 1;
        *blocks = Blocks { taker, size, words };
        self.noting.store(true, Ordering::SeqCst);
        taker
    }

    /// Stops it, unless somebody else takes the note by now.
    pub fn end(&self, taker: u64) {
        let mut blocks = self.lock();
        if blocks.taker == taker {
            self.noting.store(false, Ordering::SeqCst);
            *blocks = Blocks { taker, ..Blocks::default() };
        }
    }

    /// A range was written, or perhaps a part of it. This comes after the write: who takes the note before reads what was there before, and
    /// finds the note the next time.
    pub fn note(&self, offset: u64, length: u64) {
        if length == 0 || !self.noting.load(Ordering::SeqCst) {
            return;
        }
        let mut blocks = self.lock();
        for block in offset / BLOCK..=(offset + length - 1) / BLOCK {
            if let Some(word) = blocks.words.get_mut((block / 64) as usize) {
                *word |= 1 << (block % 64);
            }
        }
    }

    /// Ranges that were written since the last call, in order.
    pub fn take(&self) -> Vec<Range<u64>> {
        let mut blocks = self.lock();
        let size = blocks.size;
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (number, word) in (0..).zip(&mut blocks.words) {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                let start = (number * 64 + u64::from(bits.trailing_zeros())) * BLOCK;
                bits &= bits - 1;
                let end = (start + BLOCK).min(size);
                match ranges.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ if start < end => ranges.push(start..end),
                    _ => {}
                }
            }
        }
        ranges
    }

    fn lock(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_told_once_and_within_the_disk() {
        let written = Written::default();
        written.note(0, 512);
        assert!(written.take().is_empty(), "nobody wanted to know");
        let taker = written.begin(100 * BLOCK + 512);
        written.note(512, 512);
        written.note(BLOCK - 512, 1024);
        written.note(63 * BLOCK, 2 * BLOCK);
        written.note(100 * BLOCK, 512);
        written.note(5 * BLOCK, 0);
        written.note(1 << 50, 512);
        assert_eq!(written.take(), [0..2 * BLOCK, 63 * BLOCK..65 * BLOCK, 100 * BLOCK..100 * BLOCK + 512]);
        assert!(written.take().is_empty());
        written.end(taker);
        written.note(0, 512);
        assert!(written.take().is_empty());
    }

    #[test]
    fn who_ends_late_does_not_end_what_another_began() {
        let written = Written::default();
        let first = written.begin(BLOCK);
        let second = written.begin(BLOCK);
        written.end(first);
        written.note(512, 512);
        assert_eq!(written.take().first(), Some(&(0..BLOCK)));
        written.end(second);
        written.note(512, 512);
        assert!(written.take().is_empty());
    }
}
