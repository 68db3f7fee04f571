//! The host of a policy that runs offline: no domains, and of the machine only what was said.

use async_trait::async_trait;
use reeve_actions::policy_port::VolumeView;
use reeve_model::network::{Lease, NetworkSummary, Port, PortCounters};
use reeve_model::node::{KsmChange, KsmState, NodeInfo, NodeMemory};
use reeve_model::stats::{DomainSnapshot, DomainSummary};
use reeve_model::storage::PoolSummary;
use reeve_model::{Actor, Error, ErrorCode};
use uuid::Uuid;

use crate::services::{Committed, DomainAction, Services, VolumeAction};

/// What an offline run is told of the machine; what is none is refused as `unsupported`.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// The machine.
    pub info: Option<NodeInfo>,
    /// Its memory.
    pub memory: Option<NodeMemory>,
    /// Kernel samepage merging.
    pub ksm: Option<KsmState>,
}

fn unsaid<T: Clone>(value: &Option<T>, what: &str) -> Result<T, Error> {
    value.clone().ok_or_else(|| {
        Error::new(ErrorCode::Unsupported, format!("this run is offline and was not told about {what}"))
    })
}

fn offline() -> Error {
    Error::new(ErrorCode::Unsupported, "this run is offline: nothing can be changed")
}

/// A host without networks knows none.
pub(crate) fn no_network(name: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("network '{name}' does not exist"))
}

/// A host without storage pools knows none.
pub(crate) fn no_pool(name: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("storage pool '{name}' does not exist"))
}

#[async_trait]
impl Services for Machine {
    async fn domains(&self) -> Vec<DomainSummary> {
        Vec::new()
    }

    async fn domain(&self, name: &str) -> Result<DomainSnapshot, Error> {
        Err(Error::new(ErrorCode::NotFound, format!("domain '{name}' does not exist")))
    }

    async fn committed(&self, _except: Option<Uuid>) -> Committed {
        Committed::default()
    }

    async fn act(&self, _actor: Actor, _name: &str, _action: DomainAction) -> Result<(), Error> {
        Err(offline())
    }

    async fn networks(&self) -> Vec<NetworkSummary> {
        Vec::new()
    }

    async fn ports(&self, network: &str) -> Result<Vec<Port>, Error> {
        Err(no_network(network))
    }

    async fn leases(&self, network: &str) -> Result<Vec<Lease>, Error> {
        Err(no_network(network))
    }

    async fn port_counters(&self, network: &str, _link: &str) -> Result<PortCounters, Error> {
        Err(no_network(network))
    }

    async fn pools(&self) -> Vec<PoolSummary> {
        Vec::new()
    }

    async fn volumes(&self, pool: &str) -> Result<Vec<VolumeView>, Error> {
        Err(no_pool(pool))
    }

    async fn volume(&self, pool: &str, _name: &str) -> Result<VolumeView, Error> {
        Err(no_pool(pool))
    }

    async fn read_volume(
        &self,
        pool: &str,
        _name: &str,
        _offset: u64,
        _length: u64,
    ) -> Result<Vec<u8>, Error> {
        Err(no_pool(pool))
    }

    async fn change_volume(
        &self,
        _actor: Actor,
        _pool: &str,
        _action: VolumeAction,
    ) -> Result<Option<VolumeView>, Error> {
        Err(offline())
    }

    fn node_info(&self) -> Result<NodeInfo, Error> {
        unsaid(&self.info, "the machine")
    }

    fn node_memory(&self) -> Result<NodeMemory, Error> {
        unsaid(&self.memory, "its memory")
    }

    fn ksm(&self) -> Result<KsmState, Error> {
        unsaid(&self.ksm, "kernel samepage merging")
    }

    async fn set_ksm(&self, _actor: Actor, _change: KsmChange) -> Result<KsmState, Error> {
        Err(offline())
    }
}
