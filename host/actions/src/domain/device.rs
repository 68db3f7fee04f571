//! Plugging and unplugging devices: in the machine, in the definition, or in both (guide 14.10).

use std::sync::Arc;

use reeve_domain::Request;
use reeve_model::api::ChangedDomain;
use reeve_model::domain::{Device, DomainConfig};
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSummary;
use reeve_model::{Actor, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::device_change::ChangeDevice;
use super::{Question, Subject, define};
use crate::error::explain;
use crate::mac::Reservation;
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
    /// The definition, and the machine of an active domain.
    Persistent,
}

impl Attachment {
    /// What `--live` and `--config` ask for.
    pub fn of(live: bool, config: bool) -> Self {
        match (live, config) {
            (false, false) => Self::Current,
            (true, false) => Self::Live,
            (false, true) => Self::Config,
            (true, true) => Self::LiveAndConfig,
        }
    }
}

/// Plug or unplug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
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
    ) -> Result<ChangedDomain, Error> {
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
    ) -> Result<ChangedDomain, Error> {
        self.subject(actor, Verb::DomainDevice, key)?;
        let warnings = match document::parse_device(xml) {
            Ok(Device::Disk(disk)) => self.device_warnings(&[disk]).await,
            // What is wrong with the document is said by who takes it.
            _ => Vec::new(),
        };
        let domain = self.change_device(actor, key, xml, attachment, Change::Attach).await?;
        Ok(ChangedDomain { domain, warnings })
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
        if live && change == Change::Attach {
            // What is refused is refused before a policy is asked.
            self.find_device(&subject.name, &mut device.clone()).await?;
        }
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        let before = self.domains.definition(subject.uuid).map_err(explain)?.filter(|_| config);
        let effective = live.then_some(&snapshot.config);
        let Plan { device, after, reserved } =
            self.plan(actor, change, device, effective, before.as_deref()).await?;
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
        self.refuse_done(subject.uuid, change, &device, live, config)?;
        let operation = ChangeDevice {
            actor: actor.clone(),
            before: before.as_deref().cloned(),
            after,
            live,
            change,
            device: xml,
            uuid: subject.uuid,
            turn: Some(turn),
            _reserved: reserved,
        };
        self.perform(actor, operation).await?;
        self.row(subject.uuid)
    }

    /// Refuses, with the right to change the domain, what others have done while guards were asked: whoever undid it would undo theirs.
    fn refuse_done(
        &self,
        uuid: Uuid,
        change: Change,
        device: &Device,
        live: bool,
        config: bool,
    ) -> Result<(), Error> {
        let effective = self.domains.snapshot(uuid).map_err(explain)?.config;
        let definition = self.domains.definition(uuid).map_err(explain)?;
        let definition = definition.map(|definition| definition.as_ref().clone());
        let changed = [Some(effective).filter(|_| live), definition.filter(|_| config)];
        for mut now in changed.into_iter().flatten() {
            match change {
                Change::Attach => insert(&mut now, device)?,
                Change::Detach => drop(remove(&mut now, device)?),
            }
        }
        Ok(())
    }

    /// Whether the machine and whether the definition is to be changed.
    pub(super) fn scope(&self, subject: &Subject, attachment: Attachment) -> Result<(bool, bool), Error> {
        let active = self.domains.phase(subject.uuid).map_err(explain)?.has_machine();
        let persistent = self.domains.definition(subject.uuid).map_err(explain)?.is_some();
        let (live, config) = match attachment {
            Attachment::Current => (active, !active),
            Attachment::Live => (true, false),
            Attachment::Config => (false, true),
            Attachment::LiveAndConfig => (true, true),
            Attachment::Persistent => (active, true),
        };
        if config && !persistent {
            let message = format!("domain '{}' is transient: it has no definition to change", subject.name);
            return Err(
                Error::new(ErrorCode::WrongState, message).with_hint("change the running machine instead")
            );
        }
        Ok((live, config))
    }

    /// What the change comes to, checked against the live configuration and the definition where they are to be changed.
    async fn plan(
        &self,
        actor: &Actor,
        change: Change,
        mut device: Device,
        effective: Option<&DomainConfig>,
        definition: Option<&DomainConfig>,
    ) -> Result<Plan, Error> {
        let mut reserved = None;
        let mut after = None;
        for (number, config) in [effective, definition].into_iter().enumerate() {
            let Some(mut config) = config.cloned() else { continue };
            match change {
                Change::Attach => {
                    insert(&mut config, &device)?;
                    // The first one gives an interface its MAC address, the second one takes it over.
                    if reserved.is_none() {
                        reserved = Some(self.allocate_macs(actor, &mut config).await?);
                        device = named(&config, device);
                    }
                    define::check(&config)?;
                }
                Change::Detach => device = remove(&mut config, &device)?,
            }
            if number == 1 {
                after = Some(config);
            }
        }
        Ok(Plan { device, after, reserved })
    }
}

/// A change of devices, worked out.
struct Plan {
    /// The whole device.
    device: Device,
    /// The definition as it will be, when it is changed.
    after: Option<DomainConfig>,
    /// Keeps a new MAC address until the domain has it.
    reserved: Option<Reservation>,
}

fn insert(config: &mut DomainConfig, device: &Device) -> Result<(), Error> {
    config.devices.insert(device.clone()).map_err(|conflict| {
        let message =
            format!("<{}> can't be added to domain '{}': {conflict}", device.element(), config.name);
        Error::new(ErrorCode::AlreadyExists, message)
    })
}

/// The device as it came out of the domain: an interface has its MAC address now.
fn named(config: &DomainConfig, device: Device) -> Device {
    match (device, config.devices.interfaces.last()) {
        (Device::Interface(_), Some(interface)) => Device::Interface(interface.clone()),
        (device, _) => device,
    }
}

/// What may name the device in a domain.
pub(super) fn keys(device: &Device) -> Vec<String> {
    let mut keys: Vec<Option<String>> = vec![device.common().and_then(|common| common.alias.clone())];
    match device {
        Device::Disk(disk) => keys.push(Some(disk.target.clone())),
        Device::Interface(interface) => keys.extend([interface.mac.clone(), interface.target.clone()]),
        Device::Filesystem(filesystem) => keys.push(filesystem.target.clone()),
        _ => {}
    }
    keys.into_iter().flatten().collect()
}

fn remove(config: &mut DomainConfig, device: &Device) -> Result<Device, Error> {
    let keys = keys(device);
    let removed = keys.iter().find_map(|key| config.devices.remove(key));
    removed.filter(|removed| removed.element() == device.element()).ok_or_else(|| {
        let message = match keys.as_slice() {
            [] => format!("the <{}> to take out of domain '{}' is not named", device.element(), config.name),
            keys => {
                format!("domain '{}' has no <{}> '{}'", config.name, device.element(), keys.join("' or '"))
            }
        };
        let hint = "name it by its alias, the target of a disk or directory, or an interface's MAC address";
        Error::new(ErrorCode::NotFound, message).with_hint(hint)
    })
}
