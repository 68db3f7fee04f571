//! `admission`: limits on overcommit.

use reeve_tests::{Daemon, policy};

use crate::{Outcome, Sim, decisions, destroy, load, node, start, state};

const GRANTS: [&str; 2] = ["domain:read", "node:read"];

fn daemon_with(config: &str, options: &[&str]) -> anyhow::Result<Daemon> {
    let daemon = Daemon::start()?;
    let said = load(&daemon, &policy("admission")?, &GRANTS, config, options)?.ok();
    assert_eq!(said, "Policy 'admission' 0.1.0 loaded\n");
    Ok(daemon)
}

#[test]
fn a_domain_wider_than_the_host_does_not_start() -> Outcome {
    let daemon = daemon_with("{}", &[])?;
    let cpus = node(&daemon)?["cpus"].as_u64().unwrap_or_default();
    Sim { vcpus: cpus + 1, ..Sim::named("wide") }.define(&daemon)?.ok();
    Sim { vcpus: cpus, ..Sim::named("fits") }.define(&daemon)?.ok();

    let said = start(&daemon, "wide")?.fails(4);
    let reason = format!("it has {} vCPUs and the host only {cpus} CPUs", cpus + 1);
    assert!(
        said.contains(&format!("policy 'admission' denies domain-prepare of domain 'wide': {reason}")),
        "{said}"
    );
    assert!(said.contains("hint: 'reeve policy decisions --subject wide'"), "{said}");
    assert_eq!(state(&daemon, "wide")?, "shut off");
    start(&daemon, "fits")?.ok();

    let rows = decisions(&daemon, &["--policy", "admission"])?;
    let told: Vec<_> = rows.iter().map(|row| (&row["subject"], &row["outcome"], &row["reason"])).collect();
    assert_eq!(
        told,
        [(&"wide".into(), &"deny".into(), &reason.into()), (&"fits".into(), &"allow".into(), &"".into())]
    );
    Ok(())
}

#[test]
fn memory_of_all_active_domains_is_added_up() -> Outcome {
    let daemon =
        daemon_with(r#"{"memory-overcommit": 0.5, "host-reserve-mib": 0, "count-swap": false}"#, &[])?;
    let memory = node(&daemon)?["memory"].as_u64().unwrap_or_default() / 1024;
    for name in ["first", "second"] {
        Sim { memory: memory * 3 / 10, ..Sim::named(name) }.define(&daemon)?.ok();
    }
    start(&daemon, "first")?.ok();
    let said = start(&daemon, "second")?.fails(4);
    assert!(said.contains("MiB of memory and this host allows"), "{said}");
    destroy(&daemon, "first")?.ok();
    start(&daemon, "second")?.ok();
    Ok(())
}

#[test]
fn vcpus_of_all_active_domains_are_added_up() -> Outcome {
    let daemon = daemon_with(r#"{"vcpus-per-cpu": 1}"#, &[])?;
    let cpus = node(&daemon)?["cpus"].as_u64().unwrap_or_default();
    Sim { vcpus: cpus, ..Sim::named("all") }.define(&daemon)?.ok();
    Sim::named("one").define(&daemon)?.ok();
    start(&daemon, "all")?.ok();
    let said = start(&daemon, "one")?.fails(4);
    let reason = format!("would have {} vCPUs and this host allows {cpus}", cpus + 1);
    assert!(said.contains(&reason), "{said}");
    Ok(())
}

#[test]
fn in_monitor_mode_it_objects_and_changes_nothing() -> Outcome {
    let daemon = daemon_with("{}", &["--mode", "monitor"])?;
    let cpus = node(&daemon)?["cpus"].as_u64().unwrap_or_default();
    Sim { vcpus: cpus + 1, ..Sim::named("wide") }.define(&daemon)?.ok();
    start(&daemon, "wide")?.ok();
    assert_eq!(state(&daemon, "wide")?, "running");
    let table = daemon.reeve(&["policy", "decisions", "--outcome", "deny"])?.ok();
    assert!(table.contains("(deny)") && table.contains("and the host only"), "{table}");

    destroy(&daemon, "wide")?.ok();
    daemon.reeve(&["policy", "mode", "admission", "enforce"])?.ok();
    start(&daemon, "wide")?.fails(4);
    daemon.reeve(&["policy", "unload", "admission"])?.ok();
    start(&daemon, "wide")?.ok();
    Ok(())
}

#[test]
fn a_configuration_it_does_not_understand_is_not_taken() -> Outcome {
    let daemon = daemon_with(r#"{"memory-overcommit": 2}"#, &[])?;
    let said = daemon.reeve(&["policy", "config", "admission", r#"{"memory-overcomit": 3}"#])?.fails(7);
    assert!(said.contains("'memory-overcomit' is no key of it, did you mean 'memory-overcommit'?"), "{said}");
    let kept = daemon.reeve(&["policy", "show", "admission", "-o", "json"])?.ok();
    let kept: serde_json::Value = serde_json::from_str(&kept)?;
    assert_eq!(kept["config"], serde_json::json!({"memory-overcommit": 2}), "the last good one stays");
    Ok(())
}
