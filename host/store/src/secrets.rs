//! Secrets that survive the daemon. Values are on disk under the host's seal only.

use reeve_model::secret::SecretValue;
use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use crate::domains::uuid;
use crate::{Store, StoreError};

/// A secret that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// Identity.
    pub uuid: Uuid,
    /// What it is for, unique.
    pub usage: Option<String>,
    /// The document.
    pub xml: String,
    /// It has a value. Told by the store, of no effect when a secret is put.
    pub has_value: bool,
}

impl Store {
    /// All secrets that are kept, without their values.
    pub fn secrets(&self) -> Result<Vec<SecretRow>, StoreError> {
        self.read("reading the secrets", |connection| {
            let sql = "SELECT uuid, usage, xml, sealed IS NOT NULL FROM secrets ORDER BY usage, uuid";
            connection.prepare_cached(sql)?.query_map([], secret)?.collect()
        })
    }

    /// Adds a secret or replaces the document of the one with its UUID, whose value stays; on disk when it returns. A usage that another
    /// UUID has is refused ([`StoreError::Taken`]).
    pub fn put_secret(&self, row: &SecretRow) -> Result<(), StoreError> {
        let put = self.write_to_disk("keeping a secret", |change| {
            change.execute(
                "INSERT INTO secrets (uuid, usage, xml) VALUES (?1, ?2, ?3)
                 ON CONFLICT (uuid) DO UPDATE SET usage = ?2, xml = ?3",
                params![row.uuid.to_string(), row.usage, row.xml],
            )
        });
        let name = row.usage.as_deref().unwrap_or_default();
        put.map(drop).map_err(|error| error.or_taken("secret", name, row.uuid))
    }

    /// Removes a secret with its value; true when there was one. On disk when it returns.
    pub fn remove_secret(&self, uuid: Uuid) -> Result<bool, StoreError> {
        self.write_to_disk("removing a secret", |change| {
            Ok(change.execute("DELETE FROM secrets WHERE uuid = ?1", [uuid.to_string()])? > 0)
        })
    }

    /// Seals a value and keeps it as that of a secret; false when there is no such secret. On disk when it returns.
    pub fn put_secret_value(&self, uuid: Uuid, value: &SecretValue) -> Result<bool, StoreError> {
        let others: i64 = self.read("reading the secrets", |connection| {
            connection
                .query_row("SELECT count(*) FROM secrets WHERE sealed IS NOT NULL", [], |row| row.get(0))
        })?;
        let sealed = self.inner.seal.close(uuid, value, others == 0)?;
        self.write_to_disk("keeping the value of a secret", |change| {
            let sql = "UPDATE secrets SET sealed = ?2 WHERE uuid = ?1";
            Ok(change.execute(sql, params![uuid.to_string(), sealed])? > 0)
        })
    }

    /// The value of a secret; none when there is no such secret, or it has none.
    pub fn secret_value(&self, uuid: Uuid) -> Result<Option<SecretValue>, StoreError> {
        let sealed: Option<Vec<u8>> = self.read("reading the value of a secret", |connection| {
            let sql = "SELECT sealed FROM secrets WHERE uuid = ?1";
            let found = connection.prepare_cached(sql)?.query_row([uuid.to_string()], |row| row.get(0));
            Ok(found.optional()?.flatten())
        })?;
        sealed.map(|sealed| self.inner.seal.open(uuid, &sealed)).transpose()
    }
}

fn secret(row: &Row<'_>) -> rusqlite::Result<SecretRow> {
    Ok(SecretRow { uuid: uuid(row, 0)?, usage: row.get(1)?, xml: row.get(2)?, has_value: row.get(3)? })
}
