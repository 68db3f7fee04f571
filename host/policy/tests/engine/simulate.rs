//! Simulated weeks.

use reeve_model::policy::Hook;
use reeve_policy::simulate::migration::{End, Scenario, Simulated};
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

async fn migrated(policy: &[u8], scenario: &str, config: serde_json::Value) -> (Simulated, Vec<String>) {
    let policy = Offline::open(policy, None, None).unwrap();
    let (scenario, mut sessions) = (Scenario::parse(scenario).unwrap(), Vec::new());
    let keep = |session: &reeve_policy::session::Session| sessions.push(session.clone());
    let done = policy.simulate_migration(&scenario, config.clone(), &[], keep).await.unwrap();
    assert_eq!(done.calls, sessions.len() as u64);
    for session in &sessions {
        assert!(policy.replay(session, Mode::Exact).await.unwrap().is_same(), "its calls are sessions");
    }
    let again = policy.simulate_migration(&scenario, config, &[], |_| {}).await.unwrap();
    assert_eq!(again, done, "time is that of the simulation");
    let steps = done.rounds.iter().map(|round| round.step.clone()).collect();
    (done, steps)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_is_judged_by_a_migration() {
    let precopy = shipped_policy("migration-precopy");
    let quiet = r#"{"guest": {"write-mib-per-second": 50, "working-set-mib": 256, "zero-percent": 50}}"#;
    let (done, steps) = migrated(&precopy, quiet, json!({"downtime-ms": 50})).await;
    assert_eq!((done.end, done.given_up.as_deref()), (End::Converged, None));
    assert_eq!(done.plan, "plan: downtime 50 ms, not compressed, 1 stream");
    assert_eq!(done.rounds[0].sent, 2 << 30, "half of it is zeros");
    assert!(steps.last().unwrap().ends_with(": stop and copy"), "{steps:?}");
    let last = done.rounds.last().unwrap();
    assert!(last.expected_downtime_us <= 50_000 && last.max_downtime_us == 50_000, "{last:?}");
    assert!(done.downtime_us.unwrap().abs_diff(last.expected_downtime_us) < 1000, "{done:?}");
    assert!(done.whole_us > Some(last.elapsed_us));

    // It writes as fast as it is sent.
    let busy =
        r#"{"guest": {"write-mib-per-second": 4000}, "limits": {"max-throttle": 80, "max-rounds": 40}}"#;
    let (done, _) = migrated(&precopy, busy, json!({"give-up-after": 2})).await;
    assert_eq!(done.end, End::Aborted);
    let reason = done.reason.unwrap();
    assert!(reason.starts_with("2 rounds brought nothing"), "{reason}");
    let (done, _) = migrated(&precopy, busy, json!({})).await;
    assert_eq!((done.end, done.rounds.len()), (End::Aborted, 40));
    assert_eq!(done.reason.as_deref(), Some("the guest still writes faster than it is sent after 40 rounds"));

    let converge = shipped_policy("migration-converge");
    let (done, steps) = migrated(&converge, busy, json!({})).await;
    let most = done.rounds.iter().map(|round| round.throttle).max().unwrap();
    assert!(most > 0 && most <= 80, "{steps:?}");
    let listed = r#"{"guest": {"rounds-mib": [2000, 2000, 2000, 20]}}"#;
    let (done, _) = migrated(&converge, listed, json!({})).await;
    assert_eq!((done.end, done.rounds.len(), done.rounds[0].written), (End::Converged, 4, 2000 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_strategy_says_is_cut_in_a_simulation_as_in_a_host() {
    let steersman = Offline::open(&test_policy("steersman"), None, None).unwrap();
    let simulate = async |scenario: &str, config| {
        let scenario = Scenario::parse(scenario).unwrap();
        steersman.simulate_migration(&scenario, config, &[], |_| {}).await.unwrap()
    };
    let busy =
        r#"{"guest": {"write-mib-per-second": 4000}, "limits": {"max-throttle": 30, "max-rounds": 4}}"#;
    let done = simulate(busy, json!({"step": "excess"})).await;
    let steps: Vec<_> = done.rounds.iter().map(|round| (round.throttle, round.step.as_str())).collect();
    assert_eq!(
        done.plan,
        "plan: downtime 300 ms, compressed, 16 streams; cut at what is allowed and offered"
    );
    assert_eq!(steps[0], (0, "round 1: throttle 30 %; 99 % is more than is allowed"));
    let longer = "round 3: continue; it would stand still for longer than is allowed";
    assert_eq!((steps[2], done.end), ((30, longer), End::Aborted), "{steps:?}");

    // It fails once; the host's own, which holds back too, goes on, with the plan that it had.
    let done = simulate(busy, json!({"step": "fail"})).await;
    assert!(done.given_up.as_ref().unwrap().contains("as ordered"), "{done:?}");
    assert_eq!((done.calls, done.rounds.len()), (3, 4));
    assert_eq!(done.rounds[0].step, "round 1: continue, by the host itself");
    assert_eq!(done.rounds[2].step, "round 3: throttle 20 %, by the host itself");

    // Its instance lasts as long as the migration.
    for _ in 0..2 {
        let done = simulate("{}", json!({"step": "count"})).await;
        assert_eq!((done.end, done.reason.as_deref()), (End::Aborted, Some("3 calls")));
    }
    let done = simulate("{}", json!({"objection": "it stays"})).await;
    assert_eq!((done.end, done.reason.as_deref(), done.calls), (End::Refused, Some("it stays"), 1));

    // The operator's word holds without a policy's.
    let late =
        r#"{"limits": {"post-copy": true, "post-copy-after": 2}, "guest": {"write-mib-per-second": 4000}}"#;
    let done = simulate(late, json!({"step": "excess"})).await;
    assert_eq!((done.end, done.rounds.len(), done.calls), (End::PostCopy, 2, 3));
    assert!(done.downtime_us < Some(1000) && done.whole_us > Some(1_000_000), "{done:?}");
    let nobody = r#"{"limits": {"post-copy": true}, "capabilities": {"post-copy": false}}"#;
    let done = simulate(nobody, json!({})).await;
    assert_eq!((done.end, done.rounds.len()), (End::Aborted, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_says_what_becomes_of_disks() {
    let echo = test_policy("echo");
    let domain = "<domain type='kvm'><name>web</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>\
                  <disk type='file'><driver cache='none'/><source file='/a'/><target dev='vda' bus='virtio'/></disk></devices></domain>";
    let scenario = json!({
        "domain": domain,
        "disks": [{"target": "vda", "way": "copied", "capacity": 4096, "allocation": 512, "file-system": "xfs"}],
    });
    let policy = Offline::open(&echo, None, None).unwrap();
    let wants: Vec<String> = policy.manifest().wants.iter().map(|want| want.grant.clone()).collect();
    let simulate = async |scenario: serde_json::Value| {
        let scenario = Scenario::parse(&scenario.to_string()).unwrap();
        policy.simulate_migration(&scenario, json!({}), &wants, |_| {}).await
    };
    let said = simulate(scenario.clone()).await.unwrap().reason.unwrap();
    assert!(said.ends_with(" vda,disk,file,/a,-,-,-,4096,512,xfs,001,0,1,-"), "{said}");
    let mut unsaid = scenario.clone();
    unsaid.as_object_mut().unwrap().remove("disks");
    let said = simulate(unsaid).await.unwrap().reason.unwrap();
    assert!(said.ends_with(" vda,disk,file,/a,-,-,-,-,-,-,001,0,0,-"), "{said}");
    let mut other = scenario;
    other["disks"][0]["target"] = json!("vdx");
    let error = simulate(other).await.unwrap_err().to_string();
    assert!(error.contains("has no disk \"vdx\""), "{error}");
}
