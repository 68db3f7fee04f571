//! How policies come, change and go: from files, over a restart, and when they are damaged.

use std::path::PathBuf;

use reeve_tests::{Daemon, Options, policy, wait};
use serde_json::Value;

use crate::{Outcome, PATIENCE, Sim, load};

/// `policies.toml` for `naming` with one prefix, and nothing to fill in.
fn binding(prefix: &str) -> String {
    format!(
        "[naming]\nconfig = {{ prefixes = [\"{prefix}\"], cache = \"\", balloon = false, rng = false }}\n"
    )
}

/// Puts a file into the policy directory at once, never half of it.
fn place(daemon: &Daemon, content: &[u8]) -> anyhow::Result<PathBuf> {
    let directory = daemon.root().join("etc/reeve/policies.d");
    std::fs::create_dir_all(&directory)?;
    let (whole, half) = (directory.join("naming.wasm"), directory.join("naming.half"));
    std::fs::write(&half, content)?;
    std::fs::rename(&half, &whole)?;
    Ok(whole)
}

fn show(daemon: &Daemon) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&daemon.reeve(&["policy", "show", "naming", "-o", "json"])?.ok())?)
}

#[test]
fn the_policy_directory_is_followed() -> Outcome {
    let daemon = Daemon::start()?;
    let component = std::fs::read(policy("naming")?)?;
    daemon.file("etc/reeve/policies.toml", &binding("web-"))?;
    let file = place(&daemon, &component)?;
    let loaded = || daemon.reeve(&["policy", "show", "naming"]).is_ok_and(|run| run.code == 0);
    wait::until("the file is loaded", PATIENCE, loaded)?;
    Sim::named("db-1").define(&daemon)?.fails(4);
    Sim::named("web-1").define(&daemon)?.ok();

    daemon.file("etc/reeve/policies.toml", &binding("db-"))?;
    wait::until("the new settings are in place", PATIENCE, || {
        show(&daemon).is_ok_and(|info| info["config"]["prefixes"][0] == "db-")
    })?;
    Sim::named("db-1").define(&daemon)?.ok();
    Sim::named("web-2").define(&daemon)?.fails(4);
    let said = load(&daemon, &policy("naming")?, &[], "{}", &[])?.fails(6);
    assert!(said.contains("comes from the policy directory") && said.contains("hint: "), "{said}");

    place(&daemon, b"\0asm, half of it")?;
    wait::until("the damaged file is refused", PATIENCE, || {
        daemon.log().contains("naming.wasm' is not loaded")
    })?;
    Sim::named("web-2").define(&daemon)?.fails(4);
    Sim::named("db-2").define(&daemon)?.ok();

    std::fs::remove_file(file)?;
    wait::until("the policy is taken out", PATIENCE, || !loaded())?;
    Sim::named("web-2").define(&daemon)?.ok();
    Ok(())
}

#[test]
fn a_guard_that_is_bound_and_damaged_denies() -> Outcome {
    let file = |path: &str, content: &[u8]| (PathBuf::from(path), content.to_vec());
    let files = vec![
        file("etc/reeve/policies.toml", binding("web-").as_bytes()),
        file("etc/reeve/policies.d/naming.wasm", b"not a component"),
    ];
    let daemon = Daemon::start_with(Options { files, ..Options::default() })?;
    let said = Sim::named("web-1").define(&daemon)?.fails(4);
    assert!(said.contains("policy 'naming'") && said.contains("could not be loaded"), "{said}");
    place(&daemon, &std::fs::read(policy("naming")?)?)?;
    wait::until("the mended file is loaded", PATIENCE, || {
        Sim::named("web-1").define(&daemon).is_ok_and(|run| run.code == 0)
    })?;
    Ok(())
}

#[test]
fn a_loaded_policy_survives_a_killed_daemon() -> Outcome {
    let mut daemon = Daemon::start()?;
    let grant = "domain:rewrite path=devices.rngs*";
    let config = r#"{"prefixes": ["web-"], "balloon": false}"#;
    load(&daemon, &policy("naming")?, &[grant], config, &["--order", "7"])?.ok();
    Sim::named("web-1").define(&daemon)?.ok();
    let before = show(&daemon)?;
    daemon.kill()?;
    daemon.launch()?;
    let after = show(&daemon)?;
    for field in ["version", "digest", "mode", "order", "granted", "config", "on_failure"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!((&after["order"], &after["granted"][0]), (&7.into(), &grant.into()));
    Sim::named("db-1").define(&daemon)?.fails(4);

    daemon.reeve(&["policy", "unload", "naming"])?.ok();
    daemon.kill()?;
    daemon.launch()?;
    Sim::named("db-1").define(&daemon)?.ok();
    Ok(())
}

#[test]
fn a_new_version_keeps_what_is_not_said_again() -> Outcome {
    let daemon = Daemon::start()?;
    let grant = "domain:rewrite path=devices.rngs*";
    load(&daemon, &policy("naming")?, &[grant], r#"{"prefixes": ["web-"], "balloon": false}"#, &[])?.ok();
    let component = policy("naming")?.to_string_lossy().into_owned();
    daemon.reeve(&["policy", "load", &component, "--order", "3"])?.ok();
    let info = show(&daemon)?;
    assert_eq!((&info["order"], &info["config"]["prefixes"][0]), (&3.into(), &"web-".into()));
    assert_eq!(info["granted"][0], grant);
    let damaged = daemon.file("damaged.wasm", "damaged")?;
    daemon.reeve(&["policy", "load", &damaged, "--name", "naming"])?.fails(7);
    Sim::named("db-1").define(&daemon)?.fails(4);
    Ok(())
}
