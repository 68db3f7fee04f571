//! The history of installed policies, and which of them the circuit breaker stopped.

use reeve_model::policy::{Parked, PolicyVersion};
use rusqlite::{OptionalExtension, params};

use crate::policies::{json, text};
use crate::{Store, StoreError};

/// Versions of one policy that are kept; older ones are dropped.
pub const VERSIONS_KEPT: u32 = 5;

impl Store {
    /// Puts a version at the end of a policy's history and drops what is too old; on disk when it returns. A version that is in
    /// the history already moves to its end.
    pub fn put_version(&self, policy: &str, version: &PolicyVersion) -> Result<(), StoreError> {
        let body = text(version)?;
        self.write_to_disk("keeping a version of a policy", |change| {
            change.execute(
                "INSERT OR REPLACE INTO versions (policy, digest, number, body)
                 VALUES (?1, ?2, (SELECT coalesce(max(number), 0) + 1 FROM versions WHERE policy = ?1), ?3)",
                params![policy, version.digest, body],
            )?;
            change.execute(
                "DELETE FROM versions WHERE policy = ?1 AND digest NOT IN
                 (SELECT digest FROM versions WHERE policy = ?1 ORDER BY number DESC LIMIT ?2)",
                params![policy, VERSIONS_KEPT],
            )?;
            Ok(())
        })
    }

    /// Changes what is known of a version, if it is in the history; kept when it returns.
    pub fn update_version(&self, policy: &str, version: &PolicyVersion) -> Result<(), StoreError> {
        let body = text(version)?;
        self.write("keeping a version of a policy", |change| {
            change.execute(
                "UPDATE versions SET body = ?3 WHERE policy = ?1 AND digest = ?2",
                params![policy, version.digest, body],
            )?;
            Ok(())
        })
    }

    /// The history of a policy, newest first.
    pub fn versions(&self, policy: &str) -> Result<Vec<PolicyVersion>, StoreError> {
        self.read("reading the versions of a policy", |connection| {
            connection
                .prepare_cached("SELECT body FROM versions WHERE policy = ?1 ORDER BY number DESC")?
                .query_map([policy], |row| json(row, 0))?
                .collect()
        })
    }

    /// Remembers that the circuit breaker stopped a version of a policy; kept when it returns.
    pub fn put_parked(&self, policy: &str, digest: &str, parked: &Parked) -> Result<(), StoreError> {
        let body = text(parked)?;
        self.write("keeping that a policy is parked", |change| {
            change.execute(
                "INSERT OR REPLACE INTO parked (policy, digest, body) VALUES (?1, ?2, ?3)",
                [policy, digest, &body],
            )?;
            Ok(())
        })
    }

    /// Since when and why this version of a policy is parked; none when it is not.
    pub fn parked(&self, policy: &str, digest: &str) -> Result<Option<Parked>, StoreError> {
        self.read("reading whether a policy is parked", |connection| {
            let query = "SELECT body FROM parked WHERE policy = ?1 AND digest = ?2";
            connection.query_row(query, [policy, digest], |row| json(row, 0)).optional()
        })
    }

    /// Forgets that a policy is parked; kept when it returns.
    pub fn remove_parked(&self, policy: &str) -> Result<(), StoreError> {
        self.write("forgetting that a policy is parked", |change| {
            change.execute("DELETE FROM parked WHERE policy = ?1", [policy])?;
            Ok(())
        })
    }

    /// Digests that some history names.
    pub(crate) fn version_digests(&self) -> Result<Vec<String>, StoreError> {
        self.read("reading the versions of all policies", |connection| {
            connection
                .prepare_cached("SELECT digest FROM versions")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }
}
