//! Values that policies keep for themselves. Quotas are the caller's: it compares [`Store::kv_usage`] before it sets.

use rusqlite::{OptionalExtension, params};

use crate::{Store, StoreError};

impl Store {
    /// A value; none when the policy has no such key.
    pub fn kv_get(&self, policy: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read("reading a policy's value", |connection| {
            connection
                .prepare_cached("SELECT value FROM kv WHERE policy = ?1 AND key = ?2")?
                .query_row([policy, key], |row| row.get(0))
                .optional()
        })
    }

    /// Sets a value; kept when it returns.
    pub fn kv_set(&self, policy: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write("keeping a policy's value", |change| {
            change
                .prepare_cached("INSERT OR REPLACE INTO kv (policy, key, value) VALUES (?1, ?2, ?3)")?
                .execute(params![policy, key, value])?;
            Ok(())
        })
    }

    /// Removes a value; true when there was one.
    pub fn kv_delete(&self, policy: &str, key: &str) -> Result<bool, StoreError> {
        self.write("removing a policy's value", |change| {
            Ok(change.execute("DELETE FROM kv WHERE policy = ?1 AND key = ?2", [policy, key])? > 0)
        })
    }

    /// Keys of a policy that begin with `prefix`, in byte order, at most `limit`.
    pub fn kv_keys(&self, policy: &str, prefix: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        self.read("reading a policy's keys", |connection| {
            let mut query = connection.prepare_cached(
                "SELECT key FROM kv WHERE policy = ?1 AND substr(key, 1, length(?2)) = ?2 ORDER BY key LIMIT ?3",
            )?;
            query.query_map(params![policy, prefix, limit], |row| row.get(0))?.collect()
        })
    }

    /// Bytes of all keys and values of a policy.
    pub fn kv_usage(&self, policy: &str) -> Result<u64, StoreError> {
        self.read("measuring a policy's values", |connection| {
            let bytes: i64 = connection
                .prepare_cached(
                    "SELECT coalesce(sum(octet_length(key) + octet_length(value)), 0) FROM kv WHERE policy = ?1",
                )?
                .query_row([policy], |row| row.get(0))?;
            Ok(bytes.cast_unsigned())
        })
    }
}
