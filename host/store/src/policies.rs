//! Installed policies.

use reeve_model::policy::{BreakerSettings, FailureMode, PolicyMode};
use rusqlite::types::Type;
use rusqlite::{Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Store, StoreError};

/// An installed policy and how it is bound.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyRow {
    /// Unique name.
    pub name: String,
    /// sha256 of its component, lower-case hex; see [`Store::component`].
    pub digest: String,
    /// Whether its answers count.
    pub mode: PolicyMode,
    /// What a failure means.
    pub on_failure: FailureMode,
    /// Grants the operator gave.
    pub grants: Vec<String>,
    /// The operator's configuration for it.
    pub config: serde_json::Value,
    /// Position in its chains, lowest first.
    pub order: i32,
    /// False while it is kept but not loaded.
    pub enabled: bool,
    /// When the circuit breaker stops it; none takes the default.
    pub breaker: Option<BreakerSettings>,
}

impl Store {
    /// Installed policies in chain order.
    pub fn policies(&self) -> Result<Vec<PolicyRow>, StoreError> {
        self.read("reading the policies", |connection| {
            let mut query = connection.prepare_cached(
                "SELECT name, digest, mode, on_failure, grants, config, position, enabled, breaker
                 FROM policies ORDER BY position, name",
            )?;
            query.query_map([], policy)?.collect()
        })
    }

    /// Installs a policy or replaces the one with its name; on disk when it returns.
    pub fn put_policy(&self, row: &PolicyRow) -> Result<(), StoreError> {
        let (mode, on_failure) = (text(&row.mode)?, text(&row.on_failure)?);
        let (grants, config, breaker) = (text(&row.grants)?, text(&row.config)?, text(&row.breaker)?);
        self.write_to_disk("keeping a policy", |change| {
            change.execute(
                "INSERT OR REPLACE INTO policies (name, digest, mode, on_failure, grants, config, position, enabled, breaker)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![row.name, row.digest, mode, on_failure, grants, config, row.order, row.enabled, breaker],
            )?;
            Ok(())
        })
    }

    /// Removes a policy with its values and its history; true when there was one. Its component stays until [`Store::sweep_components`].
    pub fn remove_policy(&self, name: &str) -> Result<bool, StoreError> {
        self.write_to_disk("removing a policy", |change| {
            for table in ["kv", "versions", "parked"] {
                change.execute(&format!("DELETE FROM {table} WHERE policy = ?1"), [name])?;
            }
            Ok(change.execute("DELETE FROM policies WHERE name = ?1", [name])? > 0)
        })
    }
}

pub(crate) fn text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Json { what: "a policy", source })
}

/// A column of JSON text.
pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|source| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(source)))
}

fn policy(row: &Row<'_>) -> rusqlite::Result<PolicyRow> {
    Ok(PolicyRow {
        name: row.get(0)?,
        digest: row.get(1)?,
        mode: json(row, 2)?,
        on_failure: json(row, 3)?,
        grants: json(row, 4)?,
        config: json(row, 5)?,
        order: row.get(6)?,
        enabled: row.get(7)?,
        breaker: json(row, 8)?,
    })
}
