//! Long operations on pools and volumes, for as long as they go on: clients see how far they are.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_model::storage::{StorageJob, StorageOperation};
use reeve_model::{Actor, Error, Verb};
use reeve_storage::Progress;
use uuid::Uuid;

use crate::Actions;
use crate::storing::Storing;

/// The operations that go on.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    next: AtomicU64,
    running: Mutex<BTreeMap<u64, Entry>>,
}

#[derive(Debug)]
struct Entry {
    pool: Uuid,
    operation: StorageOperation,
    volume: String,
    progress: Progress,
}

/// An operation that is seen until this is dropped.
#[derive(Debug)]
pub(crate) struct Job {
    jobs: Arc<Jobs>,
    id: u64,
    /// For whoever does the work.
    pub(crate) progress: Progress,
}

impl Jobs {
    fn running(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storing {
    /// Lets clients see an operation on a pool, or on a volume of it.
    pub(crate) fn begin(&self, pool: Uuid, operation: StorageOperation, volume: &str) -> Job {
        let jobs = Arc::clone(&self.jobs);
        let id = jobs.next.fetch_add(1, Ordering::Relaxed) + 1;
        let progress = Progress::default();
        let entry = Entry { pool, operation, volume: volume.to_owned(), progress: progress.clone() };
        jobs.running().insert(id, entry);
        Job { jobs, id, progress }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.jobs.running().remove(&self.id);
    }
}

impl Actions {
    /// The long operations on a pool and its volumes that go on, the oldest first.
    pub fn pool_jobs(&self, actor: &Actor, pool: &str) -> Result<Vec<StorageJob>, Error> {
        let (uuid, _) = self.pool(actor, Verb::PoolRead, pool)?;
        let running = self.storing.jobs.running();
        let of_pool = running.iter().filter(|(_, entry)| entry.pool == uuid);
        let job = |(id, entry): (&u64, &Entry)| {
            let (done, total) = entry.progress.get();
            StorageJob { id: *id, operation: entry.operation, volume: entry.volume.clone(), done, total }
        };
        Ok(of_pool.map(job).collect())
    }
}
