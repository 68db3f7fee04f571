//! Policies that steer and guard migrations: by where the guest is afterwards, and by what the decision log says.

use std::path::Path;

use reeve_tests::{Daemon, policy, test_policy, wait};
use serde_json::Value;

use crate::pair::{Pair, say, state, wait_for};
use crate::{Outcome, PATIENCE};

const STRATEGIES: [&str; 2] = ["migration-precopy", "migration-converge"];

pub fn load(daemon: &Daemon, component: &Path, config: &str, grants: &[&str]) -> Outcome {
    let component = component.to_string_lossy();
    let mut arguments = vec!["policy", "load", &component, "--config", config];
    arguments.extend(grants.iter().flat_map(|grant| ["--grant", grant]));
    daemon.reeve(&arguments)?.ok();
    Ok(())
}

/// Rows of the decision log about the guest, oldest first.
pub fn decisions(daemon: &Daemon, hook: &str) -> anyhow::Result<Vec<Value>> {
    let rows = daemon.json(&["policy", "decisions", "--hook", hook, "--subject", "guest"])?;
    Ok(rows.as_array().cloned().unwrap_or_default())
}

/// How often a policy decided so about the guest.
pub fn count(rows: &[Value], policy: &str, outcome: &str) -> usize {
    rows.iter().filter(|row| row["policy"] == policy && row["outcome"] == outcome).count()
}

/// Migrates the guest there with these options; what is said of it as JSON.
pub fn moved(pair: &Pair, options: &[&str]) -> anyhow::Result<Value> {
    let run = pair.migrate(&[options, &["--live", "-o", "json"]].concat())?.ok();
    Ok(serde_json::from_str(&run)?)
}

/// Every shipped strategy moves a guest that writes so many MiB a second.
fn a_writing_guest_moves(rate: u32) -> Outcome {
    let mut pair = Pair::with_guest(128)?;
    for daemon in [&pair.source, &pair.target] {
        load(daemon, &policy("migration-precopy")?, "{}", &[])?;
        load(daemon, &policy("migration-converge")?, "{}", &[])?;
    }
    say(&pair.source, &format!("dirty {rate} 32 240\n"), "")?;
    for strategy in STRATEGIES {
        let told = moved(&pair, &["--auto-converge", "--strategy", strategy])?;
        let (total, asked) = (told["total_ms"].as_f64(), told["strategy_ms"].as_f64());
        let (total, asked) = (total.unwrap_or_default(), asked.unwrap_or_default());
        assert!(asked > 0.0 && asked < total / 4.0, "{told}");
        let rows = decisions(&pair.source, "migration-strategy")?;
        assert!(count(&rows, strategy, "proposed") >= 2, "a plan and a step: {rows:?}");
        let last = rows.iter().rfind(|row| row["policy"] == strategy).map(|row| row["reason"].clone());
        let last = last.unwrap_or_default().as_str().unwrap_or_default().to_owned();
        assert!(last.ends_with("stop and copy"), "{last}");
        assert_eq!(state(&pair.target)?, "running");
        pair.turn_around();
    }
    Ok(())
}

#[test]
fn shipped_strategies_move_a_guest_that_writes_50_mib_a_second() -> Outcome {
    a_writing_guest_moves(50)
}

#[test]
fn shipped_strategies_move_a_guest_that_writes_200_mib_a_second() -> Outcome {
    a_writing_guest_moves(200)
}

#[test]
fn shipped_strategies_move_a_guest_that_writes_1000_mib_a_second() -> Outcome {
    a_writing_guest_moves(1000)
}

#[test]
fn a_strategy_that_traps_fails_or_never_ends_harms_no_guest() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    for (step, outcome) in [("trap", "trap"), ("fail", "failed"), ("spin", "deadline")] {
        let config = format!("{{\"step\": \"{step}\"}}");
        load(&pair.source, &test_policy("steersman")?, &config, &[])?;
        let told = moved(&pair, &["--strategy", "steersman"])?;
        println!("{step}: {told}");
        let rows = decisions(&pair.source, "migration-strategy")?;
        assert_eq!(count(&rows, "steersman", outcome), 1, "it is not asked again: {rows:?}");
        assert!(count(&rows, "steersman", "proposed") >= 1, "its plan counted: {rows:?}");
        pair.source.reeve(&["policy", "unload", "steersman"])?.ok();
        pair.is_intact(&pair.target)?;
        pair.turn_around();
    }
    Ok(())
}

#[test]
fn what_a_strategy_orders_is_done() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    for (step, options, words) in [
        ("compress", &[][..], "compress"),
        ("downtime", &[], "downtime 7 ms"),
        ("post-copy", &["--postcopy"], "switch to post-copy"),
    ] {
        let config = format!("{{\"step\": \"{step}\", \"streams\": 1}}");
        load(&pair.source, &test_policy("steersman")?, &config, &[])?;
        // One that does not see what it ordered ends the migration.
        moved(&pair, &[options, &["--strategy", "steersman"]].concat())?;
        let rows = decisions(&pair.source, "migration-strategy")?;
        let ordered =
            rows.iter().any(|row| row["reason"].as_str().is_some_and(|reason| reason.ends_with(words)));
        assert!(ordered, "{step}: {rows:?}");
        pair.source.reeve(&["policy", "unload", "steersman"])?.ok();
        pair.is_intact(&pair.target)?;
        pair.turn_around();
    }
    Ok(())
}

#[test]
fn a_strategy_goes_no_further_than_the_operator_allows() -> Outcome {
    let pair = Pair::with_guest(64)?;
    load(&pair.source, &test_policy("steersman")?, r#"{"step": "excess"}"#, &[])?;
    pair.source.reeve(&["domain", "migrate-setmaxdowntime", "guest", "200"])?.ok();
    moved(&pair, &["--auto-converge"])?;
    let said: String = decisions(&pair.source, "migration-strategy")?
        .iter()
        .filter_map(|row| Some(row["reason"].as_str()?.to_owned() + "\n"))
        .collect();
    for line in [
        "plan: downtime 200 ms, compressed, 8 streams; cut at what is allowed and offered",
        "throttle 90 %; 99 % is more than is allowed",
    ] {
        assert!(said.contains(line), "{said}");
    }
    pair.is_intact(&pair.target)
}

#[test]
fn a_strategy_in_monitor_mode_is_asked_and_changes_nothing() -> Outcome {
    let pair = Pair::with_guest(64)?;
    load(&pair.source, &test_policy("steersman")?, r#"{"step": "count"}"#, &[])?;
    pair.source.reeve(&["policy", "mode", "steersman", "monitor"])?.ok();
    moved(&pair, &[])?;
    wait::until("the decision is written", PATIENCE, || {
        let rows = decisions(&pair.source, "migration-strategy").unwrap_or_default();
        rows.iter().any(|row| row["mode"] == "monitor" && row["reason"].to_string().contains("abort: "))
    })?;
    let back = format!("reeve+unix://{}", pair.source.root().join("run/reeve/reeve.sock").display());
    pair.target.reeve(&["domain", "migrate", "guest", &back, "--strategy", "steersman"])?.fails(3);
    pair.is_intact(&pair.target)
}

#[test]
fn an_instance_lives_as_long_as_its_migration_and_its_word_ends_it() -> Outcome {
    let pair = Pair::with_guest(64)?;
    load(&pair.source, &test_policy("steersman")?, r#"{"step": "count"}"#, &[])?;
    for _ in 0..2 {
        let said = pair.migrate(&["--live"])?.fails(1);
        assert!(said.contains("stays here") && said.contains("3 calls"), "{said}");
        assert_eq!(state(&pair.source)?, "running");
        // What was made ready there goes by itself.
        wait_for(&pair.target, "absent")?;
    }
    // Without that policy it goes.
    pair.migrate(&["--live", "--strategy", "host"])?.ok();
    assert!(
        pair.source.reeve(&["domain", "migrate", "guest", &pair.destination(), "--strategy", "nobody"])?.code
            != 0
    );
    pair.is_intact(&pair.target)
}

#[test]
fn guards_keep_guests_here_and_change_what_arrives() -> Outcome {
    let pair = Pair::with_guest(64)?;
    let steersman = test_policy("steersman")?;
    load(&pair.source, &steersman, r#"{"out": "it is needed here"}"#, &[])?;
    let said = pair.migrate(&["--live"])?.fails(4);
    assert!(
        said.contains("policy 'steersman' denies migrate-out of domain 'guest': it is needed here"),
        "{said}"
    );
    load(&pair.source, &steersman, r#"{"objection": "not on a Sunday"}"#, &[])?;
    let said = pair.migrate(&["--live"])?.fails(4);
    assert!(said.contains("objects to the migration of domain 'guest': not on a Sunday"), "{said}");
    pair.source.reeve(&["policy", "unload", "steersman"])?.ok();

    let grant = ["domain:rewrite path=title"];
    load(&pair.target, &steersman, r#"{"memory": 33554432}"#, &grant)?;
    let said = pair.migrate(&["--live"])?.fails(4);
    assert!(said.contains("migrate-in") && said.contains("memory"), "{said}");
    load(&pair.target, &steersman, r#"{"title": "from elsewhere"}"#, &grant)?;
    pair.migrate(&["--live"])?.ok();
    let xml = pair.target.reeve(&["domain", "xml", "guest"])?.ok();
    assert!(xml.contains("<title>from elsewhere</title>"), "{xml}");
    assert_eq!(count(&decisions(&pair.target, "migrate-in")?, "steersman", "rewrite"), 1);
    pair.is_intact(&pair.target)
}

#[test]
fn shipped_policies_decide_as_their_sessions_say() -> Outcome {
    let daemon = Daemon::start()?;
    for name in ["migration-precopy", "migration-converge", "migration-precheck"] {
        let sessions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name).join("sessions");
        let count = std::fs::read_dir(&sessions)?.count();
        let (component, sessions) = (policy(name)?.display().to_string(), sessions.display().to_string());
        let said = daemon.reeve(&["policy", "test", &component, "--sessions", &sessions])?.ok();
        assert!(count >= 4 && said.contains(&format!("{count} passed, 0 failed")), "{said}");
    }
    Ok(())
}

#[test]
fn what_a_strategy_decided_is_played_back_bit_for_bit() -> Outcome {
    let pair = Pair::with_guest(64)?;
    let component = policy("migration-precopy")?;
    load(&pair.source, &component, "{}", &[])?;
    let file = pair.source.root().join("moves.jsonl").display().to_string();
    let record = ["policy", "record", "migration-precopy", "--count", "3", "--out", &file];
    std::thread::scope(|scope| -> Outcome {
        let recording = scope.spawn(|| pair.source.reeve(&record));
        wait::until("the recording begins", PATIENCE, || {
            pair.source.log().contains("the calls of policy 'migration-precopy' are recorded")
        })?;
        pair.migrate(&["--live"])?.ok();
        recording.join().expect("the recording ends")?.ok();
        Ok(())
    })?;
    let replayed = pair.source.reeve(&["policy", "replay", &component.display().to_string(), &file])?.ok();
    assert!(replayed.starts_with("3 sessions: 3 identical"), "{replayed}");
    Ok(())
}

#[test]
fn the_precheck_policy_knows_the_way_and_lets_what_fits_go() -> Outcome {
    let pair = Pair::with_guest(64)?;
    let precheck = policy("migration-precheck")?;
    load(&pair.source, &precheck, r#"{"transports": ["tls"]}"#, &[])?;
    let said = pair.migrate(&["--live"])?.fails(4);
    assert!(said.contains("may not go over 'unix', but over tls"), "{said}");
    load(&pair.source, &precheck, r#"{"shared": ["/srv/images"]}"#, &[])?;
    load(&pair.target, &precheck, "{}", &[])?;
    pair.migrate(&["--live"])?.ok();
    assert_eq!(count(&decisions(&pair.source, "migrate-out")?, "migration-precheck", "allow"), 1);
    assert_eq!(count(&decisions(&pair.target, "migrate-in")?, "migration-precheck", "allow"), 1);
    pair.is_intact(&pair.target)
}
