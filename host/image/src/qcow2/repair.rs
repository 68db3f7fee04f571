//! Making refcounts right again. Only counts and marks are changed, never which cluster an entry refers to.

use crate::error::ImageError;
use crate::qcow2::Qcow2;
use crate::qcow2::check::Count;
use crate::qcow2::header::{CORRUPT, DIRTY};
use crate::qcow2::layout::encode;

impl Qcow2 {
    /// Gives back clusters that are counted and have no reference.
    pub(crate) fn repair_leaks(&mut self, count: &Count) -> Result<(), ImageError> {
        let per_block = self.refcounts.per_block();
        let last = self.refcounts.table.len() as u64;
        for number in 0..last {
            if self.refcounts.table[number as usize] == 0 {
                continue;
            }
            for cluster in number * per_block..(number + 1) * per_block {
                let wanted = count.of(cluster);
                if self.refcount(cluster)? > wanted {
                    self.set_refcounts(cluster, 1, wanted)?;
                    if wanted == 0 {
                        self.give_back(cluster)?;
                    }
                }
            }
        }
        self.mark_copied()?;
        self.sync()
    }

    fn give_back(&mut self, cluster: u64) -> Result<(), ImageError> {
        let offset = cluster << self.geometry.cluster_bits;
        let length = self.geometry.cluster().min(self.file.len()?.saturating_sub(offset));
        self.file.punch(offset, length)
    }

    /// Counts anew: new blocks and a new table behind everything else, then the header names them.
    pub(crate) fn rebuild_refcounts(&mut self) -> Result<(), ImageError> {
        let count = self.references()?;
        let (cluster, bits) = (self.geometry.cluster(), self.geometry.cluster_bits);
        let per_block = self.refcounts.per_block();
        let used = count.clusters();
        let (mut blocks, mut table) = (0, 0);
        loop {
            let needed = (used + blocks + table).div_ceil(per_block);
            let clusters = (needed * 8).div_ceil(cluster);
            if (needed, clusters) == (blocks, table) {
                break;
            }
            (blocks, table) = (needed, clusters);
        }
        let mut offsets: Vec<u64> = (0..blocks).map(|number| (used + table + number) << bits).collect();
        for (number, offset) in offsets.iter().enumerate() {
            let mut block = vec![0; cluster as usize];
            for index in 0..per_block {
                let at = number as u64 * per_block + index;
                let refs = if (used..used + table + blocks).contains(&at) { 1 } else { count.of(at) };
                if refs > self.refcounts.width.most() {
                    let reason =
                        format!("cluster {at} has {refs} references, more than its refcounts can count");
                    return Err(self.file.refused("repaired", reason));
                }
                self.refcounts.width.set(&mut block, index as usize, refs);
            }
            self.file.write(&block, *offset)?;
        }
        offsets.resize((table * cluster / 8) as usize, 0);
        self.file.write(&encode(&offsets), used << bits)?;
        self.sync()?;
        self.header.refcount_table = used << bits;
        self.header.refcount_clusters = table as u32;
        self.header.write(&self.file)?;
        self.sync()?;
        self.refcounts.replace(offsets, used << bits);
        self.end = self.end.max((used + table + blocks) << bits);
        self.free_hint = 0;
        self.mark_copied()?;
        self.sync()
    }

    /// The image is as it should be: nothing warns of it any more.
    pub(crate) fn unmark(&mut self) -> Result<(), ImageError> {
        if self.header.incompatible & (DIRTY | CORRUPT) != 0 {
            self.header.incompatible &= !(DIRTY | CORRUPT);
            self.header.write(&self.file)?;
            self.sync()?;
        }
        Ok(())
    }
}
