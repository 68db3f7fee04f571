//! What is running, for the daemon that comes after this one.

use std::path::PathBuf;

use rusqlite::{Row, params};
use uuid::Uuid;

use crate::domains::uuid;
use crate::{Store, StoreError};

/// An active domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeRow {
    /// Identity of the domain.
    pub uuid: Uuid,
    /// Number of the running instance.
    pub id: u32,
    /// Driver that runs it.
    pub driver: String,
    /// The kernel's boot id when it was started.
    pub boot_id: String,
    /// Process id of its worker, where it has one.
    pub pid: Option<u32>,
    /// Start time of the worker in clock ticks since boot, so that a reused pid is noticed.
    pub start_time: Option<u64>,
    /// Control socket of the worker.
    pub socket: Option<PathBuf>,
    /// The live configuration, in the writer's format.
    pub live: String,
}

impl Store {
    /// Every active domain.
    pub fn runtime(&self) -> Result<Vec<RuntimeRow>, StoreError> {
        self.read("reading the running domains", |connection| {
            let mut query = connection.prepare_cached(
                "SELECT uuid, id, driver, boot_id, pid, start_time, socket, live FROM runtime ORDER BY id",
            )?;
            query.query_map([], runtime)?.collect()
        })
    }

    /// Adds or replaces an active domain. Kept when it returns: a running domain does not outlive a power cut either.
    pub fn put_runtime(&self, row: &RuntimeRow) -> Result<(), StoreError> {
        let socket = row.socket.as_ref().map(|path| path.to_string_lossy());
        self.write("keeping a running domain", |change| {
            change.prepare_cached(
                "INSERT OR REPLACE INTO runtime (uuid, id, driver, boot_id, pid, start_time, socket, live)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?.execute(params![
                row.uuid.to_string(),
                row.id,
                row.driver,
                row.boot_id,
                                row.pid,
                row.start_time.map(u64::cast_signed),
                socket,
                row.live
            ])?;
            Ok(())
        })
    }

    /// Removes an active domain; true when there was one.
    pub fn remove_runtime(&self, uuid: Uuid) -> Result<bool, StoreError> {
        self.write("removing a running domain", |change| {
            Ok(change.execute("DELETE FROM runtime WHERE uuid = ?1", [uuid.to_string()])? > 0)
        })
    }
}

fn runtime(row: &Row<'_>) -> rusqlite::Result<RuntimeRow> {
    Ok(RuntimeRow {
        uuid: uuid(row, 0)?,
        id: row.get(1)?,
        driver: row.get(2)?,
        boot_id: row.get(3)?,

        pid: row.get(4)?,
        start_time: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
        socket: row.get::<_, Option<String>>(6)?.map(PathBuf::from),
        live: row.get(7)?,
    })
}
