//! Snapshots of a simulated domain: it has memory and no disks.

use reeve_client::ClientError;
use reeve_model::snapshot::{CreateSnapshot, DeleteSnapshot, RevertSnapshot, SnapshotState};
use reeve_model::{DomainState, ErrorCode};

use crate::host::Host;

#[tokio::test]
async fn snapshots_are_made_gone_back_to_and_deleted() {
    let host = Host::serve();
    host.define("web").await;
    let client = &host.client;
    let how = CreateSnapshot::default();
    let off = client.create_snapshot("web", "<domainsnapshot/>", how).await;
    let Err(ClientError::Refused(error)) = off else { panic!("{off:?}: it has no disks") };
    assert_eq!(error.code, ErrorCode::Invalid);
    client.start_domain("web").await.unwrap();
    for name in ["one", "two & more"] {
        let escaped = name.replace('&', "&amp;");
        let xml = format!("<domainsnapshot><name>{escaped}</name></domainsnapshot>");
        let row = client.create_snapshot("web", &xml, how).await.unwrap();
        assert_eq!((row.name.as_str(), row.state, row.current), (name, SnapshotState::Running, true));
    }
    let rows = client.snapshots("web").await.unwrap();
    let parents: Vec<_> = rows.iter().map(|row| row.parent.as_deref()).collect();
    assert_eq!(parents, [None, Some("one")]);
    let xml = client.snapshot_xml("web", "two & more").await.unwrap();
    assert!(xml.contains("<name>two &amp; more</name>"), "{xml}");
    client.set_current_snapshot("web", "one").await.unwrap();
    assert!(client.snapshots("web").await.unwrap()[0].current);
    let paused = RevertSnapshot { paused: true, ..RevertSnapshot::default() };
    let row = client.revert_snapshot("web", "two & more", paused).await.unwrap();
    assert_eq!(row.state, DomainState::Paused);
    let all = DeleteSnapshot { children: true, ..DeleteSnapshot::default() };
    assert_eq!(client.delete_snapshot("web", "one", all).await.unwrap(), ["two & more", "one"]);
    assert!(client.snapshots("web").await.unwrap().is_empty());
}
