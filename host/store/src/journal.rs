//! Operations of several steps that have not ended.

use rusqlite::{Row, params};

use crate::{Store, StoreError};

/// Where an operation is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalState {
    /// Forward: the named step was begun and may or may not have had its effect.
    Forward,
    /// Back: the named step is being undone.
    Back,
}

impl JournalState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Back => "back",
        }
    }
}

/// An operation that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// Number of the operation.
    pub id: i64,
    /// Which operation, e.g. `domain-start`.
    pub kind: String,
    /// What it works on, e.g. a domain's UUID.
    pub subject: String,
    /// On whose behalf, as JSON.
    pub actor: String,
    /// The newest step that was begun; empty before the first.
    pub step: String,
    /// Where it is going.
    pub state: JournalState,
    /// What its steps need to go on or back, as JSON.
    pub data: String,
}

impl Store {
    /// Begins an operation and gives its number; kept when it returns.
    pub fn begin_operation(
        &self,
        kind: &str,
        subject: &str,
        actor: &str,
        data: &str,
    ) -> Result<i64, StoreError> {
        self.write("beginning an operation", |change| {
            change.prepare_cached(
                "INSERT INTO journal (kind, subject, actor, step, state, data) VALUES (?1, ?2, ?3, '', 'forward', ?4)",
            )?
            .execute(params![kind, subject, actor, data])?;
            Ok(change.last_insert_rowid())
        })
    }

    /// Notes that a step is about to run or to be undone; kept when it returns.
    pub fn note_step(&self, id: i64, step: &str, state: JournalState, data: &str) -> Result<(), StoreError> {
        self.write("noting a step", |change| {
            change
                .prepare_cached("UPDATE journal SET step = ?2, state = ?3, data = ?4 WHERE id = ?1")?
                .execute(params![id, step, state.as_str(), data])?;
            Ok(())
        })
    }

    /// Ends operations: everything is done, or undone. No error for one that has ended.
    pub fn end_operations(&self, ids: &[i64]) -> Result<(), StoreError> {
        self.write("ending an operation", |change| {
            let mut end = change.prepare_cached("DELETE FROM journal WHERE id = ?1")?;
            for id in ids {
                end.execute([id])?;
            }
            Ok(())
        })
    }

    /// Operations that have not ended, oldest first.
    pub fn open_operations(&self) -> Result<Vec<JournalRow>, StoreError> {
        self.read("reading the journal", |connection| {
            let mut query = connection.prepare_cached(
                "SELECT id, kind, subject, actor, step, state, data FROM journal ORDER BY id",
            )?;
            query.query_map([], operation)?.collect()
        })
    }
}

fn operation(row: &Row<'_>) -> rusqlite::Result<JournalRow> {
    let state: String = row.get(5)?;
    Ok(JournalRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        subject: row.get(2)?,
        actor: row.get(3)?,
        step: row.get(4)?,
        state: if state == "back" { JournalState::Back } else { JournalState::Forward },
        data: row.get(6)?,
    })
}
