//! What `inspect` tells of a shipped policy, and `annotate`.

use reeve_tests::{Daemon, policy};

use crate::Outcome;
use crate::desk::Desk;

#[test]
fn it_says_what_a_policy_needs_and_would_get() -> Outcome {
    let desk = Desk::new()?;
    let file = policy("admission")?.display().to_string();
    let bare = desk.inspect(&file, &[])?;
    assert_eq!(bare["missing"], serde_json::json!(["domain:read", "node:read"]));
    assert_eq!(bare["wants"][0]["state"], "refused");
    let granted =
        desk.inspect(&file, &["--grant", "domain:read", "--grant", "node:read", "--grant", "kv:use"])?;
    assert_eq!(granted["missing"], serde_json::json!([]));
    assert_eq!(granted["wants"][0]["state"], "would be given");
    assert_eq!(granted["unasked"], serde_json::json!(["kv:use"]));

    let text = desk.policy(&["inspect", &file, "--config", r#"{"vcpus-per-cpu": "many"}"#])?.ok();
    assert!(text.contains("to know how much memory, swap and how many CPUs the host has"), "{text}");
    assert!(text.contains("reeve:node/host@0.1.0"), "{text}");
    assert!(
        text.contains("It would not load: it imports functions that need domain:read, node:read."),
        "{text}"
    );
    assert!(text.contains("The configuration would be refused:"), "{text}");
    Ok(())
}

#[test]
fn it_compares_with_what_the_daemon_has() -> Outcome {
    let daemon = Daemon::start()?;
    let file = policy("admission")?.display().to_string();
    daemon.reeve(&["policy", "load", &file, "--grant", "domain:read", "--grant", "node:read"])?.ok();
    let said = daemon.reeve(&["policy", "inspect", &file, "--installed", "admission", "-o", "json"])?.ok();
    let shown: serde_json::Value = serde_json::from_str(&said)?;
    assert_eq!(shown["installed"]["same"], true);
    assert_eq!(shown["wants"][0]["state"], "given");
    assert_eq!(shown["missing"], serde_json::json!([]));
    Ok(())
}

#[test]
fn a_manifest_is_replaced() -> Outcome {
    let desk = Desk::new()?;
    let (toml, out) = (desk.path("policy.toml"), desk.path("out.wasm"));
    std::fs::write(
        &toml,
        "name = 'other'\nversion = '2.0.0'\nhooks = ['domain-define']\n[build]\nlang = 'c'\n",
    )?;
    let file = policy("naming")?.display().to_string();
    let said = desk.policy(&["annotate", &file, "--manifest", &toml, "--out", &out])?.ok();
    assert!(said.starts_with(&format!("Policy 'other' 2.0.0 is in {out}\n")), "{said}");
    let shown = desk.inspect(&out, &[])?;
    assert_eq!((&shown["name"], &shown["wants"]), (&"other".into(), &serde_json::json!([])));
    Ok(())
}
