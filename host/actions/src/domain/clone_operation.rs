//! The journaled operation that clones a domain: its disks one after the other, its definition last.
//!
//! Before each copy it is written down which one comes next, and that its place was free. So a daemon that died knows which of them are
//! its own: those before, and the one that was next.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::Turn;
use reeve_model::domain::{Disk, DiskSource, DomainConfig};
use reeve_model::storage::{PoolChange, StorageOperation, TakeVolume, VolumeConfig};
use reeve_model::{Actor, Bytes, Error, ErrorCode};
use reeve_storage::ImageSource;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::journal::{Next, Operation, Step};
use crate::mac::Reservation;
use crate::{Actions, document, storing};

/// Where a copy goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// A volume of a pool.
    Volume {
        /// The pool.
        pool: Uuid,
        /// The volume.
        name: String,
    },
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
    },
}

impl Place {
    /// Where it will be, as far as that can be known before: a volume is beside the original.
    pub fn path(&self, original: &Path) -> String {
        match self {
            Self::Volume { name, .. } => original.with_file_name(name).display().to_string(),
            Self::File { path } => path.display().to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume { name, .. } => write!(f, "volume '{name}'"),
            Self::File { path } => write!(f, "file '{}'", path.display()),
        }
    }
}

/// A disk that is copied.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DiskCopy {
    /// Target of the disk.
    pub target: String,
    /// Path of the original.
    pub from: PathBuf,
    /// The volume that the original is, if it is one.
    pub volume: Option<(Uuid, String)>,
    /// Format of the original.
    pub format: String,
    /// The original is encrypted, and its copy opens with the same passphrases.
    #[serde(default)]
    pub encrypted: bool,
    /// Where the copy goes.
    pub to: Place,
    /// The original is locked by a machine that stands still.
    pub is_paused: bool,
}

impl DiskCopy {
    fn source(&self) -> ImageSource {
        let (path, format) = (self.from.clone(), self.format.clone());
        ImageSource { path, format, encrypted: self.encrypted, follow: true, locked: !self.is_paused }
    }

    /// Makes the disk of the clone the copy, which is at `path`.
    pub fn put(&self, disk: &mut Disk, path: String) {
        let is_file = matches!(self.to, Place::File { .. });
        disk.source = match (&self.to, &disk.source) {
            (Place::Volume { name, .. }, DiskSource::Volume { pool, .. }) => {
                DiskSource::Volume { pool: pool.clone(), volume: name.clone(), found: None }
            }
            (_, DiskSource::Block { .. }) if !is_file => DiskSource::Block { path: Some(path) },
            _ => DiskSource::File { path: Some(path) },
        };
    }
}

/// A domain is cloned.
#[derive(Serialize, Deserialize)]
pub(crate) struct Cloning {
    actor: Actor,
    config: DomainConfig,
    copies: Vec<DiskCopy>,
    /// How many copies are whole.
    done: usize,
    /// How many may be there: while one is made it counts too, for its place was free; one that failed has left nothing. Daemons that did not
    /// note it may have died in any copy.
    #[serde(default)]
    begun: Option<usize>,
    /// Keeps a paused original as it is.
    #[serde(skip)]
    _turn: Option<Turn>,
    /// Keeps the MAC addresses of the clone until it is there.
    #[serde(skip)]
    _reserved: Option<Reservation>,
}

impl Cloning {
    /// Nothing is copied yet.
    pub fn new(
        actor: &Actor,
        config: DomainConfig,
        copies: Vec<DiskCopy>,
        turn: Option<Turn>,
        reserved: Reservation,
    ) -> Self {
        let actor = actor.clone();
        Self { actor, config, copies, done: 0, begun: Some(1), _turn: turn, _reserved: Some(reserved) }
    }

    /// The clone.
    pub fn config(&self) -> &DomainConfig {
        &self.config
    }
}

impl Operation for Cloning {
    const KIND: &'static str = "domain-clone";

    fn subject(&self) -> String {
        self.config.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&CopyDisks, &KeepDefinition]
    }
}

/// The disks are copied, one at a time.
struct CopyDisks;

#[async_trait]
impl Step<Cloning> for CopyDisks {
    fn name(&self) -> &'static str {
        "disks"
    }

    async fn run(&self, actions: &Arc<Actions>, operation: &mut Cloning) -> Result<(), Error> {
        let Some(copy) = operation.copies.get(operation.done) else { return Ok(()) };
        operation.begun = Some(operation.done);
        let path = actions.copy_disk(&operation.actor, copy).await?;
        let disks = &mut operation.config.devices.disks;
        if let Some(disk) = disks.iter_mut().find(|disk| disk.target == copy.target) {
            copy.put(disk, path);
        }
        operation.done += 1;
        operation.begun = Some(operation.done);
        let Some(next) = operation.copies.get(operation.done) else { return Ok(()) };
        // What is in the next place now is somebody else's.
        if actions.is_there(&next.to).await? {
            let message = format!("{} was made by somebody else meanwhile", next.to);
            return Err(Error::new(ErrorCode::AlreadyExists, message).with_hint("choose another place"));
        }
        operation.begun = Some(operation.done + 1);
        Ok(())
    }

    fn goes_on(&self, operation: &Cloning) -> bool {
        operation.done < operation.copies.len()
    }

    async fn undo(&self, actions: &Arc<Actions>, operation: &mut Cloning) -> Result<(), Error> {
        let begun = operation.begun.unwrap_or(operation.done + 1);
        for copy in operation.copies.iter().take(begun) {
            actions.remove_copy(&operation.actor, copy).await?;
        }
        Ok(())
    }
}

/// The clone is defined.
struct KeepDefinition;

impl KeepDefinition {
    fn is_kept(actions: &Actions, operation: &Cloning) -> bool {
        actions.domains.definition(operation.config.uuid).is_ok_and(|found| found.is_some())
    }
}

#[async_trait]
impl Step<Cloning> for KeepDefinition {
    fn name(&self) -> &'static str {
        "definition"
    }

    async fn run(&self, actions: &Arc<Actions>, operation: &mut Cloning) -> Result<(), Error> {
        let (actor, config) = (operation.actor.clone(), operation.config.clone());
        actions.definitions(move |definitions| definitions.keep(&actor, config, None)).await
    }

    async fn undo(&self, actions: &Arc<Actions>, operation: &mut Cloning) -> Result<(), Error> {
        if !Self::is_kept(actions, operation) {
            return Ok(());
        }
        let uuid = operation.config.uuid;
        actions.definitions(move |definitions| definitions.remove(&Actor::Daemon, uuid)).await
    }

    fn after_crash(&self, actions: &Actions, operation: &Cloning) -> Next {
        match Self::is_kept(actions, operation) {
            true => Next::Forward,
            false => Next::Back,
        }
    }
}

impl Actions {
    /// Makes a copy, which is whole or not there; its path.
    async fn copy_disk(&self, actor: &Actor, copy: &DiskCopy) -> Result<String, Error> {
        let source = copy.source();
        let (pool, name) = match &copy.to {
            Place::File { path } => {
                let to = path.clone();
                let home = self.pool_of_file(path);
                let shown =
                    home.as_ref().map_or_else(|| path.display().to_string(), |(_, name)| name.clone());
                let pool = home.map(|(pool, _)| pool);
                let job = self.storing.begin(pool, StorageOperation::CreateFrom, &shown);
                crate::blocking(move || Ok(reeve_storage::copy_image(&source, &to, &job.progress)?)).await?;
                self.note_volume(path).await;
                return Ok(path.display().to_string());
            }
            Place::Volume { pool, name } => (*pool, name.clone()),
        };
        if let (Some((home, original)), false) = (&copy.volume, copy.is_paused) {
            let options = TakeVolume {
                template: Some(original.clone()),
                template_pool: Some(home.to_string()),
                ..TakeVolume::default()
            };
            let document = volume_document(&name, None);
            let created = self.create_volume(actor, &pool.to_string(), &document, &options).await?;
            return Ok(created.volume.path);
        }
        let size = {
            let source = source.clone();
            crate::blocking(move || Ok(reeve_storage::measure(&source)?)).await?
        };
        let document = volume_document(&name, Some(size.physical));
        let created = self.create_volume(actor, &pool.to_string(), &document, &TakeVolume::default()).await?;
        let made = created.volume.name.clone();
        let job = self.storing.begin(pool, StorageOperation::CreateFrom, &made);
        let filled = self.on_storage(move |storage| storage.fill(pool, &made, &source, &job.progress));
        match filled.await {
            Ok(()) => Ok(created.volume.path),
            Err(error) => {
                self.remove_copy(actor, copy).await?;
                Err(error)
            }
        }
    }

    /// The active pool in whose directory a file is, and what it is called there.
    fn pool_of_file(&self, path: &Path) -> Option<(Uuid, String)> {
        let (parent, name) = (path.parent()?, path.file_name()?.to_str()?);
        let home = |pool: &storing::Pool| {
            let live = pool.live.as_ref().filter(|live| live.kind.holds_files());
            live.and_then(|live| live.target.path.as_deref())
                .is_some_and(|target| Path::new(target) == parent)
        };
        let pools = self.storing.pools();
        let found = pools.iter().find(|(_, pool)| home(pool)).map(|(uuid, _)| *uuid);
        Some((found?, name.to_owned()))
    }

    /// Tells the pool in whose directory a file was made.
    async fn note_volume(&self, path: &Path) {
        if let Some((pool, name)) = self.pool_of_file(path) {
            // The file is there, whatever the pool says of it.
            let _ = self.on_storage(move |storage| storage.volume(pool, &name)).await;
        }
    }

    /// Removes a copy, if it is there.
    async fn remove_copy(&self, actor: &Actor, copy: &DiskCopy) -> Result<(), Error> {
        match &copy.to {
            Place::File { path } => {
                let path = path.clone();
                crate::blocking(move || Ok(reeve_storage::remove_image(&path)?)).await
            }
            Place::Volume { pool, name } => {
                if !self.is_there(&copy.to).await? {
                    return Ok(());
                }
                let (uuid, meant) = (*pool, name.clone());
                self.on_storage(move |storage| storage.delete_volume(uuid, &meant)).await?;
                if let Some((_, pool)) = storing::find(&self.storing.pools(), &pool.to_string()) {
                    self.tell_pool(actor, pool.config(), PoolChange::VolumeDeleted, name);
                }
                Ok(())
            }
        }
    }
}

/// A volume of a name: of the size of its template, or a raw one of zeroes that takes no room yet.
fn volume_document(name: &str, size: Option<Bytes>) -> String {
    let mut config = VolumeConfig::new(name, size.unwrap_or_default());
    config.capacity = size;
    config.allocation = size.map(|_| Bytes(0));
    document::format_volume(&config)
}
