//! Refcounts: how many references each cluster of the file has, in blocks that a table lists.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::error::ImageError;
use crate::file::ImageFile;
use crate::qcow2::Header;
use crate::qcow2::layout::{decode, encode};

/// Bytes of blocks that are kept.
const KEPT: u64 = 16 << 20;

/// The table, and some blocks.
#[derive(Debug)]
pub(super) struct Refcounts {
    /// Offsets of blocks, 0 where there is none. While the table grows it is longer than it is in the file.
    pub(super) table: Vec<u64>,
    /// Where the table is.
    pub(super) offset: u64,
    /// Entries of the table in the file.
    pub(super) stored: usize,
    pub(super) width: Width,
    /// Entries of the table that are in force and not in the file yet.
    held: BTreeSet<usize>,
    cluster: usize,
    kept: HashMap<u64, Vec<u8>>,
    order: VecDeque<u64>,
    most: usize,
}

/// Bits of a refcount, as a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Width(pub(super) u32);

impl Width {
    pub(super) const fn bits(self) -> u32 {
        1 << self.0
    }

    /// The largest refcount.
    pub(super) const fn most(self) -> u64 {
        if self.0 == 6 { u64::MAX } else { (1 << self.bits()) - 1 }
    }

    /// Refcounts of a block.
    pub(super) const fn per_block(self, cluster: u64) -> u64 {
        cluster * 8 / self.bits() as u64
    }

    pub(super) fn get(self, block: &[u8], index: usize) -> u64 {
        let bits = self.bits() as usize;
        if bits < 8 {
            let per_byte = 8 / bits;
            let byte = u64::from(block[index / per_byte]);
            return byte >> (index % per_byte * bits) & self.most();
        }
        let bytes = bits / 8;
        block[index * bytes..][..bytes].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// Sets a refcount; the bytes of the block that changed.
    pub(super) fn set(self, block: &mut [u8], index: usize, value: u64) -> std::ops::Range<usize> {
        let bits = self.bits() as usize;
        if bits < 8 {
            let per_byte = 8 / bits;
            let (at, shift) = (index / per_byte, index % per_byte * bits);
            block[at] = block[at] & !((self.most() as u8) << shift) | (value as u8) << shift;
            return at..at + 1;
        }
        let bytes = bits / 8;
        let range = index * bytes..(index + 1) * bytes;
        block[range.clone()].copy_from_slice(&value.to_be_bytes()[8 - bytes..]);
        range
    }
}

impl Refcounts {
    /// Reads the table, whose place and size were judged with the header.
    pub(super) fn read(file: &ImageFile, header: &Header) -> Result<Self, ImageError> {
        let geometry = header.geometry();
        let mut bytes = vec![0; (u64::from(header.refcount_clusters) << header.cluster_bits) as usize];
        file.read_padded(&mut bytes, header.refcount_table)?;
        let table = decode(&bytes);
        Ok(Self {
            stored: table.len(),
            table,
            offset: header.refcount_table,
            width: Width(header.refcount_order),
            held: BTreeSet::new(),
            cluster: geometry.cluster() as usize,
            kept: HashMap::new(),
            order: VecDeque::new(),
            most: (KEPT >> header.cluster_bits).max(4) as usize,
        })
    }

    /// Refcounts of a block.
    pub(super) fn per_block(&self) -> u64 {
        self.width.per_block(self.cluster as u64)
    }

    /// The block at an offset that was judged.
    fn block(&mut self, file: &ImageFile, offset: u64) -> Result<&mut Vec<u8>, ImageError> {
        if !self.kept.contains_key(&offset) {
            let mut block = vec![0; self.cluster];
            file.read_padded(&mut block, offset)?;
            self.keep(offset, block);
        }
        Ok(self.kept.get_mut(&offset).expect("it was put there when it was missing"))
    }

    fn keep(&mut self, offset: u64, block: Vec<u8>) {
        if self.kept.insert(offset, block).is_none() {
            self.order.push_back(offset);
            if self.order.len() > self.most
                && let Some(oldest) = self.order.pop_front()
            {
                self.kept.remove(&oldest);
            }
        }
    }

    pub(super) fn get(&mut self, file: &ImageFile, block: u64, index: u64) -> Result<u64, ImageError> {
        let width = self.width;
        Ok(width.get(self.block(file, block)?, index as usize))
    }

    /// Sets a run of refcounts of one block to the same value, in the file and in memory.
    pub(super) fn set(
        &mut self,
        file: &ImageFile,
        block: u64,
        run: std::ops::Range<u64>,
        value: u64,
    ) -> Result<(), ImageError> {
        let width = self.width;
        let bytes = self.block(file, block)?;
        let mut changed: Option<std::ops::Range<usize>> = None;
        for index in run {
            let range = width.set(bytes, index as usize, value);
            changed = Some(changed.map_or(range.start, |before| before.start)..range.end);
        }
        match changed {
            Some(range) => file.write(&bytes[range.clone()], block + range.start as u64),
            None => Ok(()),
        }
    }

    /// Writes a new block, all zero but for one refcount where it counts itself.
    pub(super) fn write_block(
        &mut self,
        file: &ImageFile,
        offset: u64,
        own: Option<u64>,
    ) -> Result<(), ImageError> {
        let mut block = vec![0; self.cluster];
        if let Some(own) = own {
            self.width.set(&mut block, own as usize, 1);
        }
        file.write(&block, offset)?;
        self.keep(offset, block);
        Ok(())
    }

    /// Writes a block to another place, as it is.
    pub(super) fn copy_block(&mut self, file: &ImageFile, from: u64, to: u64) -> Result<(), ImageError> {
        let block = self.block(file, from)?.clone();
        file.write(&block, to)?;
        self.keep(to, block);
        Ok(())
    }

    /// An entry of the table has changed, and is to be written when the block is on the disk that it names. Where the table in the file
    /// is too short for it, it goes there with all of the next one.
    pub(super) fn hold(&mut self, index: usize) {
        if index < self.stored {
            self.held.insert(index);
        }
    }

    /// Whether entries are to be written.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Writes the entries that are to be. What fails is to be written still.
    pub(super) fn write_held(&mut self, file: &ImageFile) -> Result<(), ImageError> {
        for index in &self.held {
            file.write(&encode(&self.table[*index..=*index]), self.offset + *index as u64 * 8)?;
        }
        self.held.clear();
        Ok(())
    }

    /// Takes another table in the place of this one, and forgets all blocks.
    pub(super) fn replace(&mut self, table: Vec<u64>, offset: u64) {
        self.stored = table.len();
        self.table = table;
        self.offset = offset;
        self.held.clear();
        self.kept.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refcounts_of_every_width_are_kept_apart() {
        for order in 0..=6 {
            let width = Width(order);
            let mut block = vec![0; 512];
            let count = width.per_block(512) as usize;
            for index in 0..count {
                width.set(&mut block, index, index as u64 & width.most());
            }
            for index in 0..count {
                assert_eq!(width.get(&block, index), index as u64 & width.most(), "2^{order} bits");
            }
        }
        let mut block = [0; 8];
        Width(0).set(&mut block, 1, 1);
        assert_eq!(block[0], 2);
    }
}
