//! What every part of the engine holds on to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use reeve_actions::policy_port::VolumeView;
use reeve_events::Bus;
use reeve_model::network::{Lease, NetworkSummary, Port, PortCounters};
use reeve_model::node::{KsmChange, KsmState, NodeInfo, NodeMemory};
use reeve_model::stats::{DomainSnapshot, DomainSummary};
use reeve_model::storage::PoolSummary;
use reeve_model::{Actor, Error, ErrorCode};
use reeve_store::Store;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::absent::AbsentPolicies;
use crate::decisions::DecisionLog;
use crate::engine::Runtime;
use crate::logs::PolicyLogs;
use crate::metrics::Metrics;
use crate::outside::{Outside, Values};
use crate::recorder::Recorder;
use crate::registry::Registry;
use crate::services::{Committed, DomainAction, Services, VolumeAction};
use crate::task::Tasks;
use crate::tune::KsmTuner;

/// One per daemon.
pub(crate) struct Shared {
    pub(crate) runtime: Runtime,
    pub(crate) registry: Registry,
    pub(crate) absent: AbsentPolicies,
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) daemon: Handle,
    pub(crate) decisions: DecisionLog,
    pub(crate) metrics: Metrics,
    pub(crate) services: OnceLock<Arc<dyn Services>>,
    pub(crate) chains: AtomicU64,
    pub(crate) ksm: KsmTuner,
    pub(crate) recorder: Recorder,
    pub(crate) tasks: Tasks,
    pub(crate) logs: Arc<PolicyLogs>,
}

impl Shared {
    /// The host, once it is there.
    pub(crate) fn services(&self) -> Arc<dyn Services> {
        self.services.get().map_or_else(|| Arc::new(NotYet) as Arc<dyn Services>, Arc::clone)
    }

    /// What calls see of the world.
    pub(crate) fn outside(&self) -> Outside {
        Outside {
            services: self.services(),
            values: Values::Kept(self.store.clone()),
            daemon: self.daemon.clone(),
            logs: Some(Arc::clone(&self.logs)),
            time: None,
        }
    }

    /// A number for a new chain of calls; never used twice on one host.
    pub(crate) fn next_chain(&self) -> u64 {
        self.chains.fetch_add(1, Ordering::Relaxed)
    }
}

/// The host before the daemon has put its parts together.
struct NotYet;

fn not_yet() -> Error {
    Error::new(ErrorCode::Busy, "the daemon is starting and does not serve policies yet")
}

#[async_trait]
impl Services for NotYet {
    async fn domains(&self) -> Vec<DomainSummary> {
        Vec::new()
    }

    async fn domain(&self, _name: &str) -> Result<DomainSnapshot, Error> {
        Err(not_yet())
    }

    async fn committed(&self, _except: Option<Uuid>) -> Committed {
        Committed::default()
    }

    async fn act(&self, _actor: Actor, _name: &str, _action: DomainAction) -> Result<(), Error> {
        Err(not_yet())
    }

    async fn networks(&self) -> Vec<NetworkSummary> {
        Vec::new()
    }

    async fn ports(&self, _network: &str) -> Result<Vec<Port>, Error> {
        Err(not_yet())
    }

    async fn leases(&self, _network: &str) -> Result<Vec<Lease>, Error> {
        Err(not_yet())
    }

    async fn port_counters(&self, _network: &str, _link: &str) -> Result<PortCounters, Error> {
        Err(not_yet())
    }

    async fn pools(&self) -> Vec<PoolSummary> {
        Vec::new()
    }

    async fn volumes(&self, _pool: &str) -> Result<Vec<VolumeView>, Error> {
        Err(not_yet())
    }

    async fn volume(&self, _pool: &str, _name: &str) -> Result<VolumeView, Error> {
        Err(not_yet())
    }

    async fn read_volume(
        &self,
        _pool: &str,
        _name: &str,
        _offset: u64,
        _length: u64,
    ) -> Result<Vec<u8>, Error> {
        Err(not_yet())
    }

    async fn change_volume(
        &self,
        _actor: Actor,
        _pool: &str,
        _action: VolumeAction,
    ) -> Result<Option<VolumeView>, Error> {
        Err(not_yet())
    }

    fn node_info(&self) -> Result<NodeInfo, Error> {
        Err(not_yet())
    }

    fn node_memory(&self) -> Result<NodeMemory, Error> {
        Err(not_yet())
    }

    fn ksm(&self) -> Result<KsmState, Error> {
        Err(not_yet())
    }

    async fn set_ksm(&self, _actor: Actor, _change: KsmChange) -> Result<KsmState, Error> {
        Err(not_yet())
    }
}
