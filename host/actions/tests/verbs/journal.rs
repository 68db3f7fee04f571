//! A journal that takes no notes, or does not let go of them: what is done stays done, and no entry does anything to another life of its
//! domain.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_actions::{Attachment, NoFaults};
use reeve_model::domain_save::SaveOptions;
use reeve_model::{DomainState, ErrorCode, StateReason};
use reeve_store::{DATABASE, JournalState};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::kill::{recovered, settled};
use crate::support::{Host, ROOT, plain, refused};

/// A journal that refuses something, until this is dropped.
struct Refusing(Connection);

impl Refusing {
    /// It refuses changes of this sort, where that is so.
    fn new(root: &Path, sort: &str, when: &str) -> Self {
        let connection = Connection::open(root.join(DATABASE)).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        let trigger = format!(
            "CREATE TRIGGER refuse BEFORE {sort} ON journal WHEN {when} BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        );
        connection.execute_batch(&trigger).unwrap();
        Self(connection)
    }
}

impl Drop for Refusing {
    fn drop(&mut self) {
        self.0.execute_batch("DROP TRIGGER refuse").unwrap();
    }
}

/// A host where the domain `web` runs.
async fn running(root: &Path) -> Host {
    let host = recovered(root, Arc::new(NoFaults)).await;
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    host
}

fn state(host: &Host) -> DomainState {
    host.state(&ROOT, "web").unwrap().state
}

fn entries(host: &Host) -> usize {
    host.store.open_operations().unwrap().len()
}

#[tokio::test]
async fn what_is_done_is_done_and_nothing_begins_before_that_is_written_down() {
    let root = TempDir::new().unwrap();
    let host = running(root.path()).await;
    let refusing = Refusing::new(root.path(), "DELETE", "true");
    let row = host.destroy(&ROOT, "web").await.unwrap();
    assert_eq!((row.state, row.reason), (DomainState::ShutOff, StateReason::Destroyed));
    assert_eq!(entries(&host), 1);
    // The next daemon would end what is started now.
    refused(host.start(&ROOT, "web").await, ErrorCode::Internal, &["the disk is full"]);
    assert_eq!((state(&host), entries(&host)), (DomainState::ShutOff, 1));
    drop(refusing);
    host.start(&ROOT, "web").await.unwrap();
    assert_eq!((state(&host), entries(&host)), (DomainState::Running, 0));

    // It is removed also when nothing else happens.
    let refusing = Refusing::new(root.path(), "DELETE", "true");
    host.destroy(&ROOT, "web").await.unwrap();
    assert_eq!(entries(&host), 1);
    drop(refusing);
    let begun = Instant::now();
    while entries(&host) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody tries it again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // A daemon that dies before leaves the entry to the next one, for which there is nothing to do.
    host.start(&ROOT, "web").await.unwrap();
    let refusing = Refusing::new(root.path(), "DELETE", "true");
    host.destroy(&ROOT, "web").await.unwrap();
    drop(host);
    drop(refusing);
    let host = recovered(root.path(), Arc::new(NoFaults)).await;
    assert_eq!((state(&host), entries(&host)), (DomainState::ShutOff, 0));
}

/// Begins an operation in the journal as an earlier daemon would have.
fn enter(host: &Host, uuid: Uuid, kind: &str, step: &str, state: JournalState, data: &Value) {
    let (actor, data) = (serde_json::to_string(&ROOT).unwrap(), data.to_string());
    let id = host.store.begin_operation(kind, &uuid.to_string(), &actor, &data).unwrap();
    host.store.note_step(id, step, state, &data).unwrap();
}

#[tokio::test]
async fn an_entry_does_nothing_to_another_instance_than_its_own() {
    let (forward, back) = (JournalState::Forward, JournalState::Back);
    for (kind, step, state) in [
        ("domain-destroy", "machine", forward),
        ("domain-start", "machine", back),
        ("domain-start", "machine", forward),
        ("domain-save", "machine", forward),
        ("domain-dump", "machine", forward),
        ("domain-snapshot", "go-on", forward),
        ("domain-revert", "machine", forward),
        ("domain-leash", "leash", forward),
        ("domain-arrive", "machine", back),
    ] {
        let root = TempDir::new().unwrap();
        let host = running(root.path()).await;
        host.destroy(&ROOT, "web").await.unwrap();
        let row = host.start(&ROOT, "web").await.unwrap();
        assert_eq!(row.id, Some(2));
        let uuid = row.uuid;
        let config = host.domains.definition(uuid).unwrap().unwrap();
        let mut data = match kind {
            "domain-start" => json!({ "config": config.as_ref(), "paused": false, "actor": ROOT }),
            "domain-save" => json!({
                "path": "/nowhere", "document": "", "driver": "sim", "running": true, "was_running": true,
                "bypass_cache": false, "token": uuid,
            }),
            "domain-dump" => json!({
                "path": "/nowhere", "mode": "crash", "was_running": true, "bypass_cache": false, "token": uuid,
            }),
            "domain-snapshot" => json!({
                "name": "one", "taken": 7, "xml": "", "metadata": true, "internal": [], "overlays": [], "memory": null,
                "active": true, "was_running": true, "halt": true, "actor": ROOT,
            }),
            "domain-revert" => json!({
                "name": "one", "taken": 7, "disks": [], "definition": config.as_ref(), "actor": ROOT,
            }),
            "domain-leash" => json!({ "id": 1, "actor": ROOT }),
            "domain-arrive" => json!({
                "config": config.as_ref(), "migration": uuid, "slots": [], "source": "/nowhere", "paused": false,
                "persistent": false, "actor": ROOT, "refused": true,
            }),
            _ => json!({}),
        };
        data["uuid"] = json!(uuid);
        if kind != "domain-leash" {
            data["instance"] = json!(1);
        }
        enter(&host, uuid, kind, step, state, &data);
        drop(host);
        let host = recovered(root.path(), Arc::new(NoFaults)).await;
        settled(&host).await;
        let row = host.state(&ROOT, "web").unwrap();
        assert_eq!(
            (row.state, row.id, entries(&host)),
            (DomainState::Running, Some(2), 0),
            "{kind} {step} {state:?}"
        );
        // What is of its own instance is done.
        if kind == "domain-destroy" {
            data["instance"] = json!(2);
            enter(&host, uuid, kind, step, state, &data);
            drop(host);
            let host = recovered(root.path(), Arc::new(NoFaults)).await;
            assert_eq!(host.state(&ROOT, "web").unwrap().state, DomainState::ShutOff);
        }
    }
}

#[tokio::test]
async fn a_number_that_is_in_the_journal_is_not_given_again() {
    let root = TempDir::new().unwrap();
    let host = recovered(root.path(), Arc::new(NoFaults)).await;
    let uuid = host.define(&ROOT, &plain("web"), false).await.unwrap().domain.uuid;
    // Nobody settles one of a kind that this daemon does not know.
    enter(
        &host,
        uuid,
        "domain-from-the-future",
        "machine",
        JournalState::Forward,
        &json!({ "instance": 41 }),
    );
    drop(host);
    let host = recovered(root.path(), Arc::new(NoFaults)).await;
    assert_eq!(host.start(&ROOT, "web").await.unwrap().id, Some(42));
}

#[tokio::test]
async fn a_save_whose_end_can_not_be_noted_is_undone() {
    let root = TempDir::new().unwrap();
    let host = running(root.path()).await;
    let place = root.path().join("web.image");
    let file = place.to_str().unwrap();
    let refusing = Refusing::new(root.path(), "UPDATE", "NEW.kind = 'domain-save' AND NEW.step = 'machine'");
    let saved = host.save(&ROOT, "web", file, None, SaveOptions::default()).await;
    refused(saved, ErrorCode::Internal, &["the disk is full"]);
    assert_eq!((state(&host), entries(&host)), (DomainState::Running, 0));
    assert!(!place.exists(), "the next daemon would end the guest for it");
    drop(refusing);
    host.save(&ROOT, "web", file, None, SaveOptions::default()).await.unwrap();
    assert_eq!((state(&host), entries(&host)), (DomainState::ShutOff, 0));
}

#[tokio::test]
async fn a_guest_that_runs_goes_on_though_that_can_not_be_noted() {
    let root = TempDir::new().unwrap();
    let host = running(root.path()).await;
    host.managed_save(&ROOT, "web", SaveOptions::default()).await.unwrap();
    let _refusing = Refusing::new(root.path(), "UPDATE", "NEW.step = 'image'");
    let row = host.start(&ROOT, "web").await.unwrap();
    assert_eq!(
        (row.state, row.reason, row.managed_save),
        (DomainState::Running, StateReason::Restored, false)
    );
    assert_eq!(entries(&host), 0);
}

#[tokio::test]
async fn what_failed_is_undone_though_that_can_not_be_noted() {
    let root = TempDir::new().unwrap();
    let host = running(root.path()).await;
    let _refusing = Refusing::new(root.path(), "UPDATE", "NEW.state = 'back'");
    let device = "<watchdog model='i6300esb'/>";
    let both = Attachment::LiveAndConfig;
    host.attach_device_to(&ROOT, "web", device, both).await.unwrap_err();
    assert_eq!((state(&host), entries(&host)), (DomainState::Running, 0));
    assert!(!host.xml(&ROOT, "web", true).unwrap().contains("watchdog"), "it is in neither");
}
