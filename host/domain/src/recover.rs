//! Finding the domains again that an earlier daemon left running.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use reeve_model::event::DomainChange;
use reeve_model::{Actor, StateReason};
use tracing::{info, warn};
use uuid::Uuid;

use crate::driver::DriverError;
use crate::entry::Entry;
use crate::owner;
use crate::record::RuntimeRecord;
use crate::registry::Domains;
use crate::state::Phase;

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
    /// definition was restored.
    pub async fn recover(&self, records: Vec<RuntimeRecord>) -> Recovered {
        let known: Vec<Uuid> = records.iter().map(|record| record.uuid).collect();
        let highest = records.iter().map(|record| record.id).max().unwrap_or(0);
        self.shared.next_id.fetch_max(highest + 1, Ordering::Relaxed);
        let mut recovered = Recovered::default();
        for record in records {
            let uuid = record.uuid;
            if self.recover_one(record).await {
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

    async fn recover_one(&self, record: RuntimeRecord) -> bool {
        let shared = &self.shared;
        let entry = shared.entry_for(&record);
        if record.boot_id != shared.boot_id {
            info!(domain = entry.name, "the host was restarted while the domain ran");
            return self.give_up(&entry, Phase::Off(StateReason::Unknown), DomainChange::Stopped).await;
        }
        let Some(driver) = shared.drivers.get(record.driver.as_str()).cloned() else {
            warn!(domain = entry.name, driver = record.driver, "no such driver any more");
            return self
                .give_up(&entry, Phase::Crashed(StateReason::WorkerLost), DomainChange::Crashed)
                .await;
        };
        let adopted: Result<(), DriverError> = owner::adopt(shared, &entry, &driver, record).await;
        let Err(error) = adopted else {
            return true;
        };
        warn!(domain = entry.name, %error, "the machine could not be taken over");
        self.give_up(&entry, Phase::Crashed(StateReason::WorkerLost), DomainChange::Crashed).await
    }

    async fn give_up(&self, entry: &Arc<Entry>, last: Phase, change: DomainChange) -> bool {
        owner::forget(&self.shared, entry).await;
        owner::finish(&self.shared, entry, &Actor::Daemon, last, change);
        false
    }
}
