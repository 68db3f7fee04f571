//! Storage pools of this host, as the verbs hold them: what is defined, and what is active.
//!
//! The crate `storage` does what is asked and remembers what runs. Here is what was asked: definitions, as they are in the store too.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_model::Bytes;
use reeve_model::storage::{PoolConfig, PoolKind, PoolTarget};
use reeve_storage::Storage;
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
        }
    }

    pub(crate) fn pools(&self) -> MutexGuard<'_, Pools> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
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
