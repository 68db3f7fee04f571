//! Taking and giving back clusters of the file.

use std::ops::Range;

use crate::error::ImageError;
use crate::qcow2::Qcow2;
use crate::qcow2::layout::{Entry, MAX_REFCOUNT_TABLE, encode};

/// Clusters behind the end of the file that may be counted as used, by a writer that was stopped.
const COUNTED_BEHIND: u64 = 1 << 20;

impl Qcow2 {
    /// Offset of the refcount block for a cluster of the file, judged, and the refcount's index in it.
    fn block_of(&self, cluster: u64) -> Result<(Option<u64>, u64), ImageError> {
        let per_block = self.refcounts.per_block();
        let entry =
            usize::try_from(cluster / per_block).ok().and_then(|index| self.refcounts.table.get(index));
        let index = cluster % per_block;
        match entry {
            None | Some(0) => Ok((None, index)),
            Some(block) => {
                self.judge_cluster("a refcount block", *block)?;
                Ok((Some(*block), index))
            }
        }
    }

    /// References to a cluster of the file, by its number.
    pub(super) fn refcount(&mut self, cluster: u64) -> Result<u64, ImageError> {
        match self.block_of(cluster)? {
            (Some(block), index) => self.refcounts.get(&self.file, block, index),
            (None, _) => Ok(0),
        }
    }

    /// Sets the refcounts of a run of clusters.
    pub(super) fn set_refcounts(&mut self, first: u64, count: u64, value: u64) -> Result<(), ImageError> {
        let per_block = self.refcounts.per_block();
        let mut cluster = first;
        while cluster < first + count {
            let run = (per_block - cluster % per_block).min(first + count - cluster);
            let (mut block, index) = self.block_of(cluster)?;
            if block.is_none() && value > 0 {
                self.add_block(cluster / per_block)?;
                (block, _) = self.block_of(cluster)?;
            }
            if block.is_some() && self.before.is_some() {
                self.own_block(cluster / per_block)?;
                (block, _) = self.block_of(cluster)?;
            }
            if let Some(block) = block {
                self.refcounts.set(&self.file, block, index..index + run, value)?;
            }
            cluster += run;
        }
        Ok(())
    }

    /// Adds to the refcount of a cluster; the new one.
    pub(super) fn reference(&mut self, cluster: u64) -> Result<u64, ImageError> {
        let now = self.refcount(cluster)?;
        if now >= self.refcounts.width.most() {
            let reason = format!(
                "cluster {cluster} of the file has {now} references, the most that refcounts of {} bits can count",
                self.refcounts.width.bits()
            );
            return Err(self.file.refused("written", reason));
        }
        self.set_refcounts(cluster, 1, now + 1)?;
        Ok(now + 1)
    }

    /// Takes a reference from a cluster: at the next [`Self::sync`], when nothing on the disk refers to it any more. Until then it is used.
    pub(super) fn release(&mut self, cluster: u64) -> Result<(), ImageError> {
        let now = self.refcount(cluster)?;
        let released = self.released.get(&cluster).copied().unwrap_or(0);
        if now <= released {
            let problem = format!("cluster {cluster} of the file is in use and counted as free; see 'check'");
            return Err(self.file.damaged(problem));
        }
        // A change that comes into force as a whole counts in copies. What it frees is there until then.
        if self.before.is_some() {
            self.set_refcounts(cluster, 1, now - 1)?;
            if now == 1 {
                self.tables.forget(cluster << self.geometry.cluster_bits, self.geometry.cluster());
            }
            return Ok(());
        }
        self.released.insert(cluster, released + 1);
        Ok(())
    }

    /// Counts what was released, and gives the space of clusters without any reference back to the file system.
    pub(super) fn count_released(&mut self) -> Result<(), ImageError> {
        let mut free = 0..0;
        for (cluster, times) in std::mem::take(&mut self.released) {
            let left = self.refcount(cluster)?.saturating_sub(times);
            if left > 0 {
                self.set_refcounts(cluster, 1, left)?;
                continue;
            }
            if free.end != cluster {
                self.free_run(free)?;
                free = cluster..cluster;
            }
            free.end = cluster + 1;
        }
        self.free_run(free)
    }

    fn free_run(&mut self, run: Range<u64>) -> Result<(), ImageError> {
        if run.is_empty() {
            return Ok(());
        }
        let bits = self.geometry.cluster_bits;
        self.set_refcounts(run.start, run.end - run.start, 0)?;
        self.free_hint = self.free_hint.min(run.start);
        run.clone().for_each(|cluster| self.tables.forget(cluster << bits, 1 << bits));
        let (start, end) = (run.start << bits, (run.end << bits).min(self.file.len()?));
        self.file.punch(start, end.saturating_sub(start))
    }

    /// Takes references from all clusters of a run of bytes.
    pub(super) fn release_bytes(&mut self, offset: u64, length: u64) -> Result<(), ImageError> {
        let clusters = offset >> self.geometry.cluster_bits..self.geometry.clusters(offset + length);
        clusters.into_iter().try_for_each(|cluster| self.release(cluster))
    }

    /// Takes the references away that an L2 entry had.
    pub(super) fn release_entry(&mut self, entry: Entry) -> Result<(), ImageError> {
        match entry {
            Entry::Data { host } | Entry::Zero { host: Some(host) } => {
                self.release(host >> self.geometry.cluster_bits)
            }
            Entry::Compressed { host, length } => self.release_bytes(host, length),
            Entry::Unallocated | Entry::Zero { host: None } => Ok(()),
        }
    }

    /// Up to `most` free clusters in a row, counted as used now: the offset of the first, and how many. What they hold is unknown.
    pub(super) fn allocate(&mut self, most: u64) -> Result<(u64, u64), ImageError> {
        let mut first = self.free_hint.max(1);
        while self.refcount(first)? != 0 {
            first = self.next(first)?;
        }
        let mut count = 1;
        while count < most && self.refcount(first + count)? == 0 {
            count += 1;
        }
        self.free_hint = first + count;
        // Counting may take clusters for new refcount blocks, which go behind these.
        self.take(first, count)?;
        Ok((first << self.geometry.cluster_bits, count))
    }

    /// So many clusters in a row behind everything else, counted as used; the offset of the first.
    pub(super) fn allocate_at_end(&mut self, count: u64) -> Result<u64, ImageError> {
        let mut first = self.geometry.clusters(self.end).max(1);
        while let Some(used) = self.last_used(first, count)? {
            first = self.next(used)?;
        }
        self.take(first, count)?;
        Ok(first << self.geometry.cluster_bits)
    }

    /// The next cluster to look at in a search. Counts far behind the end of the file are no use but to keep us searching.
    pub(super) fn next(&self, cluster: u64) -> Result<u64, ImageError> {
        if cluster > self.geometry.clusters(self.end) + COUNTED_BEHIND {
            return Err(self
                .file
                .damaged("it counts clusters as used that are far behind its end; see 'check'"));
        }
        Ok(cluster + 1)
    }

    fn last_used(&mut self, first: u64, count: u64) -> Result<Option<u64>, ImageError> {
        for cluster in (first..first + count).rev() {
            if self.refcount(cluster)? != 0 {
                return Ok(Some(cluster));
            }
        }
        Ok(None)
    }

    /// Counts free clusters as used. A refcount that is wrong about the header or a table in use is found here.
    fn take(&mut self, first: u64, count: u64) -> Result<(), ImageError> {
        let bits = self.geometry.cluster_bits;
        let (start, end) = (first << bits, (first + count) << bits);
        self.refuse_used(start, end)?;
        self.end = self.end.max(end);
        self.set_refcounts(first, count, 1)
    }

    /// Refuses a range that is free by its refcounts and holds the header or a table that it names.
    pub(super) fn refuse_used(&self, start: u64, end: u64) -> Result<(), ImageError> {
        let header = self.before.as_ref().map_or(&self.header, |before| &before.header);
        let l1 = header.l1_offset..header.l1_offset + u64::from(header.l1_entries) * 8;
        let length = u64::from(header.refcount_clusters) << header.cluster_bits;
        let table = header.refcount_table..header.refcount_table + length;
        if [0..1, l1, table].iter().any(|used| used.start < end && start < used.end) {
            let problem = "a table that is in use is counted as free; 'check --repair all' counts again";
            return Err(self.file.damaged(problem));
        }
        Ok(())
    }

    /// Makes the refcount block with this number, behind everything else.
    fn add_block(&mut self, number: u64) -> Result<(), ImageError> {
        let per_block = self.refcounts.per_block();
        let index = number as usize;
        if index >= self.refcounts.table.len() {
            self.grow_table(number + 1)?;
            if self.refcounts.table[index] != 0 {
                return Ok(());
            }
        }
        let mut cluster = self.geometry.clusters(self.end);
        if self.before.is_some() {
            cluster = self.find_place(1)?;
        }
        while self.refcount(cluster)? != 0 {
            cluster = self.next(cluster)?;
        }
        let offset = cluster << self.geometry.cluster_bits;
        self.end = self.end.max(offset + self.geometry.cluster());
        let counts_itself = cluster / per_block == number;
        if !counts_itself {
            self.set_refcounts(cluster, 1, 1)?;
        }
        self.refcounts.write_block(&self.file, offset, counts_itself.then_some(cluster % per_block))?;
        if self.before.is_some() {
            self.counted(cluster);
        }
        // Counting the block elsewhere may have grown the table, and that may have made this block.
        if self.refcounts.table[index] != 0 {
            return self.release(cluster);
        }
        // The entry follows when the block is on the disk.
        self.refcounts.table[index] = offset;
        self.refcounts.hold(index);
        Ok(())
    }

    /// Moves the refcount table to a larger place, with room for at least so many entries.
    fn grow_table(&mut self, needed: u64) -> Result<(), ImageError> {
        let per_cluster = self.geometry.cluster() / 8;
        let old = (self.refcounts.offset, self.refcounts.stored as u64 * 8);
        let wanted = (needed + needed / 2 + 1).next_multiple_of(per_cluster);
        if wanted * 8 > MAX_REFCOUNT_TABLE.max(self.geometry.cluster()) {
            return Err(self
                .file
                .refused("written", "its file would be larger than its refcount table can count"));
        }
        if self.before.is_some() {
            // All of it is written when the change comes into force.
            self.refcounts.table.resize(wanted as usize, 0);
            return Ok(());
        }
        // In memory it is long at once, so that blocks can be made for the new table's own clusters.
        self.refcounts.table.resize(wanted as usize, 0);
        let clusters = wanted / per_cluster;
        let offset = self.allocate_at_end(clusters)?;
        self.file.write(&encode(&self.refcounts.table), offset)?;
        // The blocks that it names and the table itself come before the header that names it.
        self.file.sync()?;
        self.header.refcount_table = offset;
        self.header.refcount_clusters = clusters as u32;
        self.header.write(&self.file)?;
        self.file.sync()?;
        self.refcounts.offset = offset;
        self.refcounts.stored = self.refcounts.table.len();
        self.release_bytes(old.0, old.1)
    }
}
