//! L1 and L2 tables. L2 tables are read when they are needed and kept for a while; what changes in them is held back until what it
//! refers to is on the disk (`order.rs`).

use std::collections::{BTreeMap, HashMap, VecDeque};
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
    /// Words that are in force and not in the file yet, by their offset in it: of L2 tables, and of the L1 table.
    held: BTreeMap<u64, u64>,
}

impl Kept {
    /// Nothing is written any more where a table was.
    fn let_go(&mut self, offset: u64, bytes: u64) {
        let words: Vec<u64> = self.held.range(offset..offset + bytes).map(|(at, _)| *at).collect();
        for at in words {
            self.held.remove(&at);
        }
    }

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
        let mut words = decode(&bytes);
        let mut kept = self.lock();
        for (at, word) in kept.held.range(offset..offset + geometry.cluster()) {
            words[((at - offset) / 8) as usize] = *word;
        }
        let table = Arc::new(words);
        kept.put(offset, Arc::clone(&table), self.most);
        Ok(table)
    }

    /// Changes words of a table.
    pub(super) fn change(&self, offset: u64, first: usize, words: &[u64]) {
        let mut kept = self.lock();
        kept.held.extend((offset + first as u64 * 8..).step_by(8).zip(words.iter().copied()));
        if let Some(table) = kept.tables.get_mut(&offset) {
            Arc::make_mut(table)[first..first + words.len()].copy_from_slice(words);
        }
    }

    /// Changes a word of the L1 table, which is kept elsewhere.
    pub(super) fn change_l1(&self, at: u64, word: u64) {
        self.lock().held.insert(at, word);
    }

    /// Writes a whole table, at a place to which nothing in the file refers yet or as it is but for marks.
    pub(super) fn write(&self, file: &ImageFile, offset: u64, table: Vec<u64>) -> Result<(), ImageError> {
        file.write(&encode(&table), offset)?;
        let mut kept = self.lock();
        kept.let_go(offset, table.len() as u64 * 8);
        kept.put(offset, Arc::new(table), self.most);
        Ok(())
    }

    /// How many words are held back.
    pub(super) fn held(&self) -> usize {
        self.lock().held.len()
    }

    /// Writes what is held back. What fails is held back still.
    pub(super) fn write_held(&self, file: &ImageFile) -> Result<(), ImageError> {
        let mut kept = self.lock();
        let mut run: (u64, Vec<u64>) = (0, Vec::new());
        for (at, word) in &kept.held {
            if *at != run.0 + run.1.len() as u64 * 8 {
                file.write(&encode(&run.1), run.0)?;
                run = (*at, Vec::new());
            }
            run.1.push(*word);
        }
        file.write(&encode(&run.1), run.0)?;
        kept.held.clear();
        Ok(())
    }

    /// Forgets a table whose cluster, of so many bytes, is free now.
    pub(super) fn forget(&self, offset: u64, bytes: u64) {
        let mut kept = self.lock();
        kept.let_go(offset, bytes);
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
