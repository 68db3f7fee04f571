//! Instances that live longer than a call, counted by a policy that counts its calls in a static.

use std::time::Duration;

use reeve_actions::policy_port::PolicyAdmin;
use reeve_model::event::{DomainChange, EventKind};
use reeve_model::policy::{Hook, Outcome, PolicySettings};
use reeve_model::{Actor, DomainState, StateReason};
use reeve_policy::PolicyConfig;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Host, test_policy};

async fn host(config: serde_json::Value) -> Host {
    let host =
        Host::with(|_| PolicyConfig { tune_interval: Duration::from_secs(3600), ..PolicyConfig::default() })
            .await;
    host.load(test_policy("counter"), "counter", config, &["kv:use"]).await.unwrap();
    let ticked = async |host: &Host| !host.decisions("counter", Hook::KsmTune).await.is_empty();
    host.until("the first tick", ticked).await;
    host
}

/// How far each call had counted.
fn counts(host: &Host) -> Vec<u32> {
    let keys = host.store.kv_keys("counter", "", 1000).unwrap();
    let count = |key: &String| host.store.kv_get("counter", key).unwrap().unwrap().try_into().unwrap();
    keys.iter().map(|key| u32::from_le_bytes(count(key))).collect()
}

async fn tick(host: &Host) {
    let before = host.decisions("counter", Hook::KsmTune).await.len();
    host.bus.publish(
        Actor::Daemon,
        EventKind::Domain {
            uuid: Uuid::nil(),
            name: "any".to_owned(),
            change: DomainChange::Started,
            state: DomainState::Running,
            reason: StateReason::Booted,
        },
    );
    host.until("a tick", async |host| host.decisions("counter", Hook::KsmTune).await.len() > before).await;
}

async fn last(host: &Host) -> Outcome {
    host.decisions("counter", Hook::KsmTune).await.pop().unwrap().outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_answers_call_after_call() {
    let host = host(json!({})).await;
    let begun = counts(&host).len();
    for _ in 0..3 {
        tick(&host).await;
    }
    let counts = counts(&host);
    assert_eq!(counts, (1..=counts.len() as u32).collect::<Vec<_>>());
    assert!(counts.len() >= begun + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_has_its_own_budget() {
    // 50 million instructions and 20 host calls a call: two calls together use more of both.
    let host = host(json!({ "rounds": 1_500_000, "ask": 15 })).await;
    for _ in 0..3 {
        tick(&host).await;
    }
    let rows = host.decisions("counter", Hook::KsmTune).await;
    assert!(rows.iter().all(|row| row.outcome == Outcome::Adjusted), "{rows:?}");
    assert!(rows.iter().map(|row| row.fuel).sum::<u64>() > 50_000_000, "{rows:?}");
    assert!(*counts(&host).last().unwrap() >= 4, "by one instance");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_limited_over_its_life() {
    let host = host(json!({ "hoard": 2 })).await;
    for _ in 0..4 {
        tick(&host).await;
    }
    let rows = host.decisions("counter", Hook::KsmTune).await;
    let died = rows.iter().position(|row| row.outcome == Outcome::Memory);
    assert!(died.is_some_and(|died| died > 0), "8 MiB hold three calls of 2 MiB: {rows:?}");
    assert!(counts(&host)[1..].contains(&1), "a fresh instance took over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_a_reload_and_new_grants_begin_anew() {
    for failure in ["fail-at", "trap-at"] {
        let host = host(json!({ failure: 2 })).await;
        while counts(&host).len() < 3 {
            tick(&host).await;
        }
        assert_eq!(counts(&host)[..3], [1, 2, 1], "{failure}");
    }
    let host = host(json!({})).await;
    tick(&host).await;
    assert_eq!(last(&host).await, Outcome::Adjusted);
    let until_one = async |host: &Host, what: &str| {
        tick(host).await;
        let ones = counts(host).iter().filter(|count| **count == 1).count();
        assert!(ones >= 2, "{what}: {:?}", counts(host));
        for key in host.store.kv_keys("counter", "", 1000).unwrap() {
            host.store.kv_delete("counter", &key).unwrap();
        }
        host.store.kv_set("counter", "0", &1_u32.to_le_bytes()).unwrap();
    };
    host.load(test_policy("counter"), "counter", json!({}), &[]).await.unwrap();
    until_one(&host, "a reload").await;
    host.engine.revoke("counter", vec!["kv:use".to_owned()]).await.unwrap_err();
    host.engine.grant("counter", vec!["kv:use max-bytes=32KiB".to_owned()]).await.unwrap();
    until_one(&host, "a grant").await;
    let settings = PolicySettings { config: Some(json!({ "ask": 1 })), ..PolicySettings::default() };
    host.engine.set("counter", settings).await.unwrap();
    tick(&host).await;
    assert!(*counts(&host).last().unwrap() > 1, "a configuration comes with the call: {:?}", counts(&host));
}
