//! Many domains.

use std::time::{Duration, Instant};

use reeve_model::DomainState;

use crate::support::{ROOT, host, plain};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_are_listed_in_a_blink() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("domain-00000"), false).await.unwrap();
    let first = host.snapshot(&ROOT, "domain-00000").unwrap().config;
    for number in 1..10_000 {
        let mut config = first.clone();
        config.name = format!("domain-{number:05}");
        config.uuid = uuid::Uuid::new_v4();
        host.domains.define(&ROOT, config).unwrap();
    }
    for number in 0..500 {
        host.start(&ROOT, &format!("domain-{:05}", number * 20)).await.unwrap();
    }
    let fastest = (0..5).map(|_| {
        let began = Instant::now();
        let rows = host.list(&ROOT).unwrap();
        let took = began.elapsed();
        assert_eq!(rows.len(), 10_000);
        assert_eq!(rows.iter().filter(|row| row.state == DomainState::Running).count(), 500);
        assert!(rows.is_sorted_by(|one, other| one.name < other.name));
        took
    });
    let fastest = fastest.min().unwrap();
    println!("list of 10,000 simulated domains, 500 of them running: {fastest:?}");
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
}
