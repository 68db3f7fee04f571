//! A guard that never comes back: the start it was asked about is denied in time, and nobody else notices.

use std::time::{Duration, Instant};

use reeve_tests::{Daemon, test_policy};

use crate::{Outcome, Sim, decisions, destroy, load, start, state};

/// What it imports must be granted, or it is not even linked.
const GRANTS: [&str; 3] = ["domain:read", "domain:start", "kv:use max-bytes=64KiB"];

/// The deadline it asks for in its manifest.
const DEADLINE: Duration = Duration::from_millis(1000);

/// Failures that park a policy.
const FAILURES: usize = 5;

#[test]
fn a_loop_is_cut_off_parked_and_resumed() -> Outcome {
    let daemon = Daemon::start()?;
    for name in ["victim", "bystander"] {
        Sim::named(name).define(&daemon)?.ok();
    }
    let order = r#"{"do": "loop", "in": "guard", "only": "victim"}"#;
    load(&daemon, &test_policy("hostile")?, &GRANTS, order, &[])?.ok();

    let mut overtaken = false;
    for _ in 0..FAILURES {
        std::thread::scope(|scope| -> Outcome {
            let victim = scope.spawn(|| start(&daemon, "victim"));
            let begin = Instant::now();
            start(&daemon, "bystander")?.ok();
            overtaken |= !victim.is_finished();
            destroy(&daemon, "bystander")?.ok();
            let took = begin.elapsed();
            let said = victim.join().expect("the start ends")?.fails(4);
            assert!(said.contains("policy 'hostile' denies domain-prepare of domain 'victim'"), "{said}");
            assert!(said.contains("it ran past its deadline of 1000 ms"), "{said}");
            assert!(took < Duration::from_secs(5), "the bystander waited {took:?}");
            Ok(())
        })?;
    }
    assert!(overtaken, "the bystander starts while the victim's start is being decided");
    assert_eq!(state(&daemon, "victim")?, "shut off");
    let rows = decisions(&daemon, &["--policy", "hostile", "--outcome", "deadline"])?;
    assert_eq!(rows.len(), FAILURES);
    for row in &rows {
        let took = Duration::from_micros(row["micros"].as_u64().unwrap_or_default());
        assert!(took >= DEADLINE && took < DEADLINE * 5, "{row}");
    }

    let shown = daemon.reeve(&["policy", "show", "hostile", "-o", "json"])?.ok();
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    assert_eq!((&shown["parked"], &shown["counters"]["failures"]), (&true.into(), &FAILURES.into()));
    let said = start(&daemon, "bystander")?.fails(4);
    assert!(said.contains("it is parked after too many failures"), "a parked guard fails closed: {said}");
    assert_eq!(decisions(&daemon, &["--outcome", "parked"])?.len(), 1);

    daemon.reeve(&["policy", "resume", "hostile"])?.ok();
    start(&daemon, "bystander")?.ok();
    let said = daemon.reeve(&["policy", "resume", "hostile"])?.fails(6);
    assert!(said.contains("policy 'hostile' is not parked"), "{said}");
    Ok(())
}

#[test]
fn every_other_misdeed_is_a_denial_with_its_name() -> Outcome {
    let daemon = Daemon::start()?;
    Sim::named("victim").define(&daemon)?.ok();
    let deeds = [
        ("memory", "memory"),
        ("trap", "trap"),
        ("stack", "trap"),
        ("log-flood", "limit"),
        ("failure", "failed"),
    ];
    for (deed, outcome) in deeds {
        // A new version is a new chance: what was parked is not any more.
        let order = format!(r#"{{"do": "{deed}", "in": "guard"}}"#);
        load(&daemon, &test_policy("hostile")?, &GRANTS, &order, &[])?.ok();
        let said = start(&daemon, "victim")?.fails(4);
        assert!(said.contains("policy 'hostile' denies domain-prepare"), "{deed}: {said}");
        let rows = decisions(&daemon, &["--policy", "hostile", "--outcome", outcome])?;
        assert!(!rows.is_empty(), "{deed} is not on record as {outcome}");
    }
    daemon.reeve(&["policy", "unload", "hostile"])?.ok();
    start(&daemon, "victim")?.ok();
    Ok(())
}
