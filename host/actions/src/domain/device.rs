//! Plugging and unplugging devices: in the machine, in the definition, or in both (guide 14.10).

use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::{Request, Turn};
use reeve_model::domain::{Device, DomainConfig};
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Question, Subject, define};
use crate::error::explain;
use crate::journal::{Next, Operation, Step};
use crate::{Actions, document};

/// Which configurations of a domain a device change is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Attachment {
    /// The machine of an active domain, else the definition.
    #[default]
    Current,
    /// The machine only.
    Live,
    /// The definition only: it holds from the next start on.
    Config,
    /// Both.
    LiveAndConfig,
}

/// Plug or unplug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Change {
    Attach,
    Detach,
}

impl Actions {
    /// Plugs a device into the machine of an active domain, else adds it to the definition.
    pub async fn attach_device(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        xml: &str,
    ) -> Result<DomainSummary, Error> {
        self.attach_device_to(actor, key, xml, Attachment::Current).await
    }

    /// Unplugs a device from the machine of an active domain, else removes it from the definition. The document need only
    /// say what identifies it: the target of a disk, the MAC address of an interface, or an alias.
    pub async fn detach_device(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        xml: &str,
    ) -> Result<DomainSummary, Error> {
        self.detach_device_from(actor, key, xml, Attachment::Current).await
    }

    /// As [`Self::attach_device`], where it is said.
    pub async fn attach_device_to(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        xml: &str,
        attachment: Attachment,
    ) -> Result<DomainSummary, Error> {
        self.change_device(actor, key, xml, attachment, Change::Attach).await
    }

    /// As [`Self::detach_device`], where it is said.
    pub async fn detach_device_from(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        xml: &str,
        attachment: Attachment,
    ) -> Result<DomainSummary, Error> {
        self.change_device(actor, key, xml, attachment, Change::Detach).await
    }

    async fn change_device(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        xml: &str,
        attachment: Attachment,
        change: Change,
    ) -> Result<DomainSummary, Error> {
        let subject = self.subject(actor, Verb::DomainDevice, key)?;
        let device = document::parse_device(xml)?;
        let (live, config) = self.scope(&subject, attachment)?;
        let request = match change {
            Change::Attach => Request::AttachDevice,
            Change::Detach => Request::DetachDevice,
        };
        if live {
            self.permits(&subject, request)?;
        }
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        let before = self.domains.definition(subject.uuid).map_err(explain)?.filter(|_| config);
        let (device, after) =
            self.changed(actor, change, device, &snapshot.config, before.as_deref(), live).await?;
        let hook = match change {
            Change::Attach => Hook::DeviceAttach,
            Change::Detach => Hook::DeviceDetach,
        };
        let xml = document::format_device(&device);
        let (state, effective) = (snapshot.summary.state, snapshot.config);
        let question = Question { hook, actor, state, config: effective, device: Some(&xml), forced: false };
        self.ask(question).await?;
        let turn = match live {
            true => self.turn(actor, subject.uuid, request).await?,
            false => self.turn(actor, subject.uuid, Request::Configure).await?,
        };
        let operation = ChangeDevice {
            actor: actor.clone(),
            before: before.map(|before| before.as_ref().clone()),
            after,
            live,
            change,
            device: xml,
            uuid: subject.uuid,
            turn: Some(turn),
        };
        self.perform(actor, operation).await?;
        self.row(subject.uuid)
    }

    /// Whether the machine and whether the definition is to be changed.
    fn scope(&self, subject: &Subject, attachment: Attachment) -> Result<(bool, bool), Error> {
        let active = self.domains.phase(subject.uuid).map_err(explain)?.has_machine();
        let persistent = self.domains.definition(subject.uuid).map_err(explain)?.is_some();
        let (live, config) = match attachment {
            Attachment::Current => (active, !active),
            Attachment::Live => (true, false),
            Attachment::Config => (false, true),
            Attachment::LiveAndConfig => (true, true),
        };
        if config && !persistent {
            let message = format!("domain '{}' is transient: it has no definition to change", subject.name);
            return Err(
                Error::new(ErrorCode::WrongState, message).with_hint("change the running machine instead")
            );
        }
        Ok((live, config))
    }

    /// The whole device, and the definition with it or without it.
    async fn changed(
        &self,
        actor: &Actor,
        change: Change,
        device: Device,
        effective: &DomainConfig,
        definition: Option<&DomainConfig>,
        live: bool,
    ) -> Result<(Device, Option<DomainConfig>), Error> {
        match change {
            Change::Attach => {
                // Through a whole domain, so that an interface gets its MAC address and every rule is checked.
                let mut with = effective.clone();
                let device = insert(&mut with, device)?;
                self.allocate_macs(actor, &mut with).await?;
                let device = named(&with, device);
                define::check(&with)?;
                let mut after = definition.cloned();
                if let Some(after) = &mut after {
                    insert(after, device.clone())?;
                    define::check(after)?;
                }
                Ok((device, after))
            }
            Change::Detach => {
                let keys = keys(&device);
                let mut found = None;
                if live {
                    found = Some(remove(&mut effective.clone(), &device, &keys)?);
                }
                let mut after = definition.cloned();
                if let Some(after) = &mut after {
                    let removed = remove(after, &device, &keys)?;
                    found.get_or_insert(removed);
                }
                Ok((found.unwrap_or(device), after))
            }
        }
    }
}

fn insert(config: &mut DomainConfig, device: Device) -> Result<Device, Error> {
    config.devices.insert(device.clone()).map_err(|conflict| {
        let message =
            format!("<{}> can't be added to domain '{}': {conflict}", device.element(), config.name);
        Error::new(ErrorCode::AlreadyExists, message)
    })?;
    Ok(device)
}

/// The device as it came out of the domain: an interface has its MAC address now.
fn named(config: &DomainConfig, device: Device) -> Device {
    match (device, config.devices.interfaces.last()) {
        (Device::Interface(_), Some(interface)) => Device::Interface(interface.clone()),
        (device, _) => device,
    }
}

/// What may name the device in a domain.
fn keys(device: &Device) -> Vec<String> {
    let mut keys: Vec<Option<String>> = vec![device.common().and_then(|common| common.alias.clone())];
    match device {
        Device::Disk(disk) => keys.push(Some(disk.target.clone())),
        Device::Interface(interface) => keys.extend([interface.mac.clone(), interface.target.clone()]),
        _ => {}
    }
    keys.into_iter().flatten().collect()
}

fn remove(config: &mut DomainConfig, device: &Device, keys: &[String]) -> Result<Device, Error> {
    let removed = keys.iter().find_map(|key| config.devices.remove(key));
    removed.filter(|removed| removed.element() == device.element()).ok_or_else(|| {
        let message = match keys {
            [] => format!("the <{}> to take out of domain '{}' is not named", device.element(), config.name),
            keys => {
                format!("domain '{}' has no <{}> '{}'", config.name, device.element(), keys.join("' or '"))
            }
        };
        let hint = "name it by its alias, a disk's target or an interface's MAC address";
        Error::new(ErrorCode::NotFound, message).with_hint(hint)
    })
}

/// A device is plugged or unplugged.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChangeDevice {
    uuid: Uuid,
    actor: Actor,
    change: Change,
    /// XML text of the whole device.
    device: String,
    /// The machine is changed.
    live: bool,
    /// The definition as it was, when it is changed.
    before: Option<DomainConfig>,
    /// The definition as it will be, when it is changed.
    after: Option<DomainConfig>,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl Operation for ChangeDevice {
    const KIND: &'static str = "domain-device";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&ChangeDefinition, &ChangeMachine]
    }
}

/// The definition is replaced.
struct ChangeDefinition;

#[async_trait]
impl Step<ChangeDevice> for ChangeDefinition {
    fn name(&self) -> &'static str {
        "definition"
    }

    async fn run(&self, actions: &Arc<Actions>, operation: &mut ChangeDevice) -> Result<(), Error> {
        match (&operation.before, &operation.after) {
            (Some(before), Some(after)) => {
                let expected = document::digest(&document::format(before));
                actions.keep_definition(&operation.actor, after.clone(), Some(&expected)).await
            }
            _ => Ok(()),
        }
    }

    async fn undo(&self, actions: &Arc<Actions>, operation: &mut ChangeDevice) -> Result<(), Error> {
        let (Some(before), Some(after)) = (&operation.before, &operation.after) else { return Ok(()) };
        let now = actions.domains.definition(operation.uuid).ok().flatten();
        match now.is_some_and(|now| *now == *after) {
            true => actions.keep_definition(&Actor::Daemon, before.clone(), None).await,
            false => Ok(()),
        }
    }
}

/// The device enters or leaves the machine.
struct ChangeMachine;

impl ChangeMachine {
    async fn make(&self, turn: &Turn, change: Change, xml: &str) -> Result<(), Error> {
        let device = machine_device(document::parse_device(xml)?);
        match change {
            Change::Attach => turn.attach_device(device).await,
            Change::Detach => turn.detach_device(device).await,
        }
        .map_err(explain)
    }
}

#[async_trait]
impl Step<ChangeDevice> for ChangeMachine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, _actions: &Arc<Actions>, operation: &mut ChangeDevice) -> Result<(), Error> {
        if !operation.live {
            return Ok(());
        }
        let turn = operation.turn.as_ref().expect("an interrupted change of a machine is not run again");
        self.make(turn, operation.change, &operation.device).await
    }

    async fn undo(&self, _actions: &Arc<Actions>, _operation: &mut ChangeDevice) -> Result<(), Error> {
        // The last step: a machine that refused has not changed, and after a crash `after_crash` knows which of both it was.
        Ok(())
    }

    fn after_crash(&self, actions: &Actions, operation: &ChangeDevice) -> Next {
        if !operation.live {
            return Next::Forward;
        }
        let live = actions.domains.snapshot(operation.uuid).ok().filter(|found| found.summary.id.is_some());
        let Ok(device) = document::parse_device(&operation.device) else { return Next::Back };
        let present = live.is_some_and(|mut found| {
            keys(&device).iter().any(|key| found.config.devices.remove(key).is_some())
        });
        match present == (operation.change == Change::Attach) {
            true => Next::Forward,
            false => Next::Back,
        }
    }
}

/// The device as drivers take it.
fn machine_device(device: Device) -> reeve_domain::Device {
    match device {
        Device::Disk(disk) => reeve_domain::Device::Disk(Box::new(disk)),
        Device::Interface(interface) => reeve_domain::Device::Interface(Box::new(interface)),
        Device::Rng(rng) => reeve_domain::Device::Rng(Box::new(rng)),
        Device::Channel(channel) => reeve_domain::Device::Channel(Box::new(channel)),
        other => reeve_domain::Device::Other(other.element().to_owned()),
    }
}
