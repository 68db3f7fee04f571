//! What this host knows of migrations, and how it reaches other hosts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use reeve_model::migration::{
    MigrationHost, MigrationLimits, MigrationPrepared, MigrationReport, MigrationStage, PrepareMigration,
};
use reeve_model::{Error, ErrorCode};
use uuid::Uuid;

use crate::Actions;

/// Scheme of the address of another daemon's API socket.
const SCHEME: &str = "reeve+unix://";

/// Speaks with daemons of other hosts. A host is named by the path of its API socket.
#[async_trait]
pub trait PeerPort: Send + Sync {
    /// Has it make ready for a guest.
    async fn prepare(&self, host: &Path, request: &PrepareMigration) -> Result<MigrationPrepared, Error>;

    /// How it sees a migration.
    async fn report(&self, host: &Path, migration: Uuid) -> Result<MigrationReport, Error>;
}

/// Reaches nobody.
struct NoPeers;

#[async_trait]
impl PeerPort for NoPeers {
    async fn prepare(&self, host: &Path, _request: &PrepareMigration) -> Result<MigrationPrepared, Error> {
        Err(unreachable_host(host))
    }

    async fn report(&self, host: &Path, _migration: Uuid) -> Result<MigrationReport, Error> {
        Err(unreachable_host(host))
    }
}

fn unreachable_host(host: &Path) -> Error {
    Error::new(
        ErrorCode::Unsupported,
        format!("the host behind '{}' can't be reached from here", host.display()),
    )
}

/// Migrations from and to this host.
pub struct Migrations {
    pub(crate) peers: Arc<dyn PeerPort>,
    /// The API socket of this host.
    pub(crate) socket: PathBuf,
    /// Where the sockets of guests that are to come are made.
    pub(crate) run: PathBuf,
    /// The kernel's boot id.
    pub(crate) boot_id: String,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    stages: HashMap<Uuid, MigrationStage>,
    /// Limits that were set for a domain before or while it moves.
    limits: HashMap<Uuid, MigrationLimits>,
}

impl Migrations {
    /// A host that reaches others by `peers` and is itself reached by the API socket `socket`.
    pub fn new(peers: Arc<dyn PeerPort>, socket: PathBuf, run: PathBuf, boot_id: String) -> Self {
        Self { peers, socket, run, boot_id, known: Mutex::default() }
    }

    /// How this host sees a migration.
    pub(crate) fn stage(&self, migration: Uuid) -> MigrationStage {
        self.lock().stages.get(&migration).copied().unwrap_or(MigrationStage::Unknown)
    }

    pub(crate) fn set_stage(&self, migration: Uuid, stage: MigrationStage) {
        match stage {
            MigrationStage::Unknown => drop(self.lock().stages.remove(&migration)),
            stage => drop(self.lock().stages.insert(migration, stage)),
        }
    }

    /// The limits for the migration of a domain.
    pub(crate) fn limits(&self, domain: Uuid) -> MigrationLimits {
        self.lock().limits.get(&domain).copied().unwrap_or_default()
    }

    pub(crate) fn set_limits(&self, domain: Uuid, limits: MigrationLimits) {
        self.lock().limits.insert(domain, limits);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Migrations {
    fn default() -> Self {
        Self::new(Arc::new(NoPeers), PathBuf::new(), PathBuf::new(), String::new())
    }
}

/// The API socket that an address names.
pub(crate) fn host_of(address: &str) -> Result<PathBuf, Error> {
    let path = address.strip_prefix(SCHEME).filter(|path| path.starts_with('/'));
    path.map(PathBuf::from).ok_or_else(|| {
        let message = format!("'{address}' is no address of a host that guests can be moved to");
        Error::new(ErrorCode::Invalid, message).with_hint(format!("write {SCHEME}/PATH/TO/reeve.sock"))
    })
}

/// What carries a guest to an address, e.g. `unix`.
pub(crate) fn transport_of(address: &str) -> String {
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    scheme.strip_prefix("reeve+").unwrap_or(scheme).to_owned()
}

impl Actions {
    /// This host, as the other one and policies are told it.
    pub(crate) fn this_host(&self) -> Result<MigrationHost, Error> {
        Ok(MigrationHost { name: self.node.info()?.hostname, version: env!("CARGO_PKG_VERSION").to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_named_by_their_sockets() {
        let host = host_of("reeve+unix:///srv/b/run/reeve/reeve.sock").unwrap();
        assert_eq!(host, Path::new("/srv/b/run/reeve/reeve.sock"));
        assert_eq!(transport_of("reeve+unix:///srv/b/run/reeve/reeve.sock"), "unix");
        for wrong in ["", "/srv/reeve.sock", "reeve+unix://relative", "qemu+ssh://host/system"] {
            assert_eq!(host_of(wrong).unwrap_err().code, ErrorCode::Invalid, "{wrong}");
        }
    }
}
