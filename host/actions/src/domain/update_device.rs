//! The journaled operation that changes a device in place: the definition, then the host's end, then the machine.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_domain::{Device, Request, Turn};
use reeve_model::domain::{Disk, DomainConfig, Interface};
use reeve_model::{Actor, Error};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::definition_change::{ChangeDefinition, ChangesDefinition};
use crate::Actions;
use crate::error::explain;
use crate::journal::{Next, Operation, Step};
use crate::port_change::PortChange;

/// A device is changed in place.
#[derive(Serialize, Deserialize)]
pub(crate) struct UpdateDevice {
    uuid: Uuid,
    actor: Actor,
    /// The definition as it was and as it will be, when it is changed.
    pub definition: Option<(DomainConfig, DomainConfig)>,
    /// The running interface as it was and as it will be, when it is changed.
    pub live: Option<(Interface, Interface)>,
    /// The host's end of it, where it has one.
    pub port: Option<PortChange>,
    /// The running disk as it was and as it will be, when it is changed.
    #[serde(default)]
    pub disk: Option<(Disk, Disk)>,
    #[serde(skip)]
    turn: Option<Turn>,
}

impl UpdateDevice {
    /// Nothing is changed yet.
    pub fn new(actor: &Actor, uuid: Uuid, turn: Turn) -> Self {
        let (definition, live, port, disk) = (None, None, None, None);
        Self { uuid, actor: actor.clone(), definition, live, port, disk, turn: Some(turn) }
    }

    /// The running device before, and as it will be.
    fn change(&self) -> Option<(Device, Device)> {
        let interface = |interface: &Interface| Device::Interface(Box::new(interface.clone()));
        let disk = |disk: &Disk| Device::Disk(Box::new(disk.clone()));
        let interfaces = self.live.as_ref().map(|(old, new)| (interface(old), interface(new)));
        interfaces.or_else(|| self.disk.as_ref().map(|(old, new)| (disk(old), disk(new))))
    }

    /// The running device as its domain has it now.
    fn now(&self, actions: &Actions) -> Option<Device> {
        let found = actions.domains.snapshot(self.uuid).ok().filter(|found| found.summary.id.is_some())?;
        let devices = found.config.devices;
        match self.change()? {
            (Device::Interface(old), _) => {
                let mut interfaces = devices.interfaces.into_iter();
                interfaces.find(|one| one.mac == old.mac).map(|one| Device::Interface(Box::new(one)))
            }
            (Device::Disk(old), _) => {
                let mut disks = devices.disks.into_iter();
                disks.find(|one| one.target == old.target).map(|one| Device::Disk(Box::new(one)))
            }
            _ => None,
        }
    }

    async fn set(&self, actions: &Actions, device: Device) -> Result<(), Error> {
        match &self.turn {
            Some(turn) => turn.update_device(device).await.map_err(explain),
            // Another daemon goes on with it.
            None => {
                let turn = actions.turn(&Actor::Daemon, self.uuid, Request::UpdateDevice).await?;
                turn.update_device(device).await.map_err(explain)
            }
        }
    }
}

impl Operation for UpdateDevice {
    const KIND: &'static str = "domain-update-device";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&ChangeDefinition, &UpdatePort, &UpdateMachine]
    }
}

impl ChangesDefinition for UpdateDevice {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn definition(&self) -> Option<(&DomainConfig, &DomainConfig)> {
        self.definition.as_ref().map(|(before, after)| (before, after))
    }
}

/// The host's end is changed: bridge, filter, limits, cable.
struct UpdatePort;

#[async_trait]
impl Step<UpdateDevice> for UpdatePort {
    fn name(&self) -> &'static str {
        "port"
    }

    async fn run(&self, actions: &Arc<Actions>, operation: &mut UpdateDevice) -> Result<(), Error> {
        match &mut operation.port {
            Some(port) => actions.change_port(&operation.actor, port).await,
            None => Ok(()),
        }
    }

    async fn undo(&self, actions: &Arc<Actions>, operation: &mut UpdateDevice) -> Result<(), Error> {
        match &operation.port {
            Some(port) => actions.change_port_back(port).await,
            None => Ok(()),
        }
    }
}

/// The guest sees what has changed for it.
struct UpdateMachine;

#[async_trait]
impl Step<UpdateDevice> for UpdateMachine {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, actions: &Arc<Actions>, operation: &mut UpdateDevice) -> Result<(), Error> {
        if let Some((_, new)) = operation.change() {
            operation.set(actions, new).await?;
        }
        if let Some(port) = &operation.port {
            actions.tell_port_change(&operation.actor, port);
        }
        Ok(())
    }

    async fn undo(&self, actions: &Arc<Actions>, operation: &mut UpdateDevice) -> Result<(), Error> {
        match (operation.change(), operation.now(actions)) {
            (Some((old, _)), Some(now)) if old != now => operation.set(actions, old).await,
            _ => Ok(()),
        }
    }

    fn after_crash(&self, actions: &Actions, operation: &UpdateDevice) -> Next {
        // The machine may have been told and its record not: to tell it once more does no harm. One that has ended can't be told.
        match operation.change().is_none() || operation.now(actions).is_some() {
            true => Next::Again,
            false => Next::Back,
        }
    }
}
