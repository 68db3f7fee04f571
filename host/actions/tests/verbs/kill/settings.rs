//! Settings of a running domain and of its definition, and definitions that go with what their domains have.

use reeve_model::Error;
use reeve_model::api::{SetDescription, UndefineOptions};
use reeve_model::tuning::{Schedule, TuneOptions, Tuning};
use reeve_store::DomainSnapshotRow;

use crate::support::{Host, ROOT};

const BOTH: TuneOptions = TuneOptions { live: true, config: true };

pub(super) async fn tune(host: &Host) -> Result<(), Error> {
    let schedule = Schedule { cpu_shares: Some(512), ..Schedule::default() };
    host.tune(&ROOT, "web", Tuning { schedule, ..Tuning::default() }, BOTH).await.map(drop)
}

pub(super) async fn describe(host: &Host) -> Result<(), Error> {
    let change = SetDescription { title: Some("The shop".to_owned()), ..SetDescription::default() };
    host.describe(&ROOT, "web", change, BOTH).await.map(drop)
}

/// Whether the documents of the running domain and of its definition have these words.
pub(super) fn in_both(host: &Host, words: &str) -> bool {
    let [live, config] =
        [false, true].map(|inactive| host.xml(&ROOT, "web", inactive).unwrap().contains(words));
    assert_eq!(live, config, "in both or in none");
    live
}

/// The domain has a snapshot, with memory in a file.
pub(super) fn add_snapshot(host: &Host) {
    let uuid = host.state(&ROOT, "web").unwrap().uuid;
    let memory = std::env::temp_dir().join(format!("{uuid}.memory"));
    std::fs::write(&memory, "memory").unwrap();
    let memory = Some(memory.display().to_string());
    let row = DomainSnapshotRow { name: "one".to_owned(), xml: String::new(), memory, current: true };
    host.store.put_domain_snapshots(uuid, &[row]).unwrap();
    host.store.put_setting("test-uuid", &uuid.to_string()).unwrap();
}

pub(super) async fn undefine(host: &Host) -> Result<(), Error> {
    let options = UndefineOptions { managed_save: true, snapshots_metadata: true };
    host.undefine_with(&ROOT, "web", options).await
}

/// Whether the definition is gone, with all that its domain had.
pub(super) fn is_undefined(host: &Host) -> bool {
    let uuid = host.store.setting("test-uuid").unwrap().unwrap().parse().unwrap();
    let is_gone = host.state(&ROOT, "web").is_err();
    assert_eq!(host.store.domains().unwrap().is_empty(), is_gone);
    assert_eq!(host.store.domain_snapshots(uuid).unwrap().is_empty(), is_gone, "snapshots go with it");
    assert_eq!(std::env::temp_dir().join(format!("{uuid}.memory")).exists(), !is_gone, "and their memory");
    if !is_gone {
        assert!(host.state(&ROOT, "web").unwrap().managed_save, "what was saved stays with it");
    }
    is_gone
}
