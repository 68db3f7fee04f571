//! Policies that misbehave: every limit is a typed failure in the decision log within its deadline, and nobody else notices.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_actions::policy_port::{GuardVerdict, MacRequest, PolicyAdmin, PolicyPort};
use reeve_model::event::{EventKind, PolicyChange};
use reeve_model::policy::{Hook, Outcome};
use serde_json::json;

use crate::support::{ALL_GRANTS, Host, ROOT, document, domain, request, test_policy};
use crate::wat_components::{guard_with, policy};

/// The hostile policy's deadline is 1000 ms; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_millis(3000);

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_is_a_typed_failure() {
    for (deed, outcome, words) in [
        ("loop", Outcome::Deadline, "deadline of 1000 ms"),
        ("memory", Outcome::Memory, "may have 32 MiB"),
        ("trap", Outcome::Trap, "unreachable"),
        ("stack", Outcome::Trap, "stack"),
        ("log-flood", Outcome::Limit, "log bytes"),
        ("kv-flood", Outcome::Limit, "bytes written to kv"),
        ("call-flood", Outcome::Limit, "host calls"),
        ("failure", Outcome::Failed, "cannot decide"),
    ] {
        let host = Host::new().await;
        host.order(deed).await;
        let begin = Instant::now();
        let verdict = host.engine.guard(request(Hook::DomainPrepare, "web")).await;
        assert!(begin.elapsed() < PATIENCE, "{deed} took {:?}", begin.elapsed());
        let GuardVerdict::Deny { policy, reason } = verdict else { panic!("{deed}: closed means deny") };
        assert_eq!(policy, "bad");
        assert!(reason.contains(words), "{deed}: '{words}' is not in: {reason}");
        let decisions = host.decisions("bad", Hook::DomainPrepare).await;
        assert_eq!(decisions.len(), 1);
        assert_eq!(decisions[0].outcome, outcome, "{deed}: {}", decisions[0].reason);
        assert_eq!(host.engine.show("bad").unwrap().counters.failures, 1);
        assert!(host.store.kv_usage("bad").unwrap() <= 64 * 1024, "the quota holds");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_are_cut_and_never_empty() {
    let host = Host::new().await;
    host.order("endless-reason").await;
    let GuardVerdict::Deny { reason, .. } = host.engine.guard(request(Hook::DomainPrepare, "web")).await
    else {
        panic!("denied");
    };
    assert!(reason.len() < 1100, "{} bytes", reason.len());
    host.order("empty-reason").await;
    let GuardVerdict::Deny { reason, .. } = host.engine.guard(request(Hook::DomainPrepare, "web")).await
    else {
        panic!("denied");
    };
    assert_eq!(reason, "the policy gave no reason");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_bomb_is_a_limit() {
    let host = Host::new().await;
    let bomb = guard_with(
        "(table 1 funcref)",
        "(drop (table.grow 0 (ref.null func) (i32.const 50000000))) (i32.const 64)",
    );
    host.load(policy(bomb), "bomb", json!({}), &[]).await.unwrap();
    host.engine.guard(request(Hook::DomainDefine, "web")).await;
    let decision = host.decisions("bomb", Hook::DomainDefine).await.remove(0);
    assert_eq!(decision.outcome, Outcome::Limit);
    assert!(decision.reason.contains("table elements"), "{}", decision.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn fuel_is_counted_the_same_every_time() {
    let host = Host::new().await;
    host.order("cache").await;
    for _ in 0..20 {
        host.engine.guard(request(Hook::DomainPrepare, "web")).await;
    }
    let decisions = host.decisions("bad", Hook::DomainPrepare).await;
    assert!(decisions[0].fuel > 1000);
    // The number of the call is in the context, and may grow by a digit.
    assert!(decisions.iter().all(|decision| decision.fuel.abs_diff(decisions[0].fuel) < 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_fails_again_and_again_is_parked() {
    let host = Host::new().await;
    let mut events = host.bus.subscribe(None);
    host.order("trap").await;
    let breaker = host.engine.show("bad").unwrap().breaker;
    for _ in 0..breaker.failures + 2 {
        let verdict = host.engine.guard(request(Hook::DomainPrepare, "web")).await;
        assert!(matches!(verdict, GuardVerdict::Deny { .. }), "closed, parked or not");
    }
    let info = host.engine.show("bad").unwrap();
    assert!(info.parked && info.counters.failures == u64::from(breaker.failures));
    assert_eq!(host.decisions("bad", Hook::DomainPrepare).await.last().unwrap().outcome, Outcome::Parked);
    let mut parked = 0;
    while let Some(reeve_events::Delivery::Event(event)) = events.try_next() {
        parked += usize::from(matches!(&event.kind, EventKind::Policy { change: PolicyChange::Parked, .. }));
    }
    assert_eq!(parked, 1, "told once");
    assert!(!host.engine.resume("bad").await.unwrap().parked);
    assert!(host.engine.resume("bad").await.is_err());
    host.engine.guard(request(Hook::DomainPrepare, "web")).await;
    assert_eq!(
        host.decisions("bad", Hook::DomainPrepare).await.last().unwrap().outcome,
        Outcome::Trap,
        "it is asked again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_are_validated() {
    let host = Host::new().await;
    let ask = || MacRequest {
        actor: ROOT,
        config: domain("web"),
        interface: 0,
        taken: vec!["00:16:3e:00:00:01".to_owned()],
    };
    assert_eq!(host.engine.propose_mac(ask()).await.unwrap(), None, "nobody answers");
    host.order("allow").await;
    assert_eq!(host.engine.propose_mac(ask()).await.unwrap().as_deref(), Some("00:16:3e:12:34:56"));
    for deed in ["taken-mac", "multicast-mac", "loop", "trap"] {
        host.order_in("mac", deed).await;
        let error = host.engine.propose_mac(ask()).await.unwrap_err();
        assert!(error.message.contains("policy 'bad' could not give one"), "{deed}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_call_that_does_not_return_meets_the_deadline() {
    let host = Host::new().await;
    host.actions.define(&ROOT, &document("slow", "sim.start-ms=60000"), false).await.unwrap();
    host.load(
        test_policy("recursive"),
        "recursive",
        json!({}),
        &["domain:suspend", "domain:start", "kv:use"],
    )
    .await
    .unwrap();
    // The policy answers "released" by starting the domain again, which takes a minute.
    let kind = EventKind::Domain {
        uuid: host.actions.snapshot(&ROOT, "slow").unwrap().config.uuid,
        name: "slow".to_owned(),
        change: reeve_model::event::DomainChange::Released,
        state: reeve_model::DomainState::ShutOff,
        reason: reeve_model::StateReason::PowerOff,
    };
    let begin = Instant::now();
    host.bus.publish(ROOT, kind);
    loop {
        let decisions = host.decisions("recursive", Hook::DomainEvents).await;
        if let Some(decision) = decisions.first() {
            assert_eq!(decision.outcome, Outcome::Deadline, "{}", decision.reason);
            assert!(decision.host_calls == 1 && decision.micros >= 1_900_000, "{decision:?}");
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "the deadline must cover the host call");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loops_do_not_slow_the_innocent() {
    let host = Host::new().await;
    let config = json!({ "do": "loop", "in": "guard", "only": "evil" });
    host.load(test_policy("hostile"), "bad", config, &ALL_GRANTS).await.unwrap();
    let p99 = async |engine: &Arc<reeve_policy::PolicyEngine>| {
        let mut times = Vec::new();
        for _ in 0..500 {
            let begin = Instant::now();
            engine.guard(request(Hook::DomainPrepare, "good")).await;
            times.push(begin.elapsed());
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        times.sort();
        (times[250], times[495])
    };
    let idle = p99(&host.engine).await;
    let loopers: Vec<_> = (0..3)
        .map(|_| {
            let engine = host.engine.clone();
            tokio::spawn(async move {
                // Four in a row stay below the breaker's limit.
                engine.guard(request(Hook::DomainPrepare, "evil")).await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let attacked = p99(&host.engine).await;
    for looper in loopers {
        assert!(matches!(looper.await.unwrap(), GuardVerdict::Deny { .. }));
    }
    println!("median and p99 idle {idle:?}, under attack {attacked:?}");
    // The bench compares them; here only a starved policy fails.
    assert!(attacked.1 < Duration::from_millis(50), "{attacked:?}");
}
