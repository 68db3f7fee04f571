//! When what goes to the file.
//!
//! ```text
//!   clusters of the disk, counts up, new tables and blocks     at once
//!   ── sync ──
//!   entries of the refcount table, for new blocks             held back
//!   ── sync, if there were any ──
//!   entries of L1 and L2 tables                               held back
//!   ── sync ──
//!   counts down, holes, use for something else                held back
//! ```
//!
//! A file system writes what was written in any order until a sync has come back. So nothing in the file refers to a cluster before the
//! cluster's bytes and its count are on the disk, and none is changed or used again before nothing on the disk refers to it. Whoever loses
//! power finds every byte that was synced, and of what was written since either that or what was there before; some clusters may be
//! counted that nobody uses. Who is killed loses no more than that.
//!
//! What is held back is in force for this process alone: who else opens the file finds it after a sync.

use std::sync::Arc;

use crate::error::ImageError;
use crate::file::ImageFile;
use crate::qcow2::Qcow2;

/// Most words of tables, and most clusters that are released, that are held back: some MiB of memory, and 4 GiB of the disk in clusters of
/// 64 KiB.
const MOST: usize = 1 << 16;

impl Qcow2 {
    /// Everything that was written is on the disk when this returns.
    pub(crate) fn sync(&mut self) -> Result<(), ImageError> {
        self.write_down(ImageFile::sync)
    }

    /// Everything that was written is in the file when this returns, for who opens it next: with `last` on the disk too, or an error says why
    /// not.
    pub(crate) fn put_down(&mut self, last: bool) -> Result<(), ImageError> {
        if !last {
            return self.write_down(|_| Ok(()));
        }
        let synced = self.sync();
        if synced.is_err() {
            // What is on the disk is not known: it keeps what it may refer to.
            self.released.clear();
            self.write_down(|_| Ok(()))?;
        }
        synced
    }

    fn write_down(&mut self, sync: impl Fn(&ImageFile) -> Result<(), ImageError>) -> Result<(), ImageError> {
        sync(&self.file)?;
        // What comes into force as a whole holds nothing back.
        if self.before.is_some() {
            return Ok(());
        }
        if self.refcounts.holds() {
            self.refcounts.write_held(&self.file)?;
            sync(&self.file)?;
        }
        if self.tables.held() > 0 {
            self.tables.write_held(&self.file)?;
            if let Err(error) = sync(&self.file) {
                // What they say is not known to be on the disk, and is not held back any more.
                self.released.clear();
                return Err(error);
            }
        }
        self.count_released()
    }

    /// Whether nothing is held back.
    pub(crate) fn is_settled(&self) -> bool {
        self.released.is_empty() && self.tables.held() == 0 && !self.refcounts.holds()
    }

    /// After a change: where its file says so, it is on the disk before it is done.
    pub(super) fn settle(&mut self) -> Result<(), ImageError> {
        if self.file.is_durable() && !self.is_settled() { self.sync() } else { Ok(()) }
    }

    /// Makes room for what is held back.
    pub(super) fn bound(&mut self) -> Result<(), ImageError> {
        if self.tables.held() > MOST || self.released.len() > MOST { self.sync() } else { Ok(()) }
    }

    /// Closes the image; its file.
    pub(crate) fn into_file(self) -> ImageFile {
        let file = Arc::clone(&self.file);
        drop(self);
        Arc::into_inner(file).expect("nobody has the file of an image but the image")
    }
}

impl Drop for Qcow2 {
    fn drop(&mut self) {
        if !self.is_settled() {
            // Nobody is left to be told; whoever wanted to know has synced.
            let _ = self.put_down(true);
        }
    }
}
