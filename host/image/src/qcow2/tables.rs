//! L1 and L2 tables. L2 tables are read when they are needed and kept for a while; a change goes to the file at once.

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::ImageError;
use crate::file::ImageFile;
use crate::qcow2::Qcow2;
use crate::qcow2::layout::{Geometry, MAX_L1, OFFSET, decode, encode};

/// Bytes of L2 tables that are kept.
const KEPT: u64 = 16 << 20;

/// L2 tables by their offset in the file.
#[derive(Debug)]
pub(super) struct Tables {
    kept: Mutex<Kept>,
    most: usize,
}

#[derive(Debug, Default)]
struct Kept {
    tables: HashMap<u64, Arc<Vec<u64>>>,
    /// In the order they came.
    order: VecDeque<u64>,
}

impl Kept {
    fn put(&mut self, offset: u64, table: Arc<Vec<u64>>, most: usize) {
        if self.tables.insert(offset, table).is_none() {
            self.order.push_back(offset);
            if self.order.len() > most
                && let Some(oldest) = self.order.pop_front()
            {
                self.tables.remove(&oldest);
            }
        }
    }
}

impl Tables {
    pub(super) fn new(geometry: Geometry) -> Self {
        Self { kept: Mutex::default(), most: (KEPT >> geometry.cluster_bits).max(4) as usize }
    }

    /// The table at an offset that was judged.
    pub(super) fn get(
        &self,
        file: &ImageFile,
        geometry: Geometry,
        offset: u64,
    ) -> Result<Arc<Vec<u64>>, ImageError> {
        if let Some(table) = self.lock().tables.get(&offset) {
            return Ok(Arc::clone(table));
        }
        let mut bytes = vec![0; geometry.cluster() as usize];
        file.read_padded(&mut bytes, offset)?;
        let table = Arc::new(decode(&bytes));
        self.lock().put(offset, Arc::clone(&table), self.most);
        Ok(table)
    }

    /// Changes words of a table, in the file and in memory.
    pub(super) fn change(
        &self,
        file: &ImageFile,
        offset: u64,
        first: usize,
        words: &[u64],
    ) -> Result<(), ImageError> {
        file.write(&encode(words), offset + first as u64 * 8)?;
        if let Some(table) = self.lock().tables.get_mut(&offset) {
            Arc::make_mut(table)[first..first + words.len()].copy_from_slice(words);
        }
        Ok(())
    }

    /// Writes a whole table at a new place.
    pub(super) fn write(&self, file: &ImageFile, offset: u64, table: Vec<u64>) -> Result<(), ImageError> {
        file.write(&encode(&table), offset)?;
        self.lock().put(offset, Arc::new(table), self.most);
        Ok(())
    }

    /// Forgets a table whose cluster is free now.
    pub(super) fn forget(&self, offset: u64) {
        let mut kept = self.lock();
        if kept.tables.remove(&offset).is_some() {
            kept.order.retain(|other| *other != offset);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Whoever panicked left whole tables: each change is one assignment.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads an L1 table whose place was judged; it is as long as the header or a snapshot says, at most 32 MiB.
pub(super) fn read_l1(file: &ImageFile, offset: u64, entries: u64) -> Result<Vec<u64>, ImageError> {
    if entries * 8 > MAX_L1 {
        return Err(file.damaged(format!("an L1 table of {entries} entries is too large")));
    }
    let mut bytes = vec![0; entries as usize * 8];
    file.read_padded(&mut bytes, offset)?;
    Ok(decode(&bytes))
}

impl Qcow2 {
    /// Offset of the L2 table of an L1 entry, judged; none when there is none.
    pub(super) fn l2_offset(&self, l1_entry: u64) -> Result<Option<u64>, ImageError> {
        let offset = l1_entry & OFFSET;
        if offset == 0 {
            return Ok(None);
        }
        self.judge_cluster("an L2 table", offset)?;
        Ok(Some(offset))
    }

    pub(super) fn l2_table(&self, offset: u64) -> Result<Arc<Vec<u64>>, ImageError> {
        self.tables.get(&self.file, self.geometry, offset)
    }

    /// A cluster of the file that an entry names: aligned, not the header, within the file.
    pub(super) fn judge_cluster(&self, what: impl Display, offset: u64) -> Result<(), ImageError> {
        match self.complaint(what, offset) {
            None => Ok(()),
            Some(problem) => Err(self.file.damaged(problem)),
        }
    }

    pub(super) fn complaint(&self, what: impl Display, offset: u64) -> Option<String> {
        if !offset.is_multiple_of(self.geometry.cluster()) {
            return Some(format!("{what} is at {offset:#x}, which is not the start of a cluster"));
        }
        if offset == 0 {
            return Some(format!("{what} is where the header is"));
        }
        if offset >= self.end {
            return Some(format!(
                "{what} is at {offset:#x}, behind the end of the file; it may have been cut off"
            ));
        }
        None
    }
}
