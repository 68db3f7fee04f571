//! What the engine needs of the host for the calls policies make. The daemon gives it the real one, which goes through the
//! verbs like every other client; nothing here can do what a verb cannot.

use async_trait::async_trait;
use reeve_model::network::{Lease, NetworkSummary, Port, PortCounters};
use reeve_model::node::{KsmChange, KsmState, NodeInfo, NodeMemory};
use reeve_model::stats::{DomainSnapshot, DomainSummary};
use reeve_model::{Actor, Bytes, Error};
use uuid::Uuid;

/// A verb on a domain that policies may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DomainAction {
    /// Start a defined domain.
    Start,
    /// Ask the guest to shut down.
    Shutdown,
    /// Stop it by force.
    Destroy,
    /// Stop its vCPUs.
    Suspend,
    /// Let its vCPUs run again.
    Resume,
    /// Set the balloon target.
    SetMemory(Bytes),
}

/// Sums over active domains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Committed {
    /// How many are active.
    pub active: u32,
    /// Their maximum memory.
    pub memory: Bytes,
    /// The part of it that the host may merge (no `<nosharepages/>`).
    pub mergeable: Bytes,
    /// Their vCPUs.
    pub vcpus: u32,
}

/// The host, as policies reach it. Reads are not authorized here: the engine checks the grants before it asks.
#[async_trait]
pub trait Services: Send + Sync {
    /// All domains, by name.
    async fn domains(&self) -> Vec<DomainSummary>;

    /// One domain by name or UUID.
    async fn domain(&self, name: &str) -> Result<DomainSnapshot, Error>;

    /// Sums over all active domains but `except`.
    async fn committed(&self, except: Option<Uuid>) -> Committed;

    /// Runs a verb as `actor`, through the same path as any client.
    async fn act(&self, actor: Actor, name: &str, action: DomainAction) -> Result<(), Error>;

    /// All networks, by name.
    async fn networks(&self) -> Vec<NetworkSummary>;

    /// Ports of one network.
    async fn ports(&self, network: &str) -> Result<Vec<Port>, Error>;

    /// Leases of one network.
    async fn leases(&self, network: &str) -> Result<Vec<Lease>, Error>;

    /// Counters of a port of one network.
    async fn port_counters(&self, network: &str, link: &str) -> Result<PortCounters, Error>;

    /// The machine.
    fn node_info(&self) -> Result<NodeInfo, Error>;

    /// Its memory now.
    fn node_memory(&self) -> Result<NodeMemory, Error>;

    /// Kernel samepage merging now.
    fn ksm(&self) -> Result<KsmState, Error>;

    /// Changes kernel samepage merging as `actor`.
    async fn set_ksm(&self, actor: Actor, change: KsmChange) -> Result<KsmState, Error>;
}
