//! A host in a temporary directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reeve_actions::policy_port::PolicyPort;
use reeve_actions::{
    Access, Actions, BusSink, Deps, FaultPoint, Migrations, Networking, NoFaults, NoPolicy, StoreKeeper,
    Storing,
};
use reeve_domain::sim::SimDriver;
use reeve_domain::{Domains, DomainsConfig};
use reeve_events::{Bus, Delivery, Subscription};
use reeve_model::event::{DomainChange, EventKind};
use reeve_model::{Actor, Error, ErrorCode};
use reeve_node::{Node, Places};
use reeve_store::Store;
use tempfile::TempDir;

/// Root on the API socket.
pub const ROOT: Actor = Actor::Client { uid: 0, pid: 1 };

/// What a test changes about its host.
pub struct Setup {
    pub policy: Arc<dyn PolicyPort>,
    pub access: Access,
    pub faults: Arc<dyn FaultPoint>,
    pub places: Places,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            policy: Arc::new(NoPolicy),
            access: Access::owner_only(0),
            faults: Arc::new(NoFaults),
            places: Places::default(),
        }
    }
}

/// One daemon's worth of verbs over a directory.
pub struct Host {
    pub actions: Arc<Actions>,
    pub domains: Domains,
    pub store: Store,
}

impl std::ops::Deref for Host {
    type Target = Arc<Actions>;

    fn deref(&self) -> &Arc<Actions> {
        &self.actions
    }
}

/// A host over `directory`, not recovered yet.
pub fn host_at(directory: &Path, setup: Setup) -> Host {
    let store = Store::open(directory).unwrap();
    let bus = Bus::default();
    let domains = Domains::new(DomainsConfig {
        drivers: vec![Arc::new(SimDriver::new(1))],
        sink: Arc::new(BusSink(bus.clone())),
        keeper: Arc::new(StoreKeeper(store.clone())),
        boot_id: "boot".to_owned(),
        dumps: std::env::temp_dir(),
    });
    let actions = Actions::new(Deps {
        domains: domains.clone(),
        store: store.clone(),
        bus,
        policy: setup.policy,
        policies: Arc::new(NoPolicy),
        node: Arc::new(Node::new(setup.places)),
        networking: Arc::new(Networking::kernel(directory, directory)),
        storing: Arc::new(Storing::new(directory)),
        saves: directory.to_owned(),
        access: setup.access,
        faults: setup.faults,
    });
    let actions = Arc::new(actions.with_migrations(Migrations::alone(directory.to_owned())));
    Host { actions, domains, store }
}

/// An empty host in a directory of its own.
pub fn host_with(setup: Setup) -> (TempDir, Host) {
    let directory = TempDir::new().unwrap();
    let host = host_at(directory.path(), setup);
    (directory, host)
}

/// An empty host without policies.
pub fn host() -> (TempDir, Host) {
    host_with(Setup::default())
}

/// A simulated domain; `script` is its command line, `devices` goes into `<devices>`.
pub fn document(name: &str, script: &str, devices: &str) -> String {
    let boot = match script {
        "" => String::new(),
        script => format!("<kernel>/sim</kernel><cmdline>{script}</cmdline>"),
    };
    format!(
        "<domain type='sim'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
           <os><type>hvm</type>{boot}</os><devices>{devices}</devices></domain>"
    )
}

/// A plain simulated domain.
pub fn plain(name: &str) -> String {
    document(name, "", "")
}

/// Fails with `code` and a message that has all the words in it.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, code: ErrorCode, words: &[&str]) -> Error {
    let error = outcome.unwrap_err();
    assert_eq!(error.code, code, "{error}");
    for word in words {
        assert!(error.message.contains(word), "'{word}' is not in: {error}");
    }
    error
}

/// The changes of domains on the bus until `last` has come.
pub async fn changes_until(events: &mut Subscription, last: DomainChange) -> Vec<DomainChange> {
    let mut seen = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), events.next()).await;
        let Ok(Some(Delivery::Event(event))) = next else { panic!("only {seen:?} came before {last:?}") };
        if let EventKind::Domain { change, .. } = event.kind {
            seen.push(change);
            if change == last {
                return seen;
            }
        }
    }
}
