//! The host as policies reach it: [`Services`] over the verbs. Reads are made as the daemon, since the engine has checked the
//! grants; changes are made as the policy, and authorized, guarded, journaled and told like anybody's.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reeve_actions::Actions;
use reeve_actions::policy_port::VolumeView;
use reeve_model::network::{Lease, NetworkSummary, Port, PortCounters};
use reeve_model::node::{KsmChange, KsmState, NodeInfo, NodeMemory};
use reeve_model::stats::{DomainSnapshot, DomainSummary};
use reeve_model::storage::{PoolSummary, ResizeVolume, TakeVolume, VolumeConfig};
use reeve_model::{Actor, Bytes, Error, ErrorCode};
use uuid::Uuid;

use crate::services::{Committed, DomainAction, Services, VolumeAction};

/// A policy is told of a change while the verb that made it still holds the domain. It may wait so long for it: only notify
/// hooks and tuners get here, and no verb waits for those.
const BUSY_LIMIT: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// [`Services`] of a running daemon. Holds the verbs weakly, because they hold the engine.
#[derive(Debug, Clone)]
pub struct Verbs {
    actions: Weak<Actions>,
}

impl Verbs {
    /// The verbs of `actions`.
    pub fn new(actions: &Arc<Actions>) -> Self {
        Self { actions: Arc::downgrade(actions) }
    }

    fn actions(&self) -> Result<Arc<Actions>, Error> {
        self.actions
            .upgrade()
            .ok_or_else(|| Error::new(ErrorCode::Busy, "the daemon is stopping and serves no more verbs"))
    }
}

async fn act_once(
    actions: &Arc<Actions>,
    actor: &Actor,
    name: &str,
    action: DomainAction,
) -> Result<DomainSummary, Error> {
    match action {
        DomainAction::Start => actions.start(actor, name).await,
        DomainAction::Shutdown => actions.shutdown(actor, name).await,
        DomainAction::Destroy => actions.destroy(actor, name).await,
        DomainAction::Suspend => actions.suspend(actor, name).await,
        DomainAction::Resume => actions.resume(actor, name).await,
        DomainAction::SetMemory(target) => actions.set_memory(actor, name, target).await,
    }
}

/// The name of the volume that there is afterwards, if any.
async fn change_volume(
    actions: &Arc<Actions>,
    actor: &Actor,
    pool: &str,
    action: VolumeAction,
) -> Result<Option<String>, Error> {
    Ok(match action {
        VolumeAction::Create { name, capacity, allocation, format } => {
            let mut config = VolumeConfig { allocation, ..VolumeConfig::new(name, capacity) };
            config.target.format = format;
            config.check().map_err(|broken| Error::new(ErrorCode::Invalid, broken.to_string()))?;
            let document = reeve_xml::volume::format(&config);
            let created = actions.create_volume(actor, pool, &document, &TakeVolume::default()).await?;
            Some(created.volume.name)
        }
        VolumeAction::Copy { source, name } => {
            let config = VolumeConfig { capacity: None, ..VolumeConfig::new(name, Bytes(0)) };
            config.check().map_err(|broken| Error::new(ErrorCode::Invalid, broken.to_string()))?;
            let options = TakeVolume { template: Some(source), ..TakeVolume::default() };
            let document = reeve_xml::volume::format(&config);
            Some(actions.create_volume(actor, pool, &document, &options).await?.volume.name)
        }
        VolumeAction::Resize { name, capacity, shrink } => {
            let change = ResizeVolume { capacity, shrink, ..ResizeVolume::default() };
            Some(actions.resize_volume(actor, pool, &name, change).await?.name)
        }
        VolumeAction::Delete { name } => {
            actions.delete_volume(actor, pool, &name).await?;
            None
        }
        VolumeAction::Write { name, offset, data } => {
            actions.write_volume(actor, pool, &name, offset, data).await?;
            None
        }
    })
}

#[async_trait]
impl Services for Verbs {
    async fn domains(&self) -> Vec<DomainSummary> {
        self.actions().and_then(|actions| actions.list(&Actor::Daemon)).unwrap_or_default()
    }

    async fn domain(&self, name: &str) -> Result<DomainSnapshot, Error> {
        self.actions()?.snapshot(&Actor::Daemon, name)
    }

    async fn committed(&self, except: Option<Uuid>) -> Committed {
        let all = self.actions().and_then(|actions| actions.snapshots(&Actor::Daemon)).unwrap_or_default();
        let mut sums = Committed::default();
        for domain in all.iter().filter(|domain| domain.summary.state.is_active()) {
            if Some(domain.summary.uuid) == except {
                continue;
            }
            let memory = domain.config.memory.0;
            sums.active += 1;
            sums.memory = Bytes(sums.memory.0.saturating_add(memory));
            sums.vcpus = sums.vcpus.saturating_add(domain.config.vcpu.at_boot());
            let backing = &domain.config.memory_backing;
            // Neither huge pages nor memory that a virtiofsd has are merged.
            let plain = backing.hugepages.is_none() && domain.config.devices.filesystems.is_empty();
            if plain && !backing.nosharepages {
                sums.mergeable = Bytes(sums.mergeable.0.saturating_add(memory));
            }
        }
        sums
    }

    async fn act(&self, actor: Actor, name: &str, action: DomainAction) -> Result<(), Error> {
        let actions = self.actions()?;
        let begin = Instant::now();
        loop {
            match act_once(&actions, &actor, name, action).await {
                Err(error) if error.code == ErrorCode::Busy && begin.elapsed() < BUSY_LIMIT => {
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                done => return done.map(drop),
            }
        }
    }

    async fn networks(&self) -> Vec<NetworkSummary> {
        self.actions().and_then(|actions| actions.networks(&Actor::Daemon)).unwrap_or_default()
    }

    async fn ports(&self, network: &str) -> Result<Vec<Port>, Error> {
        self.actions()?.network_ports(&Actor::Daemon, network)
    }

    async fn leases(&self, network: &str) -> Result<Vec<Lease>, Error> {
        self.actions()?.network_leases(&Actor::Daemon, network).await
    }

    async fn port_counters(&self, network: &str, link: &str) -> Result<PortCounters, Error> {
        self.actions()?.port_counters(&Actor::Daemon, network, link).await
    }

    async fn pools(&self) -> Vec<PoolSummary> {
        self.actions().and_then(|actions| actions.pools(&Actor::Daemon)).unwrap_or_default()
    }

    async fn volumes(&self, pool: &str) -> Result<Vec<VolumeView>, Error> {
        self.actions()?.volume_views(&Actor::Daemon, pool).await
    }

    async fn volume(&self, pool: &str, name: &str) -> Result<VolumeView, Error> {
        self.actions()?.volume_view(&Actor::Daemon, pool, name).await
    }

    async fn read_volume(&self, pool: &str, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, Error> {
        self.actions()?.read_volume(&Actor::Daemon, pool, name, offset, length).await
    }

    async fn change_volume(
        &self,
        actor: Actor,
        pool: &str,
        action: VolumeAction,
    ) -> Result<Option<VolumeView>, Error> {
        let actions = self.actions()?;
        match change_volume(&actions, &actor, pool, action).await? {
            Some(name) => Ok(Some(actions.volume_view(&Actor::Daemon, pool, &name).await?)),
            None => Ok(None),
        }
    }

    fn node_info(&self) -> Result<NodeInfo, Error> {
        self.actions()?.node_info(&Actor::Daemon)
    }

    fn node_memory(&self) -> Result<NodeMemory, Error> {
        self.actions()?.node_memory(&Actor::Daemon)
    }

    fn ksm(&self) -> Result<KsmState, Error> {
        self.actions()?.ksm(&Actor::Daemon)
    }

    async fn set_ksm(&self, actor: Actor, change: KsmChange) -> Result<KsmState, Error> {
        self.actions()?.set_ksm(&actor, change)
    }
}
