//! What can be seen of policies at work: their lines, their load, the decision log by time.

use reeve_actions::policy_port::PolicyAdmin;
use reeve_actions::task_port::PolicyTasks;
use reeve_model::policy::{DecisionFilter, Hook};
use reeve_model::watch::{LogFilter, LogLevel, percentile};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::support::{Host, ROOT, document, shipped_policy};

async fn host() -> Host {
    let host = Host::new().await;
    host.load(shipped_policy("journal"), "journal", json!({}), &["kv:use"]).await.unwrap();
    host.actions.define(&ROOT, &document("web", ""), false).await.unwrap();
    host.until("the event", async |host| !host.decisions("journal", Hook::DomainEvents).await.is_empty())
        .await;
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_name_the_call_that_the_decision_log_has() {
    let host = host().await;
    let lines = host.engine.logs("journal", LogFilter::default()).await.unwrap();
    let line = lines.first().unwrap();
    assert!(line.message.starts_with("domain 'web' was defined"), "{line:?}");
    assert_eq!((line.level, line.hook), (LogLevel::Info, Hook::DomainEvents));
    let row = host.decisions("journal", Hook::DomainEvents).await.remove(0);
    assert_eq!(line.call, format!("{}-journal", row.chain));
    host.engine.unload("journal").await.unwrap();
    assert!(host.engine.logs("journal", LogFilter::default()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_waits_for_the_next_line() {
    let host = host().await;
    let seen = host.engine.logs("journal", LogFilter::default()).await.unwrap().last().unwrap().seq;
    let filter = LogFilter { after: Some(seen), wait: Some(20), ..LogFilter::default() };
    let (lines, started) =
        tokio::join!(host.engine.logs("journal", filter), host.actions.start(&ROOT, "web"));
    started.unwrap();
    let lines = lines.unwrap();
    assert!(lines[0].seq > seen && lines[0].message.contains("'web'"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_counts_every_call() {
    let host = host().await;
    let load = host.engine.activity().remove(0);
    let calls: u64 = load.latency.iter().map(|class| class.calls).sum();
    assert_eq!((load.policy.as_str(), load.calls), ("journal", calls));
    assert!(load.memory_peak.0 >= 64 * 1024, "one page at least: {load:?}");
    assert!(percentile(&load.latency, 0.5).unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_found_by_time() {
    let host = host().await;
    let now = OffsetDateTime::now_utc();
    let count = async |since: Option<Duration>, until: Option<Duration>| {
        let filter = DecisionFilter {
            since: since.map(|offset| now + offset),
            until: until.map(|offset| now + offset),
            ..DecisionFilter::default()
        };
        host.engine.decisions(filter).await.unwrap().len()
    };
    let (minute, ago) = (Some(Duration::MINUTE), Some(-Duration::MINUTE));
    assert!(count(ago, minute).await > 0);
    assert_eq!(count(ago, minute).await, count(None, None).await);
    assert_eq!((count(minute, None).await, count(None, ago).await), (0, 0));
}
