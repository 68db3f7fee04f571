//! Storage pools of this host, as the verbs hold them: what is defined, and what is active.
//!
//! The crate `storage` does what is asked and remembers what runs. Here is what was asked: definitions, as they are in the store too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_model::Bytes;
use reeve_model::storage::{PoolConfig, PoolKind, PoolSpace, PoolTarget};
use reeve_storage::{Storage, StorageError};
use uuid::Uuid;

use crate::job::Jobs;

/// The storage of one host.
pub struct Storing {
    pub(crate) storage: Arc<Storage>,
    pools: Mutex<Pools>,
    /// One change of pools at a time, from its checks to its end. Volumes don't wait for it.
    pub(crate) changing: tokio::sync::Mutex<()>,
    images: PathBuf,
    /// Long operations that go on.
    pub(crate) jobs: Arc<Jobs>,
    /// Capacities of volumes that are being made or resized, by pool and name.
    intended: Mutex<BTreeMap<(Uuid, String), Bytes>>,
    /// Percent of a pool below which its free space is low.
    low_percent: AtomicU32,
    /// Pools of which that was told.
    low: Mutex<BTreeSet<Uuid>>,
}

/// Percent of a pool below which its free space is low, unless somebody says otherwise.
const LOW_PERCENT: u32 = 10;

/// Keeps a name and a capacity for a volume that is being made or resized, until it is dropped. It goes with the work, which goes on when
/// nobody waits for it any more.
pub(crate) struct Intent {
    storing: Arc<Storing>,
    key: (Uuid, String),
}

impl Drop for Intent {
    fn drop(&mut self) {
        lock(&self.storing.intended).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) type Pools = BTreeMap<Uuid, Pool>;

/// A pool that is defined, active, or both.
#[derive(Clone)]
pub(crate) struct Pool {
    /// What it will be at its next start; none for a transient one.
    pub(crate) definition: Option<Arc<PoolConfig>>,
    /// What it is now; none while it is not active.
    pub(crate) live: Option<Arc<PoolConfig>>,
    pub(crate) autostart: bool,
}

impl Pool {
    /// The document that counts: the live one, or the definition.
    pub(crate) fn config(&self) -> &Arc<PoolConfig> {
        let any = self.live.as_ref().or(self.definition.as_ref());
        any.expect("a pool that is neither defined nor active has no record")
    }
}

impl Storing {
    /// The storage of a host, whose first pool is the directory `images`. Nothing is touched before the first verb or the recovery.
    pub fn new(images: impl Into<PathBuf>) -> Self {
        Self {
            storage: Arc::new(Storage::new()),
            pools: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            images: images.into(),
            jobs: Arc::default(),
            intended: Mutex::default(),
            low_percent: AtomicU32::new(LOW_PERCENT),
            low: Mutex::default(),
        }
    }

    pub(crate) fn pools(&self) -> MutexGuard<'_, Pools> {
        lock(&self.pools)
    }

    /// Says what is low: less than so many percent of a pool free. 0 is never.
    pub fn set_low_space(&self, percent: u32) {
        self.low_percent.store(percent, Ordering::Relaxed);
    }

    /// What is free of a running pool, when that has become low since it was looked at last.
    pub(crate) fn became_low(&self, pool: Uuid) -> Option<Bytes> {
        let space = self.storage.space(pool);
        let mut low = lock(&self.low);
        match space {
            Ok(space) if self.is_low(space) => low.insert(pool).then_some(space.available),
            _ => {
                low.remove(&pool);
                None
            }
        }
    }

    fn is_low(&self, space: PoolSpace) -> bool {
        let percent = u128::from(self.low_percent.load(Ordering::Relaxed));
        u128::from(space.available.0) * 100 < u128::from(space.capacity.0) * percent
    }

    /// Notes that a volume will have this capacity; refused while somebody else makes or resizes it.
    pub(crate) fn intend(
        self: &Arc<Self>,
        pool: &PoolConfig,
        name: &str,
        capacity: Bytes,
    ) -> Result<Intent, StorageError> {
        let key = (pool.uuid, name.to_owned());
        let mut intended = lock(&self.intended);
        if intended.contains_key(&key) {
            return Err(StorageError::Conflict {
                subject: format!("volume '{name}' of pool '{}'", pool.name),
                reason: "another operation works on it; try again when that is done".to_owned(),
            });
        }
        intended.insert(key.clone(), capacity);
        Ok(Intent { storing: Arc::clone(self), key })
    }

    /// Names and capacities of the volumes of a pool that are being made or resized.
    pub(crate) fn intended(&self, pool: Uuid) -> BTreeMap<String, Bytes> {
        let intended = lock(&self.intended);
        let of_pool = intended.iter().filter(|((owner, _), _)| *owner == pool);
        of_pool.map(|((_, name), capacity)| (name.clone(), *capacity)).collect()
    }

    /// The pool that every host has (guide 11.1). Its UUID is new.
    pub(crate) fn default_pool(&self) -> PoolConfig {
        PoolConfig {
            kind: PoolKind::Dir,
            name: "default".to_owned(),
            uuid: Uuid::new_v4(),
            capacity: None,
            allocation: None,
            available: None,
            cow: None,
            source: Default::default(),
            target: PoolTarget { path: Some(self.images.display().to_string()), ..PoolTarget::default() },
            extra: Default::default(),
        }
    }

    /// The document with what the pool holds; nothing of a pool that does not run.
    pub(crate) fn with_space(&self, config: &PoolConfig) -> PoolConfig {
        let space = self.storage.space(config.uuid).unwrap_or_default();
        let size = |bytes: Bytes| Some(bytes);
        PoolConfig {
            capacity: size(space.capacity),
            allocation: size(space.allocation),
            available: size(space.available),
            ..config.clone()
        }
    }
}

/// The pool with this name or UUID.
pub(crate) fn find(pools: &Pools, key: &str) -> Option<(Uuid, Pool)> {
    let uuid = key.parse::<Uuid>().ok();
    let named = |(uuid_of, pool): &(&Uuid, &Pool)| pool.config().name == key || uuid == Some(**uuid_of);
    pools.iter().find(named).map(|(uuid, pool)| (*uuid, pool.clone()))
}

impl fmt::Debug for Storing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storing").field("pools", &self.pools().len()).finish_non_exhaustive()
    }
}
