//! Guard chains.

use std::time::{Duration, Instant};

use reeve_actions::policy_port::{GuardVerdict, LoadRequest, PolicyAdmin, PolicyPort};
use reeve_model::ErrorCode;
use reeve_model::policy::{DecisionFilter, Hook, Outcome, PolicyMode};
use serde_json::json;

use crate::support::{ALL_GRANTS, Host, ROOT, document, refused, request, test_policy};
use crate::wat_components::{guard, policy};

fn reason(verdict: GuardVerdict) -> String {
    match verdict {
        GuardVerdict::Deny { reason, .. } => reason,
        GuardVerdict::Allow { .. } => panic!("it must be denied"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handmade_guard_allows() {
    let host = Host::new().await;
    host.load(policy(guard("(i32.const 64)")), "handmade", json!({}), &[]).await.unwrap();
    let verdict = host.engine.guard(request(Hook::DomainDefine, "web")).await;
    let decisions = host.decisions("handmade", Hook::DomainDefine).await;
    assert_eq!(decisions.len(), 1);
    assert_eq!(
        (decisions[0].outcome, decisions[0].subject.as_str()),
        (Outcome::Allow, "web"),
        "{decisions:?}"
    );
    assert!(matches!(verdict, GuardVerdict::Allow { rewrites, .. } if rewrites.is_empty()));
    assert!(decisions[0].fuel > 0 && decisions[0].input_digest.len() == 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn denial_reaches_the_client_and_rewrites_are_stored() {
    let host = Host::new().await;
    host.order("deny").await;
    let error = host.actions.define(&ROOT, &document("web", ""), false).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Denied);
    assert!(error.message.contains("policy 'bad' denies") && error.message.contains("as ordered"), "{error}");
    assert!(host.actions.list(&ROOT).unwrap().is_empty());

    host.order("cache").await;
    host.actions.define(&ROOT, &document("web", ""), false).await.unwrap();
    let stored = host.actions.snapshot(&ROOT, "web").unwrap().config;
    assert_eq!(stored.devices.disks[0].driver.cache.as_deref(), Some("none"));
    let decisions = host.decisions("bad", Hook::DomainDefine).await;
    let rewrite = decisions.last().unwrap();
    assert_eq!(rewrite.outcome, Outcome::Rewrite);
    assert_eq!(rewrite.changes.len(), 1);
    assert!(rewrite.changes[0].path.ends_with("cache"), "{:?}", rewrite.changes);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_outside_the_rules_are_refused() {
    let host = Host::new().await;
    for (deed, words) in [
        ("memory-outside-grant", "which its grants of 'domain:rewrite' do not cover"),
        ("no-such-disk", "cannot be applied"),
        ("no-such-cache", "cannot be applied"),
        ("rename", "cannot be applied"),
        ("not-xml", "cannot be applied"),
        ("many-edits", "10000 edits"),
    ] {
        host.order(deed).await;
        let why = reason(host.engine.guard(request(Hook::DomainPrepare, "web")).await);
        assert!(why.contains(words), "{deed}: '{words}' is not in: {why}");
        assert_eq!(
            host.decisions("bad", Hook::DomainPrepare).await.last().unwrap().outcome,
            Outcome::Refused,
            "{deed}"
        );
    }
    host.order("memory-outside-grant").await;
    let defined = host.actions.define(&ROOT, &document("web", ""), false).await;
    refused(defined, ErrorCode::Denied, "its grants of 'domain:rewrite' do not cover");
    assert!(host.actions.list(&ROOT).unwrap().is_empty());
    host.order("cache").await;
    let why = reason(host.engine.guard(request(Hook::DomainStart, "web")).await);
    assert!(why.contains("too late in hook 'domain-start'"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rewrites_compose_and_the_first_deny_ends_the_chain() {
    let host = Host::new().await;
    for (name, deed, order) in
        [("first", "cache", 1), ("second", "cache", 2), ("third", "deny", 3), ("last", "trap", 4)]
    {
        host.engine
            .load(LoadRequest {
                component: test_policy("hostile"),
                name: Some(name.into()),
                grants: ALL_GRANTS.iter().map(|grant| (*grant).into()).collect(),
                config: Some(json!({ "do": deed, "in": "guard" })),
                order: Some(order),
                ..LoadRequest::default()
            })
            .await
            .unwrap();
    }
    let verdict = host.engine.guard(request(Hook::DomainPrepare, "web")).await;
    assert!(matches!(verdict, GuardVerdict::Deny { policy, .. } if policy == "third"));
    let prepared = DecisionFilter { hook: Some(Hook::DomainPrepare), ..DecisionFilter::default() };
    let all = host.engine.decisions(prepared).await.unwrap();
    let said: Vec<_> = all.iter().map(|decision| (decision.policy.as_str(), decision.outcome)).collect();
    assert_eq!(
        said,
        [("first", Outcome::Rewrite), ("second", Outcome::Allow), ("third", Outcome::Deny)],
        "the second sees what the first wrote and has nothing to change; the last is not asked"
    );
    assert!(all.iter().all(|decision| decision.chain == all[0].chain));

    host.engine.set_mode("third", PolicyMode::Monitor).await.unwrap();
    host.engine.set_mode("last", PolicyMode::Monitor).await.unwrap();
    let verdict = host.engine.guard(request(Hook::DomainPrepare, "web")).await;
    let GuardVerdict::Allow { config, rewrites } = verdict else { panic!("monitors change nothing") };
    assert_eq!(config.devices.disks[0].driver.cache.as_deref(), Some("none"));
    assert_eq!(rewrites.len(), 1);
    let last = host.decisions("last", Hook::DomainPrepare).await;
    assert_eq!((last[0].outcome, last[0].mode), (Outcome::Trap, PolicyMode::Monitor), "but it is all logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_calls_the_host_from_its_hook() {
    let host = Host::new().await;
    host.actions.define(&ROOT, &document("web", ""), false).await.unwrap();
    host.order("ask-host").await;
    let error = host.actions.start(&ROOT, "web").await.unwrap_err();
    assert!(error.message.contains("1 domains, own Ok(\"web\"), 0 active"), "{error}");
    host.order("start-from-guard").await;
    let error = host.actions.start(&ROOT, "web").await.unwrap_err();
    assert!(error.message.contains("guards and proposals change things through their answer"), "{error}");
    assert!(host.decisions("bad", Hook::DomainPrepare).await.last().unwrap().host_calls >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_takes_over_while_calls_finish_on_the_old() {
    let host = Host::new().await;
    host.order("loop").await;
    let engine = host.engine.clone();
    let begin = Instant::now();
    let old = tokio::spawn(async move { engine.guard(request(Hook::DomainPrepare, "web")).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    host.order("allow").await;
    let verdict = host.engine.guard(request(Hook::DomainPrepare, "web")).await;
    assert!(matches!(verdict, GuardVerdict::Allow { .. }));
    let why = reason(old.await.unwrap());
    assert!(why.contains("deadline"), "{why}");
    assert!(begin.elapsed() >= Duration::from_millis(300));
    let error = host.load(b"\0asm".to_vec(), "bad", json!({}), &[]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Invalid);
    let verdict = host.engine.guard(request(Hook::DomainPrepare, "web")).await;
    assert!(matches!(verdict, GuardVerdict::Allow { .. }), "a refused version leaves the old one in place");
}
