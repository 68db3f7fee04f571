//! Writing to the disk: in place where a cluster has one reference, into new clusters otherwise.

use crate::error::ImageError;
use crate::qcow2::Qcow2;
use crate::qcow2::layout::{COPIED, Entry, OFFSET, data_words, zero_words};
use crate::zero::is_zero;

/// Fills a buffer with what the backing file has at an offset of the disk.
pub(crate) type Below<'a> = &'a dyn Fn(&mut [u8], u64) -> Result<(), ImageError>;

/// Most bytes that are put together in memory for one write.
const BUFFER: u64 = 4 << 20;

/// Clusters of one L2 table, from an offset on.
struct Slots {
    table: u64,
    word: usize,
    /// How many clusters the range touches.
    count: u64,
}

impl Qcow2 {
    /// Writes within the disk.
    pub(crate) fn write(&mut self, data: &[u8], offset: u64, below: Below<'_>) -> Result<(), ImageError> {
        self.begin()?;
        let cluster = self.geometry.cluster();
        let mut rest = data;
        let mut at = offset;
        while !rest.is_empty() {
            let slots = self.slots(at, rest.len() as u64)?;
            let within = at % cluster;
            let (in_place, clusters) = self.alike(&slots)?;
            let length = ((clusters * cluster - within) as usize).min(rest.len());
            let (now, later) = rest.split_at(length);
            let written = match in_place {
                Some(host) => {
                    self.file.write(now, host + within)?;
                    now.len()
                }
                None => self.write_new(&slots, clusters, now, at, below)?,
            };
            rest = if written == now.len() { later } else { &rest[written..] };
            at += written as u64;
        }
        self.settle()
    }

    /// The clusters of a range in the L2 table of its start, which is made or copied so that it may be changed.
    fn slots(&mut self, offset: u64, length: u64) -> Result<Slots, ImageError> {
        let geometry = self.geometry;
        let index = geometry.l1_index(offset);
        let covered = (index as u64 + 1) * geometry.l2_covers();
        let end = (offset + length).min(covered);
        let table = self.own_table(index)?;
        let count = geometry.clusters(end) - (offset >> geometry.cluster_bits);
        Ok(Slots { table, word: geometry.l2_word(offset), count })
    }

    /// The L2 table of an L1 entry, with one reference.
    fn own_table(&mut self, index: usize) -> Result<u64, ImageError> {
        let entry = self.l1[index];
        let old = self.l2_offset(entry)?;
        if let Some(table) = old
            && entry & COPIED != 0
        {
            return Ok(table);
        }
        let words = match old {
            Some(table) => self.l2_table(table)?.to_vec(),
            None => vec![0; (self.geometry.cluster() / 8) as usize],
        };
        let (table, _) = self.allocate(1)?;
        self.tables.write(&self.file, table, words)?;
        self.set_l1(index, table | COPIED);
        if let Some(old) = old {
            self.release(old >> self.geometry.cluster_bits)?;
        }
        Ok(table)
    }

    pub(super) fn set_l1(&mut self, index: usize, entry: u64) {
        self.tables.change_l1(self.header.l1_offset + index as u64 * 8, entry);
        self.l1[index] = entry;
    }

    /// How many of the clusters can be written in the same way: in place at an offset and behind it, or all as new ones.
    fn alike(&self, slots: &Slots) -> Result<(Option<u64>, u64), ImageError> {
        let table = self.l2_table(slots.table)?;
        let place = |number: u64| {
            let word = slots.word + number as usize * self.geometry.words();
            let words = &table[word..word + self.geometry.words()];
            let whole = !self.geometry.extended || words[1] == 0xffff_ffff;
            match self.geometry.entry(words, 0) {
                Entry::Data { host } if words[0] & COPIED != 0 && whole => Some(host),
                _ => None,
            }
        };
        let first = place(0);
        if let Some(host) = first {
            self.judge_cluster("a cluster of the disk", host)?;
        }
        let cluster = self.geometry.cluster();
        let follows = |number: &u64| match (first, place(*number)) {
            (Some(first), Some(next)) => next == first + number * cluster && next < self.end,
            (None, None) => true,
            _ => false,
        };
        Ok((first, 1 + (1..slots.count).take_while(follows).count() as u64))
    }

    /// Writes into new clusters, as many as are free in a row; how many bytes of the data that were.
    fn write_new(
        &mut self,
        slots: &Slots,
        clusters: u64,
        data: &[u8],
        offset: u64,
        below: Below<'_>,
    ) -> Result<usize, ImageError> {
        let cluster = self.geometry.cluster();
        let most = clusters.min((BUFFER >> self.geometry.cluster_bits).max(1));
        let (host, count) = self.allocate(most)?;
        let within = offset % cluster;
        let length = ((count * cluster - within) as usize).min(data.len());
        let data = &data[..length];
        if within == 0 && (length as u64).is_multiple_of(cluster) {
            self.file.write(data, host)?;
        } else {
            // What the data leaves of its first and last cluster stays what it was.
            let mut whole = vec![0; (count * cluster) as usize];
            let start = offset - within;
            self.current(&mut whole[..within as usize], start, below)?;
            let end = within as usize + length;
            self.current(&mut whole[end..], start + end as u64, below)?;
            whole[within as usize..end].copy_from_slice(data);
            self.file.write(&whole, host)?;
        }
        let words: Vec<[u64; 2]> =
            (0..count).map(|number| data_words(self.geometry, (host + number * cluster) | COPIED)).collect();
        self.replace(slots.table, slots.word, &words)?;
        Ok(length)
    }

    /// What the disk has now, also behind its end, where clusters go on.
    fn current(&self, buffer: &mut [u8], offset: u64, below: Below<'_>) -> Result<(), ImageError> {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let run = self.run_within(at, (buffer.len() - done) as u64)?;
            let part = &mut buffer[done..done + run.length as usize];
            match run.entry {
                Entry::Unallocated => below(part, at)?,
                entry => self.fill(entry, part, at)?,
            }
            done += run.length as usize;
        }
        Ok(())
    }

    /// Reads bytes of a run that the image has itself.
    pub(crate) fn fill(&self, entry: Entry, part: &mut [u8], offset: u64) -> Result<(), ImageError> {
        match entry {
            Entry::Data { host } => self.file.read_padded(part, host),
            Entry::Compressed { host, length } => {
                let cluster = self.decompressed(host, length)?;
                let within = (offset % self.geometry.cluster()) as usize;
                part.copy_from_slice(&cluster[within..within + part.len()]);
                Ok(())
            }
            Entry::Zero { .. } | Entry::Unallocated => {
                part.fill(0);
                Ok(())
            }
        }
    }

    /// Puts entries into a table, then releases what was there before.
    fn replace(&mut self, table: u64, word: usize, entries: &[[u64; 2]]) -> Result<(), ImageError> {
        let width = self.geometry.words();
        let words: Vec<u64> = entries.iter().flat_map(|words| words[..width].iter().copied()).collect();
        let before = self.l2_table(table)?[word..word + words.len()].to_vec();
        self.tables.change(table, word, &words);
        for (old, new) in before.chunks(width).zip(words.chunks(width)) {
            if old[0] & OFFSET != new[0] & OFFSET || old[0] >> 62 & 1 != new[0] >> 62 & 1 {
                self.release_entry(self.geometry.space(old))?;
            }
        }
        Ok(())
    }

    /// Puts entries for clusters that were allocated in the place of what is there. All are of one L2 table.
    pub(super) fn adopt(&mut self, offset: u64, entries: &[[u64; 2]]) -> Result<(), ImageError> {
        let table = self.own_table(self.geometry.l1_index(offset))?;
        self.replace(table, self.geometry.l2_word(offset), entries)
    }

    /// Makes a range read as zeros, and gives the space of whole clusters back.
    pub(crate) fn zero(&mut self, offset: u64, length: u64, below: Below<'_>) -> Result<(), ImageError> {
        self.zero_range(offset, length, below)?;
        self.settle()
    }

    fn zero_range(&mut self, offset: u64, length: u64, below: Below<'_>) -> Result<(), ImageError> {
        self.begin()?;
        let cluster = self.geometry.cluster();
        let end = offset + length;
        // The last cluster of the disk is whole when it is zeroed up to the end of the disk.
        let whole_end =
            if end == self.header.size { self.geometry.round_up(end) } else { end / cluster * cluster };
        let start = self.geometry.round_up(offset).min(end);
        if start >= whole_end {
            return self.zero_bytes(offset, end, below);
        }
        self.zero_bytes(offset, start, below)?;
        let mut at = start;
        while at < whole_end {
            let index = self.geometry.l1_index(at);
            let covered = (index as u64 + 1) * self.geometry.l2_covers();
            let part = covered.min(whole_end) - at;
            self.zero_clusters(at, part, below)?;
            self.bound()?;
            at += part;
        }
        self.zero_bytes(whole_end, end, below)
    }

    /// Writes zeros where there is something else.
    fn zero_bytes(&mut self, offset: u64, end: u64, below: Below<'_>) -> Result<(), ImageError> {
        let mut at = offset;
        while at < end {
            let length = (end - at).min(self.geometry.cluster() - at % self.geometry.cluster());
            let mut bytes = vec![0; length as usize];
            self.current(&mut bytes, at, below)?;
            if !is_zero(&bytes) {
                bytes.fill(0);
                self.write(&bytes, at, below)?;
            }
            at += length;
        }
        Ok(())
    }

    /// Zeroes whole clusters of one L2 table.
    fn zero_clusters(&mut self, offset: u64, length: u64, below: Below<'_>) -> Result<(), ImageError> {
        let has_backing = self.header.backing.is_some();
        if has_backing && !self.geometry.zero_flag {
            return self.zero_bytes(offset, offset + length, below);
        }
        let zero = if has_backing { zero_words(self.geometry) } else { [0, 0] };
        let old = self.l2_offset(self.l1[self.geometry.l1_index(offset)])?;
        let (width, word) = (self.geometry.words(), self.geometry.l2_word(offset));
        let count = (length >> self.geometry.cluster_bits) as usize;
        let already = match old {
            None => !has_backing,
            Some(table) => {
                let table = self.l2_table(table)?;
                table[word..word + count * width].chunks(width).all(|words| *words == zero[..width])
            }
        };
        if already {
            return Ok(());
        }
        let table = self.own_table(self.geometry.l1_index(offset))?;
        self.replace(table, word, &vec![zero; count])
    }

    /// Takes L2 tables and all their clusters out of the L1 table.
    pub(super) fn drop_tables(&mut self, indices: std::ops::Range<usize>) -> Result<(), ImageError> {
        for index in indices {
            if let Some(table) = self.l2_offset(self.l1[index])? {
                self.set_l1(index, 0);
                self.release_table(table)?;
                self.bound()?;
            }
        }
        self.sync()
    }

    /// Takes one reference from an L2 table and from each of its clusters.
    pub(super) fn release_table(&mut self, table: u64) -> Result<(), ImageError> {
        let words = self.l2_table(table)?;
        for entry in words.chunks(self.geometry.words()) {
            self.release_entry(self.geometry.space(entry))?;
        }
        self.release(table >> self.geometry.cluster_bits)
    }

    /// Forgets everything that the image has itself, so that it shows its backing file.
    pub(crate) fn empty(&mut self) -> Result<(), ImageError> {
        self.begin()?;
        self.drop_tables(0..self.l1.len())
    }
}
