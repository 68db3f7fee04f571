//! The journaled operation that plugs or unplugs a device: the definition first, then the machine.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::Turn;
use reeve_model::domain::{Device, DomainConfig, DomainType, Interface};
use reeve_model::stats::DomainSnapshot;
use reeve_model::{Actor, Error, MacAddress};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::definition_change::{ChangeDefinition, ChangesDefinition};
use super::device::{Change, keys};
use crate::error::explain;
use crate::journal::{Next, Operation, Step};
use crate::mac::Reservation;
use crate::{Actions, document};

/// A device is plugged or unplugged.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChangeDevice {
    pub uuid: Uuid,
    pub actor: Actor,
    pub change: Change,
    /// XML text of the whole device.
    pub device: String,
    /// The machine is changed.
    pub live: bool,
    /// The definition as it was, when it is changed.
    pub before: Option<DomainConfig>,
    /// The definition as it will be, when it is changed.
    pub after: Option<DomainConfig>,
    #[serde(skip)]
    pub turn: Option<Turn>,
    /// Keeps a new MAC address until the domain has it.
    #[serde(skip)]
    pub _reserved: Option<Reservation>,
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

impl ChangesDefinition for ChangeDevice {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn definition(&self) -> Option<(&DomainConfig, &DomainConfig)> {
        self.before.as_ref().zip(self.after.as_ref())
    }
}

impl Actions {
    /// The definition of a domain, where it has one, as it is and as a change and guards will have it.
    pub(super) async fn plan_definition(
        &self,
        actor: &Actor,
        snapshot: &DomainSnapshot,
        change: impl FnOnce(&mut DomainConfig) -> Result<(), Error>,
    ) -> Result<Option<(Arc<DomainConfig>, DomainConfig)>, Error> {
        let found = self.domains.definition(snapshot.summary.uuid).map_err(explain)?;
        let Some(before) = found else { return Ok(None) };
        let mut after = before.as_ref().clone();
        change(&mut after)?;
        let after = self.ask_definition(actor, snapshot, after).await?;
        Ok(Some((before, after)))
    }
}

/// The device enters or leaves the machine.
struct ChangeMachine;

impl ChangeMachine {
    async fn make(&self, actions: &Actions, turn: &Turn, operation: &ChangeDevice) -> Result<(), Error> {
        let mut device = document::parse_device(&operation.device)?;
        if operation.change == Change::Attach {
            actions.find_device(turn.name(), &mut device).await?;
        }
        match (operation.change, device) {
            (Change::Attach, Device::Interface(interface)) => {
                self.attach_interface(actions, turn, operation, interface).await
            }
            (Change::Attach, device) => turn.attach_device(machine_device(device)).await.map_err(explain),
            (Change::Detach, device) => {
                let mac = mac_of(&device);
                turn.detach_device(machine_device(device)).await.map_err(explain)?;
                match mac {
                    Some(mac) => actions.unplug_interface(&operation.actor, operation.uuid, mac).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// The host's end first, with its packet filter; the machine opens it.
    async fn attach_interface(
        &self,
        actions: &Actions,
        turn: &Turn,
        operation: &ChangeDevice,
        interface: Interface,
    ) -> Result<(), Error> {
        let found = actions.domains.snapshot(operation.uuid).map_err(explain)?;
        if found.config.domain_type == DomainType::Sim {
            let device = reeve_domain::Device::Interface(Box::new(interface));
            return turn.attach_device(device).await.map_err(explain);
        }
        let (config, state) = (Arc::new(found.config), found.summary.state);
        let port = actions.plug(&operation.actor, &config, state, &interface).await?;
        let device = reeve_domain::Device::Interface(Box::new(port.interface.clone()));
        let attached = turn.attach_device(device).await.map_err(explain);
        if attached.is_err() {
            actions.unplug_interface(&operation.actor, operation.uuid, port.mac).await?;
        }
        attached
    }
}

/// The MAC address of an interface.
fn mac_of(device: &Device) -> Option<MacAddress> {
    match device {
        Device::Interface(interface) => interface.mac.as_deref()?.parse().ok(),
        _ => None,
    }
}

#[async_trait]
impl Step<ChangeDevice> for ChangeMachine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, actions: &Arc<Actions>, operation: &mut ChangeDevice) -> Result<(), Error> {
        if !operation.live {
            return Ok(());
        }
        let turn = operation.turn.as_ref().expect("an interrupted change of a machine is not run again");
        self.make(actions, turn, operation).await
    }

    async fn undo(&self, actions: &Arc<Actions>, operation: &mut ChangeDevice) -> Result<(), Error> {
        // The last step: a machine that refused has not changed, and after a crash `after_crash` knows which of both it was. The host's
        // end of an interface may be left; it is nobody else's, since there was none of this MAC address when the turn had come.
        let device = document::parse_device(&operation.device)?;
        match mac_of(&device).filter(|_| operation.live && operation.change == Change::Attach) {
            Some(mac) => actions.unplug_interface(&operation.actor, operation.uuid, mac).await,
            None => Ok(()),
        }
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
