//! SQLite: definitions, runtime state, the journal of multi-step operations, the decision log, policies and their values.
//!
//! One file, `state.db`, in WAL mode behind one connection and a mutex. Every call blocks the thread it is made on: a few
//! microseconds, or the time of one `fsync` where the text says *on disk*. Async callers that can't afford that use
//! `tokio::task::spawn_blocking`; a [`Store`] is a cheap handle to clone into it.
//!
//! Two strengths of keeping, named at each function:
//! - *kept* survives the death of the daemon (kill -9), not necessarily of the machine;
//! - *on disk* survives a power cut too.
#![forbid(unsafe_code)]

mod components;
mod decisions;
mod domains;
mod error;
mod interfaces;
mod journal;
mod kv;
mod migrate;
mod networks;
mod policies;
mod pools;
mod runtime;
mod seal;
mod secrets;
mod settings;
mod snapshots;
mod versions;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use decisions::DECISIONS_KEPT;
pub use domains::DomainRow;
pub use error::StoreError;
pub use interfaces::{InterfaceRow, SnapshotKind, SnapshotRow};
pub use journal::{JournalRow, JournalState};
pub use networks::{FilterRow, NetworkRow, PortRow};
pub use policies::PolicyRow;
pub use pools::PoolRow;
pub use runtime::RuntimeRow;
pub use secrets::SecretRow;
pub use snapshots::DomainSnapshotRow;
pub use versions::VERSIONS_KEPT;

use seal::Seal;

/// Name of the database in the state directory.
pub const DATABASE: &str = "state.db";

/// Name of the directory of components in the state directory.
pub const COMPONENTS: &str = "policies";

/// The database of one host. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Mutex<Connection>,
    database: PathBuf,
    components: PathBuf,
    seal: Seal,
}

impl Store {
    /// Opens the database in `directory` (`/var/lib/reeve`), making both when missing and migrating an older one. A damaged
    /// file, or one that a newer version wrote, is an error that names the file; it is never changed then.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let database = directory.join(DATABASE);
        let components = directory.join(COMPONENTS);
        for path in [directory, &components] {
            std::fs::create_dir_all(path).map_err(|source| StoreError::File {
                doing: "made",
                path: path.to_owned(),
                source,
            })?;
        }
        let connection = migrate::open(&database)?;
        let seal = Seal::new(directory);
        Ok(Self { inner: Arc::new(Inner { connection: Mutex::new(connection), database, components, seal }) })
    }

    /// Path of the database file.
    pub fn path(&self) -> &Path {
        &self.inner.database
    }

    fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let connection = self.inner.connection.lock().unwrap_or_else(PoisonError::into_inner);
        query(&connection).map_err(|source| self.sql(doing, source))
    }

    /// One transaction that survives the death of this process.
    fn write<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.inner.connection.lock().unwrap_or_else(PoisonError::into_inner);
        transact(&mut connection, change).map_err(|source| self.sql(doing, source))
    }

    /// One transaction that survives a power cut.
    fn write_to_disk<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.inner.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let run = || {
            connection.pragma_update(None, "synchronous", "FULL")?;
            let result = transact(&mut connection, change);
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            result
        };
        run().map_err(|source| self.sql(doing, source))
    }

    fn sql(&self, doing: &'static str, source: rusqlite::Error) -> StoreError {
        StoreError::from_sql(&self.inner.database, doing, source)
    }
}

fn transact<T>(
    connection: &mut Connection,
    change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = change(&transaction)?;
    transaction.commit()?;
    Ok(value)
}
