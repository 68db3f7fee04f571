//! Guests that say much.
#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use reeve_domain::{DomainNotice, Domains, DomainsConfig, EventSink, Request, Turn};
use reeve_model::event::DomainChange as Change;
use reeve_model::{Actor, DomainState as State};
use support::lab::{Lab, guest_document, says};
use support::{Host, InMemory, Told};
use uuid::Uuid;

/// Longest wait for anything that is not to take an hour.
const PATIENCE: Duration = Duration::from_secs(120);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("no end of {what}"))
}

async fn turn(domains: &Domains, uuid: Uuid, request: Request) -> Turn {
    domains.begin(Actor::Daemon, uuid, request).await.unwrap()
}

/// Takes longer to hear of a reboot than a guest takes to boot.
struct Slow(Arc<Told>);

impl EventSink for Slow {
    fn emit(&self, notice: DomainNotice) {
        if notice.change == Change::Rebooted {
            std::thread::sleep(Duration::from_millis(100));
        }
        self.0.emit(notice);
    }
}

/// There is always something to hear, and more than anybody has room for: the worker's word that a dump has ended comes behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_reboots_without_end_is_dumped_suspended_and_destroyed() {
    let lab = Lab::new();
    let told = Arc::new(Told::default());
    let domains = Domains::new(DomainsConfig {
        drivers: vec![lab.driver()],
        sink: Arc::new(Slow(told.clone())),
        keeper: Arc::new(InMemory::default()),
        boot_id: "this-boot".to_owned(),
        dumps: lab.root.path().to_owned(),
    });
    let host = Host { domains, told, kept: Arc::default() };
    let uuid = host.define(&guest_document("again", "run=reboot"));
    host.start(uuid).await.unwrap();
    let mut console = host.domains.open_console(uuid, None).await.unwrap();
    for _ in 0..40 {
        says(&mut console, "ready").await;
    }
    drop(console);
    let dump = turn(&host.domains, uuid, Request::Dump).await;
    soon("the dump", dump.dump(tempfile::tempfile().unwrap(), true)).await.unwrap();
    drop(dump);
    soon("the suspension", host.ask(uuid, Request::Suspend)).await.unwrap();
    assert_eq!(host.state(uuid), Some(State::Paused));
    soon("the save", turn(&host.domains, uuid, Request::Save).await.save(tempfile::tempfile().unwrap()))
        .await
        .unwrap();
    soon("the end", host.ask(uuid, Request::Destroy)).await.unwrap();
    lab.is_clean();
}
