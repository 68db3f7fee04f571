//! What the domains write to: the store for runtime records, the bus for changes.

use async_trait::async_trait;
use reeve_domain::{DomainNotice, EventSink, Keeper, KeeperError, RuntimeRecord, WorkerProcess};
use reeve_events::Bus;
use reeve_model::event::EventKind;
use reeve_store::{RuntimeRow, Store};
use uuid::Uuid;

/// Keeps runtime records in the store.
#[derive(Debug, Clone)]
pub struct StoreKeeper(pub Store);

impl StoreKeeper {
    async fn run(
        &self,
        change: impl FnOnce(&Store) -> Result<(), reeve_store::StoreError> + Send + 'static,
    ) -> Result<(), KeeperError> {
        let store = self.0.clone();
        match tokio::task::spawn_blocking(move || change(&store)).await {
            Ok(done) => done.map_err(|source| KeeperError(Box::new(source))),
            Err(source) => Err(KeeperError(Box::new(source))),
        }
    }
}

#[async_trait]
impl Keeper for StoreKeeper {
    async fn keep(&self, record: &RuntimeRecord) -> Result<(), KeeperError> {
        let row = row(record).map_err(|source| KeeperError(Box::new(source)))?;
        self.run(move |store| store.put_runtime(&row)).await
    }

    async fn forget(&self, uuid: Uuid) -> Result<(), KeeperError> {
        self.run(move |store| store.remove_runtime(uuid).map(drop)).await
    }
}

fn row(record: &RuntimeRecord) -> Result<RuntimeRow, serde_json::Error> {
    Ok(RuntimeRow {
        uuid: record.uuid,
        id: record.id,
        driver: record.driver.clone(),
        boot_id: record.boot_id.clone(),
        pid: record.process.map(|process| process.pid),
        start_time: record.process.map(|process| process.start_time),
        socket: record.socket.clone(),
        live: serde_json::to_string(&record.config)?,
    })
}

/// The record of a row; an error when the live configuration can't be read.
pub(crate) fn record(row: RuntimeRow) -> Result<RuntimeRecord, serde_json::Error> {
    Ok(RuntimeRecord {
        uuid: row.uuid,
        id: row.id,
        driver: row.driver,
        boot_id: row.boot_id,
        process: row.pid.zip(row.start_time).map(|(pid, start_time)| WorkerProcess { pid, start_time }),
        socket: row.socket,
        config: serde_json::from_str(&row.live)?,
    })
}

/// Tells changes of domains on the bus.
#[derive(Debug, Clone)]
pub struct BusSink(pub Bus);

impl EventSink for BusSink {
    fn emit(&self, notice: DomainNotice) {
        let DomainNotice { actor, uuid, name, change, state, reason } = notice;
        self.0.publish(actor, EventKind::Domain { uuid, name, change, state, reason });
    }
}
