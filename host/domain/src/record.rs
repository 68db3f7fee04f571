//! What a running domain needs to be found again by the next daemon, and who keeps it.

use std::path::PathBuf;

use async_trait::async_trait;
use reeve_model::domain::DomainConfig;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A process named so that a reused pid is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerProcess {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot, from /proc/PID/stat.
    pub start_time: u64,
}

/// Everything about a running domain that its definition does not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuntimeRecord {
    /// Identity of the domain.
    pub uuid: Uuid,
    /// Number of the running instance.
    pub id: u32,
    /// Driver that runs it.
    pub driver: String,
    /// The kernel's boot id when it was started: a record of an earlier boot is not alive.
    pub boot_id: String,
    /// The process that runs it, where there is one.
    pub process: Option<WorkerProcess>,
    /// Its control socket, where there is one.
    pub socket: Option<PathBuf>,
    /// The live configuration.
    pub config: DomainConfig,
}

/// A record could not be written or removed.
#[derive(Debug, thiserror::Error)]
#[error("the runtime record can't be kept")]
pub struct KeeperError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Keeps runtime records across a restart of the daemon.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Adds or replaces the record of a domain; on disk when it returns.
    async fn keep(&self, record: &RuntimeRecord) -> Result<(), KeeperError>;

    /// Removes the record of a domain; no error when there is none.
    async fn forget(&self, uuid: Uuid) -> Result<(), KeeperError>;
}
