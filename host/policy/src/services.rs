//! What the engine needs of the host for the calls policies make. The daemon gives it the real one, which goes through the
//! verbs like every other client; nothing here can do what a verb cannot.

use async_trait::async_trait;
use reeve_actions::policy_port::VolumeView;
use reeve_model::network::{Lease, NetworkSummary, Port, PortCounters};
use reeve_model::node::{KsmChange, KsmState, NodeInfo, NodeMemory};
use reeve_model::stats::{DomainSnapshot, DomainSummary};
use reeve_model::storage::PoolSummary;
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

/// A change of a pool's volumes that policies may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeAction {
    /// Make one of zeroes.
    Create {
        /// Its name.
        name: String,
        /// What a guest sees.
        capacity: Bytes,
        /// What is taken at once; none preallocates a raw volume whole.
        allocation: Option<Bytes>,
        /// Format of the image; none is the pool's own.
        format: Option<String>,
    },
    /// Copy one in the same pool.
    Copy {
        /// The original.
        source: String,
        /// Name of the copy.
        name: String,
    },
    /// Give one another capacity.
    Resize {
        /// Its name.
        name: String,
        /// The capacity.
        capacity: Bytes,
        /// It may become smaller.
        shrink: bool,
    },
    /// Delete one.
    Delete {
        /// Its name.
        name: String,
    },
    /// Write into one.
    Write {
        /// Its name.
        name: String,
        /// From which byte on.
        offset: u64,
        /// What is written.
        data: Vec<u8>,
    },
}

/// Sums over active domains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Committed {
    /// How many are active.
    pub active: u32,
    /// Their maximum memory.
    pub memory: Bytes,
    /// The part of it that the host may merge.
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

    /// All storage pools, by name.
    async fn pools(&self) -> Vec<PoolSummary>;

    /// The volumes of a running pool, those that are being made among them.
    async fn volumes(&self, pool: &str) -> Result<Vec<VolumeView>, Error>;

    /// One volume.
    async fn volume(&self, pool: &str, name: &str) -> Result<VolumeView, Error>;

    /// What a volume holds from `offset` on, `length` bytes at most.
    async fn read_volume(&self, pool: &str, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, Error>;

    /// Changes the volumes of a pool as `actor`, through the same path as any client; the volume that was made, copied or resized.
    async fn change_volume(
        &self,
        actor: Actor,
        pool: &str,
        action: VolumeAction,
    ) -> Result<Option<VolumeView>, Error>;

    /// The machine.
    fn node_info(&self) -> Result<NodeInfo, Error>;

    /// Its memory now.
    fn node_memory(&self) -> Result<NodeMemory, Error>;

    /// Kernel samepage merging now.
    fn ksm(&self) -> Result<KsmState, Error>;

    /// Changes kernel samepage merging as `actor`.
    async fn set_ksm(&self, actor: Actor, change: KsmChange) -> Result<KsmState, Error>;
}
