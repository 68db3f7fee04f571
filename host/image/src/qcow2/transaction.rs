//! Changes that come into force all at once.
//!
//! ```text
//!   header ──> tables, refcounts          what is in the file stays as it is
//!          ╌╌> new tables, new refcounts  written where both before and after nothing else is
//!   header ──> new tables, new refcounts  one write, with all of the file on the disk before and after it
//! ```
//!
//! A refcount block is copied before it changes, and so is a table; what becomes free is neither used again nor punched before the end.
//! Whoever is killed, runs out of space or loses power leaves the image as it was or as it shall be, and nothing to repair.

use std::collections::HashSet;

use crate::error::ImageError;
use crate::qcow2::layout::{COPIED, MAX_REFCOUNT_TABLE, encode};
use crate::qcow2::refcounts::Refcounts;
use crate::qcow2::tables::{self, Tables};
use crate::qcow2::{Header, Qcow2};

/// What was before, for as long as a change is made.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) header: Header,
    /// The refcount table.
    table: Vec<u64>,
    /// Bytes of the file.
    length: u64,
    /// No cluster before this one is free.
    hint: u64,
    /// Clusters that were taken: the first, and how many.
    taken: Vec<(u64, u64)>,
    /// Those of them that are not counted yet.
    uncounted: Vec<(u64, u64)>,
    /// The header is being written: it is not known which of both counts.
    sealed: bool,
}

impl Qcow2 {
    /// Makes a change as a whole or not at all. `change` may count, and write to places that [`Self::place`] gave; what it does to the
    /// header comes into force at the end.
    pub(super) fn atomically<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        // What is before is in the file.
        self.sync()?;
        self.before = Some(Box::new(Before {
            header: self.header.clone(),
            table: self.refcounts.table.clone(),
            length: self.file.len()?,
            hint: 1,
            taken: Vec::new(),
            uncounted: Vec::new(),
            sealed: false,
        }));
        // Entries of the table go to the file with all of it.
        self.refcounts.stored = 0;
        let changed = change(self).and_then(|value| self.seal().map(|()| value));
        let Some(before) = self.before.take() else { return changed };
        match &changed {
            Ok(_) => self.punch_freed(&before),
            Err(_) => self.roll_back(&before)?,
        }
        changed
    }

    /// So many clusters in a row, counted as used; the number of the first. Nobody used them before the change.
    pub(super) fn place(&mut self, count: u64) -> Result<u64, ImageError> {
        let first = self.find_place(count)?;
        self.set_refcounts(first, count, 1)?;
        self.counted(first);
        Ok(first)
    }

    /// As [`Self::place`], for who counts them as used next and says so with [`Self::counted`].
    pub(super) fn find_place(&mut self, count: u64) -> Result<u64, ImageError> {
        let at_end = if self.file.is_block() { 1 } else { self.geometry.clusters(self.end) };
        let mut first = if count == 1 { self.change().hint } else { at_end.max(1) };
        while let Some(used) = self.last_not_free(first, count)? {
            first = self.next(used)?;
        }
        let bits = self.geometry.cluster_bits;
        let (start, end) = (first << bits, (first + count) << bits);
        self.refuse_used(start, end)?;
        self.end = self.end.max(end);
        let before = self.change();
        if count == 1 {
            before.hint = first + 1;
        }
        before.taken.push((first, count));
        before.uncounted.push((first, count));
        Ok(first)
    }

    /// Clusters that were found are counted as used now.
    pub(super) fn counted(&mut self, first: u64) {
        self.change().uncounted.retain(|(other, _)| *other != first);
    }

    fn change(&mut self) -> &mut Before {
        self.before.as_mut().expect("only a change that is being made takes places")
    }

    fn last_not_free(&mut self, first: u64, count: u64) -> Result<Option<u64>, ImageError> {
        for cluster in (first..first + count).rev() {
            let promised = |(first, count): &(u64, u64)| (*first..first + count).contains(&cluster);
            if self.change().uncounted.iter().any(promised)
                || self.refcount(cluster)? != 0
                || self.refcount_before(cluster)? != 0
            {
                return Ok(Some(cluster));
            }
        }
        Ok(None)
    }

    fn refcount_before(&mut self, cluster: u64) -> Result<u64, ImageError> {
        let per_block = self.refcounts.per_block();
        let number = (cluster / per_block) as usize;
        match self.change().table.get(number).copied() {
            None | Some(0) => Ok(0),
            Some(block) => self.refcounts.get(&self.file, block, cluster % per_block),
        }
    }

    /// Copies a refcount block that is as it was before the change, so that it may be changed.
    pub(super) fn own_block(&mut self, number: u64) -> Result<(), ImageError> {
        let index = number as usize;
        let Some(before) = &self.before else { return Ok(()) };
        let old = self.refcounts.table.get(index).copied().unwrap_or(0);
        if old == 0 || before.table.get(index) != Some(&old) {
            return Ok(());
        }
        let bits = self.geometry.cluster_bits;
        let cluster = self.find_place(1)?;
        self.refcounts.copy_block(&self.file, old, cluster << bits)?;
        // It may count its own place.
        self.refcounts.table[index] = cluster << bits;
        self.set_refcounts(cluster, 1, 1)?;
        self.counted(cluster);
        self.release(old >> bits)
    }

    /// Writes a table of clusters into a place of its own; its offset.
    pub(super) fn place_table(&mut self, words: Vec<u64>) -> Result<u64, ImageError> {
        let offset = self.place(1)? << self.geometry.cluster_bits;
        self.tables.write(&self.file, offset, words)?;
        Ok(offset)
    }

    /// Writes an L1 table into a place of its own, for the header to name; the old one is released.
    pub(super) fn replace_l1(&mut self, l1: Vec<u64>) -> Result<(), ImageError> {
        let old = (self.header.l1_offset, u64::from(self.header.l1_entries) * 8);
        self.header.l1_offset = self.place_l1(&l1)?;
        self.header.l1_entries = l1.len() as u32;
        self.l1 = l1;
        self.release_bytes(old.0, old.1)
    }

    /// Writes an L1 table into a place of its own; its offset.
    pub(super) fn place_l1(&mut self, l1: &[u64]) -> Result<u64, ImageError> {
        let clusters = self.geometry.clusters(l1.len() as u64 * 8).max(1);
        let offset = self.place(clusters)? << self.geometry.cluster_bits;
        self.file.write(&encode(l1), offset)?;
        Ok(offset)
    }

    /// Marks what has one reference as such and nothing else, in copies of the tables that change. True when one did.
    pub(super) fn remark(&mut self, l1: &mut [u64]) -> Result<bool, ImageError> {
        let bits = self.geometry.cluster_bits;
        let mut changed = false;
        for entry in l1 {
            let Some(mut table) = self.l2_offset(*entry)? else { continue };
            let words = self.l2_table(table)?.to_vec();
            let marked = self.marked(&words)?;
            if marked != words {
                let copy = self.place_table(marked)?;
                self.release(table >> bits)?;
                table = copy;
            }
            let mark = if self.refcount(table >> bits)? == 1 { COPIED } else { 0 };
            changed |= *entry != table | mark;
            *entry = table | mark;
        }
        Ok(changed)
    }

    /// Puts everything into force.
    fn seal(&mut self) -> Result<(), ImageError> {
        let (cluster, bits) = (self.geometry.cluster(), self.geometry.cluster_bits);
        let header = self.change().header.clone();
        self.release_bytes(header.refcount_table, u64::from(header.refcount_clusters) << bits)?;
        let used =
            |table: &[u64]| table.iter().rposition(|block| *block != 0).map_or(0, |last| last as u64 + 1);
        loop {
            // Counting the table's own place may need another block.
            let clusters = ((used(&self.refcounts.table) + 1) * 8).div_ceil(cluster);
            if clusters << bits > MAX_REFCOUNT_TABLE.max(cluster) {
                let reason = "its file would be larger than its refcount table can count";
                return Err(self.file.refused("written", reason));
            }
            let first = self.place(clusters)?;
            let entries = (clusters << bits) / 8;
            if used(&self.refcounts.table) <= entries {
                self.refcounts.table.resize(entries as usize, 0);
                self.file.write(&encode(&self.refcounts.table), first << bits)?;
                self.header.refcount_table = first << bits;
                self.header.refcount_clusters = clusters as u32;
                break;
            }
            self.set_refcounts(first, clusters, 0)?;
        }
        self.sync()?;
        self.change().sealed = true;
        self.header.write(&self.file)?;
        self.sync()?;
        self.refcounts.offset = self.header.refcount_table;
        self.refcounts.stored = self.refcounts.table.len();
        Ok(())
    }

    /// Gives the space of clusters back that are free now. The change is in force whether that can be done or not.
    fn punch_freed(&mut self, before: &Before) {
        self.free_hint = 1;
        let (per_block, bits) = (self.refcounts.per_block(), self.geometry.cluster_bits);
        let replaced: Vec<(u64, u64)> = (before.table.iter().zip(0..))
            .filter(|(old, number)| **old != 0 && self.refcounts.table.get(*number as usize) != Some(*old))
            .map(|(old, number)| (*old, number))
            .collect();
        // These are read until the end.
        let blocks: HashSet<u64> = replaced.iter().map(|(old, _)| old >> bits).collect();
        for (old, number) in replaced {
            let first = number * per_block;
            let (mut start, mut count) = (first, 0);
            for cluster in first..first + per_block {
                let was = self.refcounts.get(&self.file, old, cluster - first).unwrap_or(0);
                let freed =
                    was > 0 && !blocks.contains(&cluster) && self.refcount(cluster).is_ok_and(|now| now == 0);
                match (freed, count) {
                    (true, 0) => (start, count) = (cluster, 1),
                    (true, _) => count += 1,
                    (false, _) => {
                        self.punch_clusters(start, count);
                        count = 0;
                    }
                }
            }
            self.punch_clusters(start, count);
        }
        blocks.iter().for_each(|block| self.punch_clusters(*block, 1));
    }

    fn punch_clusters(&self, first: u64, count: u64) {
        let (offset, length) = (first << self.geometry.cluster_bits, count << self.geometry.cluster_bits);
        let length = self.file.len().map_or(0, |end| length.min(end.saturating_sub(offset)));
        // Without it the image takes more space than it needs, and is whole all the same.
        let _ = self.file.punch(offset, length);
    }

    /// Forgets the change: the file has what it had.
    fn roll_back(&mut self, before: &Before) -> Result<(), ImageError> {
        if !before.sealed {
            for (first, count) in &before.taken {
                self.punch_clusters(*first, *count);
            }
            if !self.file.is_block() {
                self.file.set_len(before.length)?;
            }
        }
        self.header = Header::read(&self.file)?;
        self.l1 = tables::read_l1(&self.file, self.header.l1_offset, u64::from(self.header.l1_entries))?;
        self.refcounts = Refcounts::read(&self.file, &self.header)?;
        self.tables = Tables::new(self.geometry);
        self.end = self.geometry.round_up(self.file.len()?);
        self.free_hint = 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::{CreateOptions, Format, ImageFile};

    /// An image in clusters of 4 KiB with 8 MiB of data.
    fn image() -> Qcow2 {
        let file = tempfile::tempfile().unwrap();
        let mut options = CreateOptions::new(Format::Qcow2, 16 << 20);
        options.qcow2.cluster_size = Some(4096);
        let open = || ImageFile::new(file.try_clone().unwrap(), "disk").unwrap();
        crate::create(open(), &options).unwrap();
        let mut image = Qcow2::open(open(), true).unwrap();
        image.write(&vec![7; 8 << 20], 0, &|_: &mut [u8], _| Ok(())).unwrap();
        image
    }

    fn bytes(image: &Qcow2) -> Vec<u8> {
        let mut bytes = vec![0; image.file.len().unwrap() as usize];
        image.file.read_padded(&mut bytes, 0).unwrap();
        bytes
    }

    fn sound(image: &mut Qcow2) {
        let count = image.count().unwrap();
        assert_eq!((count.leaks, count.miscounts, count.broken), (0, 0, 0), "{:?}", count.problems);
    }

    #[test]
    fn what_fails_leaves_every_byte_as_it_was() {
        let mut image = image();
        image.create_snapshot("first", OffsetDateTime::UNIX_EPOCH).unwrap();
        let before = bytes(&image);
        let l1 = image.l1.clone();
        let failed = image.atomically(|image| {
            image.reference_tree(&l1)?;
            let mut l1 = l1.clone();
            image.remark(&mut l1)?;
            image.release_tree(&l1)?;
            image.header.size = 512;
            image.replace_l1(l1)?;
            Err::<(), _>(image.file.damaged("enough of it"))
        });
        assert!(failed.unwrap_err().to_string().contains("enough of it"));
        assert!(bytes(&image) == before && image.header.size == 16 << 20);
        sound(&mut image);
        image.delete_snapshot("first").unwrap();
        sound(&mut image);
    }

    #[test]
    fn a_change_over_and_over_takes_no_more_space() {
        let mut image = image();
        let mut lengths = Vec::new();
        for _ in 0..12 {
            image.create_snapshot("first", OffsetDateTime::UNIX_EPOCH).unwrap();
            sound(&mut image);
            image.delete_snapshot("first").unwrap();
            sound(&mut image);
            lengths.push(image.file.len().unwrap());
        }
        assert_eq!(lengths[2], lengths[11], "{lengths:?}");
    }
}
