//! Migrations through the client. Simulated domains don't move: what moves is in `tests/tests/migration`.

use reeve_client::ClientError;
use reeve_model::ErrorCode;
use reeve_model::migration::{
    AddStreams, Migrate, MigrationHost, MigrationLimits, MigrationStage, PrepareMigration, ResumeMigration,
    StreamRoute,
};
use uuid::Uuid;

use crate::host::{Host, document};

fn refused(result: Result<impl std::fmt::Debug, ClientError>) -> ErrorCode {
    match result.unwrap_err() {
        ClientError::Refused(error) => error.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn limits_are_kept_and_what_can_not_move_is_refused() {
    let host = Host::serve();
    let client = &host.client;
    host.define("web").await;
    assert_eq!(client.migration_limits("web").await.unwrap(), MigrationLimits::default());
    let limits = MigrationLimits { max_downtime_ms: 50, bandwidth_mib: 100, ..MigrationLimits::default() };
    assert_eq!(client.set_migration_limits("web", limits).await.unwrap(), limits);
    assert_eq!(client.migration_limits("web").await.unwrap(), limits);
    assert_eq!(refused(client.migration_limits("nobody").await), ErrorCode::NotFound);
    let to = |destination: &str| Migrate { destination: destination.to_owned(), ..Migrate::default() };
    let somewhere = to("reeve+unix:///nowhere/reeve.sock");
    assert_eq!(
        refused(client.migrate_domain("web", &somewhere).await),
        ErrorCode::WrongState,
        "it does not run"
    );
    client.start_domain("web").await.unwrap();
    assert_eq!(refused(client.migrate_domain("web", &to("elsewhere")).await), ErrorCode::Invalid);
    assert_eq!(refused(client.migrate_domain("web", &somewhere).await), ErrorCode::Unsupported);
    assert_eq!(refused(client.domain_job("web").await), ErrorCode::Unsupported);
    assert_eq!(refused(client.abort_domain_job("web").await), ErrorCode::Unsupported);
    assert_eq!(refused(client.switch_to_post_copy("web").await), ErrorCode::Unsupported);
    assert_eq!(refused(client.interrupt_post_copy("web").await), ErrorCode::Unsupported);
    let rest = Migrate { resume_post_copy: true, ..somewhere };
    assert_eq!(refused(client.migrate_domain("web", &rest).await), ErrorCode::WrongState);
}

#[tokio::test]
async fn another_host_is_told_what_is_known() {
    let host = Host::serve_known();
    let client = &host.client;
    let report = client.migration_report(Uuid::new_v4()).await.unwrap();
    assert_eq!((report.stage, report.host.name.as_str()), (MigrationStage::Unknown, "here"));
    assert!(!report.host.version.is_empty());
    let rest = ResumeMigration { route: StreamRoute::Socket };
    assert_eq!(refused(client.resume_migration(Uuid::new_v4(), &rest).await), ErrorCode::NotFound);
    let more = AddStreams { count: 3, route: StreamRoute::Socket };
    assert_eq!(refused(client.add_migration_streams(Uuid::new_v4(), &more).await), ErrorCode::NotFound);
    let nobody_waits = client.migration_stream(Uuid::new_v4()).await.map(drop);
    assert_eq!(refused(nobody_waits), ErrorCode::NotFound);
    let prepare = |xml: String| PrepareMigration {
        migration: Uuid::new_v4(),
        xml,
        slots: Vec::new(),
        paused: false,
        persistent: false,
        source: "/nowhere".to_owned(),
        route: StreamRoute::Socket,
        boot_id: "of another host".to_owned(),
        allow_unsafe: false,
        host: MigrationHost::default(),
        disks: Vec::new(),
        disk_facts: Vec::new(),
    };
    assert_eq!(refused(client.prepare_migration(&prepare("<domain/>".to_owned())).await), ErrorCode::Invalid);
    host.define("web").await;
    client.start_domain("web").await.unwrap();
    let running = client.prepare_migration(&prepare(document("web"))).await;
    assert!(matches!(refused(running), ErrorCode::WrongState | ErrorCode::AlreadyExists));
    let disk = "<disk type='file'><source file='/disk.img'/><target dev='vda' bus='virtio'/></disk>";
    let cached = document("other").replace("</domain>", &format!("<devices>{disk}</devices></domain>"));
    assert_eq!(refused(client.prepare_migration(&prepare(cached)).await), ErrorCode::Unsupported);
}

#[tokio::test]
async fn a_host_that_can_not_say_what_it_is_still_says_whose_a_guest_is() {
    let host = Host::serve();
    assert!(host.client.node_info().await.is_err());
    let report = host.client.migration_report(Uuid::new_v4()).await.unwrap();
    assert_eq!((report.stage, report.host), (MigrationStage::Unknown, MigrationHost::default()));
}
