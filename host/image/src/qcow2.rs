//! A qcow2 image.
//!
//! ```text
//!   header ──> L1 table ──> L2 tables ──> clusters of the disk       (what the guest sees)
//!      │  └──> snapshot table ──> an L1 table a snapshot
//!      └─────> refcount table ──> refcount blocks: a count for each cluster of the file
//! ```
//!
//! Changes are ordered so that who is killed or loses power leaves clusters that nobody refers to at the worst, never a reference to a
//! cluster that is counted as free: count up and write, refer, count down (`order.rs`). What changes many counts and marks together, as
//! snapshots do, comes into force as a whole (`transaction.rs`).

mod allocate;
mod check;
mod compressed;
mod fresh;
mod header;
mod layout;
mod order;
#[cfg(test)]
mod power_tests;
mod refcounts;
mod repair;
mod resize;
mod run;
mod snapshots;
mod tables;
mod transaction;
mod write;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

pub(crate) use check::Count;
pub(crate) use compressed::Compressor;
pub(crate) use fresh::{Fresh, Plan};
pub(crate) use header::{Compression, Header, LAZY_REFCOUNTS};
pub(crate) use layout::{CLUSTER_BITS, DEFAULT_CLUSTER_BITS, Entry, Geometry};
pub use snapshots::Snapshot;

use crate::error::ImageError;
use crate::file::ImageFile;
use header::{CORRUPT, DIRTY};
use refcounts::Refcounts;
use tables::Tables;
use transaction::Before;

/// An open qcow2 image.
#[derive(Debug)]
pub(crate) struct Qcow2 {
    pub(crate) file: Arc<ImageFile>,
    pub(crate) header: Header,
    pub(crate) geometry: Geometry,
    l1: Vec<u64>,
    tables: Tables,
    refcounts: Refcounts,
    /// No cluster before this one is free.
    free_hint: u64,
    /// Bytes of the file that may hold clusters: its length rounded up to a cluster.
    end: u64,
    /// What the last cluster of the file lacked when it was opened.
    missing: Range<u64>,
    pub(crate) writable: bool,
    /// Clusters that lose references with the next sync, and how many.
    released: BTreeMap<u64, u64>,
    /// What was before the change that is being made as a whole.
    before: Option<Box<Before>>,
}

impl Qcow2 {
    /// Reads header and L1 table. An image that must be repaired first is not opened for writing.
    pub(crate) fn open(file: ImageFile, writable: bool) -> Result<Self, ImageError> {
        let image = Self::open_damaged(file, writable)?;
        if writable {
            image.may_write()?;
        }
        Ok(image)
    }

    /// As [`Qcow2::open`], to check or repair it.
    pub(crate) fn open_damaged(file: ImageFile, writable: bool) -> Result<Self, ImageError> {
        let header = Header::read(&file)?;
        let geometry = header.geometry();
        let length = file.len()?;
        let end = geometry.round_up(length);
        let l1 = tables::read_l1(&file, header.l1_offset, u64::from(header.l1_entries))?;
        let refcounts = Refcounts::read(&file, &header)?;
        Ok(Self {
            tables: Tables::new(geometry),
            file: Arc::new(file),
            header,
            geometry,
            l1,
            refcounts,
            free_hint: 0,
            end,
            missing: length..end,
            writable,
            released: BTreeMap::new(),
            before: None,
        })
    }

    fn may_write(&self) -> Result<(), ImageError> {
        let refused = |reason: &str| Err(self.file.refused("written", reason));
        if self.header.incompatible & CORRUPT != 0 {
            return refused("it is marked as corrupt; 'check --repair all' may help");
        }
        if self.header.incompatible & DIRTY != 0 {
            return refused("its refcounts were not kept up; count them with 'check --repair all'");
        }
        if self.header.has_bitmaps() {
            return refused(
                "it has dirty bitmaps, which would become wrong; remove them with 'qemu-img bitmap --remove'",
            );
        }
        Ok(())
    }

    /// Before a change: features that this program does not keep up are marked so, and there is room for what it holds back.
    fn begin(&mut self) -> Result<(), ImageError> {
        if self.header.autoclear != 0 {
            self.header.autoclear = 0;
            self.header.write(&self.file)?;
            self.file.sync()?;
        }
        self.bound()
    }

    /// Whether the file has all bytes of a range that clusters lie in: it may end within its last one.
    pub(crate) fn is_whole(&self, range: Range<u64>) -> bool {
        range.end <= self.end && (range.end <= self.missing.start || range.start >= self.missing.end)
    }

    pub(crate) fn is_marked_corrupt(&self) -> bool {
        self.header.incompatible & CORRUPT != 0
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.header.incompatible & DIRTY != 0
    }
}
