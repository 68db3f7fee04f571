//! Devices are changed where they are: by a document (guide 10.5), the cable (14.5.7), limits (14.5.9).
//!
//! No hook of the contract is about a change as such. The guards of `domain-define` are asked about a changed definition, and may
//! rewrite it; those of `port-plug` where the running interface becomes what they would see as another port: another network, bridge
//! or filter; those of `device-attach` about a medium that goes into a running drive. Limits and the link state of a running interface
//! are asked of nobody.

use std::sync::Arc;

use reeve_domain::Request;
use reeve_model::api::ChangedDomain;
use reeve_model::domain::{Device, DomainConfig, DomainType, Interface};
use reeve_model::domain_interface::{DomainInterface, SetBandwidth};
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSnapshot;
use reeve_model::{Actor, Error, ErrorCode, Verb};

use super::interface::{no_interface, position};
use super::media::DiskChange;
use super::update_device::UpdateDevice;
use super::{Attachment, Question, Subject, define};
use crate::error::explain;
use crate::{Actions, document};

/// What becomes of an interface.
pub(super) enum Change {
    /// What a document says.
    Document(Box<Interface>),
    /// The cable is plugged in or pulled.
    Link(bool),
    /// Other limits.
    Limits(SetBandwidth),
}

/// What becomes of a device, and what it is called.
pub(super) enum Update {
    Interface(String, Change),
    Disk(DiskChange),
}

/// What came of a change.
#[derive(Default)]
pub(super) struct Changed {
    /// The interface as it is afterwards, where it is one.
    pub interface: Option<DomainInterface>,
    /// What is to be minded about the device.
    pub warnings: Vec<String>,
}

impl Actions {
    /// Changes an interface or disk of a domain to what a document says. It is found by its MAC address or target, which stay; what the
    /// document does not say of model, MTU, address and alias stays too.
    pub async fn update_device(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        xml: &str,
        attachment: Attachment,
    ) -> Result<ChangedDomain, Error> {
        let subject = self.subject(actor, Verb::DomainDevice, key)?;
        let update = match document::parse_device(xml)? {
            Device::Interface(interface) => {
                let name = interface.mac.clone().or_else(|| interface.target.clone());
                let Some(name) = name.or_else(|| interface.common.alias.clone()) else {
                    let message =
                        format!("the <interface> to change in domain '{}' is not named", subject.name);
                    return Err(Error::new(ErrorCode::Invalid, message)
                        .with_hint("name it by its MAC address: <mac address='…'/>"));
                };
                Update::Interface(name, Change::Document(Box::new(interface)))
            }
            Device::Disk(disk) => Update::Disk(DiskChange::Document(Box::new(disk))),
            other => {
                let message = format!(
                    "<{}> of domain '{}' can't be changed in place: only interfaces and disks can",
                    other.element(),
                    subject.name
                );
                return Err(Error::new(ErrorCode::Unsupported, message)
                    .with_hint("detach it and attach it as it is to be"));
            }
        };
        let changed = Box::pin(self.update(actor, &subject, attachment, update)).await?;
        Ok(ChangedDomain { domain: self.row(subject.uuid)?, warnings: changed.warnings })
    }

    /// Plugs the cable of an interface in or pulls it; the interface as it is afterwards.
    pub async fn set_interface_link(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        interface: &str,
        up: bool,
        attachment: Attachment,
    ) -> Result<DomainInterface, Error> {
        let subject = self.subject(actor, Verb::DomainDevice, key)?;
        self.update_interface(actor, &subject, interface, Change::Link(up), attachment).await
    }

    /// Gives an interface other limits; the interface as it is afterwards.
    pub async fn set_interface_bandwidth(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        interface: &str,
        limits: SetBandwidth,
        attachment: Attachment,
    ) -> Result<DomainInterface, Error> {
        let subject = self.subject(actor, Verb::DomainDevice, key)?;
        self.update_interface(actor, &subject, interface, Change::Limits(limits), attachment).await
    }

    async fn update_interface(
        self: &Arc<Self>,
        actor: &Actor,
        subject: &Subject,
        interface: &str,
        change: Change,
        attachment: Attachment,
    ) -> Result<DomainInterface, Error> {
        let update = Update::Interface(interface.to_owned(), change);
        let changed = Box::pin(self.update(actor, subject, attachment, update)).await?;
        changed.interface.ok_or_else(|| no_interface(&subject.name, interface))
    }

    /// Changes a device where it is.
    pub(super) async fn update(
        self: &Arc<Self>,
        actor: &Actor,
        subject: &Subject,
        attachment: Attachment,
        update: Update,
    ) -> Result<Changed, Error> {
        let (live, _) = self.scope(subject, attachment)?;
        let request = if live { Request::UpdateDevice } else { Request::Configure };
        self.permits(subject, request)?;
        let turn = self.turn(actor, subject.uuid, request).await?;
        let (live, config) = self.scope(subject, attachment)?;
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        let definition = self.domains.definition(subject.uuid).map_err(explain)?.filter(|_| config);
        let mut operation = UpdateDevice::new(actor, subject.uuid, turn);
        let mut changed = Changed::default();
        match update {
            Update::Interface(name, change) => {
                // What a running interface is called names it in the definition too.
                let mac = position(&snapshot.config, &name)
                    .and_then(|position| snapshot.config.devices.interfaces[position].mac.clone());
                let name = mac.unwrap_or(name);
                if let Some(definition) = definition {
                    let mut after = definition.as_ref().clone();
                    changed.interface = Some(DomainInterface::from(&put(&mut after, &name, &change)?.1));
                    let after = self.ask_definition(actor, &snapshot, after).await?;
                    operation.definition = Some((definition.as_ref().clone(), after));
                }
                if live {
                    let interface = self.plan_live(actor, &snapshot, &name, &change, &mut operation).await?;
                    changed.interface = Some(interface);
                }
            }
            Update::Disk(change) => {
                if live {
                    let mut whole = snapshot.config.clone();
                    let (old, new) = change.live(&mut whole)?;
                    define::check(&whole)?;
                    let new = self.plan_medium(actor, &snapshot, &old, new).await?;
                    changed.warnings = self.device_warnings(std::slice::from_ref(&new)).await;
                    operation.disk = Some((old, new));
                }
                if let Some(definition) = definition {
                    let mut after = definition.as_ref().clone();
                    let disk = change.put(&mut after)?;
                    changed.warnings = self.device_warnings(&[disk]).await;
                    let after = self.ask_definition(actor, &snapshot, after).await?;
                    operation.definition = Some((definition.as_ref().clone(), after));
                }
            }
        }
        self.perform(actor, operation).await?;
        Ok(changed)
    }

    /// The definition as guards let it be.
    pub(super) async fn ask_definition(
        &self,
        actor: &Actor,
        snapshot: &DomainSnapshot,
        after: DomainConfig,
    ) -> Result<DomainConfig, Error> {
        define::check(&after)?;
        let (hook, state) = (Hook::DomainDefine, snapshot.summary.state);
        let asked = Question { hook, actor, state, config: after, device: None, forced: false };
        let after = self.ask(asked).await?;
        define::check(&after)?;
        Ok(after)
    }

    /// What the running interface becomes, here and in the machine; the interface as it will be.
    async fn plan_live(
        &self,
        actor: &Actor,
        snapshot: &DomainSnapshot,
        name: &str,
        change: &Change,
        operation: &mut UpdateDevice,
    ) -> Result<DomainInterface, Error> {
        let mut whole = snapshot.config.clone();
        let (old, mut new) = put(&mut whole, name, change)?;
        refuse_frozen(&whole.name, &old, &new)?;
        define::check(&whole)?;
        // The simulator has no interfaces on the host.
        if whole.domain_type != DomainType::Sim {
            let (whole, state) = (Arc::new(whole), snapshot.summary.state);
            let port = self.plan_port_change(actor, &whole, state, &old, &new).await?;
            new = port.after.interface.clone();
            operation.port = Some(port);
        }
        let changed = DomainInterface::from(&new);
        operation.live = Some((old, new));
        Ok(changed)
    }
}

/// Changes the interface of that name in a configuration; what it was and what it is.
fn put(config: &mut DomainConfig, name: &str, change: &Change) -> Result<(Interface, Interface), Error> {
    let position = position(config, name).ok_or_else(|| no_interface(&config.name, name))?;
    let place = &mut config.devices.interfaces[position];
    let old = place.clone();
    let new = match change {
        Change::Document(document) => merged(&old, document),
        Change::Link(up) => Interface { link_up: Some(*up), ..old.clone() },
        Change::Limits(limits) => Interface { bandwidth: limits.applied_to(old.bandwidth), ..old.clone() },
    };
    *place = new.clone();
    Ok((old, new))
}

/// What a document makes of an interface: all that it says, and its identity from what was there.
fn merged(old: &Interface, document: &Interface) -> Interface {
    let mut new = document.clone();
    new.mac = new.mac.or_else(|| old.mac.clone());
    new.target = new.target.or_else(|| old.target.clone());
    new.model = new.model.or_else(|| old.model.clone());
    if new.driver.is_empty() {
        new.driver = old.driver.clone();
    }
    new.mtu = new.mtu.or(old.mtu);
    new.common.alias = new.common.alias.or_else(|| old.common.alias.clone());
    new.common.address = new.common.address.or_else(|| old.common.address.clone());
    new.common.boot_order = new.common.boot_order.or(old.common.boot_order);
    if new.common.extra.is_empty() {
        new.common.extra = old.common.extra.clone();
    }
    new
}

/// Refuses to change what a guest was told when it started.
fn refuse_frozen(domain: &str, old: &Interface, new: &Interface) -> Result<(), Error> {
    let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let number = |value: Option<u32>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    let fields = [
        ("<mac address>", said(&old.mac), said(&new.mac)),
        ("<target dev>", said(&old.target), said(&new.target)),
        ("<model type>", said(&old.model), said(&new.model)),
        ("<mtu size>", number(old.mtu), number(new.mtu)),
        ("<alias name>", said(&old.common.alias), said(&new.common.alias)),
        ("<boot order>", number(old.common.boot_order), number(new.common.boot_order)),
    ];
    let differs = fields.into_iter().find(|(_, old, new)| !old.eq_ignore_ascii_case(new));
    let sentence = match differs {
        Some((field, old, new)) => format!("its {field} can't be changed from '{old}' to '{new}'"),
        None if old.driver != new.driver => "its <driver> can't be changed".to_owned(),
        None if old.common.address != new.common.address => "its <address> can't be changed".to_owned(),
        None if old.common.extra != new.common.extra => {
            "what its document says beyond what this version knows can't be changed".to_owned()
        }
        None => return Ok(()),
    };
    let name = old.target.as_deref().or(old.mac.as_deref()).unwrap_or("without a name");
    let message = format!("interface '{name}' of domain '{domain}': {sentence} while it runs");
    Err(Error::new(ErrorCode::Unsupported, message)
        .with_hint("change the definition with --config: it holds from the next start on"))
}
