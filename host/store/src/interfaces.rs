//! The host's own interfaces: what is defined, and what it goes back to.

use rusqlite::{Row, Transaction, params};

use crate::{Store, StoreError};

/// A persistent definition of an interface of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceRow {
    /// Name of the link.
    pub name: String,
    /// The document.
    pub xml: String,
}

/// Which change a snapshot was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotKind {
    /// One verb that is under way.
    Step,
    /// Everything since an operator began a change.
    Change,
}

/// What the host goes back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRow {
    /// What it was taken for.
    pub kind: SnapshotKind,
    /// The boot of the kernel it belongs to.
    pub boot: String,
    /// When it is gone back to unasked, milliseconds since the boot; none is never.
    pub deadline: Option<u64>,
    /// The host as it was, in the writer's format.
    pub snapshot: String,
}

impl SnapshotKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Change => "change",
        }
    }
}

impl Store {
    /// All definitions of interfaces by name.
    pub fn interfaces(&self) -> Result<Vec<InterfaceRow>, StoreError> {
        self.read("reading the interfaces", |connection| {
            let sql = "SELECT name, xml FROM interfaces ORDER BY name";
            let row = |row: &Row<'_>| Ok(InterfaceRow { name: row.get(0)?, xml: row.get(1)? });
            connection.prepare_cached(sql)?.query_map([], row)?.collect()
        })
    }

    /// Adds or replaces definitions, removes others, and ends the step that is under way; on disk when it returns.
    pub fn keep_interfaces(&self, put: &[InterfaceRow], remove: &[String]) -> Result<(), StoreError> {
        self.write_to_disk("keeping interfaces", |change| {
            for name in remove {
                change.execute("DELETE FROM interfaces WHERE name = ?1", [name])?;
            }
            insert(change, put)?;
            forget(change, SnapshotKind::Step)
        })
    }

    /// Replaces all definitions by these and forgets every snapshot; on disk when it returns.
    pub fn replace_interfaces(&self, all: &[InterfaceRow]) -> Result<(), StoreError> {
        self.write_to_disk("putting interfaces back", |change| {
            change.execute("DELETE FROM interfaces", [])?;
            insert(change, all)?;
            forget(change, SnapshotKind::Step)?;
            forget(change, SnapshotKind::Change)
        })
    }

    /// What the host may have to go back to, a step before the change it is part of.
    pub fn interface_snapshots(&self) -> Result<Vec<SnapshotRow>, StoreError> {
        self.read("reading the snapshots of interfaces", |connection| {
            let sql = "SELECT kind, boot, deadline, snapshot FROM interface_snapshots ORDER BY kind DESC";
            connection.prepare_cached(sql)?.query_map([], snapshot)?.collect()
        })
    }

    /// Keeps a snapshot in place of the one of its kind; on disk when it returns.
    pub fn put_interface_snapshot(&self, row: &SnapshotRow) -> Result<(), StoreError> {
        self.write_to_disk("keeping a snapshot of interfaces", |change| {
            let sql = "INSERT OR REPLACE INTO interface_snapshots (kind, boot, deadline, snapshot) VALUES (?1, ?2, ?3, ?4)";
            let deadline = row.deadline.map(|deadline| i64::try_from(deadline).unwrap_or(i64::MAX));
            change.prepare_cached(sql)?.execute(params![row.kind.as_str(), row.boot, deadline, row.snapshot])
        })
        .map(drop)
    }

    /// Forgets the snapshot of a kind, if there is one; on disk when it returns.
    pub fn remove_interface_snapshot(&self, kind: SnapshotKind) -> Result<(), StoreError> {
        self.write_to_disk("forgetting a snapshot of interfaces", |change| forget(change, kind))
    }
}

fn insert(change: &Transaction<'_>, rows: &[InterfaceRow]) -> rusqlite::Result<()> {
    let mut insert =
        change.prepare_cached("INSERT OR REPLACE INTO interfaces (name, xml) VALUES (?1, ?2)")?;
    rows.iter().try_for_each(|row| insert.execute([&row.name, &row.xml]).map(drop))
}

fn forget(change: &Transaction<'_>, kind: SnapshotKind) -> rusqlite::Result<()> {
    change.execute("DELETE FROM interface_snapshots WHERE kind = ?1", [kind.as_str()]).map(drop)
}

fn snapshot(row: &Row<'_>) -> rusqlite::Result<SnapshotRow> {
    let kind: String = row.get(0)?;
    let kind = if kind == SnapshotKind::Step.as_str() { SnapshotKind::Step } else { SnapshotKind::Change };
    let deadline: Option<i64> = row.get(2)?;
    let deadline = deadline.map(|deadline| u64::try_from(deadline).unwrap_or(0));
    Ok(SnapshotRow { kind, boot: row.get(1)?, deadline, snapshot: row.get(3)? })
}
