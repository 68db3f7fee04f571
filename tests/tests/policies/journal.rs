//! `journal`: what happened, in the daemon's log.

use reeve_tests::{Daemon, policy, wait};

use crate::{Outcome, PATIENCE, Sim, decisions, load, start, state};

const GRANT: [&str; 1] = ["kv:use max-bytes=64KiB"];

/// Waits until the policy has written a line.
fn written(daemon: &Daemon, line: &str) -> Outcome {
    wait::until(&format!("the log has: {line}"), PATIENCE, || daemon.log().contains(line))
}

fn crash(daemon: &Daemon) -> Outcome {
    start(daemon, "frail")?.ok();
    wait::until("the domain has crashed", PATIENCE, || {
        state(daemon, "frail").is_ok_and(|state| state != "running")
    })
}

#[test]
fn every_change_is_a_line() -> Outcome {
    let mut daemon = Daemon::start()?;
    load(&daemon, &policy("journal")?, &GRANT, "{}", &[])?.ok();
    Sim::named("web").define(&daemon)?.ok();
    for verb in ["start", "suspend", "resume", "destroy", "undefine"] {
        daemon.reeve(&["domain", verb, "web"])?.ok();
    }
    let told = ["was defined", "runs", "is paused", "runs again", "stopped", "was undefined"];
    for change in told {
        written(&daemon, &format!("domain 'web' {change} ("))?;
    }
    let log = daemon.log();
    let places: Vec<_> = told.iter().map(|change| log.find(&format!("domain 'web' {change} ("))).collect();
    assert!(places.is_sorted(), "in the order of the events: {places:?}");
    assert!(decisions(&daemon, &["--outcome", "notified"])?.len() >= told.len());

    daemon.stop()?;
    written(&daemon, "the daemon stops")?;
    daemon.launch()?;
    written(&daemon, "the daemon serves")
}

#[test]
fn crashes_are_counted_over_restarts_of_the_daemon() -> Outcome {
    let mut daemon = Daemon::start()?;
    load(&daemon, &policy("journal")?, &GRANT, r#"{"warn-after-crashes": 2}"#, &[])?.ok();
    Sim { script: "sim.crash-after-ms=20", ..Sim::named("frail") }.define(&daemon)?.ok();
    crash(&daemon)?;
    written(&daemon, "domain 'frail' crashed (")?;
    wait::until("the crash is on record", PATIENCE, || {
        let rows = decisions(&daemon, &["--policy", "journal", "--subject", "frail"]);
        rows.is_ok_and(|rows| rows.len() >= 3)
    })?;
    assert!(!daemon.log().contains("crashed 1 times"));
    daemon.kill()?;
    daemon.launch()?;
    crash(&daemon)?;
    written(&daemon, "domain 'frail' crashed 2 times")
}
