//! Every verb of the product, once. Clients, policies and the daemon itself all come through here.
//!
//! ```text
//!   verb(actor, subject, …)
//!     authorize ── access.rs: clients by uid, policies by grant, the daemon always
//!     ask policy ─ PolicyPort: guards deny or rewrite, proposals are validated before they count
//!     do it ────── one store transaction, one turn on a domain, or a journaled operation of several steps (journal.rs)
//!     tell ─────── the event bus; notify hooks and tuners follow it and never block a verb
//! ```
//!
//! What holds everywhere:
//! - Nothing is locked while a policy is asked. A policy that calls back finds reads working; a verb on a domain that is
//!   being changed answers `busy` to a policy after a moment instead of waiting for what waits for the policy.
//! - An error names its subject, has a stable code, and where possible says how to mend it. A failed verb leaves nothing half
//!   done; a daemon that is killed in the middle finishes or unwinds it at its next start ([`Actions::recover`]).
#![forbid(unsafe_code)]

mod access;
mod adapters;
mod artifact;
pub mod artifact_port;
mod clone_name;
mod cpu;
mod definitions;
pub mod diff;
mod document;
mod domain;
pub mod edit;
mod error;
mod events;
mod fault;
mod filter;
mod interface;
mod job;
mod journal;
mod mac;
mod migrating;
mod network;
mod networking;
mod no_policy;
mod node;
pub mod node_port;
mod peer_address;
mod policy;
pub mod policy_port;
mod pool;
mod port;
mod port_change;
mod record;
pub mod record_port;
mod recover;
mod relay;
mod secret;
mod storing;
mod task;
pub mod task_port;
mod volume;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use reeve_domain::Domains;
use reeve_events::Bus;
use reeve_model::{Error, ErrorCode};
use reeve_store::{Store, StoreError};

pub use access::Access;
pub use adapters::{BusSink, StoreKeeper};
pub use domain::{Attachment, EditGuard, Gone};
pub use fault::{FaultPoint, NoFaults};
pub use migrating::{ComingStreams, Migrations, PeerPort, StreamTarget};
pub use networking::Networking;
pub use no_policy::NoPolicy;
pub use node_port::NodePort;
pub use peer_address::{HostPort, PeerAddress, TLS_PORT};
pub use recover::Recovery;
pub use reeve_domain::Console;
/// Most streams that the memory of a guest can go over, whatever an operator allows.
pub use reeve_migrate::MAX_STREAMS as MOST_STREAMS;
pub use relay::relay;
pub use storing::Storing;
pub use volume::{Incoming, Outgoing};

use definitions::Definitions;
use policy_port::{PolicyAdmin, PolicyPort};

/// What the verbs work with.
pub struct Deps {
    /// All domains. Make it with a [`StoreKeeper`] and a [`BusSink`] over `store` and `bus`.
    pub domains: Domains,
    /// The database.
    pub store: Store,
    /// Where changes are told.
    pub bus: Bus,
    /// Who answers guards and proposals; [`NoPolicy`] where there is none.
    pub policy: Arc<dyn PolicyPort>,
    /// What operators do with policies; [`NoPolicy`] where there is none.
    pub policies: Arc<dyn PolicyAdmin>,
    /// The host machine.
    pub node: Arc<dyn NodePort>,
    /// Its networks, packet filters and ports.
    pub networking: Arc<Networking>,
    /// Its storage pools.
    pub storing: Arc<Storing>,
    /// Directory of managed saves.
    pub saves: PathBuf,
    /// Which clients may do what.
    pub access: Access,
    /// Where tests make the process die; [`NoFaults`] in the product.
    pub faults: Arc<dyn FaultPoint>,
}

/// The verbs. One for the whole daemon, shared through an `Arc`; policies that call back hold a `Weak`.
pub struct Actions {
    domains: Domains,
    store: Store,
    bus: Bus,
    policy: Arc<dyn PolicyPort>,
    policies: Arc<dyn PolicyAdmin>,
    node: Arc<dyn NodePort>,
    networking: Arc<Networking>,
    storing: Arc<Storing>,
    saves: PathBuf,
    access: Access,
    faults: Arc<dyn FaultPoint>,
    definitions: Arc<Definitions>,
    pending_macs: mac::Pending,
    secrets: secret::Secrets,
    conversations: domain::Conversations,
    migrations: Migrations,
    overdue: journal::ended::Overdue,
}

impl Actions {
    /// The verbs over these parts. Call [`Self::recover`] before the first one.
    pub fn new(deps: Deps) -> Self {
        let Deps { domains, store, bus, policy, policies, node, networking, storing, saves, access, faults } =
            deps;
        let definitions = Arc::new(Definitions::new(domains.clone(), store.clone()));
        let pending_macs = mac::Pending::default();
        Self {
            domains,
            store,
            bus,
            policy,
            policies,
            node,
            networking,
            storing,
            saves,
            access,
            faults,
            definitions,
            pending_macs,
            secrets: secret::Secrets::default(),
            conversations: domain::Conversations::default(),
            migrations: Migrations::default(),
            overdue: journal::ended::Overdue::default(),
        }
    }

    /// With a way to other hosts; without one no guest is moved.
    pub fn with_migrations(self, migrations: Migrations) -> Self {
        Self { migrations, ..self }
    }

    /// The migrations from and to this host.
    pub fn migrations(&self) -> &Migrations {
        &self.migrations
    }

    /// Runs a change of the database on a thread that may block; it ends even when the caller stops waiting.
    async fn store<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.store.clone();
        blocking(move || Ok(change(&store)?)).await
    }

    /// Runs a change of the definitions on a thread that may block; it ends even when the caller stops waiting.
    async fn definitions<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Definitions) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let definitions = Arc::clone(&self.definitions);
        blocking(move || change(&definitions)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|fault| {
        Err(Error::new(ErrorCode::Internal, format!("a change of the database ended early: {fault}")))
    })
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actions").field("domains", &self.domains.len()).finish_non_exhaustive()
    }
}
