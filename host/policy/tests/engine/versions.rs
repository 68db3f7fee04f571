//! The life of a policy: versions, rollback, the last good version, settings, the circuit breaker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reeve_actions::policy_port::{GuardVerdict, LoadRequest, PolicyAdmin, PolicyPort};
use reeve_model::ErrorCode;
use reeve_model::event::{DomainChange, EventKind};
use reeve_model::policy::{BreakerSettings, DecisionFilter, FailureMode, Hook, Outcome, PolicySettings};
use reeve_policy::PolicyConfig;
use serde_json::json;

use crate::support::{ALL_GRANTS, Host, ROOT, request, shipped_policy, test_policy};
use crate::wat_components::{guard, with_manifest};

const ALLOW: &str = "(i32.const 64)";
const TRAP: &str = "unreachable";

/// A guard called "house" with a version number.
fn house(version: &str, body: &str) -> Vec<u8> {
    with_manifest(
        guard(body),
        &json!({ "name": "house", "version": version, "hooks": ["domain-define"] }).to_string(),
    )
}

async fn load(host: &Host, component: Vec<u8>) -> reeve_model::policy::PolicyInfo {
    host.engine.load(LoadRequest { component, ..LoadRequest::default() }).await.unwrap()
}

async fn set(
    host: &Host,
    settings: PolicySettings,
) -> Result<reeve_model::policy::PolicyInfo, reeve_model::Error> {
    host.engine.set("house", settings).await
}

async fn ask(host: &Host) -> GuardVerdict {
    host.engine.guard(request(Hook::DomainDefine, "web")).await
}

fn allows(verdict: &GuardVerdict) -> bool {
    matches!(verdict, GuardVerdict::Allow { .. })
}

async fn restart(host: Host) -> Host {
    host.engine.shutdown().await;
    let Host { directory, engine, actions, .. } = host;
    drop((engine, actions));
    Host::at(directory, PolicyConfig::default()).await
}

fn versions(host: &Host) -> Vec<(String, bool)> {
    let versions = host.engine.show("house").unwrap().versions;
    versions.into_iter().map(|version| (version.version, version.good)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_version_answers_for_one_that_fails() {
    let host = Host::new().await;
    let good = load(&host, house("1.0.0", ALLOW)).await;
    set(&host, PolicySettings { on_failure: Some(FailureMode::Previous), ..PolicySettings::default() })
        .await
        .unwrap();
    let bad = load(&host, house("2.0.0", TRAP)).await;
    assert_eq!(bad.previous, Some(good.digest.clone()));
    assert!(allows(&ask(&host).await));
    let rows = host.decisions("house", Hook::DomainDefine).await;
    let said: Vec<_> =
        rows.iter().map(|row| (row.outcome, row.digest.as_str(), row.in_place_of.as_deref())).collect();
    let expected = [
        (Outcome::Trap, bad.digest.as_str(), None),
        (Outcome::Allow, good.digest.as_str(), Some(bad.digest.as_str())),
    ];
    assert_eq!(said, expected);
    assert_eq!(rows[0].chain, rows[1].chain);
    assert_eq!(host.engine.show("house").unwrap().counters.failures, 1);

    for _ in 0..bad.breaker.failures {
        assert!(allows(&ask(&host).await), "parked or not");
    }
    let parked = host.engine.show("house").unwrap();
    assert!(parked.parked && parked.parked_since.unwrap().reason.contains("unreachable"));

    let host = restart(host).await;
    assert!(host.engine.show("house").unwrap().parked, "a restart resumes nothing");
    assert!(allows(&ask(&host).await));
    let last = host.decisions("house", Hook::DomainDefine).await.pop().unwrap();
    assert_eq!((last.outcome, last.digest), (Outcome::Allow, good.digest.clone()));
    assert_eq!(versions(&host), [("2.0.0".to_owned(), false), ("1.0.0".to_owned(), true)]);

    std::fs::remove_file(host.directory.path().join(format!("policies/{}.wasm", bad.digest))).unwrap();
    let host = restart(host).await;
    let info = host.engine.show("house").unwrap();
    assert_eq!(
        (info.digest, info.version.as_str()),
        (good.digest, "1.0.0"),
        "a lost version falls back, too"
    );
    assert!(allows(&ask(&host).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_earlier_version_it_fails_closed() {
    let host = Host::new().await;
    let request = LoadRequest {
        component: house("1.0.0", TRAP),
        on_failure: Some(FailureMode::Previous),
        ..LoadRequest::default()
    };
    assert_eq!(host.engine.load(request).await.unwrap().previous, None);
    assert!(!allows(&ask(&host).await));
    load(&host, house("2.0.0", "(unreachable) (unreachable)")).await;
    let GuardVerdict::Deny { reason, .. } = ask(&host).await else { panic!("both fail") };
    assert!(reason.contains("its last good version: it trapped"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_put_back() {
    let host = Host::new().await;
    let error = host.engine.roll_back("house", None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    let mut digests = Vec::new();
    for n in 1..=7 {
        digests.push(
            load(&host, house(&format!("{n}.0.0"), &format!("(drop (i32.const {n})) {ALLOW}"))).await.digest,
        );
    }
    let kept = host.engine.show("house").unwrap().versions;
    assert_eq!(kept.len(), 5);
    assert_eq!(kept[0].digest, digests[6]);
    let files = std::fs::read_dir(host.directory.path().join("policies")).unwrap().count();
    assert_eq!(files, 5, "components of dropped versions go");

    assert_eq!(host.engine.roll_back("house", None).await.unwrap().version, "6.0.0");
    assert_eq!(
        host.engine.roll_back("house", None).await.unwrap().version,
        "5.0.0",
        "not back to the bad one"
    );
    let to = Some(digests[6][..12].to_owned());
    assert_eq!(host.engine.roll_back("house", to).await.unwrap().version, "7.0.0", "unless it is named");
    assert_eq!(host.engine.roll_back("house", Some("4.0.0".into())).await.unwrap().digest, digests[3]);

    for (to, code, words) in [
        ("1.0.0", ErrorCode::NotFound, "has no version '1.0.0' in its history"),
        ("4.0.0", ErrorCode::WrongState, "runs version 4.0.0"),
        ("", ErrorCode::NotFound, "has no version ''"),
    ] {
        let error = host.engine.roll_back("house", Some(to.into())).await.unwrap_err();
        assert!(error.code == code && error.message.contains(words), "{error}");
    }
    let host = restart(host).await;
    assert_eq!(host.engine.show("house").unwrap().version, "4.0.0");
    host.engine.unload("house").await.unwrap();
    assert!(host.store.versions("house").unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_cannot_help_itself_to_more() {
    let host = Host::new().await;
    let manifest = |version: &str, wants: serde_json::Value| {
        let json = json!({ "name": "house", "version": version, "wants": wants });
        with_manifest(crate::wat_components::guard_that_reads_memory(), &json.to_string())
    };
    let node = json!({ "grant": "node:read", "reason": "to know the memory" });
    let start = json!({ "grant": "domain:start", "reason": "to start what is needed" });
    let rewrite = json!({ "grant": "domain:rewrite path=memory", "reason": "to fit in" });
    load(&host, house("1.0.0", ALLOW)).await;

    let request = |component, grants: &[&str]| LoadRequest {
        component,
        grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
        ..LoadRequest::default()
    };
    let second = manifest("2.0.0", json!([node, start, rewrite]));
    let error = host.engine.load(request(second.clone(), &[])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Denied);
    assert_eq!(
        error.message,
        "the new version of policy 'house' wants more than it is granted: 'node:read' (to know the memory)",
        "what it does not import cannot hurt"
    );
    assert!(error.hint.is_some());
    assert_eq!(host.engine.show("house").unwrap().version, "1.0.0");
    let info = host.engine.load(request(second, &["node:read"])).await.unwrap();
    assert_eq!((info.version.as_str(), info.granted), ("2.0.0", vec!["node:read".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_disabled_is_kept_and_not_asked() {
    let host = Host::new().await;
    load(&host, house("1.0.0", TRAP)).await;
    assert!(!allows(&ask(&host).await));
    let info =
        set(&host, PolicySettings { enabled: Some(false), ..PolicySettings::default() }).await.unwrap();
    assert!(!info.enabled && allows(&ask(&host).await));
    let host = restart(host).await;
    assert!(!host.engine.show("house").unwrap().enabled && allows(&ask(&host).await));
    set(&host, PolicySettings { enabled: Some(true), ..PolicySettings::default() }).await.unwrap();
    assert!(!allows(&ask(&host).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_breaker_is_the_operators() {
    let host = Host::new().await;
    load(&host, house("1.0.0", TRAP)).await;
    for breaker in
        [BreakerSettings { failures: 0, within: 1 }, BreakerSettings { failures: 1, within: 90_000 }]
    {
        let settings = PolicySettings { breaker: Some(breaker), ..PolicySettings::default() };
        assert_eq!(set(&host, settings).await.unwrap_err().code, ErrorCode::Invalid);
    }
    let breaker = BreakerSettings { failures: 2, within: 3600 };
    let info =
        set(&host, PolicySettings { breaker: Some(breaker), order: Some(7), ..PolicySettings::default() })
            .await;
    assert_eq!(info.unwrap().breaker, breaker);
    ask(&host).await;
    assert!(!host.engine.show("house").unwrap().parked);
    ask(&host).await;
    let info = host.engine.show("house").unwrap();
    assert!(info.parked && !info.versions[0].good);

    let host = restart(host).await;
    let info = host.engine.show("house").unwrap();
    assert_eq!((info.parked, info.breaker, info.order), (true, breaker, 7));
    let info = host.engine.resume("house").await.unwrap();
    assert!(!info.parked && info.versions[0].good);
    let host = restart(host).await;
    assert!(!host.engine.show("house").unwrap().parked);
    ask(&host).await;
    ask(&host).await;
    let info = load(&host, house("2.0.0", ALLOW)).await;
    assert!(!info.parked, "a new version begins afresh");
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_are_checked_against_the_schema() {
    let host = Host::new().await;
    let manifest = |schema: serde_json::Value, contract: serde_json::Value| {
        let json =
            json!({ "name": "house", "version": "1.0.0", "config-schema": schema, "contract": contract });
        with_manifest(guard(ALLOW), &json.to_string())
    };
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": { "limit": { "type": "integer", "minimum": 1 } },
    });
    let component = manifest(schema, json!({ "reeve:hooks": "0.1.0" }));
    let with =
        |config| LoadRequest { component: component.clone(), config: Some(config), ..LoadRequest::default() };
    let error = host.engine.load(with(json!({ "limmit": 1 }))).await.unwrap_err();
    assert_eq!(
        error.message,
        "the configuration of policy 'house' is not valid: 'limmit' is no key of it, did you mean 'limit'?"
    );
    host.engine.load(with(json!({ "limit": 1 }))).await.unwrap();
    let config =
        |config| PolicySettings { config: Some(config), order: Some(3), ..PolicySettings::default() };
    let error = set(&host, config(json!({ "limit": 0 }))).await.unwrap_err();
    assert!(error.message.contains("'limit': 0 is less than the minimum of 1"), "{error}");
    let info = host.engine.show("house").unwrap();
    assert_eq!((info.config, info.order), (json!({ "limit": 1 }), 0), "all or nothing");
    set(&host, config(json!({ "limit": 5 }))).await.unwrap();
    let host = restart(host).await;
    let info = host.engine.show("house").unwrap();
    assert_eq!((&info.config, &info.versions[0].config), (&json!({ "limit": 5 }), &json!({ "limit": 5 })));

    for (component, words) in [
        (
            manifest(json!({ "$ref": "http://example.com/" }), json!({})),
            "configuration schema that cannot be used",
        ),
        (manifest(json!({}), json!({ "reeve:hooks": "0.2.0" })), "needs version 0.2.0 of 'reeve:hooks'"),
    ] {
        let error = host.engine.load(LoadRequest { component, ..LoadRequest::default() }).await.unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shipped_policies_accept_the_defaults_of_their_schemas() {
    let host = Host::new().await;
    for name in ["admission", "journal", "ksm-tuner", "mac-allocator", "naming"] {
        let bytes = shipped_policy(name);
        let manifest = reeve_policy::loader::manifest(&bytes).unwrap();
        let schema = manifest.config_schema.unwrap_or_else(|| panic!("{name} has no configuration schema"));
        let keys = schema["properties"].as_object().unwrap();
        let defaults: serde_json::Map<_, _> = keys
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.get("default")?.clone())))
            .collect();
        assert!(!defaults.is_empty(), "{name}");
        let grants: Vec<String> = manifest.wants.into_iter().map(|want| want.grant).collect();
        let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
        host.load(bytes.clone(), name, defaults.into(), &grants).await.unwrap();
        let error = host.load(bytes, name, json!({ "no-such-key": 1 }), &grants).await.unwrap_err();
        assert!(error.message.contains("'no-such-key' is no key of it"), "{name}: {error}");
    }
    // The policies themselves read what the schema lets through: none of them fails on its defaults.
    for hook in [Hook::DomainDefine, Hook::DomainPrepare] {
        let verdict = host.engine.guard(request(hook, "web")).await;
        assert!(allows(&verdict), "{verdict:?}");
    }
    host.actions.define(&ROOT, &crate::support::document("web", ""), false).await.unwrap();
    host.until("an event", async |host| !host.decisions("journal", Hook::DomainEvents).await.is_empty())
        .await;
    host.until("a tick", async |host| !host.decisions("ksm-tuner", Hook::KsmTune).await.is_empty()).await;
    for info in host.engine.list() {
        assert_eq!(info.counters.failures, 0, "{}", info.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_lose_and_double_nothing() {
    const RELOADS: usize = 20;
    let host = Arc::new(Host::new().await);
    load(&host, house("1.0.0", ALLOW)).await;
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let askers: Vec<_> = (0..4)
        .map(|_| {
            let (host, stop, asked) = (Arc::clone(&host), Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    asked.fetch_add(1, Ordering::Relaxed);
                    assert!(allows(&ask(&host).await), "every version allows");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();
    for n in 0..RELOADS {
        load(&host, house(&format!("1.0.{n}"), &format!("(drop (i32.const {n})) {ALLOW}"))).await;
    }
    stop.store(true, Ordering::Relaxed);
    for asker in askers {
        asker.await.unwrap();
    }
    assert_eq!(host.engine.show("house").unwrap().counters.calls, asked.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_between_events_lose_and_double_nothing() {
    const EVENTS: usize = 200;
    let host = Host::new().await;
    let config = |n: usize| json!({ "do": "allow", "in": "events", "only": n.to_string() });
    host.load(test_policy("hostile"), "bad", config(0), &ALL_GRANTS).await.unwrap();
    let uuid = uuid::Uuid::new_v4();
    for n in 0..EVENTS {
        let kind = EventKind::Domain {
            uuid,
            name: format!("web-{}", n % 7),
            change: DomainChange::Changed,
            state: reeve_model::DomainState::ShutOff,
            reason: reeve_model::StateReason::PowerOff,
        };
        host.bus.publish(ROOT, kind);
        if n % 20 == 0 {
            host.load(test_policy("hostile"), "bad", config(n), &ALL_GRANTS).await.unwrap();
        }
    }
    let told = async |host: &Host| {
        let filter =
            DecisionFilter { hook: Some(Hook::DomainEvents), limit: Some(1000), ..DecisionFilter::default() };
        host.engine.decisions(filter).await.unwrap().len()
    };
    host.until("every event", async |host| told(host).await >= EVENTS).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(told(&host).await, EVENTS);
}
