//! Persistent definitions.

use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use crate::{Store, StoreError};

/// A persistent definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRow {
    /// Identity of the domain.
    pub uuid: Uuid,
    /// Unique name.
    pub name: String,
    /// The document.
    pub xml: String,
    /// Started with the host.
    pub autostart: bool,
}

const COLUMNS: &str = "uuid, name, xml, autostart";

impl Store {
    /// All definitions by name.
    pub fn domains(&self) -> Result<Vec<DomainRow>, StoreError> {
        self.read("reading the definitions", |connection| {
            let mut query =
                connection.prepare_cached(&format!("SELECT {COLUMNS} FROM domains ORDER BY name"))?;
            query.query_map([], domain)?.collect()
        })
    }

    /// One definition.
    pub fn domain(&self, uuid: Uuid) -> Result<Option<DomainRow>, StoreError> {
        self.read("reading a definition", |connection| {
            let sql = format!("SELECT {COLUMNS} FROM domains WHERE uuid = ?1");
            connection.prepare_cached(&sql)?.query_row([uuid.to_string()], domain).optional()
        })
    }

    /// Adds a definition or replaces the one with its UUID; on disk when it returns. A name that another UUID has is
    /// refused ([`StoreError::Taken`]).
    pub fn put_domain(&self, row: &DomainRow) -> Result<(), StoreError> {
        let put = self.write_to_disk("keeping a definition", |change| {
            change.execute(
                "INSERT INTO domains (uuid, name, xml, autostart) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (uuid) DO UPDATE SET name = ?2, xml = ?3, autostart = ?4",
                params![row.uuid.to_string(), row.name, row.xml, row.autostart],
            )
        });
        put.map(drop).map_err(|error| error.or_taken("domain", &row.name, row.uuid))
    }

    /// Removes a definition; true when there was one. On disk when it returns.
    pub fn remove_domain(&self, uuid: Uuid) -> Result<bool, StoreError> {
        self.write_to_disk("removing a definition", |change| {
            Ok(change.execute("DELETE FROM domains WHERE uuid = ?1", [uuid.to_string()])? > 0)
        })
    }
}

fn domain(row: &Row<'_>) -> rusqlite::Result<DomainRow> {
    Ok(DomainRow { uuid: uuid(row, 0)?, name: row.get(1)?, xml: row.get(2)?, autostart: row.get(3)? })
}

/// A UUID column.
pub(crate) fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    let text: String = row.get(column)?;
    Uuid::try_parse(&text).map_err(|source| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(source))
    })
}
