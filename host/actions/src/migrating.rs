//! What this host knows of migrations, and how it reaches other hosts.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use reeve_domain::migration::Witness;
use reeve_model::migration::{
    MigrationLimits, MigrationPrepared, MigrationReport, MigrationStage, PrepareMigration,
};
use reeve_model::{Error, ErrorCode};
use uuid::Uuid;

/// Scheme of the address of another daemon's API socket.
const SCHEME: &str = "reeve+unix://";

/// Speaks with daemons of other hosts. A host is named by the path of its API socket.
#[async_trait]
pub trait PeerPort: Send + Sync {
    /// Has it make ready for a guest.
    async fn prepare(&self, host: &Path, request: &PrepareMigration) -> Result<MigrationPrepared, Error>;

    /// How it sees a migration.
    async fn report(&self, host: &Path, migration: Uuid) -> Result<MigrationReport, Error>;

    /// Has it make ready to go on with post-copy.
    async fn resume(&self, host: &Path, migration: Uuid) -> Result<MigrationPrepared, Error>;
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

    async fn resume(&self, host: &Path, _migration: Uuid) -> Result<MigrationPrepared, Error> {
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
    /// Migrations that are in post-copy, by the domain that leaves.
    leaving: HashMap<Uuid, Uuid>,
    /// Domains that come, by their migration.
    arriving: HashMap<Uuid, Uuid>,
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

    /// The migration in post-copy of a domain that leaves.
    pub(crate) fn leaving(&self, domain: Uuid) -> Option<Uuid> {
        self.lock().leaving.get(&domain).copied()
    }

    pub(crate) fn set_leaving(&self, domain: Uuid, migration: Option<Uuid>) {
        match migration {
            Some(migration) => drop(self.lock().leaving.insert(domain, migration)),
            None => drop(self.lock().leaving.remove(&domain)),
        }
    }

    /// The domain that comes by a migration.
    pub(crate) fn arriving(&self, migration: Uuid) -> Option<Uuid> {
        self.lock().arriving.get(&migration).copied()
    }

    pub(crate) fn set_arriving(&self, migration: Uuid, domain: Option<Uuid>) {
        match domain {
            Some(domain) => drop(self.lock().arriving.insert(migration, domain)),
            None => drop(self.lock().arriving.remove(&migration)),
        }
    }

    /// Where it is told what became of the guest of a migration to this host. It outlives the daemon and the worker, not the host.
    fn witness_path(&self, migration: Uuid) -> PathBuf {
        self.run.join(format!("migration-{migration}.ran"))
    }

    /// Makes the file of [`Self::witness`], which says that the guest never ran; or opens it.
    pub(crate) fn open_witness(&self, migration: Uuid) -> std::io::Result<File> {
        File::options().create(true).append(true).open(self.witness_path(migration))
    }

    /// What became of a guest whose worker is gone. Where nothing is known it may have run.
    pub(crate) fn witness(&self, migration: Uuid) -> Witness {
        let length = std::fs::metadata(self.witness_path(migration)).map(|file| file.len());
        length.map_or(Witness::Whole, Witness::of)
    }

    /// Nobody asks any more.
    pub(crate) fn forget_witness(&self, migration: Uuid) {
        // What is left of it is a few bytes.
        let _ = std::fs::remove_file(self.witness_path(migration));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_named_by_their_sockets() {
        let host = host_of("reeve+unix:///srv/b/run/reeve/reeve.sock").unwrap();
        assert_eq!(host, Path::new("/srv/b/run/reeve/reeve.sock"));
        for wrong in ["", "/srv/reeve.sock", "reeve+unix://relative", "qemu+ssh://host/system"] {
            assert_eq!(host_of(wrong).unwrap_err().code, ErrorCode::Invalid, "{wrong}");
        }
    }
}
