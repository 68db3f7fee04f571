//! A rough look at the cost of a decision; tests/bench has the real measurement.

use std::time::Instant;

use reeve_actions::policy_port::PolicyPort;
use reeve_model::policy::Hook;
use serde_json::json;

use crate::support::{ALL_GRANTS, Host, request, test_policy};

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_quick() {
    let host = Host::new().await;
    host.load(test_policy("hostile"), "bad", json!({}), &ALL_GRANTS).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..1000 {
        let request = request(Hook::DomainPrepare, "web");
        let begin = Instant::now();
        host.engine.guard(request).await;
        times.push(begin.elapsed());
    }
    times.sort();
    println!("one decision: median {:?}, p99 {:?}", times[500], times[990]);
    assert!(times[500].as_millis() < 20, "{:?}", times[500]);
}
