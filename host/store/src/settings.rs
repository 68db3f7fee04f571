//! Settings of the daemon that change at run time.

use rusqlite::OptionalExtension;

use crate::{Store, StoreError};

impl Store {
    /// A setting; none when it was never set.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.read("reading a setting", |connection| {
            connection
                .query_row("SELECT value FROM settings WHERE key = ?1", [key], |row| row.get(0))
                .optional()
        })
    }

    /// Sets a setting; on disk when it returns.
    pub fn put_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.write_to_disk("keeping a setting", |change| {
            change.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)", [key, value])?;
            Ok(())
        })
    }

    /// Removes a setting; on disk when it returns.
    pub fn remove_setting(&self, key: &str) -> Result<(), StoreError> {
        self.write_to_disk("removing a setting", |change| {
            change.execute("DELETE FROM settings WHERE key = ?1", [key])?;
            Ok(())
        })
    }
}
