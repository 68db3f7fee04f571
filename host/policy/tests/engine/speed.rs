//! A rough look at the cost of a decision; tests/bench has the real measurement.

use std::sync::Arc;
use std::time::Instant;

use reeve_actions::policy_port::{GuardRequest, GuardVerdict, PolicyPort};
use reeve_model::DomainState;
use reeve_model::policy::Hook;
use serde_json::json;

use crate::support::{Host, ROOT, shipped_policy};

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_quick() {
    let host = Host::new().await;
    let grants = ["domain:rewrite path=devices"];
    host.load(shipped_policy("naming"), "naming", json!({}), &grants).await.unwrap();
    let text = include_str!("../../../../tests/fixtures/domain-20-devices.xml");
    let config = reeve_xml::domain::parse(text, &Default::default()).unwrap().document;
    let request = |config| GuardRequest {
        hook: Hook::DomainDefine,
        actor: ROOT,
        state: DomainState::ShutOff,
        config,
        device: None,
        forced: false,
    };
    // The first call fills in what the document leaves open; the others find nothing to do.
    let GuardVerdict::Allow { config, .. } = host.engine.guard(request(Arc::new(config))).await else {
        panic!("the policy allows this domain");
    };
    let mut times = Vec::new();
    for _ in 0..2000 {
        let request = request(Arc::clone(&config));
        let begin = Instant::now();
        host.engine.guard(request).await;
        times.push(begin.elapsed());
    }
    times.sort();
    let mut inside: Vec<_> =
        host.decisions("naming", Hook::DomainDefine).await.iter().map(|row| row.micros).collect();
    inside.sort_unstable();
    println!("of which the call itself: median {} us", inside[inside.len() / 2]);
    println!("one decision on a 20-device domain: median {:?}, p99 {:?}", times[1000], times[1980]);
    assert!(times[1000].as_millis() < 20, "{:?}", times[1000]);
}
