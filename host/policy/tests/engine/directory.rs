//! Policies as files.

use reeve_actions::policy_port::{GuardVerdict, PolicyAdmin, PolicyPort};
use reeve_model::policy::{FailureMode, Hook, PolicyMode};
use reeve_policy::PolicyConfig;

use crate::support::{Host, request};
use crate::wat_components::{guard, policy};

const TRAP: &str = "unreachable";

#[tokio::test(flavor = "multi_thread")]
async fn files_are_loaded_replaced_and_taken_out() {
    let host = Host::with(|root| {
        std::fs::create_dir(root.join("policies.d")).unwrap();
        PolicyConfig {
            directory: Some(root.join("policies.d")),
            settings: Some(root.join("policies.toml")),
            ..PolicyConfig::default()
        }
    })
    .await;
    let file = host.directory.path().join("policies.d/house.wasm");
    std::fs::write(
        host.directory.path().join("policies.toml"),
        "[house]\nmode = 'monitor'\non-failure = 'open'\n",
    )
    .unwrap();
    std::fs::write(&file, policy(guard(TRAP))).unwrap();
    host.until("the load", async |host| host.engine.show("house").is_ok()).await;
    let info = host.engine.show("house").unwrap();
    assert_eq!((info.mode, info.on_failure), (PolicyMode::Monitor, FailureMode::Open));
    let trapping = info.digest;

    std::fs::write(host.directory.path().join("policies.toml"), "[house]\nmode = 'enforce'\n").unwrap();
    host.until("the new mode", async |host| host.engine.show("house").unwrap().mode == PolicyMode::Enforce)
        .await;
    let verdict = host.engine.guard(request(Hook::DomainDefine, "web")).await;
    assert!(matches!(verdict, GuardVerdict::Deny { .. }));

    std::fs::write(&file, policy(guard("(i32.const 64)"))).unwrap();
    host.until("the new version", async |host| host.engine.show("house").unwrap().digest != trapping).await;
    let verdict = host.engine.guard(request(Hook::DomainDefine, "web")).await;
    assert!(matches!(verdict, GuardVerdict::Allow { .. }));
    assert!(host.engine.unload("house").await.is_err(), "the directory would bring it back");

    std::fs::remove_file(&file).unwrap();
    host.until("the removal", async |host| host.engine.show("house").is_err()).await;
}
