//! The hooks a component exports, looked up once when it is loaded, and how each is called.

use std::collections::BTreeMap;
use std::sync::Arc;

use reeve_model::filter::{FilterSubject, FilterTree, Ruleset};
use reeve_model::network::Port;
use reeve_model::policy::Hook;
use reeve_model::storage::VolumeConfig;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Instance, InstancePre, Resource};
use wasmtime::{Engine, Store};

use crate::bindings::exports::reeve::hooks::{
    clone_name, daemon_events, device_attach, device_detach, domain_define, domain_events, domain_prepare,
    domain_start, domain_stop, filter_generate, mac_allocate, migrate_in, migrate_out, migration_strategy,
    network_events, network_start, network_stop, pool_start, port_plug, storage_events, task, volume_create,
    volume_delete, volume_resize,
};
use crate::bindings::exports::reeve::tune::ksm_tune;
use crate::bindings::reeve::migration::journey::Journey;
use crate::bindings::reeve::migration::strategy;
use crate::bindings::reeve::storage::pools::Pool;
use crate::bindings::reeve::storage::volumes::Volume;
use crate::bindings::reeve::types::policy::{Context, Failure, Verdict};
use crate::call::CallState;
use crate::chain::storage::plan;
use crate::filter;
use crate::host::domain_config::DomainView;
use crate::host::networks::{NetworkView, contract_network, contract_port};
use crate::imports::split_version;
use crate::loader::LoadError;
use crate::migration::{Disks, StrategyAsk};
use crate::suggest::closest;

/// Where a hook is in the contract.
const INTERFACES: [(Hook, &str); 25] = [
    (Hook::DomainDefine, "reeve:hooks/domain-define"),
    (Hook::DomainPrepare, "reeve:hooks/domain-prepare"),
    (Hook::DomainStart, "reeve:hooks/domain-start"),
    (Hook::DomainStop, "reeve:hooks/domain-stop"),
    (Hook::MigrateOut, "reeve:hooks/migrate-out"),
    (Hook::MigrateIn, "reeve:hooks/migrate-in"),
    (Hook::DeviceAttach, "reeve:hooks/device-attach"),
    (Hook::DeviceDetach, "reeve:hooks/device-detach"),
    (Hook::NetworkStart, "reeve:hooks/network-start"),
    (Hook::NetworkStop, "reeve:hooks/network-stop"),
    (Hook::PortPlug, "reeve:hooks/port-plug"),
    (Hook::PoolStart, "reeve:hooks/pool-start"),
    (Hook::VolumeCreate, "reeve:hooks/volume-create"),
    (Hook::VolumeResize, "reeve:hooks/volume-resize"),
    (Hook::VolumeDelete, "reeve:hooks/volume-delete"),
    (Hook::DomainEvents, "reeve:hooks/domain-events"),
    (Hook::DaemonEvents, "reeve:hooks/daemon-events"),
    (Hook::NetworkEvents, "reeve:hooks/network-events"),
    (Hook::StorageEvents, "reeve:hooks/storage-events"),
    (Hook::MacAllocate, "reeve:hooks/mac-allocate"),
    (Hook::FilterGenerate, "reeve:hooks/filter-generate"),
    (Hook::CloneName, "reeve:hooks/clone-name"),
    (Hook::MigrationStrategy, "reeve:hooks/migration-strategy"),
    (Hook::KsmTune, "reeve:tune/ksm-tune"),
    (Hook::Task, "reeve:hooks/task"),
];

/// Pre-resolved exports of one hook.
enum Export {
    DomainDefine(domain_define::GuestIndices),
    DomainPrepare(domain_prepare::GuestIndices),
    DomainStart(domain_start::GuestIndices),
    DomainStop(domain_stop::GuestIndices),
    MigrateOut(migrate_out::GuestIndices),
    MigrateIn(migrate_in::GuestIndices),
    DeviceAttach(device_attach::GuestIndices),
    DeviceDetach(device_detach::GuestIndices),
    NetworkStart(network_start::GuestIndices),
    NetworkStop(network_stop::GuestIndices),
    PortPlug(port_plug::GuestIndices),
    PoolStart(pool_start::GuestIndices),
    VolumeCreate(volume_create::GuestIndices),
    VolumeResize(volume_resize::GuestIndices),
    VolumeDelete(volume_delete::GuestIndices),
    StorageEvents(storage_events::GuestIndices),
    CloneName(clone_name::GuestIndices),
    DomainEvents(domain_events::GuestIndices),
    DaemonEvents(daemon_events::GuestIndices),
    NetworkEvents(network_events::GuestIndices),
    MacAllocate(mac_allocate::GuestIndices),
    FilterGenerate(filter_generate::GuestIndices),
    MigrationStrategy(migration_strategy::GuestIndices),
    KsmTune(ksm_tune::GuestIndices),
    Task(task::GuestIndices),
}

/// All hooks of a component.
pub(crate) struct Exports(BTreeMap<Hook, Export>);

/// A question to a hook; the context goes beside it.
#[derive(Clone)]
pub(crate) enum Question {
    /// Any guard.
    Guard { domain: DomainView, device: Option<String>, forced: bool },
    /// The guards of a migration.
    Migrate { domain: DomainView, journey: Arc<Journey>, disks: Disks },
    /// The strategy of a migration.
    Strategy(Box<StrategyAsk>),
    /// The guards of a network.
    Network(NetworkView),
    /// The guard of a port.
    Port { domain: DomainView, port: Arc<Port> },
    /// An event of a network or filter.
    NetworkEvent(network_events::NetworkEvent),
    /// The packet rules of an interface.
    Filter { subject: Arc<FilterSubject>, tree: Arc<FilterTree> },
    /// The guard of a pool.
    Pool { pool: Pool, xml: String },
    /// The guard of a new volume.
    NewVolume(Box<NewVolume>),
    /// The guards of a volume: the capacity that it gets, or none when it is deleted.
    Volume { pool: Pool, volume: Volume, capacity: Option<u64> },
    /// An event of a pool.
    StorageEvent(storage_events::StorageEvent),
    /// The name of a clone.
    Clone(clone_name::CloneRequest),
    /// A domain event.
    DomainEvent(domain_events::DomainEvent),
    /// A daemon event.
    DaemonEvent(daemon_events::DaemonChange),
    /// A MAC address.
    Mac { domain: DomainView, interface: u32, taken: Vec<String>, seed: u64 },
    /// A tick of the KSM tuner.
    Ksm(ksm_tune::Snapshot),
    /// A run of a task.
    Run(task::Occasion),
}

/// A volume that is about to be made.
#[derive(Clone)]
pub(crate) struct NewVolume {
    pub(crate) pool: Pool,
    /// Its document.
    pub(crate) config: Arc<VolumeConfig>,
    /// What a guest will see, where the document does not say.
    pub(crate) capacity: Option<u64>,
    /// What it is a copy of.
    pub(crate) source: Option<Volume>,
}

impl Question {
    /// What an instance is kept for, where one is.
    pub(crate) fn subject(&self) -> &str {
        match self {
            Self::Strategy(ask) => ask.migration(),
            // Every other hook that instances are kept for is about the node.
            _ => "node",
        }
    }

    /// Disks of the guest it is about, where that moves.
    pub(crate) fn disks(&self) -> Disks {
        match self {
            Self::Migrate { disks, .. } => Arc::clone(disks),
            Self::Strategy(ask) => ask.disks(),
            _ => Disks::default(),
        }
    }
}

/// What a hook answered.
pub(crate) enum Answer {
    /// Of a guard.
    Verdict(Verdict),
    /// Of the guard of a new volume.
    Volume(volume_create::VolumeVerdict),
    /// Of a notify hook.
    Told,
    /// A MAC address.
    Mac(String),
    /// The name of a clone.
    Name(String),
    /// Of a strategy before it begins: why it may not.
    Objection(Option<String>),
    /// How a migration begins.
    Plan(strategy::MigrationPlan),
    /// How a migration goes on.
    Step(strategy::Step),
    /// Packet rules, or why they can't be read.
    Rules(Result<Box<Ruleset>, String>),
    /// Of the KSM tuner.
    Ksm(Vec<ksm_tune::Adjustment>),
    /// Of a task: its summary.
    Summary(String),
}

/// Names of the hook interfaces that a component exports.
pub(crate) fn hooks(engine: &Engine, component: &Component, policy: &str) -> Result<Vec<Hook>, LoadError> {
    let mut hooks = Vec::new();
    for (export, item) in component.component_type().exports(engine) {
        let (name, _) = split_version(export);
        let known = INTERFACES.iter().find(|(_, interface)| *interface == name);
        match known {
            Some((hook, _)) if matches!(item.ty, ComponentItem::ComponentInstance(_)) => hooks.push(*hook),
            None if name.starts_with("reeve:") => {
                return Err(LoadError::Hook {
                    policy: policy.to_owned(),
                    export: export.to_owned(),
                    closest: closest(name, INTERFACES.iter().map(|(_, interface)| *interface)),
                });
            }
            _ => {}
        }
    }
    hooks.sort_unstable();
    if hooks.is_empty() { Err(LoadError::NoHook { policy: policy.to_owned() }) } else { Ok(hooks) }
}

impl Exports {
    /// Looks the exports of `hooks` up.
    pub(crate) fn resolve(pre: &InstancePre<CallState>, hooks: &[Hook]) -> wasmtime::Result<Self> {
        let mut exports = BTreeMap::new();
        for &hook in hooks {
            let export = match hook {
                Hook::DomainDefine => Export::DomainDefine(domain_define::GuestIndices::new(pre)?),
                Hook::DomainPrepare => Export::DomainPrepare(domain_prepare::GuestIndices::new(pre)?),
                Hook::DomainStart => Export::DomainStart(domain_start::GuestIndices::new(pre)?),
                Hook::DomainStop => Export::DomainStop(domain_stop::GuestIndices::new(pre)?),
                Hook::MigrateOut => Export::MigrateOut(migrate_out::GuestIndices::new(pre)?),
                Hook::MigrateIn => Export::MigrateIn(migrate_in::GuestIndices::new(pre)?),
                Hook::DeviceAttach => Export::DeviceAttach(device_attach::GuestIndices::new(pre)?),
                Hook::DeviceDetach => Export::DeviceDetach(device_detach::GuestIndices::new(pre)?),
                Hook::NetworkStart => Export::NetworkStart(network_start::GuestIndices::new(pre)?),
                Hook::NetworkStop => Export::NetworkStop(network_stop::GuestIndices::new(pre)?),
                Hook::PortPlug => Export::PortPlug(port_plug::GuestIndices::new(pre)?),
                Hook::DomainEvents => Export::DomainEvents(domain_events::GuestIndices::new(pre)?),
                Hook::DaemonEvents => Export::DaemonEvents(daemon_events::GuestIndices::new(pre)?),
                Hook::NetworkEvents => Export::NetworkEvents(network_events::GuestIndices::new(pre)?),
                Hook::FilterGenerate => Export::FilterGenerate(filter_generate::GuestIndices::new(pre)?),
                Hook::MacAllocate => Export::MacAllocate(mac_allocate::GuestIndices::new(pre)?),
                Hook::KsmTune => Export::KsmTune(ksm_tune::GuestIndices::new(pre)?),
                Hook::PoolStart => Export::PoolStart(pool_start::GuestIndices::new(pre)?),
                Hook::VolumeCreate => Export::VolumeCreate(volume_create::GuestIndices::new(pre)?),
                Hook::VolumeResize => Export::VolumeResize(volume_resize::GuestIndices::new(pre)?),
                Hook::VolumeDelete => Export::VolumeDelete(volume_delete::GuestIndices::new(pre)?),
                Hook::StorageEvents => Export::StorageEvents(storage_events::GuestIndices::new(pre)?),
                Hook::CloneName => Export::CloneName(clone_name::GuestIndices::new(pre)?),
                Hook::MigrationStrategy => {
                    Export::MigrationStrategy(migration_strategy::GuestIndices::new(pre)?)
                }
                Hook::Task => Export::Task(task::GuestIndices::new(pre)?),
            };
            exports.insert(hook, export);
        }
        Ok(Self(exports))
    }

    /// Checks the types of all exports against the contract, on a live instance.
    pub(crate) fn check(&self, store: &mut Store<CallState>, instance: &Instance) -> wasmtime::Result<()> {
        for export in self.0.values() {
            match export {
                Export::DomainDefine(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::DomainPrepare(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::DomainStart(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::DomainStop(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::MigrateOut(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::MigrateIn(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::DeviceAttach(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::DeviceDetach(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::NetworkStart(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::NetworkStop(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::PortPlug(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::NetworkEvents(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::FilterGenerate(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::DomainEvents(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::DaemonEvents(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::MacAllocate(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::KsmTune(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::PoolStart(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::VolumeCreate(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::VolumeResize(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::VolumeDelete(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::StorageEvents(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::CloneName(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::MigrationStrategy(indices) => indices.load(&mut *store, instance).map(|_| ())?,
                Export::Task(indices) => indices.load(&mut *store, instance).map(|_| ())?,
            }
        }
        Ok(())
    }

    /// Calls a hook. The question must be of the hook's shape.
    pub(crate) async fn call(
        &self,
        hook: Hook,
        store: &mut Store<CallState>,
        instance: &Instance,
        context: &Context,
        question: Question,
    ) -> wasmtime::Result<Result<Answer, Failure>> {
        let export = self.0.get(&hook);
        match (export, question) {
            (Some(export), Question::Guard { domain, device, forced }) => {
                let handle = store.data_mut().table.push(domain)?;
                let domain = Resource::new_borrow(handle.rep());
                let device = device.unwrap_or_default();
                macro_rules! ask {
                    ($indices:expr $(, $argument:expr)*) => {
                        $indices
                            .load(&mut *store, instance)?
                            .call_guard(&mut *store, context, domain $(, $argument)*)
                            .await?
                    };
                }
                let verdict = match export {
                    Export::DomainDefine(indices) => ask!(indices),
                    Export::DomainPrepare(indices) => ask!(indices),
                    Export::DomainStart(indices) => ask!(indices),
                    Export::DomainStop(indices) => ask!(indices, forced),
                    Export::DeviceAttach(indices) => ask!(indices, &device),
                    Export::DeviceDetach(indices) => ask!(indices, &device),
                    _ => return Err(mismatch(hook)),
                };
                Ok(verdict.map(Answer::Verdict))
            }
            (Some(export), Question::Migrate { domain, journey, .. }) => {
                let handle = store.data_mut().table.push(domain)?;
                let domain = Resource::new_borrow(handle.rep());
                let verdict = match export {
                    Export::MigrateOut(indices) => {
                        let guest = indices.load(&mut *store, instance)?;
                        guest.call_guard(&mut *store, context, domain, &journey).await?
                    }
                    Export::MigrateIn(indices) => {
                        let guest = indices.load(&mut *store, instance)?;
                        guest.call_guard(&mut *store, context, domain, &journey).await?
                    }
                    _ => return Err(mismatch(hook)),
                };
                Ok(verdict.map(Answer::Verdict))
            }
            (Some(Export::MigrationStrategy(indices)), Question::Strategy(ask)) => {
                let guest = indices.load(&mut *store, instance)?;
                match *ask {
                    StrategyAsk::Precheck { domain, journey, .. } => {
                        let handle = store.data_mut().table.push(domain)?;
                        let domain = Resource::new_borrow(handle.rep());
                        let objection = guest.call_precheck(&mut *store, context, domain, &journey).await?;
                        // An instance that is kept keeps nothing of the host.
                        store.data_mut().table.delete(handle)?;
                        Ok(objection.map(Answer::Objection))
                    }
                    StrategyAsk::Plan { offered, limits, journey, .. } => {
                        let plan = guest.call_plan(&mut *store, context, offered, limits, &journey).await?;
                        Ok(plan.map(Answer::Plan))
                    }
                    StrategyAsk::Step { progress, .. } => {
                        Ok(guest.call_next_step(&mut *store, context, &progress).await?.map(Answer::Step))
                    }
                }
            }
            (Some(Export::NetworkStart(indices)), Question::Network(view)) => {
                let guest = indices.load(&mut *store, instance)?;
                let network = contract_network(&view.summary);
                let xml = view.xml.as_str();
                Ok(guest.call_guard(&mut *store, context, &network, xml).await?.map(Answer::Verdict))
            }
            (Some(Export::NetworkStop(indices)), Question::Network(view)) => {
                let guest = indices.load(&mut *store, instance)?;
                let network = contract_network(&view.summary);
                Ok(guest.call_guard(&mut *store, context, &network).await?.map(Answer::Verdict))
            }
            (Some(Export::PortPlug(indices)), Question::Port { domain, port }) => {
                let handle = store.data_mut().table.push(domain)?;
                let domain = Resource::new_borrow(handle.rep());
                let guest = indices.load(&mut *store, instance)?;
                let port = contract_port(&port);
                Ok(guest.call_guard(&mut *store, context, domain, &port).await?.map(Answer::Verdict))
            }
            (Some(Export::PoolStart(indices)), Question::Pool { pool, xml }) => {
                let guest = indices.load(&mut *store, instance)?;
                Ok(guest.call_guard(&mut *store, context, &pool, &xml).await?.map(Answer::Verdict))
            }
            (Some(Export::VolumeCreate(indices)), Question::NewVolume(volume)) => {
                let guest = indices.load(&mut *store, instance)?;
                let plan = plan(&volume);
                Ok(guest.call_guard(&mut *store, context, &volume.pool, &plan).await?.map(Answer::Volume))
            }
            (Some(Export::VolumeResize(indices)), Question::Volume { pool, volume, capacity }) => {
                let guest = indices.load(&mut *store, instance)?;
                let capacity = capacity.unwrap_or_default();
                let verdict = guest.call_guard(&mut *store, context, &pool, &volume, capacity).await?;
                Ok(verdict.map(Answer::Verdict))
            }
            (Some(Export::VolumeDelete(indices)), Question::Volume { pool, volume, .. }) => {
                let guest = indices.load(&mut *store, instance)?;
                Ok(guest.call_guard(&mut *store, context, &pool, &volume).await?.map(Answer::Verdict))
            }
            (Some(Export::StorageEvents(indices)), Question::StorageEvent(event)) => {
                let guest = indices.load(&mut *store, instance)?;
                Ok(guest.call_notify(&mut *store, context, &event).await?.map(|()| Answer::Told))
            }
            (Some(Export::CloneName(indices)), Question::Clone(request)) => {
                let guest = indices.load(&mut *store, instance)?;
                Ok(guest.call_propose(&mut *store, context, &request).await?.map(Answer::Name))
            }
            (Some(Export::NetworkEvents(indices)), Question::NetworkEvent(event)) => {
                let guest = indices.load(&mut *store, instance)?;
                Ok(guest.call_notify(&mut *store, context, &event).await?.map(|()| Answer::Told))
            }
            (Some(Export::FilterGenerate(indices)), Question::Filter { subject, tree }) => {
                let guest = indices.load(&mut *store, instance)?;
                let subject = filter::contract_subject(&subject);
                let filters = filter::contract_tree(&tree);
                let rules = guest.call_propose(&mut *store, context, &subject, &filters).await?;
                Ok(rules.map(|rules| Answer::Rules(filter::ruleset(rules).map(Box::new))))
            }
            (Some(Export::DomainEvents(indices)), Question::DomainEvent(event)) => {
                let guest = indices.load(&mut *store, instance)?;
                Ok(guest.call_notify(&mut *store, context, &event).await?.map(|()| Answer::Told))
            }
            (Some(Export::DaemonEvents(indices)), Question::DaemonEvent(change)) => {
                let guest = indices.load(&mut *store, instance)?;
                Ok(guest.call_notify(&mut *store, context, change).await?.map(|()| Answer::Told))
            }
            (Some(Export::MacAllocate(indices)), Question::Mac { domain, interface, taken, seed }) => {
                let handle = store.data_mut().table.push(domain)?;
                let domain = Resource::new_borrow(handle.rep());
                let guest = indices.load(&mut *store, instance)?;
                let mac = guest.call_propose(&mut *store, context, domain, interface, &taken, seed).await?;
                Ok(mac.map(Answer::Mac))
            }
            (Some(Export::KsmTune(indices)), Question::Ksm(snapshot)) => {
                let guest = indices.load(&mut *store, instance)?;
                Ok(guest.call_tick(&mut *store, context, snapshot).await?.map(Answer::Ksm))
            }
            (Some(Export::Task(indices)), Question::Run(occasion)) => {
                let guest = indices.load(&mut *store, instance)?;
                Ok(guest.call_run(&mut *store, context, &occasion).await?.map(Answer::Summary))
            }
            _ => Err(mismatch(hook)),
        }
    }
}

fn mismatch(hook: Hook) -> wasmtime::Error {
    wasmtime::format_err!("hook '{hook}' was asked a question that is not its own")
}
