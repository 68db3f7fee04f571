//! The RAM ranges of a guest, and which of its pages came in a round.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::MigrateError;
use crate::frame::Fields;

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Most RAM ranges of a guest.
const MAX_RANGES: u32 = 64;
/// Most memory of a guest: 64 TiB.
const MAX_BYTES: u64 = 1 << 46;

/// RAM ranges of a guest: whole pages, in order, apart from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryMap(Vec<Range<u64>>);

impl MemoryMap {
    /// Takes ranges in; none when they are no memory of a guest.
    pub fn new(ranges: Vec<Range<u64>>) -> Option<Self> {
        let whole = |range: &Range<u64>| {
            range.start < range.end && range.start.is_multiple_of(PAGE) && range.end.is_multiple_of(PAGE)
        };
        let apart = ranges.windows(2).all(|pair| pair[0].end <= pair[1].start);
        let few = !ranges.is_empty() && ranges.len() <= MAX_RANGES as usize;
        let map = Self(ranges);
        (few && apart && map.0.iter().all(whole) && map.bytes() <= MAX_BYTES).then_some(map)
    }

    /// The ranges.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.0
    }

    /// Bytes of all ranges.
    pub fn bytes(&self) -> u64 {
        self.0.iter().fold(0, |sum, range| sum.saturating_add(range.end - range.start))
    }

    pub(crate) fn encode(&self, payload: &mut Vec<u8>) {
        payload.extend((self.0.len() as u32).to_le_bytes());
        for range in &self.0 {
            payload.extend(range.start.to_le_bytes());
            payload.extend(range.end.to_le_bytes());
        }
    }

    pub(crate) fn decode(fields: &mut Fields<'_>) -> Result<Self, MigrateError> {
        const WRONG: MigrateError = MigrateError::Peer("memory that no guest has");
        let count = fields.u32()?;
        if count > MAX_RANGES {
            return Err(WRONG);
        }
        let ranges =
            (0..count).map(|_| Ok(fields.u64()?..fields.u64()?)).collect::<Result<_, MigrateError>>()?;
        Self::new(ranges).ok_or(WRONG)
    }

    /// The number of the first page of `run`, counted over all ranges, if one range holds all of `run`.
    pub(crate) fn position(&self, run: &Range<u64>) -> Option<u64> {
        let mut before = 0;
        for range in &self.0 {
            if range.start <= run.start && run.end <= range.end {
                return Some(before + (run.start - range.start) / PAGE);
            }
            before += (range.end - range.start) / PAGE;
        }
        None
    }
}

/// Pages that came in one round: none may come twice, so that a round has an end. Whoever they come by, it is noted here.
pub(crate) struct Arrived {
    map: MemoryMap,
    words: Vec<AtomicU64>,
    count: AtomicU64,
}

impl Arrived {
    pub fn new(map: MemoryMap) -> Self {
        let words = (0..(map.bytes() / PAGE).div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { map, words, count: AtomicU64::new(0) }
    }

    /// Takes a run of whole pages in; how many.
    pub fn take(&self, run: &Range<u64>) -> Result<u64, MigrateError> {
        let first =
            self.map.position(run).ok_or(MigrateError::Peer("a page outside of the guest's memory"))?;
        let pages = (run.end - run.start) / PAGE;
        for page in first..first + pages {
            let (word, bit) = (&self.words[(page / 64) as usize], 1 << (page % 64));
            // What orders threads is that they meet at the end of a round.
            if word.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
                return Err(MigrateError::Peer("a page that came before in the same round"));
            }
        }
        self.count.fetch_add(pages, Ordering::Relaxed);
        Ok(pages)
    }

    /// Ends a round; the number of pages that came in it.
    pub fn end(&self) -> u64 {
        let count = self.count.swap(0, Ordering::Relaxed);
        if count > 0 {
            self.words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        count
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "lists of ranges, some with one")]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_memory_of_a_guest_is_refused() {
        let map = |ranges: &[Range<u64>]| MemoryMap::new(ranges.to_vec());
        assert!(map(&[0..PAGE, 4 * PAGE..8 * PAGE]).is_some());
        for wrong in [
            &[][..],
            &[0..0],
            &[0..100],
            &[100..PAGE],
            &[0..2 * PAGE, PAGE..3 * PAGE],
            &[4 * PAGE..8 * PAGE, 0..PAGE],
            &[0..MAX_BYTES + PAGE],
            &[Range { start: PAGE, end: 0 }],
        ] {
            assert!(map(wrong).is_none(), "{wrong:?}");
        }
        let many: Vec<_> = (0..65).map(|number| number * 2 * PAGE..(number * 2 + 1) * PAGE).collect();
        assert!(map(&many).is_none() && map(&many[..64]).is_some());
    }

    #[test]
    fn pages_come_once_a_round_and_never_from_a_gap() {
        let map = MemoryMap::new(vec![0..4 * PAGE, 8 * PAGE..10 * PAGE]).unwrap();
        let arrived = Arrived::new(map);
        arrived.take(&(0..2 * PAGE)).unwrap();
        arrived.take(&(8 * PAGE..10 * PAGE)).unwrap();
        assert!(arrived.take(&(PAGE..3 * PAGE)).is_err());
        assert!(arrived.take(&(3 * PAGE..5 * PAGE)).is_err());
        assert!(arrived.take(&(9 * PAGE..11 * PAGE)).is_err());
        arrived.end();
        arrived.take(&(0..4 * PAGE)).unwrap();
        assert_eq!(arrived.end(), 4);
    }
}
