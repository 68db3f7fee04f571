//! What may be loaded, and what the refusals say.

use reeve_actions::policy_port::{LoadRequest, PolicyAdmin};
use reeve_model::policy::Hook;
use reeve_model::{ErrorCode, Verb};
use serde_json::json;

use crate::support::{ALL_GRANTS, Host, ROOT, document, refused, test_policy};
use crate::wat_components::{component, guard, guard_with, policy, with_manifest};

const ALLOW: &str = "(i32.const 64)";

#[tokio::test(flavor = "multi_thread")]
async fn bad_components_are_refused_with_a_sentence() {
    let host = Host::new().await;
    let no_hook = component(
        r#"(module (import "reeve:clock/clock@0.1.0" "now" (func (result i64))))"#,
        "import reeve:clock/clock@0.1.0;",
    );
    let core = wat::parse_str("(module)").unwrap();
    let wasi = wat::parse_str(
        r#"(component (import "wasi:cli/environment@0.2.0" (instance (export "get-arguments" (func)))))"#,
    )
    .unwrap();
    let wrong_version = wat::parse_str(
        r#"(component (import "reeve:clock/clock@0.9.0" (instance (export "now" (func (result u64))))))"#,
    )
    .unwrap();
    let misspelt = wat::parse_str(r#"(component (import "reeve:clok/clock@0.1.0" (instance)))"#).unwrap();
    let plain = r#"{"name":"x","version":"1"}"#;
    for (bytes, words) in [
        (b"junk".to_vec(), "not a valid Wasm component"),
        (core, "core Wasm module"),
        (guard(ALLOW), "no manifest"),
        (with_manifest(guard(ALLOW), "{"), "manifest in section 'reeve.policy' is not valid"),
        (with_manifest(guard(ALLOW), r#"{"name":"X","version":"1"}"#), "'X' is not a policy name"),
        (with_manifest(with_manifest(guard(ALLOW), plain), plain), "more than one custom section"),
        (with_manifest(no_hook, plain), "exports no hook"),
        (
            with_manifest(guard(ALLOW), r#"{"name":"x","version":"1","hooks":["domain-stop"]}"#),
            "says in its manifest that it answers [domain-stop], but it exports [domain-define]",
        ),
        (
            with_manifest(
                guard(ALLOW),
                r#"{"name":"x","version":"1","wants":[{"grant":"domain:raed","reason":"r"}]}"#,
            ),
            "unknown grant 'domain:raed', did you mean 'domain:read'?",
        ),
        (
            with_manifest(wasi, plain),
            "which needs the grant 'wasi:cli', but its manifest does not ask for it",
        ),
        (with_manifest(wrong_version, plain), "this host serves version 0.1.0"),
        (with_manifest(misspelt, plain), "did you mean 'reeve:clock/clock'?"),
    ] {
        let error =
            host.engine.load(LoadRequest { component: bytes, ..LoadRequest::default() }).await.unwrap_err();
        let is_of_another_time = words.contains("serves version");
        let code = if is_of_another_time { ErrorCode::Unsupported } else { ErrorCode::Invalid };
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(words), "'{words}' is not in: {error}");
    }
    assert!(host.engine.list().is_empty(), "nothing is half loaded");
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_need_their_grants() {
    let host = Host::new().await;
    let error = host.load(test_policy("hostile"), "bad", json!({}), &[]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Denied);
    assert!(error.message.contains("and it has not been granted"), "{error}");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("reeve policy grant bad ")), "{error:?}");

    let error = host.load(test_policy("hostile"), "bad", json!({}), &["domain:frob"]).await.unwrap_err();
    assert!(error.message.contains("unknown grant 'domain:frob'"), "{error}");

    let log = component(
        r#"(module
            (import "reeve:node/host@0.1.0" "get-memory" (func (param i32)))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
            (func (export "reeve:hooks/domain-define@0.1.0#guard")
              (param i32 i32 i64 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 64)))"#,
        "import reeve:node/host@0.1.0; export reeve:hooks/domain-define@0.1.0;",
    );
    let error = host.load(policy(log), "x", json!({}), &["node:read"]).await.unwrap_err();
    assert_eq!(
        error.message,
        "policy 'x' imports 'reeve:node/host.get-memory', which needs the grant 'node:read', but its manifest does not ask for it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_import_is_denied_without_its_own_grant() {
    let host = Host::new().await;
    let without = async |verb: &str| {
        let grants: Vec<_> = ALL_GRANTS.into_iter().filter(|grant| !grant.starts_with(verb)).collect();
        assert_eq!(grants.len(), ALL_GRANTS.len() - 1);
        host.load(test_policy("hostile"), "bad", json!({}), &grants).await
    };
    refused(without("domain:read").await, ErrorCode::Denied, "needs the grant 'domain:read'");
    refused(without("domain:start").await, ErrorCode::Denied, "needs the grant 'domain:start'");
    refused(without("kv:use").await, ErrorCode::Denied, "needs the grant 'kv:use'");
    assert!(host.engine.list().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn start_code_runs_under_the_limits() {
    let host = Host::new().await;
    for (name, items, words) in [
        ("loops", "(start $s) (func $s (loop (br 0)))", "deadline"),
        ("traps", "(start $s) (func $s unreachable)", "unreachable"),
        ("table", "(table 90000000 funcref)", "table"),
        ("memory", "(memory 5000)", "memor"),
    ] {
        let component = policy(guard_with(items, ALLOW));
        let error = host.load(component, name, json!({}), &[]).await.unwrap_err();
        assert!(error.message.contains(words), "{name}: '{words}' is not in: {error}");
    }
    assert!(host.engine.list().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_change_at_run_time() {
    let host = Host::new().await;
    let info = host.order("allow").await;
    assert_eq!(info.hooks.len(), 6);
    assert!(info.hooks.contains(&Hook::DomainPrepare));
    let permits = |verb, subject: &str| {
        reeve_actions::policy_port::PolicyPort::permits(&*host.engine, "bad", verb, subject)
    };
    assert!(permits(Verb::DomainRead, "web"));
    let error = host.engine.revoke("bad", vec!["domain:read name=web".into()]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    let error = host.engine.revoke("bad", vec!["domain:read".into()]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Denied, "it imports what it needs the grant for: {error}");
    let info = host.engine.grant("bad", vec!["domain:read name=db-*".into()]).await.unwrap();
    assert!(info.granted.contains(&"domain:read name=db-*".to_owned()));
    host.engine.revoke("bad", vec!["domain:read name=*".into()]).await.unwrap();
    assert!(permits(Verb::DomainRead, "db-1") && !permits(Verb::DomainRead, "web"));
    let error = host.engine.show("bda").unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("did you mean 'bad'?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_policies_come_back() {
    let host = Host::new().await;
    host.order("deny").await;
    host.engine.shutdown().await;
    let Host { directory, engine, actions, .. } = host;
    drop((engine, actions));
    let host = Host::at(directory, Default::default()).await;
    let info = host.engine.show("bad").unwrap();
    assert_eq!(info.config, json!({ "do": "deny", "in": "guard" }));
    assert_eq!(info.granted.len(), 5);
    host.engine.unload("bad").await.unwrap();
    assert!(host.store.policies().unwrap().is_empty());
    assert!(host.engine.absent().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_does_not_come_back_fails_closed() {
    let host = Host::new().await;
    let info = host.order("allow").await;
    host.engine.shutdown().await;
    let Host { directory, engine, actions, .. } = host;
    drop((engine, actions));
    std::fs::write(directory.path().join(format!("policies/{}.wasm", info.digest)), "damaged").unwrap();
    let host = Host::at(directory, Default::default()).await;
    assert_eq!(host.engine.absent().len(), 1);
    let error = host.actions.define(&ROOT, &document("web", ""), false).await.unwrap_err();
    assert!(
        error.message.contains("policy 'bad'") && error.message.contains("could not be loaded"),
        "{error}"
    );
    host.engine.unload("bad").await.unwrap();
    host.actions.define(&ROOT, &document("web", ""), false).await.unwrap();
}
