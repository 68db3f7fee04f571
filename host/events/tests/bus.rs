//! The bus as publishers and listeners see it.

use std::time::Duration;

use reeve_events::{Bus, Delivery, Subscription};
use reeve_model::Actor;
use reeve_model::event::{DaemonChange, EventKind};

fn publish(bus: &Bus) -> u64 {
    bus.publish(Actor::Daemon, EventKind::Daemon { change: DaemonChange::Reloaded })
}

fn drain(listener: &mut Subscription) -> Vec<Delivery> {
    std::iter::from_fn(|| listener.try_next()).collect()
}

fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries
        .iter()
        .map(|delivery| match delivery {
            Delivery::Event(event) => event.seq,
            Delivery::Lagged { missed } => panic!("missed {missed}"),
        })
        .collect()
}

#[test]
fn numbers_grow_by_one_and_need_no_runtime() {
    let bus = Bus::new(8);
    let mut listener = bus.subscribe(None);
    assert_eq!((publish(&bus), publish(&bus), publish(&bus)), (1, 2, 3));
    assert_eq!(numbers(&drain(&mut listener)), [1, 2, 3]);
}

#[test]
fn a_new_listener_may_have_the_past_replayed() {
    let bus = Bus::new(8);
    for _ in 0..5 {
        publish(&bus);
    }
    assert_eq!(numbers(&drain(&mut bus.subscribe(Some(3)))), [4, 5]);
    assert_eq!(numbers(&drain(&mut bus.subscribe(Some(0)))), [1, 2, 3, 4, 5]);
    assert!(drain(&mut bus.subscribe(Some(5))).is_empty());
    assert!(drain(&mut bus.subscribe(None)).is_empty());
    assert_eq!(bus.replay(3, 1).iter().map(|event| event.seq).collect::<Vec<_>>(), [4]);
}

#[test]
fn a_number_of_an_earlier_run_gets_everything_kept() {
    let bus = Bus::new(8);
    publish(&bus);
    assert_eq!(numbers(&drain(&mut bus.subscribe(Some(900)))), [1]);
}

#[test]
fn a_slow_listener_is_told_what_it_missed() {
    let bus = Bus::new(4);
    let mut listener = bus.subscribe(None);
    for _ in 0..10 {
        publish(&bus);
    }
    let deliveries = drain(&mut listener);
    assert_eq!(deliveries[0], Delivery::Lagged { missed: 6 });
    assert_eq!(numbers(&deliveries[1..]), [7, 8, 9, 10]);
}

#[tokio::test]
async fn next_waits_for_a_publisher_on_another_thread() {
    let bus = Bus::default();
    let mut listener = bus.subscribe(None);
    let publisher = bus.clone();
    let thread = std::thread::spawn(move || {
        (0..10_000).for_each(|_| {
            publish(&publisher);
        })
    });
    let mut seen = 0;
    while seen < 10_000 {
        let delivery = tokio::time::timeout(Duration::from_secs(5), listener.next()).await.expect("in time");
        seen += match delivery.expect("the bus is open") {
            Delivery::Event(_) => 1,
            Delivery::Lagged { missed } => missed,
        };
    }
    thread.join().expect("no panic");
    assert_eq!(bus.last_seq(), 10_000);
}

#[tokio::test]
async fn a_closed_bus_delivers_the_rest_and_ends() {
    let bus = Bus::default();
    let mut listener = bus.subscribe(None);
    publish(&bus);
    drop(bus);
    assert!(matches!(listener.next().await, Some(Delivery::Event(_))));
    assert_eq!(listener.next().await, None);
}
