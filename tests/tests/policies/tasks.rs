//! Tasks as an operator has them: the two that ship, run by hand, by an event and over a restart of the daemon.

use reeve_tests::{Daemon, policy, wait};
use serde_json::Value;

use crate::{Outcome, PATIENCE, Sim, decisions, load, start, state};

const ORDER: [&str; 4] = ["domain:read", "domain:start", "domain:shutdown", "kv:use max-bytes=256KiB"];
const REPORT: [&str; 3] = ["domain:read", "node:read", "kv:use max-bytes=1MiB"];

fn tasks(daemon: &Daemon) -> anyhow::Result<Vec<Value>> {
    Ok(serde_json::from_str(&daemon.reeve(&["policy", "task", "list", "-o", "json"])?.ok())?)
}

fn task(daemon: &Daemon, arguments: &[&str]) -> anyhow::Result<reeve_tests::Run> {
    daemon.reeve(&[&["policy", "task", "run"], arguments].concat())
}

/// Names in the order in which their domains had this change.
fn order_of(daemon: &Daemon, change: &str) -> anyhow::Result<Vec<String>> {
    let lines = daemon.reeve(&["events", "--after", "0", "--timeout", "0", "-o", "json"])?.ok();
    let events = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let matching = events.iter().filter(|event| event["change"] == change);
    Ok(matching.filter_map(|event| event["name"].as_str().map(str::to_owned)).collect())
}

#[test]
fn domains_stop_in_order_and_start_again_after_a_restart() -> Outcome {
    let mut daemon = Daemon::start()?;
    let config = r#"{"order": ["dns", "db-*"], "shutdown-timeout": 1}"#;
    load(&daemon, &policy("domain-order")?, &ORDER, config, &["--on", "daemon:started"])?.ok();
    for (name, script) in
        [("web", ""), ("dns", ""), ("db-1", ""), ("stuck", "sim.shutdown-ms=never"), ("off", "")]
    {
        Sim { script, ..Sim::named(name) }.define(&daemon)?.ok();
        if name != "off" {
            start(&daemon, name)?.ok();
        }
    }
    let said = task(&daemon, &["domain-order", "stop"])?.ok();
    assert_eq!(said, "3 domains ended, still active: stuck\n");
    assert_eq!(order_of(&daemon, "stopped")?, ["web", "db-1", "dns"], "the last to start stops first");
    let lines = daemon.reeve(&["policy", "logs", "domain-order"])?.ok();
    assert!(lines.contains("domain 'stuck' is not stopped: still active after 1 s"), "{lines}");

    daemon.stop()?;
    daemon.launch()?;
    wait::until("what was active runs again", PATIENCE, || {
        ["web", "dns", "db-1"].iter().all(|name| state(&daemon, name).is_ok_and(|state| state == "running"))
    })?;
    assert_eq!(state(&daemon, "off")?, "shut off");
    wait::until("the run is on record", PATIENCE, || {
        let last = |row: &Value| row["last"]["summary"].as_str().map(str::to_owned);
        tasks(&daemon).is_ok_and(|rows| last(&rows[0]).is_some_and(|said| said == "3 of 4 domains started"))
    })?;
    assert_eq!(order_of(&daemon, "started")?, ["dns", "db-1", "web"]);
    assert_eq!(task(&daemon, &["domain-order", "start"])?.ok(), "0 of 0 domains started\n");
    let said = task(&daemon, &["domain-order", "dance"])?.fails(1);
    assert!(
        said.contains("task 'domain-order' failed (failed)") && said.contains("say 'stop' or 'start'"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_report_says_what_changed_since_the_last() -> Outcome {
    let daemon = Daemon::start()?;
    load(
        &daemon,
        &policy("nightly-report")?,
        &REPORT,
        r#"{"keep": 2}"#,
        &["--at", "0 3 * * *", "--catch-up"],
    )?
    .ok();
    Sim::named("web").define(&daemon)?.ok();
    let first = task(&daemon, &["nightly-report"])?.ok();
    assert!(
        first.starts_with("0 of 1 domains active, 0 MiB of ") && first.ends_with("the first report\n"),
        "{first}"
    );
    start(&daemon, "web")?.ok();
    Sim::named("db").define(&daemon)?.ok();
    let second = task(&daemon, &["nightly-report"])?.ok();
    assert!(
        second.starts_with("1 of 2 domains active, 64 MiB of ") && second.ends_with("2 changes\n"),
        "{second}"
    );
    let lines = daemon.reeve(&["policy", "logs", "nightly-report"])?.ok();
    assert!(lines.contains("domain 'db' is new") && lines.contains("domain 'web' was started"), "{lines}");

    let row = tasks(&daemon)?.remove(0);
    assert_eq!(row["triggers"]["schedule"], "0 3 * * *");
    assert_eq!(row["triggers"]["catch_up"], true);
    assert!(row["next"].as_str().is_some_and(|next| next.contains(":00:00")), "{row}");
    let done = decisions(&daemon, &["--outcome", "done", "--hook", "task"])?;
    assert_eq!(done.len(), 2);
    assert_eq!(done[1]["reason"], second.trim_end());
    let cleared = daemon.reeve(&["policy", "schedule", "nightly-report"])?.ok();
    assert!(cleared.contains("Next:           -"), "{cleared}");
    let said = daemon.reeve(&["policy", "schedule", "nightly-report", "--at", "whenever"])?.fails(7);
    assert!(said.contains("'whenever' is no cron expression"), "{said}");
    Ok(())
}
