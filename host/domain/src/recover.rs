//! Finding the domains again that an earlier daemon left running.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use reeve_model::domain::DomainConfig;
use reeve_model::event::DomainChange;
use reeve_model::{Actor, StateReason};
use tracing::{info, warn};
use uuid::Uuid;

use crate::entry::Entry;
use crate::record::RuntimeRecord;
use crate::registry::Domains;
use crate::state::Phase;
use crate::{ending, names, owner};

/// What became of the records of an earlier daemon.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Found alive and taken over.
    pub adopted: Vec<Uuid>,
    /// Ended while no daemon ran.
    pub lost: Vec<Uuid>,
    /// Were being started when the daemon died; undone.
    pub undone: Vec<Uuid>,
}

impl Domains {
    /// Takes over what an earlier daemon left running, and ends what it did not finish starting. Call once, after every
    /// definition was restored. `meant` are those that the earlier daemon was ending, and why: a machine of theirs that is gone was not lost.
    pub async fn recover(
        &self,
        records: Vec<RuntimeRecord>,
        meant: &BTreeMap<Uuid, StateReason>,
    ) -> Recovered {
        let known: Vec<Uuid> = records.iter().map(|record| record.uuid).collect();
        self.pass_over(records.iter().map(|record| record.id).max().unwrap_or(0));
        let mut recovered = Recovered::default();
        for record in records {
            let uuid = record.uuid;
            if self.recover_one(record, meant.get(&uuid).copied()).await {
                recovered.adopted.push(uuid);
            } else {
                recovered.lost.push(uuid);
            }
        }
        for driver in self.shared.drivers.values() {
            recovered.undone.extend(driver.sweep(&known).await);
        }
        recovered
    }

    /// Instances that are made from now on have higher numbers than this one: somebody knows another one by it.
    pub fn pass_over(&self, number: u32) {
        self.shared.next_id.fetch_max(number.saturating_add(1), Ordering::Relaxed);
    }

    /// The record of a machine that has or awaits a guest and of which there is none, kept from now on; `config` is what it was made from,
    /// and `number` what it was given there. To be called before [`Self::recover`], which ends what has no record, and after
    /// [`Self::pass_over`].
    pub async fn record_unrecorded(
        &self,
        config: &DomainConfig,
        number: Option<u32>,
    ) -> Option<RuntimeRecord> {
        let shared = &self.shared;
        let driver = shared.driver(config).ok()?;
        let (process, socket) = driver.find_unrecorded(config.uuid).await?;
        let mut config = config.clone();
        names::assign(&mut config);
        driver.settle(&mut config);
        let record = RuntimeRecord {
            uuid: config.uuid,
            id: number.unwrap_or_else(|| shared.issue_id()),
            driver: driver.kind().to_owned(),
            boot_id: shared.boot_id.clone(),
            process: Some(process),
            socket: Some(socket),
            config,
        };
        if let Err(error) = shared.keeper.keep(&record).await {
            let cause = error.0;
            warn!(domain = record.config.name, %cause, "a machine that was found is not recorded");
        }
        Some(record)
    }

    async fn recover_one(&self, record: RuntimeRecord, meant: Option<StateReason>) -> bool {
        let shared = &self.shared;
        let entry = shared.entry_for(&record);
        let ended = match self.take_over(&entry, record).await {
            Ok(()) => return true,
            Err(ended) => meant.map_or(ended, |reason| match reason {
                // What counts as crashed because that was asked for.
                StateReason::Dumped => Phase::Crashed(reason),
                reason => Phase::Off(reason),
            }),
        };
        let change =
            if matches!(ended, Phase::Off(_)) { DomainChange::Stopped } else { DomainChange::Crashed };
        ending::forget(shared, &entry).await;
        ending::finish(shared, &entry, &Actor::Daemon, ended, change);
        false
    }

    /// Takes a machine over; else how it ended, as far as can be told.
    async fn take_over(&self, entry: &Arc<Entry>, record: RuntimeRecord) -> Result<(), Phase> {
        let shared = &self.shared;
        if record.boot_id != shared.boot_id {
            info!(domain = entry.name, "the host was restarted while the domain ran");
            return Err(Phase::Off(StateReason::Unknown));
        }
        let Some(driver) = shared.drivers.get(record.driver.as_str()).cloned() else {
            warn!(domain = entry.name, driver = record.driver, "no such driver any more");
            return Err(Phase::Crashed(StateReason::WorkerLost));
        };
        Box::pin(owner::adopt(shared, entry, &driver, record)).await.map_err(|error| {
            warn!(domain = entry.name, %error, "the machine could not be taken over");
            Phase::Crashed(StateReason::WorkerLost)
        })
    }
}
