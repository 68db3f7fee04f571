//! Recorded sessions, played back.

use reeve_actions::policy_port::{GuardRequest, PolicyAdmin, PolicyPort};
use reeve_actions::record_port::PolicyRecords;
use reeve_model::policy::{Hook, Outcome};
use reeve_model::record::{AuditRequest, StartRecording};
use reeve_policy::session::Session;
use reeve_policy::{Machine, Mode, Offline};
use serde_json::{Value, json};

use crate::support::{ALL_GRANTS, Host, ROOT, document, request, shipped_policy, test_policy};

fn wanted(hook: Option<Hook>, count: u32) -> StartRecording {
    StartRecording { count, seconds: 60, hook }
}

/// Runs `deed` of the hostile policy in hook `hook` on a daemon that records it.
async fn recorded(deed: &str, hook: Hook) -> Session {
    let host = Host::new().await;
    host.actions.define(&ROOT, &document("web", ""), false).await.unwrap();
    host.order(deed).await;
    host.engine.start_recording("bad", wanted(Some(hook), 1)).unwrap();
    host.engine.guard(request(hook, "web")).await;
    let recorded = host.engine.recorded("bad").await.unwrap();
    assert!(recorded.done && recorded.lost == 0, "one was wanted");
    let [line] = &recorded.sessions[..] else { panic!("{recorded:?}") };
    Session::from_json(line.clone()).unwrap()
}

fn hostile() -> Offline {
    Offline::open(&test_policy("hostile"), None, None).unwrap()
}

/// The session after `change` of its JSON.
fn changed(session: &Session, change: impl FnOnce(&mut Value)) -> Session {
    let mut json = serde_json::to_value(session).unwrap();
    change(&mut json);
    Session::from_json(json).unwrap()
}

fn ask(name: &str) -> GuardRequest {
    request(Hook::DomainPrepare, name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_bit_for_bit() {
    let engines = [hostile(), hostile()];
    for (deed, outcome) in [
        ("allow", Outcome::Allow),
        ("deny", Outcome::Deny),
        ("cache", Outcome::Rewrite),
        ("memory-outside-grant", Outcome::Refused),
        ("ask-host", Outcome::Deny),
        ("failure", Outcome::Failed),
        ("trap", Outcome::Trap),
        ("log-flood", Outcome::Limit),
        ("call-flood", Outcome::Limit),
    ] {
        let session = recorded(deed, Hook::DomainPrepare).await;
        assert_eq!((session.outcome, &session.not_replayable), (Some(outcome), &None), "{deed}");
        assert!(session.fuel.unwrap() > 0);
        assert_eq!(
            Session::parse(&session.line()).unwrap(),
            session,
            "{deed}: it reads back as it was written"
        );
        let mut all = Vec::new();
        for engine in engines.iter().chain(&engines) {
            let replayed = engine.replay(&session, Mode::Exact).await.unwrap();
            assert_eq!(replayed.differences, [], "{deed}");
            assert_eq!(Some(replayed.fuel), session.fuel, "{deed}");
            all.push((replayed.fuel, replayed.memory, replayed.answer, replayed.host_calls));
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{deed}: two engines, two runs each");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_clock_stops_a_replay_its_limits_do() {
    let session = changed(&recorded("allow", Hook::DomainPrepare).await, |json| {
        json["context"]["config"]["do"] = json!("memory");
        json["limits"]["memory"] = json!(8 << 20);
        for key in ["answer", "outcome", "changes", "fuel"] {
            json.as_object_mut().unwrap().remove(key);
        }
    });
    let mut all = Vec::new();
    for engine in [hostile(), hostile()] {
        let replayed = engine.replay(&session, Mode::Exact).await.unwrap();
        assert_eq!(replayed.outcome, Outcome::Memory, "{}", replayed.reason);
        all.push((replayed.fuel, replayed.memory, replayed.reason));
    }
    assert_eq!(all[0], all[1]);
    let poor = changed(&session, |json| json["limits"]["fuel"] = json!(1000));
    assert_eq!(hostile().replay(&poor, Mode::Exact).await.unwrap().outcome, Outcome::Fuel);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_clock_stopped_is_not_replayable() {
    let session = recorded("loop", Hook::DomainPrepare).await;
    assert_eq!(session.outcome, Some(Outcome::Deadline));
    assert_eq!(session.not_replayable.as_deref(), Some("it was stopped by the clock"));
    let error = hostile().replay(&session, Mode::Exact).await.unwrap_err();
    assert_eq!(error.to_string(), "the session cannot be replayed: it was stopped by the clock");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_session_is_noticed() {
    let session = recorded("ask-host", Hook::DomainPrepare).await;
    let engine = hostile();
    type Change = fn(&mut Value);
    let changes: [(&str, &str, Change); 8] = [
        ("another answer", "answer.deny", |json| json["answer"] = json!({"deny": "no"})),
        ("another outcome", "outcome", |json| json["outcome"] = json!("allow")),
        ("one instruction more", "fuel", |json| json["fuel"] = json!(json["fuel"].as_u64().unwrap() + 1)),
        ("another component", "policy.digest", |json| json["policy"]["digest"] = json!("00")),
        ("another result of the host", "answer.deny", |json| {
            let sums = json["host-calls"].as_array_mut().unwrap();
            let committed = sums.iter_mut().find(|call| call["result"]["ok"]["active"].is_number()).unwrap();
            committed["result"]["ok"]["active"] = json!(41);
        }),
        ("a host call less", "diverged", |json| {
            json["host-calls"].as_array_mut().unwrap().remove(0);
        }),
        ("a host call more", "host-calls[3]", |json| {
            let calls = json["host-calls"].as_array_mut().unwrap();
            calls.push(json!({"function": "reeve:clock/clock.now", "arguments": [], "result": 0}));
        }),
        ("another domain", "diverged", |json| {
            let xml = json["question"]["domain"]["xml"].as_str().unwrap().replace("<name>web<", "<name>db<");
            json["question"]["domain"]["xml"] = json!(xml);
        }),
    ];
    for (what, path, change) in changes {
        let replayed = engine.replay(&changed(&session, change), Mode::Exact).await.unwrap();
        let paths: Vec<&str> = replayed.differences.iter().map(|one| one.path.as_str()).collect();
        assert!(paths.contains(&path), "{what}: {path} is not in {paths:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_asks_something_else_has_diverged() {
    let session = recorded("ask-host", Hook::DomainPrepare).await;
    let other = changed(&session, |json| json["context"]["config"]["do"] = json!("ask-stuck"));
    let engine = hostile();
    for mode in [Mode::Exact, Mode::Behaviour] {
        let replayed = engine.replay(&other, mode).await.unwrap();
        assert_eq!(replayed.outcome, Outcome::Trap);
        let diverged = replayed.diverged.unwrap().to_string();
        assert!(
            diverged.starts_with(
                "diverged: asked reeve:domain/domains.get(\"stuck\"), the session has reeve:domain/domains."
            ),
            "{diverged}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_and_configuration_of_a_session_can_be_replaced() {
    let session = recorded("cache", Hook::DomainPrepare).await;
    let replay = async |grants: Option<&[&str]>, config: Option<Value>| {
        let grants = grants.map(|grants| grants.iter().map(|grant| (*grant).to_owned()).collect());
        let config = config.map(|config| config.as_object().unwrap().clone());
        let engine = Offline::open(&test_policy("hostile"), grants, config).unwrap();
        engine.replay(&session, Mode::Behaviour).await.unwrap()
    };
    assert!(replay(None, None).await.is_same());
    let narrow = ["domain:read", "domain:start", "domain:rewrite path=title", "kv:use", "node.ksm:write"];
    let refused = replay(Some(&narrow), None).await;
    assert_eq!(refused.outcome, Outcome::Refused);
    assert!(refused.reason.contains("do not cover"), "{}", refused.reason);
    let denied = replay(None, Some(json!({"do": "deny", "in": "guard"}))).await;
    let paths: Vec<&str> = denied.differences.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["outcome", "answer", "changes[0]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_grants_links_nothing_that_needs_one() {
    let session = changed(&recorded("allow", Hook::DomainPrepare).await, |json| json["grants"] = json!([]));
    let error = hostile().replay(&session, Mode::Exact).await.unwrap_err();
    assert!(error.to_string().contains("has not been granted"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_offline_is_a_session() {
    let policy = Offline::open(&shipped_policy("naming"), None, None).unwrap();
    let case = Session::from_json(json!({
        "session": 1,
        "hook": "domain-define",
        "context": {"config": {"prefixes": ["web-"]}},
        "question": {"domain": {"xml": document("db", "")}},
        "grants": ["domain:rewrite path=devices"],
    }))
    .unwrap();
    assert!(!case.expects());
    let session = policy.run(&case, Machine::default()).await.unwrap();
    assert_eq!((session.outcome, session.subject().as_str()), (Some(Outcome::Deny), "db"));
    let replayed = policy.replay(&session, Mode::Exact).await.unwrap();
    assert_eq!(replayed.differences, []);
    let allowed = changed(&session, |json| {
        json["question"]["domain"]["xml"] = json!(document("web-1", ""));
        json["outcome"] = json!("allow");
    });
    let rewrite = policy.replay(&allowed, Mode::Behaviour).await.unwrap();
    assert_eq!(rewrite.outcome, Outcome::Rewrite);
    assert!(!rewrite.changes.is_empty() && !rewrite.is_same());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_is_not_exported_is_named() {
    let policy = Offline::open(&shipped_policy("naming"), None, None).unwrap();
    let session = json!({"session": 1, "hook": "daemon-events", "question": {"change": "started"},
                         "grants": ["domain:rewrite path=devices"]});
    let error = policy.replay(&Session::from_json(session).unwrap(), Mode::Behaviour).await.unwrap_err();
    assert!(error.to_string().contains("does not answer hook 'daemon-events'"), "{error}");
}

#[test]
fn a_session_is_checked_when_it_is_read() {
    let refused = |json: Value| Session::from_json(json).unwrap_err().to_string();
    let good = json!({"session": 1, "hook": "daemon-events", "question": {"change": "started"}});
    Session::from_json(good.clone()).unwrap();
    let with = |key: &str, value: Value| {
        let mut json = good.clone();
        json[key] = value;
        json
    };
    assert_eq!(refused(with("session", json!(2))), "the session has format 2, this host reads format 1");
    assert!(refused(with("verdict", json!("allow"))).contains("unknown field `verdict`"));
    assert!(
        refused(with("hook", json!("domain-stop"))).contains("the question of hook 'domain-stop' is wrong")
    );
    assert!(refused(with("question", json!({"change": "eaten"}))).contains("unknown variant `eaten`"));
    assert!(refused(with("question", json!({"change": "started", "x": 1}))).contains("unknown field `x`"));
    assert!(refused(with("context", json!({"user": 1}))).contains("unknown field `user`"));
    assert!(refused(with("answer", json!({"maybe": null}))).contains("the answer is wrong"));
    assert!(Session::parse(&" ".repeat(reeve_policy::session::SIZE_LIMIT + 1)).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_end_and_are_of_what_was_asked_for() {
    let host = Host::new().await;
    host.order("deny").await;
    host.engine.start_recording("bad", wanted(Some(Hook::DomainPrepare), 2)).unwrap();
    host.engine.guard(request(Hook::DomainDefine, "web")).await;
    for name in ["one", "two", "three"] {
        host.engine.guard(ask(name)).await;
    }
    let recorded = host.engine.recorded("bad").await.unwrap();
    let subjects: Vec<String> = recorded
        .sessions
        .iter()
        .map(|session| Session::from_json(session.clone()).unwrap().subject())
        .collect();
    assert_eq!(subjects, ["one", "two"]);
    assert!(recorded.done);
    assert!(host.engine.recorded("bad").await.is_err(), "it was fetched");
    host.engine.start_recording("bad", wanted(None, 5)).unwrap();
    host.engine.guard(ask("four")).await;
    let stopped = host.engine.stop_recording("bad").unwrap();
    assert_eq!((stopped.sessions.len(), stopped.done), (1, true));
    assert!(host.engine.start_recording("worse", wanted(None, 1)).is_err(), "there is no such policy");
    let grants = ALL_GRANTS.map(str::to_owned);
    assert_eq!(Session::from_json(stopped.sessions[0].clone()).unwrap().grants, grants);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_asks_about_what_is_there_and_changes_nothing() {
    let host = Host::new().await;
    for name in ["web-1", "db", "web-2"] {
        host.actions.define(&ROOT, &document(name, ""), false).await.unwrap();
    }
    let audit = AuditRequest {
        component: shipped_policy("naming"),
        grants: vec!["domain:rewrite path=devices".into()],
        config: Some(json!({"prefixes": ["web-"]})),
        ..AuditRequest::default()
    };
    let rows = host.engine.audit(audit.clone()).await.unwrap();
    let said: Vec<(&str, Outcome)> = rows.iter().map(|row| (row.domain.as_str(), row.outcome)).collect();
    assert_eq!(said, [("db", Outcome::Deny), ("web-1", Outcome::Rewrite), ("web-2", Outcome::Rewrite)]);
    assert!(rows[1].changes.iter().all(|change| change.path.starts_with("devices")), "{:?}", rows[1].changes);
    let stored = host.actions.snapshot(&ROOT, "web-1").unwrap().config;
    assert_eq!(stored.devices.memballoon, None, "nothing changed");
    assert!(host.engine.list().is_empty(), "and nothing was loaded");
    let wrong = AuditRequest { hook: Some(Hook::DeviceAttach), ..audit };
    assert!(host.engine.audit(wrong).await.unwrap_err().message.contains("cannot be asked"));

    host.order("kv-flood").await;
    let loaded = AuditRequest {
        policy: Some("bad".into()),
        hook: Some(Hook::DomainPrepare),
        ..AuditRequest::default()
    };
    let rows = host.engine.audit(loaded).await.unwrap();
    assert!(rows.iter().all(|row| row.outcome == Outcome::Limit), "{rows:?}");
    assert_eq!(host.store.kv_usage("bad").unwrap(), 0, "what it wrote is forgotten");
    assert!(host.decisions("bad", Hook::DomainPrepare).await.is_empty(), "and no decision is logged");
}
