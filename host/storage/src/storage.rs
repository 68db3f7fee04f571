//! The pools that run, and everything that is done to them and their volumes.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_model::secret::SecretValue;
use reeve_model::storage::{
    BackingStore, BuildMode, Encryption, PoolConfig, PoolKind, PoolSpace, SecretReference, VolumeConfig,
    VolumeEncryption,
};
use uuid::Uuid;

use crate::pool::{self, Pool, Volume, Volumes, subject, volume_subject};
use crate::{Progress, StorageError};

mod change;
mod copy;
mod encrypted;
mod fill;
mod stream;

pub use change::Resize;
pub use encrypted::VolumeKey;

/// The pools that run on this host. Calls block for as long as the medium takes; those on different volumes don't wait for each other.
#[derive(Default)]
pub struct Storage {
    active: Mutex<BTreeMap<Uuid, Arc<Active>>>,
}

/// A pool that runs.
struct Active {
    config: PoolConfig,
    pool: Box<dyn Pool>,
    volumes: Box<dyn Volumes>,
    /// What was found last.
    known: Mutex<Known>,
    /// Volumes that are worked on.
    held: Mutex<HashMap<String, Use>>,
}

#[derive(Default)]
struct Known {
    volumes: BTreeMap<String, Volume>,
    space: PoolSpace,
}

/// How a volume is worked on.
enum Use {
    /// It is changed.
    Changed,
    /// It is read by that many.
    Read(u32),
}

/// Keeps others from changing a volume, or from using it at all.
struct Held<'a> {
    active: &'a Active,
    name: String,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = lock(&self.active.held);
        match held.get_mut(&self.name) {
            Some(Use::Read(readers)) if *readers > 1 => *readers -= 1,
            _ => drop(held.remove(&self.name)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Active {
    fn subject(&self, name: &str) -> String {
        volume_subject(name, &self.config.name)
    }

    /// Marks a volume as worked on.
    fn hold(&self, name: &str, change: bool) -> Result<Held<'_>, StorageError> {
        let mut held = lock(&self.held);
        match held.get_mut(name) {
            None => drop(held.insert(name.to_owned(), if change { Use::Changed } else { Use::Read(1) })),
            Some(Use::Read(readers)) if !change => *readers += 1,
            Some(_) => {
                let reason = "another operation works on it; try again when that is done";
                return Err(StorageError::conflict(self.subject(name), reason));
            }
        }
        Ok(Held { active: self, name: name.to_owned() })
    }

    fn refresh(&self, progress: &Progress) -> Result<(), StorageError> {
        let volumes = self.volumes.refresh(progress)?;
        let space = self.volumes.space()?;
        let volumes = volumes.into_iter().map(|volume| (volume.name.clone(), volume)).collect();
        *lock(&self.known) = Known { volumes, space };
        Ok(())
    }

    /// Fails while an overlay of the pool reads from a volume.
    fn refuse_needed(&self, name: &str) -> Result<(), StorageError> {
        let known = lock(&self.known);
        let Some(volume) = known.volumes.get(name) else { return Ok(()) };
        let reads = |other: &&Volume| {
            other.backing.as_deref().is_some_and(|below| below == volume.path || below == name)
        };
        match known.volumes.values().find(reads) {
            Some(overlay) => {
                let reason = format!("volume '{}' reads from it; delete or rebase that first", overlay.name);
                Err(StorageError::conflict(self.subject(name), reason))
            }
            None => Ok(()),
        }
    }

    /// Refuses to change what others read of a volume. A snapshot that its device keeps has what there was before, whatever is written.
    fn refuse_read(&self, name: &str) -> Result<(), StorageError> {
        if self.config.kind.holds_files() { self.refuse_needed(name) } else { Ok(()) }
    }

    /// Notes one volume as it is now, or that it is gone.
    fn note(&self, name: &str, volume: Option<&Volume>) {
        let space = self.volumes.space();
        let mut known = lock(&self.known);
        match volume {
            Some(volume) => drop(known.volumes.insert(name.to_owned(), volume.clone())),
            None => drop(known.volumes.remove(name)),
        }
        if let Ok(space) = space {
            known.space = space;
        }
    }
}

/// Refuses a pool whose kind or source can't be served by this host, without touching anything.
pub fn check(config: &PoolConfig) -> Result<(), StorageError> {
    pool::of(config).map(drop)
}

impl Storage {
    /// A host on which no pool runs.
    pub fn new() -> Self {
        Self::default()
    }

    fn pools(&self) -> MutexGuard<'_, BTreeMap<Uuid, Arc<Active>>> {
        lock(&self.active)
    }

    fn active(&self, pool: Uuid) -> Result<Arc<Active>, StorageError> {
        self.pools().get(&pool).cloned().ok_or_else(|| StorageError::NotActive(pool.to_string()))
    }

    fn refuse_active(&self, config: &PoolConfig) -> Result<(), StorageError> {
        match self.is_active(config.uuid) {
            true => Err(StorageError::Active(config.name.clone())),
            false => Ok(()),
        }
    }

    /// True while a pool runs.
    pub fn is_active(&self, pool: Uuid) -> bool {
        self.pools().contains_key(&pool)
    }

    /// What running pools are made of, as they were started.
    pub fn running(&self) -> Vec<PoolConfig> {
        self.pools().values().map(|active| active.config.clone()).collect()
    }

    /// Makes the source of a pool that does not run (guide 14.11.2).
    pub fn build(&self, config: &PoolConfig, mode: BuildMode) -> Result<(), StorageError> {
        self.refuse_active(config)?;
        pool::of(config)?.build(mode)
    }

    /// Starts a pool and reads its volumes. One whose source is in reach already, as after a restart of the daemon, is taken over.
    pub fn start(&self, config: &PoolConfig, progress: &Progress) -> Result<(), StorageError> {
        self.start_with(config, None, progress)
    }

    /// As [`Self::start`], with the value of the secret that the document names, where it names one.
    pub fn start_with(
        &self,
        config: &PoolConfig,
        secret: Option<&SecretValue>,
        progress: &Progress,
    ) -> Result<(), StorageError> {
        self.refuse_active(config)?;
        self.refuse_shared(config)?;
        let pool = pool::of(config)?;
        let volumes = match secret {
            Some(secret) => pool.start_with(secret)?,
            None => pool.start()?,
        };
        let active =
            Active { config: config.clone(), pool, volumes, known: Mutex::default(), held: Mutex::default() };
        if let Err(error) = active.refresh(progress) {
            if let Err(left) = active.pool.stop() {
                tracing::warn!("{left}");
            }
            return Err(error);
        }
        self.pools().insert(config.uuid, Arc::new(active));
        Ok(())
    }

    /// Two pools on one source would each take the other's volumes for its own.
    fn refuse_shared(&self, config: &PoolConfig) -> Result<(), StorageError> {
        let place = |config: &PoolConfig| match config.kind {
            PoolKind::Logical => Some(config.source.name.as_ref().unwrap_or(&config.name).clone()),
            kind if kind.holds_files() => config.target.path.clone(),
            PoolKind::Scsi => {
                let name = config.source.adapter.as_ref().and_then(|adapter| adapter.name.as_deref());
                name.map(|name| name.strip_prefix("scsi_").unwrap_or(name).to_owned())
            }
            _ => config.source.device().map(str::to_owned),
        };
        let real =
            |path: String| std::fs::canonicalize(&path).map_or(path, |real| real.display().to_string());
        let mine = place(config).map(real);
        let other = self.running().into_iter().find(|other| mine.is_some() && place(other).map(real) == mine);
        match other {
            Some(other) => {
                let reason =
                    format!("'{}' belongs to storage pool '{}'", mine.unwrap_or_default(), other.name);
                Err(StorageError::conflict(subject(&config.name), reason))
            }
            None => Ok(()),
        }
    }

    /// Stops a pool; no data is touched. Refused while a volume of it is worked on.
    pub fn stop(&self, pool: Uuid) -> Result<(), StorageError> {
        let active = self.active(pool)?;
        if let Some(name) = lock(&active.held).keys().next() {
            let reason = "an operation works on it; the pool can't be stopped before that is done";
            return Err(StorageError::conflict(active.subject(name), reason));
        }
        // Our own descriptors keep a file system busy, so they go first.
        self.pools().remove(&pool);
        let config = active.config.clone();
        drop(active);
        let stopped = pool::of(&config)?.stop();
        if stopped.is_err() {
            let again = self.start(&config, &Progress::default());
            if let Err(error) = again {
                tracing::warn!("storage pool '{}' is neither stopped nor active: {error}", config.name);
            }
        }
        stopped
    }

    /// Removes the source of a pool that does not run, for good (guide 14.11.3).
    pub fn delete(&self, config: &PoolConfig) -> Result<(), StorageError> {
        self.refuse_active(config)?;
        pool::of(config)?.delete()
    }

    /// Reads the volumes of a pool again.
    pub fn refresh(&self, pool: Uuid, progress: &Progress) -> Result<(), StorageError> {
        self.active(pool)?.refresh(progress)
    }

    /// What a running pool holds, at its last refresh or change.
    pub fn space(&self, pool: Uuid) -> Result<PoolSpace, StorageError> {
        let active = self.active(pool)?;
        let space = lock(&active.known).space;
        Ok(space)
    }

    /// Measures what a running pool holds again, without reading its volumes.
    pub fn measure(&self, pool: Uuid) -> Result<PoolSpace, StorageError> {
        let active = self.active(pool)?;
        let space = active.volumes.space()?;
        lock(&active.known).space = space;
        Ok(space)
    }

    /// The volumes of a running pool by name, as they were found last.
    pub fn volumes(&self, pool: Uuid) -> Result<Vec<Volume>, StorageError> {
        let active = self.active(pool)?;
        let volumes = lock(&active.known).volumes.values().cloned().collect();
        Ok(volumes)
    }

    /// One volume, as it is now.
    pub fn volume(&self, pool: Uuid, name: &str) -> Result<Volume, StorageError> {
        let active = self.active(pool)?;
        let volume = active.volumes.look(name)?;
        active.note(name, Some(&volume));
        Ok(volume)
    }

    /// The document of a volume, as it is now (guide ch. 13).
    pub fn document(&self, pool: Uuid, name: &str) -> Result<VolumeConfig, StorageError> {
        let volume = self.volume(pool, name)?;
        let details = self.active(pool)?.volumes.describe(&volume.name)?;
        let mut config = VolumeConfig::new(volume.name, volume.capacity);
        config.kind = Some(volume.kind);
        config.key = Some(volume.key);
        config.allocation = Some(volume.allocation);
        config.physical = Some(volume.physical);
        config.target = details.target;
        config.target.path = Some(volume.path);
        config.target.format = Some(volume.format);
        config.target.encryption = volume.encryption.map(encryption);
        let format = details.backing_format;
        let backing = |path| BackingStore { path, format, permissions: None, extra: Default::default() };
        config.backing = volume.backing.map(backing);
        Ok(config)
    }

    /// The pool and name of the volume with a path or key (guide 11.2).
    pub fn find(&self, path_or_key: &str) -> Option<(Uuid, String)> {
        let pools: Vec<Arc<Active>> = self.pools().values().cloned().collect();
        pools.iter().find_map(|active| {
            let known = lock(&active.known);
            let meant = |volume: &&Volume| volume.path == path_or_key || volume.key == path_or_key;
            known.volumes.values().find(meant).map(|volume| (active.config.uuid, volume.name.clone()))
        })
    }

    /// Volumes of running pools that are put on other images: where each is, and what it is called.
    pub fn overlays(&self) -> Vec<(PathBuf, String)> {
        let pools: Vec<Arc<Active>> = self.pools().values().cloned().collect();
        let mut overlays = Vec::new();
        for active in pools {
            let known = lock(&active.known);
            let found = known.volumes.values().filter(|volume| volume.backing.is_some());
            overlays.extend(found.map(|volume| (PathBuf::from(&volume.path), active.subject(&volume.name))));
        }
        overlays
    }
}

fn encryption(found: VolumeEncryption) -> Encryption {
    let kind = Some("passphrase".to_owned());
    let reference = |uuid: Uuid| SecretReference { kind, uuid: Some(uuid.to_string()), usage: None };
    Encryption {
        format: Some(found.format),
        secrets: found.secret.map(reference).into_iter().collect(),
        ..Encryption::default()
    }
}
