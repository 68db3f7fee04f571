//! Versions and settings of a policy from the command line: configuration, disabling, rollback, the last good version, and what a
//! restart keeps.

use reeve_tests::{Daemon, policy, test_policy};
use serde_json::Value;

use crate::{Outcome, Sim, decisions, load};

fn show(daemon: &Daemon) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&daemon.reeve(&["policy", "show", "house", "-o", "json"])?.ok())?)
}

#[test]
fn a_configuration_is_checked_and_a_policy_can_be_left_out() -> Outcome {
    let mut daemon = Daemon::start()?;
    let options = ["--name", "house", "--breaker", "3/10"];
    let config = r#"{"prefixes": ["web-"], "cache": "", "balloon": false, "rng": false}"#;
    let said = load(&daemon, &policy("naming")?, &[], r#"{"prefix": "web-"}"#, &options)?.fails(7);
    assert!(said.contains("'prefix' is no key of it, did you mean 'prefixes'?"), "{said}");
    load(&daemon, &policy("naming")?, &[], config, &options)?.ok();
    Sim::named("db-1").define(&daemon)?.fails(4);

    let said = daemon.reeve(&["policy", "config", "house", r#"{"prefixes": "db-"}"#])?.fails(7);
    assert!(said.contains("'prefixes': \"db-\" is not of type \"array\""), "{said}");
    let shown: Value = serde_json::from_str(&daemon.reeve(&["policy", "config", "house"])?.ok())?;
    assert_eq!(shown["prefixes"][0], "web-");
    let config = config.replace("web-", "db-");
    daemon.reeve(&["policy", "config", "house", &config])?.ok();
    Sim::named("db-1").define(&daemon)?.ok();
    Sim::named("web-1").define(&daemon)?.fails(4);

    daemon.reeve(&["policy", "disable", "house"])?.ok();
    assert!(daemon.reeve(&["policy", "list"])?.ok().contains("disabled"));
    Sim::named("web-1").define(&daemon)?.ok();
    daemon.stop()?;
    daemon.launch()?;
    let info = show(&daemon)?;
    assert_eq!((&info["enabled"], &info["breaker"]["failures"]), (&false.into(), &3.into()));
    daemon.reeve(&["policy", "enable", "house"])?.ok();
    Sim::named("web-2").define(&daemon)?.fails(4);
    Ok(())
}

#[test]
fn a_bad_version_is_stood_in_for_and_rolled_back() -> Outcome {
    let mut daemon = Daemon::start()?;
    let config = r#"{"prefixes": ["web-"], "cache": "", "balloon": false, "rng": false}"#;
    load(&daemon, &policy("naming")?, &[], config, &["--name", "house"])?.ok();
    daemon.reeve(&["policy", "rollback", "house"])?.fails(3);
    daemon.reeve(&["policy", "set", "house", "--on-failure", "previous"])?.ok();
    let good = show(&daemon)?["digest"].clone();

    let grants = ["domain:read", "domain:start", "kv:use max-bytes=64KiB"];
    let order = r#"{"do": "trap", "in": "guard"}"#;
    load(&daemon, &test_policy("hostile")?, &grants, order, &["--name", "house"])?.ok();
    assert_eq!(show(&daemon)?["previous"], good);
    Sim::named("db-1").define(&daemon)?.fails(4);
    Sim::named("web-1").define(&daemon)?.ok();
    let rows = decisions(&daemon, &["--policy", "house", "--outcome", "allow"])?;
    assert_eq!((rows.len(), &rows[0]["digest"]), (1, &good));
    assert!(rows[0]["in_place_of"].is_string(), "{rows:?}");

    let said = daemon.reeve(&["policy", "rollback", "house"])?.ok();
    assert!(said.contains("is back"), "{said}");
    daemon.stop()?;
    daemon.launch()?;
    let info = show(&daemon)?;
    assert_eq!((&info["digest"], &info["versions"][1]["good"]), (&good, &false.into()));
    Sim::named("web-2").define(&daemon)?.ok();
    assert_eq!(show(&daemon)?["counters"]["failures"], 0);
    Ok(())
}
