//! Simulated weeks.

use reeve_model::policy::Hook;
use reeve_policy::simulate::{Plan, Week};
use reeve_policy::{Mode, Offline};
use serde_json::json;

use crate::support::{shipped_policy, test_policy};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_of_migrations_is_judged_by_whom_it_lets_move() {
    let simulate = async |guard: &Offline, grants: &[&str], hook, config| -> (Week, String) {
        let mut last = String::new();
        let plan = Plan { config, ..plan(hook, grants) };
        let week = guard.simulate(&plan, |session| last = session.line()).await.unwrap();
        assert_eq!((week.calls, week.arrivals > 0), (week.arrivals, true), "each is asked about once");
        (week, last)
    };
    let guard = Offline::open(&test_policy("steersman"), None, None).unwrap();
    let (free, _) = simulate(&guard, &[], Hook::MigrateOut, json!({})).await;
    let (held, _) = simulate(&guard, &[], Hook::MigrateOut, json!({"out": "it stays"})).await;
    assert_eq!((free.refused, held.refused), (0, held.arrivals));
    assert_eq!(free.most_active, held.most_active, "who may not go is here all the same");
    let titles = ["domain:rewrite path=title"];
    let (titled, _) = simulate(&guard, &titles, Hook::MigrateIn, json!({"title": "from afar"})).await;
    assert_eq!((titled.refused, titled.outcomes.get("rewrite")), (0, Some(&titled.arrivals)));

    // Disks of simulated domains have the default cache, with which another machine does not see what was written.
    let guard = Offline::open(&shipped_policy("migration-precheck"), None, None).unwrap();
    let (coming, last) = simulate(&guard, &[], Hook::MigrateIn, json!({})).await;
    assert_eq!((coming.refused, coming.most_active), (coming.arrivals, 0), "who may not come is not there");
    assert!(last.contains("cache 'writeback'"), "{last}");
    let (_, last) = simulate(&guard, &[], Hook::MigrateOut, json!({"transports": ["tcp"]})).await;
    assert!(last.contains("may not go over 'tls'"), "{last}");
}
