//! The start of the daemon: what an earlier one left is found again, finished or unwound.

use std::collections::BTreeMap;
use std::sync::Arc;

use reeve_domain::Request;
use reeve_domain::migration::Witness;
use reeve_model::migration::MigrationStage;
use reeve_model::{Actor, Error, ErrorCode, StateReason};
use reeve_store::{DomainRow, JournalRow, JournalState};
use uuid::Uuid;

use crate::error::explain;
use crate::journal::Operation;
use crate::{Actions, adapters, document, domain};

/// What a daemon found at its start.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Definitions loaded.
    pub definitions: usize,
    /// Definitions that this version can't read, a sentence each; they stay on disk as they are.
    pub unreadable: Vec<String>,
    /// Domains that still ran and were taken over.
    pub adopted: Vec<Uuid>,
    /// Domains that ended while no daemon ran.
    pub lost: Vec<Uuid>,
    /// Machines that were being made when the daemon died; undone.
    pub undone: Vec<Uuid>,
    /// Interrupted operations that were finished.
    pub finished: usize,
    /// Interrupted operations that were unwound.
    pub unwound: usize,
}

impl Actions {
    /// Loads the definitions, takes running domains over, and finishes or unwinds what was interrupted. Call once, before the
    /// first verb. A running domain whose record can't be read is an error: going on would mean to end it.
    pub async fn recover(self: &Arc<Self>) -> Result<Recovery, Error> {
        let (rows, running, open) =
            self.store(|store| Ok((store.domains()?, store.runtime()?, store.open_operations()?))).await?;
        let mut recovery = Recovery { unreadable: self.recover_networks().await?, ..Recovery::default() };
        recovery.unreadable.extend(self.recover_interfaces().await?);
        recovery.unreadable.extend(self.recover_pools().await?);
        for row in rows {
            match self.load(&row) {
                Ok(()) => recovery.definitions += 1,
                Err(error) => {
                    recovery.unreadable.push(format!("domain '{}' was not loaded: {error}", row.name));
                    self.definitions.note_unread(row, error.to_string());
                }
            }
        }
        let mut records = Vec::with_capacity(running.len());
        for row in running {
            let uuid = row.uuid;
            records.push(
                adapters::record(row)
                    .map_err(|fault| unreadable(format!("the record of running domain {uuid}"), &fault))?,
            );
        }
        let numbers = records.iter().map(|record| record.id).chain(open.iter().filter_map(instance_of));
        if let Some(highest) = numbers.max() {
            self.domains.pass_over(highest);
        }
        // One that was begun for an instance that is gone by now means nothing to this one.
        let is_of_now = |row: &&JournalRow| {
            let is_same = |id: u32| {
                records.iter().any(|record| record.id == id && record.uuid.to_string() == row.subject)
            };
            instance_of(row).is_none_or(is_same)
        };
        let mut meant: BTreeMap<_, _> = open.iter().filter(is_of_now).filter_map(meant_end).collect();
        for arrive in open.iter().filter_map(coming) {
            let uuid = arrive.config.uuid;
            if !records.iter().any(|record| record.uuid == uuid)
                && let Some(record) = self.domains.record_unrecorded(&arrive.config, arrive.instance).await
            {
                records.push(record);
            }
            if self.migrations.witness(arrive.migration) == Witness::NeverRan {
                // Where its worker is gone there was no guest that could be lost.
                meant.insert(uuid, StateReason::Failed);
            }
        }
        let found = Box::pin(self.domains.recover(records, &meant)).await;
        (recovery.adopted, recovery.lost, recovery.undone) = (found.adopted, found.lost, found.undone);
        for row in open {
            match self.settle_row(&row).await {
                Ok(true) => recovery.finished += 1,
                Ok(false) => recovery.unwound += 1,
                Err(error) => {
                    tracing::error!(operation = row.id, kind = row.kind, %error, "an interrupted operation could not be settled");
                }
            }
        }
        for sentence in &recovery.unreadable {
            tracing::warn!("{sentence}; it stays on disk as it is");
        }
        tracing::info!(?recovery, "recovered");
        Ok(recovery)
    }

    fn load(&self, row: &DomainRow) -> Result<(), Error> {
        let config = document::parse_kept(&row.xml)?;
        self.domains.restore(config, row.autostart).map_err(explain)
    }

    /// Starts every domain that is started with the host; the errors by name. Failing ones do not stop the others.
    pub async fn start_all(self: &Arc<Self>) -> Vec<(String, Error)> {
        let mut failed = Vec::new();
        let rows = self.domains.list().into_iter().filter(|row| row.autostart && !row.state.is_active());
        // Nobody waits for one whose interrupted operation is still being finished, which may take hours.
        let (free, busy): (Vec<_>, Vec<_>) =
            rows.partition(|row| self.domains.try_begin(Actor::Daemon, row.uuid, Request::Start).is_ok());
        for row in free.into_iter().chain(busy) {
            if let Err(error) = self.start(&Actor::Daemon, &row.name).await {
                tracing::warn!(domain = row.name, %error, "could not be started with the host");
                failed.push((row.name, error));
            }
        }
        failed
    }

    async fn settle_row(self: &Arc<Self>, row: &JournalRow) -> Result<bool, Error> {
        match row.kind.as_str() {
            domain::Start::KIND => self.settle::<domain::Start>(row).await,
            domain::Save::KIND => self.settle::<domain::Save>(row).await,
            domain::TakeSnapshot::KIND => self.settle::<domain::TakeSnapshot>(row).await,
            domain::Revert::KIND => self.settle::<domain::Revert>(row).await,
            domain::DeleteSnapshots::KIND => self.settle_delete(row).await,
            domain::Dump::KIND => self.settle::<domain::Dump>(row).await,
            domain::Destroy::KIND => self.settle::<domain::Destroy>(row).await,
            domain::Leash::KIND => self.settle::<domain::Leash>(row).await,
            domain::ChangeDevice::KIND => self.settle::<domain::ChangeDevice>(row).await,
            domain::Cloning::KIND => self.settle::<domain::Cloning>(row).await,
            domain::Pivot::KIND => self.settle::<domain::Pivot>(row).await,
            domain::UpdateDevice::KIND => self.settle::<domain::UpdateDevice>(row).await,
            domain::Undefine::KIND => self.settle::<domain::Undefine>(row).await,
            domain::ChangeSettings::KIND => self.settle::<domain::ChangeSettings>(row).await,
            // These may wait for another host, and the daemon must not wait with them. What is known of them comes first: the
            // other host may ask as soon as this one serves.
            domain::Leave::KIND => {
                let decided = row.step == domain::HAND_OVER && row.state == JournalState::Forward;
                let stage = if decided { MigrationStage::GivenUp } else { MigrationStage::Unknown };
                self.settle_later::<domain::Leave>(row, |leave| (leave.migration, stage))
            }
            domain::Arrive::KIND => self
                .settle_later::<domain::Arrive>(row, |arrive| (arrive.migration, MigrationStage::UnderWay)),
            kind => {
                let message = format!("journal entry {} is of the unknown kind '{kind}'", row.id);
                Err(Error::new(ErrorCode::Internal, message))
            }
        }
    }
}

impl Actions {
    /// Settles an interrupted migration beside everything else.
    fn settle_later<O: Operation>(
        self: &Arc<Self>,
        row: &JournalRow,
        known: impl FnOnce(&O) -> (Uuid, MigrationStage),
    ) -> Result<bool, Error> {
        if let Ok(operation) = serde_json::from_str::<O>(&row.data) {
            let (migration, stage) = known(&operation);
            self.migrations.set_stage(migration, stage);
        }
        let (actions, row) = (Arc::clone(self), row.clone());
        tokio::spawn(async move {
            if let Err(error) = actions.settle::<O>(&row).await {
                tracing::warn!(operation = row.id, kind = row.kind, %error, "an interrupted migration was settled");
            }
        });
        Ok(true)
    }
}

/// The instance of a domain that an interrupted operation was begun for, where its entry says so.
fn instance_of(row: &JournalRow) -> Option<u32> {
    #[derive(serde::Deserialize)]
    struct About {
        // As `domain-leash` has it.
        #[serde(alias = "id")]
        instance: Option<u32>,
    }
    serde_json::from_str::<About>(&row.data).ok()?.instance
}

/// The domain that an interrupted operation was ending, and why: a machine of it that is gone was not lost.
fn meant_end(row: &JournalRow) -> Option<(Uuid, StateReason)> {
    match row.kind.as_str() {
        domain::Save::KIND => {
            let save: domain::Save = serde_json::from_str(&row.data).ok()?;
            Some((save.ends()?, StateReason::Saved))
        }
        domain::TakeSnapshot::KIND => {
            let take: domain::TakeSnapshot = serde_json::from_str(&row.data).ok()?;
            Some((take.ends(&row.step)?, StateReason::Destroyed))
        }
        domain::Dump::KIND => {
            let dump: domain::Dump = serde_json::from_str(&row.data).ok()?;
            Some((dump.ends(&row.step)?, StateReason::Dumped))
        }
        domain::Revert::KIND => {
            let revert: domain::Revert = serde_json::from_str(&row.data).ok()?;
            Some((revert.ends(&row.step)?, StateReason::Destroyed))
        }
        domain::Destroy::KIND => Some((row.subject.parse().ok()?, StateReason::Destroyed)),
        _ => None,
    }
}

/// A guest that was on its way here.
fn coming(row: &JournalRow) -> Option<domain::Arrive> {
    (row.kind == domain::Arrive::KIND).then(|| serde_json::from_str(&row.data).ok()).flatten()
}

fn unreadable(what: String, fault: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorCode::Internal, format!("{what} can't be read: {fault}")).with_hint(
        "nothing was changed; run the version of Reeve that wrote it, or mend the row in the database",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_was_being_ended_was_not_lost() {
        let uuid = Uuid::from_u128(7);
        let ends = |kind: &str, step: &str, data: serde_json::Value| {
            let row = JournalRow {
                id: 1,
                kind: kind.to_owned(),
                subject: uuid.to_string(),
                actor: String::new(),
                step: step.to_owned(),
                state: JournalState::Forward,
                data: data.to_string(),
            };
            meant_end(&row)
        };
        let dump = |mode: &str| {
            serde_json::json!({
                "uuid": uuid, "path": "/core", "mode": mode, "was_running": true, "bypass_cache": false, "token": uuid,
            })
        };
        assert_eq!(ends("domain-dump", "machine", dump("crash")), Some((uuid, StateReason::Dumped)));
        assert_eq!(ends("domain-dump", "core", dump("crash")), None, "it may run on");
        assert_eq!(ends("domain-dump", "machine", dump("reset")), None);
        let snapshot = |halt: bool| {
            serde_json::json!({
                "uuid": uuid, "name": "one", "taken": 7, "xml": "", "metadata": true, "internal": [], "overlays": [],
                "memory": null, "active": true, "was_running": true, "halt": halt, "actor": Actor::Daemon,
            })
        };
        let halted = ends("domain-snapshot", "go-on", snapshot(true));
        assert_eq!(halted, Some((uuid, StateReason::Destroyed)));
        assert_eq!(ends("domain-snapshot", "machine", snapshot(true)), None, "it may be taken back");
        assert_eq!(ends("domain-snapshot", "go-on", snapshot(false)), None);
        let xml =
            "<domain type='sim'><name>web</name><memory>65536</memory><os><type>hvm</type></os></domain>";
        let definition = document::parse(xml, false).unwrap().config;
        let revert = serde_json::json!({
            "uuid": uuid, "name": "one", "taken": 7, "disks": [], "definition": definition, "actor": Actor::Daemon,
        });
        assert_eq!(ends("domain-revert", "", revert.clone()), None, "nothing was done");
        assert_eq!(ends("domain-revert", "files", revert.clone()), None, "it runs on meanwhile");
        assert_eq!(ends("domain-revert", "disks", revert), Some((uuid, StateReason::Destroyed)));
    }
}
