//! A new image, written in any order from several threads at once. Clusters are handed out front to back and each has one reference
//! but for those with compressed ones, so counts are known when a place is. Tables are in memory while they are being filled, as many as
//! fit into a few MiB; the others are in the file already. The header comes last: until then nothing can open the file.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::backing::BackingReference;
use crate::create::Preallocation;
use crate::error::ImageError;
use crate::file::ImageFile;
use crate::qcow2::Header;
use crate::qcow2::header::{Compression, LAZY_REFCOUNTS};
use crate::qcow2::layout::{COPIED, Geometry, OFFSET, data_words, decode, encode};
use crate::qcow2::refcounts::Width;
use crate::zero::is_zero;

/// What a new image shall be. The caller has judged it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) version: u32,
    pub(crate) cluster_bits: u32,
    pub(crate) size: u64,
    pub(crate) refcount_order: u32,
    pub(crate) lazy_refcounts: bool,
    pub(crate) extended: bool,
    pub(crate) backing: Option<BackingReference>,
    pub(crate) preallocation: Preallocation,
}

/// An image that is being written.
pub(crate) struct Fresh {
    file: ImageFile,
    header: Header,
    pub(crate) geometry: Geometry,
    width: Width,
    preallocation: Preallocation,
    /// First of the clusters that were taken for the whole disk in its order.
    first: Option<u64>,
    place: Mutex<Place>,
    tables: Mutex<Filling>,
}

/// Bytes of L2 tables that are kept in memory.
const KEPT: usize = 8 << 20;

/// L2 tables that are being filled, by their index in the L1 table.
struct Filling {
    open: BTreeMap<usize, Vec<u64>>,
    /// The L1 table: where those are that had to make room.
    l1: Vec<u64>,
    most: usize,
}

/// What is free.
struct Place {
    /// First cluster that nobody has.
    next: u64,
    /// Where the next compressed cluster goes; 0 or the start of a cluster when none goes on.
    packed: u64,
    /// Refcounts of clusters that have not just one reference: those with compressed ones.
    counts: BTreeMap<u64, u64>,
    /// Refcount blocks that are in the file already, from the first on.
    blocks: Vec<u64>,
}

impl Fresh {
    /// Starts an image in a file that is empty, or on a block device.
    pub(crate) fn new(file: ImageFile, plan: &Plan) -> Result<Self, ImageError> {
        let mut header = Header::new(plan.version, plan.cluster_bits, plan.size);
        header.backing.clone_from(&plan.backing);
        header.refcount_order = plan.refcount_order;
        header.compression = Compression::Deflate;
        if plan.lazy_refcounts {
            header.compatible |= LAZY_REFCOUNTS;
        }
        if plan.extended {
            header.set_extended();
        }
        let geometry = header.geometry();
        // What was on a device before must not look like an image while this one is being made.
        file.punch(0, if file.is_block() { geometry.cluster() } else { 0 })?;
        let entries = geometry.l1_entries(plan.size).expect("the plan was judged").max(1) as usize;
        let most = (KEPT >> plan.cluster_bits).max(8);
        let mut fresh = Self {
            file,
            header,
            geometry,
            width: Width(plan.refcount_order),
            preallocation: plan.preallocation,
            first: None,
            place: Mutex::new(Place { next: 1, packed: 0, counts: BTreeMap::new(), blocks: Vec::new() }),
            tables: Mutex::new(Filling { open: BTreeMap::new(), l1: vec![0; entries], most }),
        };
        if plan.preallocation != Preallocation::Off {
            fresh.preallocate()?;
        }
        Ok(fresh)
    }

    /// Writes whole clusters; the last of the disk may be short. With `detect`, clusters of zeros take no space.
    pub(crate) fn write(&self, offset: u64, data: &[u8], detect: bool) -> Result<(), ImageError> {
        let cluster = self.geometry.cluster() as usize;
        let mut clusters = data.chunks(cluster).map(|bytes| !detect || !is_zero(bytes)).peekable();
        let mut start = 0;
        while let Some(written) = clusters.next() {
            let mut last = start + 1;
            while clusters.next_if_eq(&written).is_some() {
                last += 1;
            }
            if written {
                let bytes = &data[start * cluster..(last * cluster).min(data.len())];
                let count = (last - start) as u64;
                let host = match self.first {
                    Some(first) => first + (offset >> self.geometry.cluster_bits) + start as u64,
                    None => self.take(count),
                } << self.geometry.cluster_bits;
                self.file.write(bytes, host)?;
                let missing = count * self.geometry.cluster() - bytes.len() as u64;
                if self.file.is_block() && missing > 0 {
                    self.file.write_zeros(host + bytes.len() as u64, missing)?;
                }
                let at = offset + (start * cluster) as u64;
                // Places that were taken for the whole disk are recorded.
                let recorded = if self.first.is_some() { 0 } else { count };
                for number in 0..recorded {
                    let place = number << self.geometry.cluster_bits;
                    self.record(at + place, data_words(self.geometry, (host + place) | COPIED))?;
                }
            }
            start = last;
        }
        Ok(())
    }

    /// Writes one compressed cluster.
    pub(crate) fn write_compressed(&self, offset: u64, packed: &[u8]) -> Result<(), ImageError> {
        let host = self.take_packed(packed.len() as u64)?;
        self.file.write(packed, host)?;
        self.record(offset, [self.geometry.compressed(host, packed.len() as u64), 0])
    }

    fn take(&self, count: u64) -> u64 {
        let mut place = lock(&self.place);
        let first = place.next;
        place.next += count;
        first
    }

    /// A place for compressed bytes: behind the last ones, also across the edge of a cluster where the next is free.
    fn take_packed(&self, length: u64) -> Result<u64, ImageError> {
        let mut place = lock(&self.place);
        let bits = self.geometry.cluster_bits;
        let in_cluster = place.packed % self.geometry.cluster();
        let mut host = place.packed;
        let goes_on = in_cluster != 0
            && (in_cluster + length <= self.geometry.cluster() || place.packed >> bits == place.next - 1)
            && place.counts.get(&(host >> bits)).is_none_or(|count| *count < self.width.most());
        if !goes_on {
            host = place.next << bits;
        }
        place.packed = host + length;
        let end = self.geometry.clusters(host + length);
        for cluster in host >> bits..end {
            *place.counts.entry(cluster).or_default() += 1;
        }
        place.next = place.next.max(end);
        // No place before this one is counted any more.
        let per_block = self.width.per_block(self.geometry.cluster());
        while (place.blocks.len() as u64 + 1) * per_block <= host >> bits {
            let number = place.blocks.len() as u64;
            let offset = place.next << bits;
            place.next += 1;
            self.write_block(&mut place, number, per_block, offset)?;
            place.blocks.push(offset);
        }
        Ok(host)
    }

    /// Writes a refcount block of which the first so many clusters are used, and forgets what only it needed.
    fn write_block(&self, place: &mut Place, number: u64, used: u64, offset: u64) -> Result<(), ImageError> {
        let mut block = vec![0; self.geometry.cluster() as usize];
        let first = number * self.width.per_block(self.geometry.cluster());
        for index in 0..used {
            self.width.set(&mut block, index as usize, 1);
        }
        let later = place.counts.split_off(&(first + used));
        for (cluster, count) in std::mem::replace(&mut place.counts, later) {
            self.width.set(&mut block, (cluster - first) as usize, count);
        }
        self.file.write(&block, offset)
    }

    fn record(&self, offset: u64, words: [u64; 2]) -> Result<(), ImageError> {
        let mut tables = lock(&self.tables);
        let index = self.geometry.l1_index(offset);
        if !tables.open.contains_key(&index) {
            let table = match tables.l1[index] & OFFSET {
                0 => vec![0; (self.geometry.cluster() / 8) as usize],
                // A thread that was late: it made room and is needed again.
                place => {
                    let mut bytes = vec![0; self.geometry.cluster() as usize];
                    self.file.read_padded(&mut bytes, place)?;
                    decode(&bytes)
                }
            };
            tables.open.insert(index, table);
        }
        let word = self.geometry.l2_word(offset);
        if let Some(table) = tables.open.get_mut(&index) {
            table[word..word + self.geometry.words()].copy_from_slice(&words[..self.geometry.words()]);
        }
        // The disk is read from its start to its end, so the first is full, or nearly.
        while tables.open.len() > tables.most {
            self.write_first(&mut tables)?;
        }
        Ok(())
    }

    /// Writes the first of the tables in memory to the file; false when there is none.
    fn write_first(&self, tables: &mut Filling) -> Result<bool, ImageError> {
        let Some((index, table)) = tables.open.pop_first() else { return Ok(false) };
        if tables.l1[index] == 0 {
            tables.l1[index] = self.take(1) << self.geometry.cluster_bits | COPIED;
        }
        self.file.write(&encode(&table), tables.l1[index] & OFFSET)?;
        Ok(true)
    }

    /// Writes the tables, then the header. The file is whole when this returns, not yet on the disk.
    pub(crate) fn finish(mut self) -> Result<ImageFile, ImageError> {
        let mut tables = lock(&self.tables);
        while self.write_first(&mut tables)? {}
        let l1 = std::mem::take(&mut tables.l1);
        drop(tables);
        let entries = l1.len() as u64;
        let offset = self.take(self.geometry.clusters(entries * 8)) << self.geometry.cluster_bits;
        self.file.write(&encode(&l1), offset)?;
        self.header.l1_offset = offset;
        self.header.l1_entries = entries as u32;
        let end = self.write_refcounts()?;
        if !self.file.is_block() || self.file.len()? < end {
            self.file.set_len(end)?;
        }
        if self.preallocation == Preallocation::Falloc {
            self.file.reserve(0, end)?;
        }
        self.header.write(&self.file)?;
        Ok(self.file)
    }

    /// Takes a cluster for every cluster of the disk, in their order.
    fn preallocate(&mut self) -> Result<(), ImageError> {
        let count = self.geometry.clusters(self.header.size);
        let first = self.take(count);
        self.first = Some(first);
        if self.preallocation == Preallocation::Full {
            self.file
                .write_zeros(first << self.geometry.cluster_bits, count << self.geometry.cluster_bits)?;
        } else if self.file.is_block() {
            self.file.punch(first << self.geometry.cluster_bits, count << self.geometry.cluster_bits)?;
        }
        for number in 0..count {
            let host = (first + number) << self.geometry.cluster_bits;
            self.record(number << self.geometry.cluster_bits, data_words(self.geometry, host | COPIED))?;
        }
        Ok(())
    }

    /// Writes table and blocks behind everything else; the end of the file.
    fn write_refcounts(&mut self) -> Result<u64, ImageError> {
        let (cluster, bits) = (self.geometry.cluster(), self.geometry.cluster_bits);
        let used = self.take(0);
        let per_block = self.width.per_block(cluster);
        let mut place = lock(&self.place);
        let written = place.blocks.len() as u64;
        // The more blocks, the more clusters to count.
        let (mut blocks, mut table) = (0, 0);
        loop {
            let all = (used + blocks + table).div_ceil(per_block);
            let clusters = (all * 8).div_ceil(cluster);
            if (all - written, clusters) == (blocks, table) {
                break;
            }
            (blocks, table) = (all - written, clusters);
        }
        let total = used + table + blocks;
        let mut offsets = std::mem::take(&mut place.blocks);
        offsets.extend((0..blocks).map(|number| (used + table + number) << bits));
        self.file.write(&encode(&offsets), used << bits)?;
        for (number, offset) in (written..).zip(&offsets[written as usize..]) {
            let first = number * per_block;
            self.write_block(&mut place, number, per_block.min(total - first), *offset)?;
        }
        drop(place);
        self.header.refcount_table = used << bits;
        self.header.refcount_clusters = table as u32;
        Ok(total << bits)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked ends the whole image: it is never finished.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
