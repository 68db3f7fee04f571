//! Notify hooks, and policies that answer events with verbs.

use reeve_model::policy::{Hook, Outcome};
use serde_json::json;

use crate::support::{Host, ROOT, document, shipped_policy, test_policy};

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_through_the_host_ends_at_the_depth_limit() {
    let host = Host::new().await;
    let grants = ["domain:suspend", "domain:start", "kv:use"];
    host.load(test_policy("recursive"), "recursive", json!({}), &grants).await.unwrap();
    host.actions.define(&ROOT, &document("web", ""), false).await.unwrap();
    host.actions.start(&ROOT, "web").await.unwrap();
    host.actions.suspend(&ROOT, "web").await.unwrap();
    let answers = async |host: &Host| {
        let mut answers = Vec::new();
        for key in host.store.kv_keys("recursive", "", 100).unwrap() {
            answers.push(String::from_utf8(host.store.kv_get("recursive", &key).unwrap().unwrap()).unwrap());
        }
        answers
    };
    host.until("the last answer", async |host| answers(host).await.len() >= 5).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let answers = answers(&host).await;
    assert_eq!(answers.len(), 5, "{answers:?}");
    assert!(answers[..4].iter().all(|answer| answer == "done"), "{answers:?}");
    assert!(answers[4].contains("4 policy calls deep already"), "{answers:?}");
    let decisions = host.decisions("recursive", Hook::DomainEvents).await;
    assert!(decisions.iter().all(|decision| decision.outcome == Outcome::Notified));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_keeps_what_happened_in_order() {
    let host = Host::new().await;
    host.load(shipped_policy("journal"), "journal", json!({}), &["kv:use"]).await.unwrap();
    host.actions.define(&ROOT, &document("web", ""), false).await.unwrap();
    host.actions.start(&ROOT, "web").await.unwrap();
    host.actions.destroy(&ROOT, "web").await.unwrap();
    host.until("every event", async |host| host.decisions("journal", Hook::DomainEvents).await.len() >= 4)
        .await;
    let decisions = host.decisions("journal", Hook::DomainEvents).await;
    assert!(decisions.iter().all(|decision| decision.outcome == Outcome::Notified), "{decisions:?}");
    assert!(decisions.iter().all(|decision| decision.subject == "web"));
    host.engine.shutdown().await;
    let last = host.decisions("journal", Hook::DaemonEvents).await.pop().unwrap();
    assert_eq!(
        (last.hook.as_str(), last.outcome),
        ("daemon-events", Outcome::Notified),
        "the stop is told too"
    );
}
