//! Another size of the disk.

use crate::error::ImageError;
use crate::qcow2::layout::{COPIED, data_words};
use crate::qcow2::write::Below;
use crate::qcow2::{Entry, Qcow2};

impl Qcow2 {
    /// Makes the disk larger or smaller. What is new reads as zeros, whatever the backing file, which has `backed` bytes, has there.
    pub(crate) fn resize(&mut self, size: u64, backed: u64, below: Below<'_>) -> Result<(), ImageError> {
        self.begin()?;
        if self.header.version < 3 && self.header.snapshots > 0 {
            let reason = "it has snapshots, and version 0.10 of the format does not record their size; delete them first";
            return Err(self.file.refused("resized", reason));
        }
        if size >= self.header.size { self.grow(size, backed, below) } else { self.shrink(size) }
    }

    fn grow(&mut self, size: u64, backed: u64, below: Below<'_>) -> Result<(), ImageError> {
        let old = self.header.size;
        let Some(entries) = self.geometry.l1_entries(size) else {
            let reason =
                format!("{size} bytes are more than clusters of {} bytes can hold", self.geometry.cluster());
            return Err(self.file.refused("resized", reason));
        };
        if entries as usize > self.l1.len() {
            let mut l1 = self.l1.clone();
            l1.resize(entries as usize, 0);
            self.atomically(|image| image.replace_l1(l1))?;
        }
        self.header.size = size;
        // Zeroed before the header says that it is there.
        let end = backed.max(self.geometry.round_up(old)).min(size);
        let zeroed = self.zero(old, end - old, below);
        if zeroed.is_err() {
            self.header.size = old;
        }
        zeroed?;
        self.sync()?;
        self.header.write(&self.file)
    }

    fn shrink(&mut self, size: u64) -> Result<(), ImageError> {
        let old = self.header.size;
        self.header.size = size;
        self.header.write(&self.file)?;
        let nothing = |part: &mut [u8], _: u64| {
            part.fill(0);
            Ok(())
        };
        let first = self.geometry.clusters(size) << self.geometry.cluster_bits;
        let tables = size.div_ceil(self.geometry.l2_covers()) as usize;
        self.sync()?;
        self.drop_tables(tables..self.l1.len())?;
        let end = self.geometry.round_up(old).min(tables as u64 * self.geometry.l2_covers());
        if first < end {
            self.zero(first, end - first, &nothing)?;
        }
        self.sync()?;
        self.cut_off()
    }

    /// Shortens the file by the free clusters at its end.
    fn cut_off(&mut self) -> Result<(), ImageError> {
        let mut clusters = self.geometry.clusters(self.end);
        while clusters > 1 && self.refcount(clusters - 1)? == 0 {
            clusters -= 1;
        }
        let end = clusters << self.geometry.cluster_bits;
        if end < self.file.len()? {
            self.file.set_len(end)?;
        }
        self.end = end;
        Ok(())
    }

    /// Takes clusters for a range of the disk that has none, from an offset on that is one's start. They read as zeros.
    /// `reserve` takes their space on the file system too, `fill` writes them.
    pub(crate) fn prepare(&mut self, offset: u64, reserve: bool, fill: bool) -> Result<(), ImageError> {
        self.begin()?;
        let cluster = self.geometry.cluster();
        let mut at = self.geometry.round_up(offset);
        while at < self.header.size {
            let run = self.run(at, self.header.size - at)?;
            let clusters = self.geometry.clusters(run.length);
            if run.entry != Entry::Unallocated || clusters == 0 {
                at = self.geometry.round_up(at + run.length.max(1));
                continue;
            }
            // Behind everything else, where the file reads as zeros.
            let host = self.allocate_at_end(clusters)?;
            let length = clusters * cluster;
            if fill {
                self.file.write_zeros(host, length)?;
            } else if reserve {
                self.file.reserve(host, length)?;
            }
            if self.file.len()? < host + length {
                self.file.set_len(host + length)?;
            }
            let words: Vec<[u64; 2]> = (0..clusters)
                .map(|number| data_words(self.geometry, (host + number * cluster) | COPIED))
                .collect();
            self.adopt(at, &words)?;
            at += length;
        }
        Ok(())
    }
}
