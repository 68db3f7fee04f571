//! Simulated weeks.

use reeve_model::policy::Hook;
use reeve_policy::simulate::{Plan, Week};
use reeve_policy::{Mode, Offline};
use serde_json::json;

use crate::support::shipped_policy;

fn plan(hook: Hook, grants: &[&str]) -> Plan {
    Plan {
        days: 2,
        domains: 80,
        memory: None,
        cpus: 64,
        interval: 600,
        seed: 1,
        hook,
        config: json!({}),
        grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tuner_is_judged_by_what_it_saves() {
    let tuner = Offline::open(&shipped_policy("ksm-tuner"), None, None).unwrap();
    let wants: Vec<String> = tuner.manifest().wants.iter().map(|want| want.grant.clone()).collect();
    let plan = Plan { grants: wants, ..plan(Hook::KsmTune, &[]) };
    let mut sessions = Vec::new();
    let week = tuner.simulate(&plan, |session| sessions.push(session.clone())).await.unwrap();
    assert_eq!((week.calls, week.samples.len()), (288, 288), "a tick every ten minutes");
    assert_eq!(week.outcomes.get("adjusted"), Some(&288), "{:?}", week.outcomes);
    assert!(week.changes > 0 && week.mean_saved > 0 && week.scan_cpu_seconds > 0.0, "{week:?}");
    assert!(week.short_seconds < week.short_seconds_unmerged, "it helps: {week:?}");
    assert!(week.samples.iter().all(|sample| sample.saved <= sample.used && sample.used <= sample.committed));

    let again = tuner.simulate(&plan, |_| {}).await.unwrap();
    assert_eq!(again, week, "the same seed gives the same week");
    let other = tuner.simulate(&Plan { seed: 2, ..plan.clone() }, |_| {}).await.unwrap();
    assert_ne!(other.samples, week.samples);
    for session in sessions.iter().step_by(40) {
        assert!(tuner.replay(session, Mode::Exact).await.unwrap().is_same(), "its calls are sessions");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_is_judged_by_what_it_keeps_out() {
    let guard = Offline::open(&shipped_policy("admission"), None, None).unwrap();
    let plan = plan(Hook::DomainPrepare, &["domain:read", "node:read"]);
    let simulate =
        async |config| -> Week { guard.simulate(&Plan { config, ..plan.clone() }, |_| {}).await.unwrap() };
    let strict = simulate(json!({"memory-overcommit": 1.0})).await;
    let lax = simulate(json!({"memory-overcommit": 100.0, "vcpus-per-cpu": 1000})).await;
    assert!(strict.refused > 0 && lax.refused == 0, "{} and {} kept out", strict.refused, lax.refused);
    assert!(strict.most_active < lax.most_active);
    assert!(
        strict.samples.iter().all(|sample| sample.committed <= strict.memory * 5 / 4),
        "memory and its swap"
    );
    assert_eq!(lax.calls, lax.arrivals);
}
