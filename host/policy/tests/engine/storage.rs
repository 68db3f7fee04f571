//! Guards of storage, asked by the verbs.

use reeve_model::storage::TakeVolume;
use reeve_model::{Actor, ErrorCode};
use serde_json::json;

use crate::support::{Host, ROOT, refused, test_policy};

/// What the witness imports, with a narrow grant to rewrite.
const GRANTS: [&str; 16] = [
    "domain:read",
    "domain:start",
    "domain:shutdown",
    "domain:destroy",
    "domain:suspend",
    "domain:configure",
    "node:read",
    "kv:use",
    "network:read",
    "pool:read",
    "volume:read",
    "volume:create name=lab max-bytes=8192",
    "volume:change",
    "volume:delete",
    "volume:download",
    "volume:rewrite path=name",
];

fn volume(name: &str) -> String {
    let size = "<capacity unit='bytes'>4096</capacity><allocation unit='bytes'>0</allocation>";
    format!("<volume><name>{name}</name>{size}</volume>")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_volume_is_rewritten_within_the_grant_and_bounded_by_it() {
    let host = Host::new().await;
    let path = host.directory.path().join("lab");
    std::fs::create_dir(&path).unwrap();
    let pool =
        format!("<pool type='dir'><name>lab</name><target><path>{}</path></target></pool>", path.display());
    host.actions.create_pool(&ROOT, &pool, false).await.unwrap();
    host.load(test_policy("witness"), "witness", json!({}), &GRANTS).await.unwrap();
    let take = TakeVolume::default();

    let named = host.actions.create_volume(&ROOT, "lab", &volume("unnamed"), &take).await.unwrap();
    assert_eq!(named.volume.name, "named");
    let larger = host.actions.create_volume(&ROOT, "lab", &volume("larger"), &take).await;
    refused(larger, ErrorCode::Denied, "which its grants of 'volume:rewrite' do not cover");
    assert!(!path.join("larger").exists());

    // A policy as the actor: two volumes of 4096 bytes are what its grant allows, elsewhere none.
    let policy = Actor::Policy { name: "witness".to_owned(), depth: 1 };
    host.actions.create_volume(&policy, "lab", &volume("second"), &take).await.unwrap();
    let third = host.actions.create_volume(&policy, "lab", &volume("third"), &take).await;
    refused(third, ErrorCode::Denied, "while its volumes have 8192 bytes together at most");
    let elsewhere = host.actions.create_volume(&policy, "other", &volume("third"), &take).await;
    refused(elsewhere, ErrorCode::Denied, "may not use volume:create on 'other'");
    host.actions.create_volume(&ROOT, "lab", &volume("third"), &take).await.unwrap();
}
