//! Events and consoles.

use std::time::Duration;

use reeve_client::{ClientError, EventItem};
use reeve_model::api::{ConsoleOptions, EventFilter};
use reeve_model::event::{DomainChange, EventKind};
use reeve_model::{Actor, ErrorCode};
use tokio::io::AsyncReadExt;

use crate::host::{Host, KEPT};

fn after(after: u64) -> EventFilter {
    EventFilter { after: Some(after), ..EventFilter::default() }
}

#[tokio::test]
async fn events_name_the_caller_and_can_be_taken_up_again() {
    let host = Host::serve();
    host.define("a").await;
    host.define("b").await;
    let mut stream = host.client.events(&after(0)).await.unwrap();
    let Some(EventItem::Event(first)) = stream.next().await.unwrap() else { panic!() };
    assert_eq!(first.seq, 1);
    let Actor::Client { pid, .. } = first.actor else { panic!("{:?}", first.actor) };
    assert_eq!(pid, std::process::id(), "the kernel says who it was");
    let mut again = host.client.events(&after(1)).await.unwrap();
    let Some(EventItem::Event(second)) = again.next().await.unwrap() else { panic!() };
    assert!(matches!(second.kind, EventKind::Domain { ref name, .. } if name == "b"));
}

#[tokio::test]
async fn a_listener_of_one_domain_hears_of_no_other() {
    let host = Host::serve();
    host.define("a").await;
    host.define("b").await;
    let filter = EventFilter { after: Some(0), domain: Some("b".into()) };
    let mut stream = host.client.events(&filter).await.unwrap();
    host.client.start_domain("a").await.unwrap();
    host.client.start_domain("b").await.unwrap();
    for expected in [DomainChange::Defined, DomainChange::Started] {
        let Some(EventItem::Event(event)) = stream.next().await.unwrap() else { panic!() };
        let EventKind::Domain { name, change, .. } = event.kind else { panic!() };
        assert_eq!((name.as_str(), change), ("b", expected));
    }
    let nobody = EventFilter { domain: Some("nobody".into()), ..EventFilter::default() };
    let Err(ClientError::Refused(error)) = host.client.events(&nobody).await else { panic!() };
    assert_eq!(error.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn missing_events_are_announced() {
    let host = Host::serve();
    for number in 0..KEPT + 3 {
        host.define(&format!("domain-{number}")).await;
    }
    let mut stream = host.client.events(&after(0)).await.unwrap();
    assert_eq!(stream.next().await.unwrap(), Some(EventItem::Lagged { missed: 3 }));
    let Some(EventItem::Event(oldest)) = stream.next().await.unwrap() else { panic!() };
    assert_eq!(oldest.seq, 4);
}

#[tokio::test]
async fn a_stop_ends_streams_and_the_server() {
    let host = Host::serve();
    host.define("a").await;
    host.client.start_domain("a").await.unwrap();
    let mut events = host.client.events(&EventFilter::default()).await.unwrap();
    let mut console = host.client.console("a", &ConsoleOptions::default()).await.unwrap();
    host.stop.cancel();
    let patience = Duration::from_secs(10);
    assert_eq!(tokio::time::timeout(patience, events.next()).await.unwrap().unwrap(), None);
    let mut left = Vec::new();
    tokio::time::timeout(patience, console.read_to_end(&mut left)).await.unwrap().unwrap();
    tokio::time::timeout(patience, host.server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_console_needs_a_running_domain() {
    let host = Host::serve();
    host.define("a").await;
    let Err(ClientError::Refused(error)) = host.client.console("a", &ConsoleOptions::default()).await else {
        panic!()
    };
    assert_eq!(error.code, ErrorCode::WrongState);
    assert!(error.message.contains("'a'"), "{}", error.message);
}
