//! Counting: what the tables refer to against what the refcounts say.

use std::collections::HashMap;
use std::fmt::Display;

use crate::error::ImageError;
use crate::qcow2::Qcow2;
use crate::qcow2::layout::{COPIED, Entry, OFFSET};

/// Most clusters of a file that are counted: 16 TiB in clusters of 64 KiB.
const MOST: u64 = 1 << 28;
/// Most bytes of L1 tables of snapshots: as many as 32 of the largest.
const MOST_L1: u64 = 1 << 30;
/// Most problems that are told one by one.
const TOLD: usize = 100;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Count {
    /// References to each cluster of the file.
    refs: Vec<u16>,
    /// Clusters that are counted and have no reference.
    pub(crate) leaks: u64,
    /// References to clusters that are not counted enough, and marks that contradict counts: all of these can be counted anew.
    pub(crate) miscounts: u64,
    /// References to places where no cluster can be: nobody knows what was meant.
    pub(crate) broken: u64,
    pub(crate) problems: Vec<String>,
    pub(crate) allocated: u64,
    pub(crate) fragmented: u64,
    pub(crate) compressed: u64,
    /// Refcount blocks that can't be where the table says.
    pub(crate) broken_blocks: bool,
    /// One more than the last cluster with a reference.
    pub(crate) end: u64,
}

impl Count {
    fn tell(&mut self, problem: impl Display) {
        if self.problems.len() < TOLD {
            self.problems.push(problem.to_string());
        }
    }

    fn add(&mut self, cluster: u64, times: u16) {
        if let Some(count) = self.refs.get_mut(cluster as usize) {
            *count = count.saturating_add(times);
        }
    }

    pub(super) fn of(&self, cluster: u64) -> u64 {
        self.refs.get(cluster as usize).copied().map_or(0, u64::from)
    }

    pub(super) fn clusters(&self) -> u64 {
        self.refs.len() as u64
    }
}

impl Qcow2 {
    /// Counts references and compares them with the refcounts.
    pub(crate) fn count(&mut self) -> Result<Count, ImageError> {
        let mut count = self.references()?;
        self.count_refcounts(&mut count)?;
        self.compare_refcounts(&mut count)?;
        self.compare_marks(&mut count)?;
        count.end = count.refs.iter().rposition(|refs| *refs > 0).map_or(0, |last| last as u64 + 1);
        Ok(count)
    }

    /// References of everything but the refcounts themselves.
    pub(super) fn references(&mut self) -> Result<Count, ImageError> {
        if self.header.has_bitmaps() {
            return Err(self
                .file
                .unsupported("it has dirty bitmaps, whose clusters are not known here; use qemu-img"));
        }
        let clusters = self.geometry.clusters(self.end);
        if clusters > MOST {
            let reason = format!("its file has {clusters} clusters, more than the {MOST} that are counted");
            return Err(self.file.unsupported(reason));
        }
        let mut count = Count { refs: vec![0; clusters as usize], ..Count::default() };
        count.add(0, 1);
        let l1 = self.l1.clone();
        self.add_bytes(&mut count, self.header.l1_offset, l1.len() as u64 * 8);
        // How often each table is used, by all L1 tables; those of the disk in its order.
        let mut order = Vec::new();
        let mut tables = HashMap::new();
        self.add_tables(&mut count, &l1, &mut tables, &mut order);
        let of_disk = order.len();
        let (snapshots, length) = self.snapshot_table()?;
        self.add_bytes(&mut count, self.header.snapshot_table, length);
        let mut budget = MOST_L1;
        for snapshot in &snapshots {
            let (offset, length) = Self::snapshot_l1_place(snapshot);
            let Some(left) = budget.checked_sub(length) else {
                return Err(self.file.unsupported("the L1 tables of its snapshots have more than 1 GiB"));
            };
            budget = left;
            match self.snapshot_l1(snapshot) {
                Ok(l1) => {
                    self.add_bytes(&mut count, offset, length);
                    self.add_tables(&mut count, &l1, &mut tables, &mut order);
                }
                Err(ImageError::Damaged { problem, .. }) => {
                    count.broken += 1;
                    count.tell(problem);
                }
                Err(other) => return Err(other),
            }
        }
        for (number, table) in order.iter().enumerate() {
            let times = tables[table];
            count.add(table >> self.geometry.cluster_bits, times);
            self.add_entries(&mut count, *table, times, number < of_disk)?;
        }
        Ok(count)
    }

    fn add_bytes(&self, count: &mut Count, offset: u64, length: u64) {
        if length > 0 {
            let clusters = offset >> self.geometry.cluster_bits..self.geometry.clusters(offset + length);
            clusters.for_each(|cluster| count.add(cluster, 1));
        }
    }

    fn add_tables(
        &self,
        count: &mut Count,
        l1: &[u64],
        tables: &mut HashMap<u64, u16>,
        order: &mut Vec<u64>,
    ) {
        for entry in l1 {
            let offset = entry & OFFSET;
            if offset == 0 {
                continue;
            }
            if let Some(problem) = self.complaint("an L2 table", offset) {
                count.broken += 1;
                count.tell(problem);
                continue;
            }
            let times = tables.entry(offset).or_insert_with(|| {
                order.push(offset);
                0
            });
            *times = times.saturating_add(1);
        }
    }

    /// Adds what one L2 table refers to; what those of the disk have is counted, too.
    fn add_entries(
        &self,
        count: &mut Count,
        table: u64,
        times: u16,
        of_disk: bool,
    ) -> Result<(), ImageError> {
        let words = self.l2_table(table)?;
        let bits = self.geometry.cluster_bits;
        let mut follows = None;
        for entry in words.chunks(self.geometry.words()) {
            match self.geometry.space(entry) {
                Entry::Data { host } | Entry::Zero { host: Some(host) } => {
                    if let Some(problem) = self.complaint("a cluster of the disk", host) {
                        count.broken += 1;
                        count.tell(problem);
                        continue;
                    }
                    count.add(host >> bits, times);
                    if of_disk {
                        count.allocated += 1;
                        let expected = follows.replace(host + (1 << bits));
                        count.fragmented += u64::from(expected.is_some_and(|expected| expected != host));
                    }
                }
                Entry::Compressed { host, length } => {
                    if host >> bits == 0 || host >= self.end {
                        count.broken += 1;
                        count.tell(format_args!("a compressed cluster is at {host:#x}, not within the file"));
                        continue;
                    }
                    for cluster in host >> bits..self.geometry.clusters(host + length) {
                        count.add(cluster, times);
                    }
                    if of_disk {
                        count.allocated += 1;
                        count.compressed += 1;
                        count.fragmented += 1;
                    }
                }
                Entry::Unallocated | Entry::Zero { host: None } => {}
            }
        }
        Ok(())
    }

    /// References of the refcount table and its blocks.
    fn count_refcounts(&mut self, count: &mut Count) -> Result<(), ImageError> {
        let length = u64::from(self.header.refcount_clusters) << self.geometry.cluster_bits;
        self.add_bytes(count, self.header.refcount_table, length);
        let mut seen = std::collections::HashSet::new();
        for entry in 0..self.refcounts.table.len() {
            let block = self.refcounts.table[entry];
            if block == 0 {
                continue;
            }
            let problem = self.complaint("a refcount block", block).or_else(|| {
                (!seen.insert(block)).then(|| format!("the refcount block at {block:#x} is used twice"))
            });
            if let Some(problem) = problem {
                count.miscounts += 1;
                count.broken_blocks = true;
                count.tell(problem);
                // It counts nothing until it is made anew.
                self.refcounts.table[entry] = 0;
                continue;
            }
            count.add(block >> self.geometry.cluster_bits, 1);
        }
        Ok(())
    }

    fn compare_refcounts(&mut self, count: &mut Count) -> Result<(), ImageError> {
        let per_block = self.refcounts.per_block();
        for number in 0..self.refcounts.table.len() as u64 {
            let (first, end) = (number * per_block, (number + 1) * per_block);
            if self.refcounts.table[number as usize] == 0 && first >= count.clusters() {
                continue;
            }
            for cluster in first..end {
                self.compare_refcount(count, cluster)?;
            }
        }
        // Clusters that the table does not reach.
        for cluster in self.refcounts.table.len() as u64 * per_block..count.clusters() {
            self.compare_refcount(count, cluster)?;
        }
        Ok(())
    }

    fn compare_refcount(&mut self, count: &mut Count, cluster: u64) -> Result<(), ImageError> {
        let (stored, counted) = (self.refcount(cluster)?, count.of(cluster));
        if stored > counted {
            count.leaks += 1;
            count.tell(format_args!(
                "cluster {cluster} is leaked: {stored} references are counted and it has {counted}"
            ));
        } else if stored < counted {
            count.miscounts += 1;
            count.tell(format_args!("cluster {cluster} has {counted} references and {stored} are counted"));
        }
        Ok(())
    }

    /// Whether what is marked as having one reference has one.
    fn compare_marks(&mut self, count: &mut Count) -> Result<(), ImageError> {
        let bits = self.geometry.cluster_bits;
        for index in 0..self.l1.len() {
            let entry = self.l1[index];
            let Ok(Some(table)) = self.l2_offset(entry) else { continue };
            self.compare_mark(count, entry, table >> bits)?;
            let words = self.l2_table(table)?;
            for entry in words.chunks(self.geometry.words()) {
                if let Entry::Data { host } | Entry::Zero { host: Some(host) } = self.geometry.space(entry)
                    && self.complaint("", host).is_none()
                {
                    self.compare_mark(count, entry[0], host >> bits)?;
                }
            }
        }
        Ok(())
    }

    fn compare_mark(&mut self, count: &mut Count, entry: u64, cluster: u64) -> Result<(), ImageError> {
        let single = self.refcount(cluster)? == 1;
        if single != (entry & COPIED != 0) {
            count.miscounts += 1;
            let has = if single { "one reference and is not" } else { "not one reference and is" };
            count.tell(format_args!("cluster {cluster} has {has} marked so"));
        }
        Ok(())
    }
}
