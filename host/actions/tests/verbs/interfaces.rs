//! What becomes of a change of the host's interfaces that an earlier daemon left open. The kernel is only looked at here;
//! tests/tests/networks changes it, in a namespace.

use reeve_model::ErrorCode;
use reeve_model::host_interface::BeginHostChange;
use reeve_store::{SnapshotKind, SnapshotRow};
use tempfile::TempDir;

use crate::support::{Host, ROOT, Setup, host_at, refused};

fn card(name: &str) -> String {
    format!("<interface type='ethernet' name='{name}'/>")
}

/// A host with `kept0` defined, and then a change begun that replaces it by `new0`.
async fn changed(directory: &TempDir) -> Host {
    let host = host_at(directory.path(), Setup::default());
    host.recover().await.unwrap();
    host.define_interface(&ROOT, &card("kept0"), false).await.unwrap();
    assert!(host.begin_interfaces(&ROOT, BeginHostChange::default()).await.unwrap().open);
    host.define_interface(&ROOT, &card("new0"), false).await.unwrap();
    host.undefine_interface(&ROOT, "kept0").await.unwrap();
    host
}

async fn defined(host: &Host) -> Vec<String> {
    let rows = host.host_interfaces(&ROOT).await.unwrap();
    rows.into_iter().filter(|row| row.defined).map(|row| row.name).collect()
}

/// Changes the snapshot that waits for a commit.
fn tamper(host: &Host, change: impl FnOnce(SnapshotRow) -> SnapshotRow) {
    let rows = host.store.interface_snapshots().unwrap();
    let row = rows.into_iter().find(|row| row.kind == SnapshotKind::Change).unwrap();
    host.store.put_interface_snapshot(&change(row)).unwrap();
}

#[tokio::test]
async fn a_reboot_takes_back_what_was_defined() {
    let directory = TempDir::new().unwrap();
    let host = changed(&directory).await;
    assert_eq!(defined(&host).await, ["new0"]);
    // A kernel that has begun anew is left alone: this snapshot would take its loopback away.
    tamper(&host, |row| SnapshotRow {
        boot: "another boot".to_owned(),
        snapshot: row.snapshot.replacen("\"lo\"", "\"gone\"", 1),
        ..row
    });
    let next = host_at(directory.path(), Setup::default());
    assert!(next.recover().await.unwrap().unreadable.is_empty());
    assert_eq!(defined(&next).await, ["kept0"]);
    assert!(!next.interface_change(&ROOT).unwrap().open);
    assert!(next.store.interface_snapshots().unwrap().is_empty());
}

#[tokio::test]
async fn a_change_goes_on_with_the_time_it_has_left() {
    let directory = TempDir::new().unwrap();
    let host = changed(&directory).await;
    tamper(&host, |row| SnapshotRow { deadline: row.deadline.map(|deadline| deadline - 50_000), ..row });
    let next = host_at(directory.path(), Setup::default());
    next.recover().await.unwrap();
    let change = next.interface_change(&ROOT).unwrap();
    assert!(change.open && change.seconds_left.is_some_and(|left| left <= 70), "{change:?}");
    assert!(next.start_interfaces().await.is_empty(), "nothing is started while it is open");
    next.commit_interfaces(&ROOT).await.unwrap();
    assert_eq!(defined(&next).await, ["new0"]);
}

#[tokio::test]
async fn a_commit_that_comes_too_late_is_refused() {
    let directory = TempDir::new().unwrap();
    let host = changed(&directory).await;
    tamper(&host, |row| SnapshotRow { deadline: None, ..row });
    let next = host_at(directory.path(), Setup::default());
    next.recover().await.unwrap();
    assert_eq!(next.interface_change(&ROOT).unwrap().seconds_left, None, "it waits for ever");
    next.commit_interfaces(&ROOT).await.unwrap();

    next.begin_interfaces(&ROOT, BeginHostChange { timeout: Some(1) }).await.unwrap();
    // Nobody follows the time here.
    while next.interface_change(&ROOT).unwrap().seconds_left != Some(0) {
        tokio::task::yield_now().await;
    }
    refused(next.commit_interfaces(&ROOT).await, ErrorCode::WrongState, &["is over"]);
}

#[tokio::test]
async fn a_snapshot_that_can_not_be_read_is_told_and_keeps_nobody_from_starting() {
    let directory = TempDir::new().unwrap();
    let host = changed(&directory).await;
    tamper(&host, |row| SnapshotRow { deadline: Some(0), snapshot: "{".to_owned(), ..row });
    let next = host_at(directory.path(), Setup::default());
    let unreadable = next.recover().await.unwrap().unreadable;
    assert!(unreadable.len() == 1 && unreadable[0].contains("can't be read"), "{unreadable:?}");
    assert_eq!(defined(&next).await, ["new0"]);
    next.begin_interfaces(&ROOT, BeginHostChange::default()).await.unwrap();
    next.commit_interfaces(&ROOT).await.unwrap();
    assert!(next.store.interface_snapshots().unwrap().is_empty());
}
