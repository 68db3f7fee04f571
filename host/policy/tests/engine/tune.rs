//! The tuner, on a kernel directory made of files.

use std::time::Duration;

use reeve_actions::policy_port::PolicyAdmin;
use reeve_model::policy::{Hook, Outcome, PolicyMode, PolicySettings};
use reeve_policy::PolicyConfig;
use serde_json::json;

use crate::support::{Host, ROOT, document, shipped_policy};

fn setting(host: &Host, file: &str) -> String {
    let path = host.directory.path().join("sys/kernel/mm/ksm").join(file);
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

/// All that a tuner sets, as the kernel directory of tests has it.
const FOUND: [&str; 3] = ["0", "100", "20"];

fn all(host: &Host) -> [String; 3] {
    ["run", "pages_to_scan", "sleep_millisecs"].map(|file| setting(host, file))
}

async fn host() -> Host {
    Host::with(|_| PolicyConfig { tune_interval: Duration::from_secs(3600), ..PolicyConfig::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn adjusts_clamps_and_puts_back() {
    let host = host().await;
    host.order_in("ksm", "wild-tuning").await;
    host.until("the adjustment", async |host| setting(host, "run") == "1").await;
    assert_eq!(setting(&host, "pages_to_scan"), "1000000");
    assert_eq!(setting(&host, "sleep_millisecs"), "1");
    let decision = host.decisions("bad", Hook::KsmTune).await.remove(0);
    assert_eq!(decision.outcome, Outcome::Adjusted);
    assert_eq!(decision.changes.len(), 3);

    host.engine.unload("bad").await.unwrap();
    assert_eq!(all(&host), FOUND, "an answer comes when the settings are back");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_the_last_tuner_away_hears_of_it_when_the_settings_are_back() {
    let host = host().await;
    host.order_in("ksm", "wild-tuning").await;
    for _ in 0..8 {
        host.until("the adjustment", async |host| setting(host, "run") == "1").await;
        host.engine.set_mode("bad", PolicyMode::Monitor).await.unwrap();
        assert_eq!(all(&host), FOUND, "it only watches");
        host.engine.set_mode("bad", PolicyMode::Enforce).await.unwrap();
        host.until("the adjustment", async |host| setting(host, "run") == "1").await;
        let disabled = PolicySettings { enabled: Some(false), ..PolicySettings::default() };
        host.engine.set("bad", disabled).await.unwrap();
        assert_eq!(all(&host), FOUND, "it is switched off");
        let enabled = PolicySettings { enabled: Some(true), ..PolicySettings::default() };
        host.engine.set("bad", enabled).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_put_back_are_told_and_tried_again() {
    let host = host().await;
    host.order_in("ksm", "wild-tuning").await;
    host.until("the adjustment", async |host| setting(host, "run") == "1").await;
    let run = host.directory.path().join("sys/kernel/mm/ksm/run");
    std::fs::remove_file(&run).unwrap();
    std::fs::create_dir(&run).unwrap();
    let error = host.engine.unload("bad").await.unwrap_err();
    assert!(error.message.contains("policy 'bad' tunes no more"), "{error}");
    assert!(host.engine.show("bad").is_err(), "it is gone all the same");
    std::fs::remove_dir(&run).unwrap();
    std::fs::write(&run, "1\n").unwrap();
    host.engine.shutdown().await;
    assert_eq!(all(&host), FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_wishes_change_nothing() {
    let host = host().await;
    host.order_in("ksm", "impossible-tuning").await;
    host.until("the refusal", async |host| !host.decisions("bad", Hook::KsmTune).await.is_empty()).await;
    let decision = host.decisions("bad", Hook::KsmTune).await.remove(0);
    assert_eq!(decision.outcome, Outcome::Refused);
    assert_eq!(setting(&host, "run"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_tuner_wakes_on_a_start_and_a_stop_restores() {
    let host = host().await;
    let config = json!({ "KSM_THRES_COEF": 100 });
    host.load(shipped_policy("ksm-tuner"), "ksm-tuner", config, &["node.ksm:write"]).await.unwrap();
    host.until("the first tick", async |host| setting(host, "run") == "1").await;
    let before = host.decisions("ksm-tuner", Hook::KsmTune).await.len();
    host.actions.define(&ROOT, &document("web", ""), false).await.unwrap();
    host.actions.start(&ROOT, "web").await.unwrap();
    host.until("a tick after the start", async |host| {
        host.decisions("ksm-tuner", Hook::KsmTune).await.len() > before
    })
    .await;
    host.engine.shutdown().await;
    assert_eq!((setting(&host, "run"), setting(&host, "pages_to_scan")), ("0".to_owned(), "100".to_owned()));
}
