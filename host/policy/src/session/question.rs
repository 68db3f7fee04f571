//! What a hook was asked, as JSON: the context, and the fields of the hook's own question.

use std::sync::Arc;

use reeve_model::filter::{FilterSubject, FilterTree, TreeFilter};
use reeve_model::network::{NetworkSummary, Port};
use reeve_model::policy::Hook;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::document::Domain;
use super::records::{Actor, DaemonChange, DomainEvent, NetworkEvent, Occasion, Snapshot};
use super::{migration, storage};
use crate::bindings::reeve::types::policy;
use crate::exports::Question;
use crate::host::domain_config::DomainView;
use crate::host::networks::NetworkView;

/// The circumstances of a call. Hand-written sessions leave out what does not matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Context {
    /// Identifies the call.
    pub(crate) call_id: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) time: u64,
    /// On whose behalf.
    pub(crate) actor: Actor,
    /// The policy's configuration.
    pub(crate) config: Map<String, Value>,
    /// 1 for the first call for an event.
    pub(crate) attempt: u32,
}

impl Default for Context {
    fn default() -> Self {
        Self { call_id: String::new(), time: 0, actor: Actor::Daemon, config: Map::new(), attempt: 1 }
    }
}

impl Context {
    /// The JSON form; none when the configuration is no JSON object.
    pub(crate) fn of(context: &policy::Context) -> Option<Self> {
        Some(Self {
            call_id: context.call_id.clone(),
            time: context.time,
            actor: context.actor.clone().into(),
            config: serde_json::from_str(&context.config).ok()?,
            attempt: context.attempt,
        })
    }

    /// What the hook is told.
    pub(crate) fn contract(&self) -> policy::Context {
        policy::Context {
            call_id: self.call_id.clone(),
            time: self.time,
            actor: self.actor.clone().into(),
            config: Value::Object(self.config.clone()).to_string(),
            attempt: self.attempt,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Guard {
    domain: Domain,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(default)]
    forced: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfDomain {
    event: DomainEvent,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfDaemon {
    change: DaemonChange,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Mac {
    domain: Domain,
    #[serde(default)]
    interface: u32,
    #[serde(default)]
    taken: Vec<String>,
    #[serde(default)]
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfNetwork {
    network: NetworkSummary,
    #[serde(default)]
    xml: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfPort {
    domain: Domain,
    port: Port,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfNetworkEvent {
    event: NetworkEvent,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Filter {
    interface: FilterSubject,
    filters: Vec<TreeFilter>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Ksm {
    snapshot: Snapshot,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Run {
    why: Occasion,
}

/// A question as JSON.
pub(crate) fn write(question: &Question) -> Value {
    let json = match question {
        Question::Guard { domain, device, forced } => serde_json::to_value(Guard {
            domain: Domain::of(domain),
            device: device.clone(),
            forced: *forced,
        }),
        Question::Migrate { domain, journey, disks } => migration::write_guard(domain, journey, disks),
        Question::Strategy(ask) => migration::write_strategy(ask),
        Question::Network(view) => {
            serde_json::to_value(OfNetwork { network: view.summary.clone(), xml: view.xml.clone() })
        }
        Question::Port { domain, port } => {
            serde_json::to_value(OfPort { domain: Domain::of(domain), port: port.as_ref().clone() })
        }
        Question::Pool { pool, xml } => storage::write_pool(pool, xml),
        Question::NewVolume(volume) => storage::write_new_volume(volume),
        Question::Volume { pool, volume, capacity } => storage::write_volume(pool, volume, *capacity),
        Question::StorageEvent(event) => storage::write_event(event),
        Question::Clone(request) => storage::write_clone(request),
        Question::NetworkEvent(event) => serde_json::to_value(OfNetworkEvent { event: event.clone().into() }),
        Question::Filter { subject, tree } => serde_json::to_value(Filter {
            interface: subject.as_ref().clone(),
            filters: tree.filters.clone(),
        }),
        Question::DomainEvent(event) => serde_json::to_value(OfDomain { event: event.clone().into() }),
        Question::DaemonEvent(change) => serde_json::to_value(OfDaemon { change: (*change).into() }),
        Question::Mac { domain, interface, taken, seed } => serde_json::to_value(Mac {
            domain: Domain::of(domain),
            interface: *interface,
            taken: taken.clone(),
            seed: *seed,
        }),
        Question::Ksm(snapshot) => serde_json::to_value(Ksm { snapshot: (*snapshot).into() }),
        Question::Run(why) => serde_json::to_value(Run { why: why.clone().into() }),
    };
    json.unwrap_or_default()
}

/// Reads the question of `hook`; the error says what is wrong with it.
pub(crate) fn read(hook: Hook, question: &Value) -> Result<Question, String> {
    Ok(match hook {
        Hook::DomainDefine
        | Hook::DomainPrepare
        | Hook::DomainStart
        | Hook::DomainStop
        | Hook::DeviceAttach
        | Hook::DeviceDetach => {
            let Guard { domain, device, forced } = fields(question)?;
            let wants_device = matches!(hook, Hook::DeviceAttach | Hook::DeviceDetach);
            if device.is_some() != wants_device {
                let word = if wants_device { "needs a" } else { "has no" };
                return Err(format!("hook '{hook}' {word} 'device'"));
            }
            Question::Guard { domain: view(&domain)?, device, forced }
        }
        Hook::MigrateOut | Hook::MigrateIn => migration::read_guard(question)?,
        Hook::MigrationStrategy => migration::read_strategy(question)?,
        Hook::NetworkStart | Hook::NetworkStop => {
            let OfNetwork { network: summary, xml } = fields(question)?;
            Question::Network(NetworkView { summary, xml })
        }
        Hook::PortPlug => {
            let OfPort { domain, port } = fields(question)?;
            Question::Port { domain: view(&domain)?, port: Arc::new(port) }
        }
        Hook::PoolStart => storage::read_pool(question)?,
        Hook::VolumeCreate => storage::read_new_volume(question)?,
        Hook::VolumeResize => storage::read_volume(question, true)?,
        Hook::VolumeDelete => storage::read_volume(question, false)?,
        Hook::StorageEvents => storage::read_event(question)?,
        Hook::CloneName => storage::read_clone(question)?,
        Hook::NetworkEvents => Question::NetworkEvent(fields::<OfNetworkEvent>(question)?.event.into()),
        Hook::FilterGenerate => {
            let Filter { interface, filters } = fields(question)?;
            Question::Filter { subject: Arc::new(interface), tree: Arc::new(FilterTree { filters }) }
        }
        Hook::DomainEvents => Question::DomainEvent(fields::<OfDomain>(question)?.event.into()),
        Hook::DaemonEvents => Question::DaemonEvent(fields::<OfDaemon>(question)?.change.into()),
        Hook::MacAllocate => {
            let Mac { domain, interface, taken, seed } = fields(question)?;
            Question::Mac { domain: view(&domain)?, interface, taken, seed }
        }
        Hook::KsmTune => Question::Ksm(fields::<Ksm>(question)?.snapshot.into()),
        Hook::Task => Question::Run(fields::<Run>(question)?.why.into()),
    })
}

/// The document a question is about.
pub(crate) fn domain(question: &Question) -> Option<&DomainView> {
    match question {
        Question::Guard { domain, .. }
        | Question::Mac { domain, .. }
        | Question::Port { domain, .. }
        | Question::Migrate { domain, .. } => Some(domain),
        Question::Strategy(ask) => ask.domain(),
        Question::Network(_)
        | Question::NetworkEvent(_)
        | Question::Filter { .. }
        | Question::Pool { .. }
        | Question::NewVolume(_)
        | Question::Volume { .. }
        | Question::StorageEvent(_)
        | Question::Clone(_)
        | Question::DomainEvent(_)
        | Question::DaemonEvent(_)
        | Question::Ksm(_)
        | Question::Run(_) => None,
    }
}

pub(super) fn view(domain: &Domain) -> Result<DomainView, String> {
    let (config, state) = domain.read()?;
    Ok(DomainView { config: Arc::new(config), state })
}

pub(super) fn fields<T: DeserializeOwned>(question: &Value) -> Result<T, String> {
    T::deserialize(question).map_err(|error| error.to_string())
}
