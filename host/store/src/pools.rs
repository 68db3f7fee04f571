//! Storage pools: definitions, and which of them run.

use rusqlite::{Row, params};
use uuid::Uuid;

use crate::domains::uuid;
use crate::{Store, StoreError};

/// A persistent definition of a storage pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRow {
    /// Identity.
    pub uuid: Uuid,
    /// Unique name.
    pub name: String,
    /// The document.
    pub xml: String,
    /// Started with the daemon.
    pub autostart: bool,
}

impl Store {
    /// All definitions of storage pools by name.
    pub fn pools(&self) -> Result<Vec<PoolRow>, StoreError> {
        self.read("reading the storage pools", |connection| {
            let sql = "SELECT uuid, name, xml, autostart FROM pools ORDER BY name";
            connection.prepare_cached(sql)?.query_map([], pool)?.collect()
        })
    }

    /// Adds a definition or replaces the one with its UUID; on disk when it returns. A name that another UUID has is refused
    /// ([`StoreError::Taken`]).
    pub fn put_pool(&self, row: &PoolRow) -> Result<(), StoreError> {
        let put = self.write_to_disk("keeping a storage pool", |change| {
            change.execute(
                "INSERT INTO pools (uuid, name, xml, autostart) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (uuid) DO UPDATE SET name = ?2, xml = ?3, autostart = ?4",
                params![row.uuid.to_string(), row.name, row.xml, row.autostart],
            )
        });
        put.map(drop).map_err(|error| error.or_taken("storage pool", &row.name, row.uuid))
    }

    /// Removes a definition; true when there was one. On disk when it returns.
    pub fn remove_pool(&self, uuid: Uuid) -> Result<bool, StoreError> {
        self.write_to_disk("removing a storage pool", |change| {
            Ok(change.execute("DELETE FROM pools WHERE uuid = ?1", [uuid.to_string()])? > 0)
        })
    }

    /// Live documents of the storage pools that were active.
    pub fn active_pools(&self) -> Result<Vec<String>, StoreError> {
        self.read("reading the active storage pools", |connection| {
            let sql = "SELECT live FROM active_pools ORDER BY uuid";
            connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Notes that a storage pool is active with this document.
    pub fn put_active_pool(&self, uuid: Uuid, live: &str) -> Result<(), StoreError> {
        self.write("keeping an active storage pool", |change| {
            let sql = "INSERT OR REPLACE INTO active_pools (uuid, live) VALUES (?1, ?2)";
            change.prepare_cached(sql)?.execute(params![uuid.to_string(), live])
        })
        .map(drop)
    }

    /// Notes that a storage pool is active no more.
    pub fn remove_active_pool(&self, uuid: Uuid) -> Result<(), StoreError> {
        self.write("forgetting an active storage pool", |change| {
            change.execute("DELETE FROM active_pools WHERE uuid = ?1", [uuid.to_string()])
        })
        .map(drop)
    }
}

fn pool(row: &Row<'_>) -> rusqlite::Result<PoolRow> {
    Ok(PoolRow { uuid: uuid(row, 0)?, name: row.get(1)?, xml: row.get(2)?, autostart: row.get(3)? })
}
