//! Opening the database and bringing it to the newest schema.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::transact;

/// Every migration in order: `PRAGMA user_version` is how many of them a database has had. A released one never changes.
const MIGRATIONS: [&str; 8] = [
    include_str!("../migrations/0001-initial.sql"),
    include_str!("../migrations/0002-policy-versions.sql"),
    include_str!("../migrations/0003-networks.sql"),
    include_str!("../migrations/0004-interfaces.sql"),
    include_str!("../migrations/0005-learned-addresses.sql"),
    include_str!("../migrations/0006-storage.sql"),
    include_str!("../migrations/0007-secrets.sql"),
    include_str!("../migrations/0008-snapshots.sql"),
];

/// The newest schema.
pub(crate) const SCHEMA: u32 = MIGRATIONS.len() as u32;

/// Opens `path`, checks it and migrates it. Writes nothing before the checks have passed.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    let sql = |doing| move |source| StoreError::from_sql(path, doing, source);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(sql("opening"))?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(sql("opening"))?;
    let found = version(&connection).map_err(sql("reading the schema version"))?;
    if found > SCHEMA {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: SCHEMA });
    }
    check(&connection, path)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(sql("switching to WAL"))?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(sql("opening"))?;
    for (number, script) in (1_u32..).zip(MIGRATIONS).skip(found as usize) {
        tracing::info!(database = %path.display(), schema = number, "migrating");
        transact(&mut connection, |change| {
            change.execute_batch(script)?;
            change.pragma_update(None, "user_version", number)
        })
        .map_err(sql("migrating"))?;
    }
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Reads the whole structure once; SQLite's own words when something in it is wrong.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| StoreError::from_sql(path, "checking", source))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(StoreError::Damaged { path: path.to_owned(), detail: verdict })
}
