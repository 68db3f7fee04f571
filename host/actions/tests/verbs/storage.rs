//! Storage pools and volumes: who may do what, and what is kept.

use reeve_model::storage::{BuildMode, ResizeVolume, TakeVolume, VolumePart, WipeAlgorithm};
use reeve_model::{Actor, ErrorCode};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::networks::recovered;
use crate::support::{ROOT, refused};

fn pool(name: &str, directory: &TempDir) -> String {
    let path = directory.path().join("pool");
    format!("<pool type='dir'><name>{name}</name><target><path>{}</path></target></pool>", path.display())
}

const VOLUME: &str = "<volume><name>a</name><capacity unit='MiB'>1</capacity></volume>";

#[tokio::test]
async fn a_stranger_has_no_storage() {
    let directory = TempDir::new().unwrap();
    let host = recovered(&directory).await;
    let document = pool("lab", &directory);
    host.define_pool(&ROOT, &document, false).await.unwrap();
    host.build_pool(&ROOT, "lab", BuildMode::Keep).await.unwrap();
    host.start_pool(&ROOT, "lab").await.unwrap();
    let take = TakeVolume::default();
    host.create_volume(&ROOT, "lab", VOLUME, &take).await.unwrap();
    let stranger = Actor::Client { uid: 4242, pid: 7 };
    refused(host.pools(&stranger), ErrorCode::Denied, &["pool:read"]);
    refused(host.pool_info(&stranger, "lab"), ErrorCode::Denied, &["pool:read", "'lab'"]);
    refused(host.pool_info(&stranger, "nobody"), ErrorCode::Denied, &["pool:read"]);
    refused(host.pool_xml(&stranger, "lab", false), ErrorCode::Denied, &["pool:read"]);
    refused(host.define_pool(&stranger, &document, false).await, ErrorCode::Denied, &["pool:define"]);
    refused(host.set_pool_autostart(&stranger, "lab", true).await, ErrorCode::Denied, &["pool:define"]);
    refused(host.undefine_pool(&stranger, "lab").await, ErrorCode::Denied, &["pool:undefine"]);
    refused(host.build_pool(&stranger, "lab", BuildMode::Keep).await, ErrorCode::Denied, &["pool:build"]);
    refused(host.start_pool(&stranger, "lab").await, ErrorCode::Denied, &["pool:start"]);
    refused(host.create_pool(&stranger, &document, false).await, ErrorCode::Denied, &["pool:start"]);
    refused(host.refresh_pool(&stranger, "lab").await, ErrorCode::Denied, &["pool:start"]);
    refused(host.destroy_pool(&stranger, "lab").await, ErrorCode::Denied, &["pool:destroy"]);
    refused(host.delete_pool(&stranger, "lab").await, ErrorCode::Denied, &["pool:delete"]);
    refused(host.volumes(&stranger, "lab"), ErrorCode::Denied, &["volume:read"]);
    refused(host.volume_info(&stranger, "lab", "a").await, ErrorCode::Denied, &["volume:read"]);
    refused(host.find_volume(&stranger, "/nowhere").await, ErrorCode::Denied, &["volume:read"]);
    refused(host.volume_xml(&stranger, "lab", "a").await, ErrorCode::Denied, &["volume:read"]);
    refused(host.create_volume(&stranger, "lab", VOLUME, &take).await, ErrorCode::Denied, &["volume:create"]);
    refused(host.delete_volume(&stranger, "lab", "a").await, ErrorCode::Denied, &["volume:delete"]);
    let resize = ResizeVolume::default();
    refused(host.resize_volume(&stranger, "lab", "a", resize).await, ErrorCode::Denied, &["volume:change"]);
    refused(
        host.wipe_volume(&stranger, "lab", "a", WipeAlgorithm::Zero).await,
        ErrorCode::Denied,
        &["volume:change"],
    );
    let part = VolumePart::default();
    let incoming = mpsc::channel(1).1;
    refused(
        host.upload_volume(&stranger, "lab", "a", part, incoming).await,
        ErrorCode::Denied,
        &["volume:change"],
    );
    refused(host.download_volume(&stranger, "lab", "a", part).await, ErrorCode::Denied, &["volume:download"]);
    assert_eq!(host.volumes(&ROOT, "lab").unwrap().len(), 1);
}

#[tokio::test]
async fn definitions_and_what_runs_are_kept() {
    let directory = TempDir::new().unwrap();
    let host = recovered(&directory).await;
    let defined = host.define_pool(&ROOT, &pool("lab", &directory), false).await.unwrap().pool;
    refused(
        host.define_pool(&ROOT, &pool("lab", &directory), false).await,
        ErrorCode::AlreadyExists,
        &["'lab'", "exists already"],
    );
    let xml = host.pool_xml(&ROOT, "lab", false).unwrap();
    let edited = xml.replace("/pool</path>", "/other</path>");
    host.edit_pool(&ROOT, "lab", &edited, false, None).await.unwrap();
    refused(
        host.edit_pool(&ROOT, "lab", &xml, false, Some("of another document")).await,
        ErrorCode::Busy,
        &["'lab'", "somebody else"],
    );
    host.build_pool(&ROOT, "lab", BuildMode::Keep).await.unwrap();
    host.start_pool(&ROOT, "lab").await.unwrap();
    host.create_volume(&ROOT, "lab", VOLUME, &TakeVolume::default()).await.unwrap();
    host.set_pool_autostart(&ROOT, "lab", true).await.unwrap();
    host.undefine_pool(&ROOT, "default").await.unwrap();
    drop(host);

    let host = recovered(&directory).await;
    let rows = host.pools(&ROOT).unwrap();
    assert_eq!(rows.len(), 1, "what was removed does not come back: {rows:?}");
    assert_eq!(
        (rows[0].uuid, rows[0].active, rows[0].autostart, rows[0].volumes),
        (defined.uuid, true, true, 1)
    );
    host.destroy_pool(&ROOT, "lab").await.unwrap();
    refused(host.volumes(&ROOT, "lab"), ErrorCode::WrongState, &["'lab'", "not active"]);
    drop(host);
    let host = recovered(&directory).await;
    assert!(!host.pool_info(&ROOT, "lab").unwrap().active);
    assert!(host.start_pools().await.is_empty() && host.pool_info(&ROOT, "lab").unwrap().active);
}
