//! The decision log.

use reeve_model::policy::{Decision, DecisionFilter};
use rusqlite::{Connection, Row, params};
use time::OffsetDateTime;

use crate::{Store, StoreError};

/// How many decisions are kept; older ones are dropped.
pub const DECISIONS_KEPT: u64 = 100_000;

/// Rows that a filter without a limit gives.
const DEFAULT_LIMIT: u32 = 100;

impl Store {
    /// Appends decisions in one transaction and gives the number of the last row. A decision with id 0 gets the next number;
    /// any other keeps its own, which must be new. Meant for batches: collect for a moment, then append once.
    pub fn append_decisions(&self, decisions: &[Decision]) -> Result<u64, StoreError> {
        let rows: Vec<Columns> = decisions.iter().map(columns).collect::<Result<_, _>>()?;
        self.write("appending decisions", |change| {
            let mut insert = change.prepare_cached(
                "INSERT INTO decisions (id, policy, hook, subject, outcome, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let mut last = last(change)?;
            for (decision, Columns { outcome, body }) in decisions.iter().zip(&rows) {
                last = if decision.id == 0 { last + 1 } else { decision.id.cast_signed() };
                let hook = decision.hook.as_str();
                insert.execute(params![last, decision.policy, hook, decision.subject, outcome, body])?;
            }
            change.execute("DELETE FROM decisions WHERE id <= ?1", [last - DECISIONS_KEPT.cast_signed()])?;
            Ok(last.cast_unsigned())
        })
    }

    /// Number of the newest decision, 0 when there is none.
    pub fn last_decision(&self) -> Result<u64, StoreError> {
        self.read("reading the decision log", |connection| Ok(last(connection)?.cast_unsigned()))
    }

    /// Decisions that match, oldest first: the first ones after `filter.after`, or the newest ones when that is none.
    pub fn decisions(&self, filter: &DecisionFilter) -> Result<Vec<Decision>, StoreError> {
        let outcome = filter.outcome.map(|outcome| word(&outcome)).transpose()?;
        let order = if filter.after.is_some() { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT id, body FROM decisions
             WHERE (?1 IS NULL OR policy = ?1) AND (?2 IS NULL OR hook = ?2) AND (?3 IS NULL OR subject = ?3)
               AND (?4 IS NULL OR outcome = ?4) AND id > ?5
               AND (?7 IS NULL OR unixepoch(json_extract(body, '$.time'), 'subsec') >= ?7)
               AND (?8 IS NULL OR unixepoch(json_extract(body, '$.time'), 'subsec') < ?8)
             ORDER BY id {order} LIMIT ?6"
        );
        let values = params![
            filter.policy,
            filter.hook.map(|hook| hook.as_str()),
            filter.subject,
            outcome,
            filter.after.unwrap_or(0).cast_signed(),
            filter.limit.unwrap_or(DEFAULT_LIMIT),
            filter.since.map(seconds),
            filter.until.map(seconds),
        ];
        let mut found: Vec<Decision> = self.read("reading the decision log", |connection| {
            connection.prepare_cached(&sql)?.query_map(values, decision)?.collect()
        })?;
        if filter.after.is_none() {
            found.reverse();
        }
        Ok(found)
    }
}

/// Since the epoch, to the millisecond, as SQLite's `unixepoch` gives it.
fn seconds(moment: OffsetDateTime) -> f64 {
    let milliseconds = moment.unix_timestamp_nanos() / 1_000_000;
    milliseconds as f64 / 1000.0
}

struct Columns {
    outcome: String,
    body: String,
}

fn columns(decision: &Decision) -> Result<Columns, StoreError> {
    let json = |source| StoreError::Json { what: "a decision", source };
    Ok(Columns { outcome: word(&decision.outcome)?, body: serde_json::to_string(decision).map_err(json)? })
}

fn last(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(id), 0) FROM decisions", [], |row| row.get(0))
}

/// The word that stands for `value` in JSON.
fn word(value: &impl serde::Serialize) -> Result<String, StoreError> {
    let value =
        serde_json::to_value(value).map_err(|source| StoreError::Json { what: "an outcome", source })?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

fn decision(row: &Row<'_>) -> rusqlite::Result<Decision> {
    let id: i64 = row.get(0)?;
    let body: Decision = crate::policies::json(row, 1)?;
    Ok(Decision { id: id.cast_unsigned(), ..body })
}
