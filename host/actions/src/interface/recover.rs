//! The start of the daemon, as far as the host's interfaces go: definitions, and changes that an earlier daemon did not end.

use reeve_model::Error;
use reeve_store::{InterfaceRow, SnapshotKind, SnapshotRow};

use super::changing::{self, Changing};
use super::{Interfaces, Open};
use crate::{Actions, document};

impl Actions {
    /// Loads definitions, goes back from a step that was interrupted and from a change whose time is over; sentences on what could not be
    /// read. A change that has time left goes on.
    pub(crate) async fn recover_interfaces(&self) -> Result<Vec<String>, Error> {
        self.change_interfaces(|change| {
            let mut unreadable = change.interfaces.load(change.store.interfaces()?);
            for row in change.store.interface_snapshots()? {
                let settled = match row.kind {
                    SnapshotKind::Step => change.unwind(&row),
                    SnapshotKind::Change => change.resume(&row),
                };
                if let Err(error) = settled {
                    tracing::error!(%error, "an interrupted change of the host's interfaces is not taken back whole");
                    unreadable.push(error.to_string());
                }
            }
            Ok(unreadable)
        })
        .await
    }
}

impl Interfaces {
    /// Takes these definitions as what is defined; sentences on those that this version can't read.
    pub(super) fn load(&self, rows: Vec<InterfaceRow>) -> Vec<String> {
        let mut unreadable = Vec::new();
        let mut defined = std::collections::BTreeMap::new();
        for InterfaceRow { name, xml } in rows {
            match document::parse_interface(&xml, false) {
                Ok((config, _)) => drop(defined.insert(name, config)),
                Err(error) => unreadable.push(format!("interface '{name}' was not loaded: {error}")),
            }
        }
        self.state().defined = defined;
        unreadable
    }
}

impl Changing<'_> {
    /// Goes back from a single verb that did not come to its end. Its definitions were not kept yet.
    fn unwind(&self, row: &SnapshotRow) -> Result<(), Error> {
        let saved = changing::saved(row)?;
        let done = match row.boot == changing::boot()? {
            true => self.put_back(&saved).map(drop),
            false => Ok(()),
        };
        tracing::warn!("a change of the host's interfaces was interrupted and is taken back");
        self.store.remove_interface_snapshot(SnapshotKind::Step)?;
        done
    }

    fn resume(&self, row: &SnapshotRow) -> Result<(), Error> {
        let over = match row.deadline {
            Some(deadline) => changing::now()? >= deadline,
            None => false,
        };
        if over || row.boot != changing::boot()? {
            tracing::warn!("a change of the host's interfaces was not committed and is rolled back");
            return self.roll_back().map(drop);
        }
        tracing::info!("a change of the host's interfaces is still open");
        self.interfaces.set_open(Some(Open { deadline: row.deadline }));
        Ok(())
    }
}
