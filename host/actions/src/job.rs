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
    /// None for a file that is in no pool.
    pool: Option<Uuid>,
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

impl Entry {
    fn seen(&self, id: u64, pool: Option<String>) -> StorageJob {
        let (done, total) = self.progress.get();
        StorageJob { id, pool, operation: self.operation, volume: self.volume.clone(), done, total }
    }
}

impl Jobs {
    fn running(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storing {
    /// Lets clients see an operation on a pool, or on a volume of it; or on a file that is in none, by its path.
    pub(crate) fn begin(
        &self,
        pool: impl Into<Option<Uuid>>,
        operation: StorageOperation,
        volume: &str,
    ) -> Job {
        let pool = pool.into();
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
        let (uuid, pool) = self.pool(actor, Verb::PoolRead, pool)?;
        let running = self.storing.jobs.running();
        let of_pool = running.iter().filter(|(_, entry)| entry.pool == Some(uuid));
        Ok(of_pool.map(|(id, entry)| entry.seen(*id, Some(pool.config().name.clone()))).collect())
    }

    /// The long operations on all pools that `actor` may see, and on disks of domains that are in none, the oldest first.
    pub fn storage_jobs(&self, actor: &Actor) -> Result<Vec<StorageJob>, Error> {
        if !matches!(actor, Actor::Policy { .. }) {
            self.authorize(actor, Verb::PoolRead, "")?;
        }
        let pools = self.storing.pools().clone();
        // A pool that is about to be there for the first time has no name yet.
        let name =
            |uuid: Uuid| pools.get(&uuid).map_or_else(|| uuid.to_string(), |pool| pool.config().name.clone());
        let running = self.storing.jobs.running();
        let jobs = running.iter().map(|(id, entry)| entry.seen(*id, entry.pool.map(name)));
        let may_see = |job: &StorageJob| {
            self.authorize(actor, Verb::PoolRead, job.pool.as_deref().unwrap_or("")).is_ok()
        };
        Ok(jobs.filter(may_see).collect())
    }
}
