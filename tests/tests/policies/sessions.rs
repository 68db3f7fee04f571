//! Sessions: recorded from a daemon, played back, used as tests, compared between versions; and an audit of what is there.

use std::time::Instant;

use reeve_tests::{Daemon, Run, policy};
use serde_json::Value;

use crate::{Outcome, PATIENCE, Sim, load, xml};

const GRANT: &str = "domain:rewrite path=devices";
const CONFIG: &str = r#"{"prefixes": ["web-", "db-"]}"#;

fn naming() -> anyhow::Result<String> {
    Ok(policy("naming")?.to_string_lossy().into_owned())
}

/// A command about the shipped policy `naming`.
fn ask(daemon: &Daemon, command: [&str; 2], rest: &[&str]) -> anyhow::Result<Run> {
    let naming = naming()?;
    daemon.reeve(&[&command, &[&*naming][..], rest].concat())
}

/// A daemon with `naming`, and the sessions of three definitions: one denied, two rewritten.
fn recorded() -> anyhow::Result<(Daemon, String)> {
    let daemon = Daemon::start()?;
    load(&daemon, &policy("naming")?, &[GRANT], CONFIG, &[])?.ok();
    let file = daemon.root().join("day.jsonl").to_string_lossy().into_owned();
    let arguments = ["policy", "record", "naming", "--hook", "domain-define", "--count", "3", "--out", &file];
    std::thread::scope(|scope| -> Outcome {
        let recording = scope.spawn(|| daemon.reeve(&arguments));
        let begin = Instant::now();
        while !daemon.log().contains("the calls of policy 'naming' are recorded") {
            anyhow::ensure!(begin.elapsed() < PATIENCE, "the recording did not begin:\n{}", daemon.log());
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        Sim::named("shop").define(&daemon)?.fails(4);
        Sim::named("web-1").define(&daemon)?.ok();
        Sim::named("db-1").define(&daemon)?.ok();
        let said = recording.join().expect("the recording ends")?.ok();
        assert_eq!(said, format!("3 calls of policy 'naming' recorded in '{file}'\n"));
        Ok(())
    })?;
    Ok((daemon, file))
}

#[test]
fn what_a_daemon_decided_is_played_back_bit_for_bit() -> Outcome {
    let (daemon, file) = recorded()?;
    let text = std::fs::read_to_string(&file)?;
    let sessions: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let outcomes: Vec<&str> = sessions.iter().filter_map(|session| session["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["deny", "rewrite", "rewrite"]);
    assert_eq!(sessions[0]["policy"]["name"], "naming");

    let said = ask(&daemon, ["policy", "replay"], &[&file])?.ok();
    assert!(said.starts_with("3 sessions: 3 identical, 0 different, 0 skipped, in "), "{said}");

    let tampered =
        daemon.file("tampered.jsonl", &text.replace("\"outcome\":\"deny\"", "\"outcome\":\"allow\""))?;
    let run = ask(&daemon, ["policy", "replay"], &[&tampered])?;
    assert!(
        run.stdout.contains("1 different") && run.stdout.contains("tampered.jsonl:1: outcome:"),
        "{run:#?}"
    );
    assert_eq!(run.fails(1), "error: 1 of 3 sessions differ\n");
    Ok(())
}

#[test]
fn sessions_are_tests_with_a_report() -> Outcome {
    let (daemon, file) = recorded()?;
    let junit = daemon.root().join("report.xml").to_string_lossy().into_owned();
    let said = ask(&daemon, ["policy", "test"], &["--sessions", &file, "--junit", &junit])?.ok();
    assert!(
        said.contains("domain-define shop: deny (exact, ") && said.contains("3 passed, 0 failed"),
        "{said}"
    );
    assert!(
        std::fs::read_to_string(&junit)?.contains("<testsuite name=\"naming\" tests=\"3\" failures=\"0\"")
    );

    let other = r#"{"prefixes": ["shop"]}"#;
    let run = ask(&daemon, ["policy", "test"], &["--sessions", &file, "--junit", &junit, "--config", other])?;
    assert!(run.stdout.contains("FAILED"), "{run:#?}");
    assert!(run.stdout.contains("outcome: expected \"deny\", got \"rewrite\""), "{run:#?}");
    assert_eq!(run.fails(1), "error: 3 of 3 sessions failed\n");
    assert!(std::fs::read_to_string(&junit)?.contains("<failure message=\"outcome: expected"));

    let cost = ask(&daemon, ["policy", "bench"], &["--session", &file, "--runs", "20", "-o", "json"])?.ok();
    let cost: Value = serde_json::from_str(&cost)?;
    assert_eq!((&cost["runs"], &cost["outcome"]), (&20.into(), &"deny".into()));
    assert!(cost["fuel"].as_u64() > Some(0) && cost["memory"].as_u64() > Some(0), "{cost}");
    Ok(())
}

#[test]
fn every_decision_that_another_version_changes_is_shown() -> Outcome {
    let (daemon, file) = recorded()?;
    let naming = naming()?;
    let said = ask(&daemon, ["policy", "diff"], &[&naming, "--sessions", &file])?.ok();
    assert_eq!(said, "0 of 3 decisions changed, 0 could not be compared\n");
    let stricter = r#"{"prefixes": ["web-"]}"#;
    let said = ask(&daemon, ["policy", "diff"], &[&naming, "--sessions", &file, "--config", stricter])?.ok();
    assert!(
        said.contains("domain-define db-1\n  - rewrite\n  + deny: the name 'db-1' must begin with"),
        "{said}"
    );
    assert!(said.contains("of 3 decisions changed"), "{said}");
    Ok(())
}

#[test]
fn one_hook_runs_without_a_daemon_and_becomes_a_session() -> Outcome {
    let daemon = Daemon::start()?;
    let document = daemon.file("shop.xml", &Sim::named("shop").document())?;
    let session = daemon.root().join("shop.json").to_string_lossy().into_owned();
    let hook = ["--hook", "domain-define", "--domain", &document, "--grant-wanted", "--config", CONFIG];
    let said = ask(&daemon, ["policy", "run"], &[&hook[..], &["--session", &session]].concat())?.ok();
    assert!(
        said.starts_with("domain-define shop: deny\n  reason: the name 'shop' must begin with"),
        "{said}"
    );
    let said = ask(&daemon, ["policy", "test"], &["--sessions", &session])?.ok();
    assert!(said.contains("1 passed, 0 failed"), "{said}");

    let said = ask(&daemon, ["policy", "run"], &["--hook", "domain-define"])?.fails(2);
    assert!(said.starts_with("error: hook 'domain-define' needs --domain\n"), "{said}");
    let said = ask(&daemon, ["policy", "run"], &["--hook", "daemon-events", "--event", "started"])?.fails(1);
    assert!(said.contains("policy 'naming' does not answer hook 'daemon-events'"), "{said}");
    Ok(())
}

#[test]
fn an_audit_says_what_a_guard_would_say_and_changes_nothing() -> Outcome {
    let daemon = Daemon::start()?;
    for name in ["shop", "web-1"] {
        Sim::named(name).define(&daemon)?.ok();
    }
    let before = xml(&daemon, "web-1")?;
    let said = ask(&daemon, ["policy", "audit"], &["--grant", GRANT, "--config", CONFIG])?.ok();
    assert!(said.contains("the name 'shop' must begin with one of: web-, db-"), "{said}");
    assert!(said.contains("0 would be allowed, 1 denied, 1 rewritten; 0 got no answer"), "{said}");
    assert_eq!(xml(&daemon, "web-1")?, before);

    load(&daemon, &policy("naming")?, &[GRANT], "{}", &["--mode", "monitor"])?.ok();
    let rows = daemon.reeve(&["policy", "audit", "naming", "--hook", "domain-prepare", "-o", "json"])?;
    let said = rows.fails(7);
    assert!(said.contains("policy 'naming' answers no hook 'domain-prepare'"), "{said}");
    let rows: Value =
        serde_json::from_str(&daemon.reeve(&["policy", "audit", "naming", "-o", "json"])?.ok())?;
    assert_eq!((&rows[0]["domain"], &rows[0]["outcome"]), (&"shop".into(), &"rewrite".into()), "{rows}");
    assert_eq!(daemon.reeve(&["policy", "decisions", "-o", "json"])?.ok(), "[]\n", "nothing is logged");
    Ok(())
}

#[test]
fn a_week_is_made_up_judged_and_played_back() -> Outcome {
    let daemon = Daemon::start()?;
    let tuner = policy("ksm-tuner")?.to_string_lossy().into_owned();
    let file = |name: &str| daemon.root().join(name).to_string_lossy().into_owned();
    let (plot, trace) = (file("week.svg"), file("week.jsonl"));
    let week = ["policy", "simulate", &tuner, "--days", "1", "--domains", "200", "--interval", "600"];
    let said = daemon.reeve(&[&week[..], &["--plot", &plot, "--trace", &trace, "-o", "json"]].concat())?.ok();
    let judged: Value = serde_json::from_str(&said)?;
    assert_eq!((&judged["policy"], &judged["hook"]), (&"ksm-tuner".into(), &"ksm-tune".into()));
    let calls = judged["calls"].as_u64().unwrap_or_default();
    assert!(calls >= 144, "six an hour: {said}");
    assert!(judged["arrivals"].as_u64() > Some(100), "{said}");
    assert!(std::fs::read_to_string(&plot)?.starts_with("<svg"));
    assert_eq!(std::fs::read_to_string(&trace)?.lines().count() as u64, calls);
    let said = daemon.reeve(&["policy", "replay", &tuner, &trace])?.ok();
    assert!(said.starts_with(&format!("{calls} sessions: {calls} identical, 0 different")), "{said}");
    let again = daemon.reeve(&[&week[..], &["-o", "json"]].concat())?.ok();
    let again: Value = serde_json::from_str(&again)?;
    assert_eq!((&again["outcomes"], &again["mean_saved"]), (&judged["outcomes"], &judged["mean_saved"]));
    Ok(())
}

#[test]
fn a_migration_is_made_up_and_a_strategy_judged_by_it() -> Outcome {
    let daemon = Daemon::start()?;
    let converge = policy("migration-converge")?.to_string_lossy().into_owned();
    let file = |name: &str| daemon.root().join(name).to_string_lossy().into_owned();
    let (scenario, trace) = (file("busy.json"), file("busy.jsonl"));
    let busy = r#"{"guest": {"write-mib-per-second": 3000}, "limits": {"max-throttle": 90}}"#;
    std::fs::write(&scenario, busy)?;
    let simulate = ["policy", "simulate", &converge, "--scenario", &scenario];
    let said = daemon.reeve(&[&simulate[..], &["--trace", &trace, "-o", "json"]].concat())?.ok();
    let judged: Value = serde_json::from_str(&said)?;
    assert_eq!((&judged["hook"], &judged["given_up"]), (&"migration-strategy".into(), &Value::Null));
    let rounds = judged["rounds"].as_array().map_or(0, Vec::len) as u64;
    assert!(rounds > 1 && judged["calls"] == rounds + 2, "a precheck, a plan, and each round: {said}");
    let said = daemon.reeve(&["policy", "replay", &converge, &trace])?.ok();
    let calls = rounds + 2;
    assert!(said.starts_with(&format!("{calls} sessions: {calls} identical, 0 different")), "{said}");
    let said = daemon.reeve(&simulate)?.ok();
    assert!(said.contains("THEN") && said.contains("Plan:"), "{said}");
    daemon.reeve(&["policy", "simulate", &converge, "--plot", &file("busy.svg")])?.fails(2);

    std::fs::write(&scenario, r#"{"guest": {"memory-gib": 4}}"#)?;
    let said = daemon.reeve(&simulate)?.fails(7);
    assert!(said.contains("busy.json' is wrong") && said.contains("unknown field `memory-gib`"), "{said}");
    let tuner = policy("ksm-tuner")?.to_string_lossy().into_owned();
    let said = daemon.reeve(&["policy", "simulate", &tuner, "--scenario", &scenario])?.fails(2);
    assert!(said.contains("has no scenario"), "{said}");
    Ok(())
}
