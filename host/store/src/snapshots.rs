//! Snapshots of domains.

use rusqlite::{Row, params};
use uuid::Uuid;

use crate::{Store, StoreError};

/// What is kept of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSnapshotRow {
    /// Unique in the domain.
    pub name: String,
    /// The document.
    pub xml: String,
    /// The file of the host's own that has the guest's memory.
    pub memory: Option<String>,
    /// The domain goes on from it.
    pub current: bool,
}

impl Store {
    /// All snapshots of a domain by name.
    pub fn domain_snapshots(&self, domain: Uuid) -> Result<Vec<DomainSnapshotRow>, StoreError> {
        self.read("reading the snapshots of a domain", |connection| {
            let sql = "SELECT name, xml, memory, current FROM snapshots WHERE domain = ?1 ORDER BY name";
            connection.prepare_cached(sql)?.query_map([domain.to_string()], snapshot)?.collect()
        })
    }

    /// Makes `rows` all the snapshots of a domain; on disk when it returns.
    pub fn put_domain_snapshots(&self, domain: Uuid, rows: &[DomainSnapshotRow]) -> Result<(), StoreError> {
        let domain = domain.to_string();
        self.write_to_disk("keeping the snapshots of a domain", |change| {
            change.execute("DELETE FROM snapshots WHERE domain = ?1", [&domain])?;
            let sql =
                "INSERT INTO snapshots (domain, name, xml, memory, current) VALUES (?1, ?2, ?3, ?4, ?5)";
            for row in rows {
                change.execute(sql, params![domain, row.name, row.xml, row.memory, row.current])?;
            }
            Ok(())
        })
    }
}

fn snapshot(row: &Row<'_>) -> rusqlite::Result<DomainSnapshotRow> {
    Ok(DomainSnapshotRow { name: row.get(0)?, xml: row.get(1)?, memory: row.get(2)?, current: row.get(3)? })
}
