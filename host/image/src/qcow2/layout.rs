//! Sizes and places in a qcow2 file. Every number that is read from a file is judged here before it is used.

/// Smallest and largest cluster, as powers of two.
pub(crate) const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// What an image gets unless told otherwise: 64 KiB.
pub(crate) const DEFAULT_CLUSTER_BITS: u32 = 16;
/// Largest L1 table, bytes.
pub(crate) const MAX_L1: u64 = 32 << 20;
/// Largest refcount table, bytes.
pub(crate) const MAX_REFCOUNT_TABLE: u64 = 8 << 20;
/// Most snapshots in an image.
pub(crate) const MAX_SNAPSHOTS: u32 = 65_536;
/// Largest snapshot table, bytes.
pub(crate) const MAX_SNAPSHOT_TABLE: u64 = 64 << 20;
/// Subclusters of a cluster with extended L2 entries.
pub(crate) const SUBCLUSTERS: u64 = 32;

/// Bits of a table entry that hold an offset.
pub(crate) const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// The cluster or table has one reference and may be written in place.
pub(crate) const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
/// The cluster reads as zeros.
pub(crate) const ZERO: u64 = 1;

/// Sizes that follow from the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) cluster_bits: u32,
    /// L2 entries are 16 bytes, with a bitmap of subclusters.
    pub(crate) extended: bool,
    /// The ZERO bit means something: version 3.
    pub(crate) zero_flag: bool,
}

/// What an L2 entry says about a cluster, or a subcluster of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The backing file has it.
    Unallocated,
    /// Zeros; a cluster of the file may be reserved for it.
    Zero { host: Option<u64> },
    /// Bytes at this offset of the file.
    Data { host: u64 },
    /// Compressed bytes, at most so many, at this offset of the file.
    Compressed { host: u64, length: u64 },
}

impl Geometry {
    pub(crate) const fn cluster(self) -> u64 {
        1 << self.cluster_bits
    }

    /// u64 words of an L2 entry.
    pub(crate) const fn words(self) -> usize {
        if self.extended { 2 } else { 1 }
    }

    /// Entries of an L2 table.
    pub(crate) const fn l2_entries(self) -> u64 {
        self.cluster() / (8 * self.words() as u64)
    }

    /// Bytes of the disk that an L2 table describes.
    pub(crate) const fn l2_covers(self) -> u64 {
        self.l2_entries() * self.cluster()
    }

    /// L1 entries for a disk of this size; none when that is more than an L1 table may have.
    pub(crate) fn l1_entries(self, size: u64) -> Option<u64> {
        let entries = size.div_ceil(self.l2_covers());
        (entries * 8 <= MAX_L1).then_some(entries)
    }

    /// Clusters that so many bytes take.
    pub(crate) const fn clusters(self, bytes: u64) -> u64 {
        bytes.div_ceil(self.cluster())
    }

    pub(crate) const fn round_up(self, bytes: u64) -> u64 {
        self.clusters(bytes) << self.cluster_bits
    }

    /// Index into the L1 table for an offset of the disk.
    pub(crate) const fn l1_index(self, offset: u64) -> usize {
        (offset / self.l2_covers()) as usize
    }

    /// Index of the first word of the L2 entry for an offset of the disk.
    pub(crate) const fn l2_word(self, offset: u64) -> usize {
        ((offset >> self.cluster_bits) % self.l2_entries()) as usize * self.words()
    }

    pub(crate) const fn subcluster(self) -> u64 {
        if self.extended { self.cluster() / SUBCLUSTERS } else { self.cluster() }
    }

    /// Reads an entry for the subcluster at `within` bytes into the cluster.
    pub(crate) fn entry(self, words: &[u64], within: u64) -> Entry {
        let entry = words[0];
        if entry & COMPRESSED != 0 {
            let bits = 62 - (self.cluster_bits - 8);
            let host = entry & ((1 << bits) - 1);
            let sectors = (entry >> bits) & ((1 << (62 - bits)) - 1);
            return Entry::Compressed { host, length: (sectors + 1) * 512 - host % 512 };
        }
        let host = entry & OFFSET;
        if self.extended {
            let index = within / self.subcluster();
            let (allocated, zero) = (words[1] >> index & 1, words[1] >> (32 + index) & 1);
            return match (allocated, zero) {
                (_, 1) => Entry::Zero { host: (host != 0).then_some(host) },
                (1, _) => Entry::Data { host },
                _ => Entry::Unallocated,
            };
        }
        if self.zero_flag && entry & ZERO != 0 {
            return Entry::Zero { host: (host != 0).then_some(host) };
        }
        if host == 0 { Entry::Unallocated } else { Entry::Data { host } }
    }

    /// Reads an entry without regard to subclusters: what takes space in the file.
    pub(crate) fn space(self, words: &[u64]) -> Entry {
        match self.entry(words, 0) {
            compressed @ Entry::Compressed { .. } => compressed,
            _ if self.extended => match words[0] & OFFSET {
                0 => Entry::Unallocated,
                host => Entry::Data { host },
            },
            other => other,
        }
    }

    /// The entry for a compressed cluster at a byte of the file.
    pub(crate) fn compressed(self, host: u64, length: u64) -> u64 {
        let bits = 62 - (self.cluster_bits - 8);
        let sectors = (host + length - 1) / 512 - host / 512;
        COMPRESSED | sectors << bits | host
    }
}

/// The words of an entry whose whole cluster is data.
pub(crate) fn data_words(geometry: Geometry, entry: u64) -> [u64; 2] {
    [entry, if geometry.extended { 0xffff_ffff } else { 0 }]
}

/// The words of an entry whose whole cluster reads as zeros and takes no space.
pub(crate) fn zero_words(geometry: Geometry) -> [u64; 2] {
    if geometry.extended { [0, 0xffff_ffff << 32] } else { [ZERO, 0] }
}

/// A table as it is in the file, as numbers.
pub(crate) fn decode(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_be_bytes(*word)).collect()
}

/// Numbers as a table is in the file.
pub(crate) fn encode(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Geometry = Geometry { cluster_bits: 16, extended: false, zero_flag: true };

    #[test]
    fn a_table_covers_half_a_gibibyte() {
        assert_eq!(PLAIN.l2_covers(), 512 << 20);
        assert_eq!(PLAIN.l1_entries(0), Some(0));
        assert_eq!(PLAIN.l1_entries((512 << 20) + 1), Some(2));
        assert_eq!(PLAIN.l1_entries(u64::MAX >> 1), None);
        assert_eq!((PLAIN.l1_index(512 << 20), PLAIN.l2_word((512 << 20) + 65536)), (1, 1));
    }

    #[test]
    fn entries_are_read_as_they_are_written() {
        assert_eq!(PLAIN.entry(&[0], 0), Entry::Unallocated);
        assert_eq!(PLAIN.entry(&[COPIED | 0x50000], 0), Entry::Data { host: 0x50000 });
        assert_eq!(PLAIN.entry(&[ZERO], 0), Entry::Zero { host: None });
        let old = Geometry { zero_flag: false, ..PLAIN };
        assert_eq!(old.entry(&[0x50000 | ZERO], 0), Entry::Data { host: 0x50000 });
        for bits in CLUSTER_BITS {
            let geometry = Geometry { cluster_bits: bits, ..PLAIN };
            let entry = geometry.entry(&[geometry.compressed(0x12345, 300)], 0);
            let Entry::Compressed { host, length } = entry else { panic!("{entry:?}") };
            assert!(host == 0x12345 && (300..300 + 512).contains(&length), "{entry:?}");
        }
    }

    #[test]
    fn subclusters_have_a_bit_each() {
        let geometry = Geometry { extended: true, ..PLAIN };
        let words = [0x50000, 1 << 32 | 2];
        assert_eq!(geometry.entry(&words, 0), Entry::Zero { host: Some(0x50000) });
        assert_eq!(geometry.entry(&words, 2048), Entry::Data { host: 0x50000 });
        assert_eq!(geometry.entry(&words, 4096), Entry::Unallocated);
        assert_eq!(geometry.space(&words), Entry::Data { host: 0x50000 });
    }
}
