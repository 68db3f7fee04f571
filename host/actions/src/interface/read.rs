//! What the host's interfaces are.

use reeve_model::host_interface::{HostInterfaceConfig, HostInterfaceSummary};
use reeve_model::{Actor, Error, Verb};

use super::Interfaces;
use crate::{Actions, document};

impl Actions {
    /// All interfaces of the host by name, those that are only defined too.
    pub async fn host_interfaces(&self, actor: &Actor) -> Result<Vec<HostInterfaceSummary>, Error> {
        self.authorize(actor, Verb::InterfaceRead, "")?;
        self.on_interfaces(Interfaces::rows).await
    }

    /// One interface, by its name or its MAC address.
    pub async fn interface_info(&self, actor: &Actor, key: &str) -> Result<HostInterfaceSummary, Error> {
        self.check_interface(actor, Verb::InterfaceRead, key)?;
        let key = key.to_owned();
        self.on_interfaces(move |interfaces| interfaces.row(&key)).await
    }

    /// The document of an interface: as it is while it is up, unless `inactive` asks for the definition.
    pub async fn interface_xml(&self, actor: &Actor, key: &str, inactive: bool) -> Result<String, Error> {
        self.check_interface(actor, Verb::InterfaceRead, key)?;
        let key = key.to_owned();
        self.on_interfaces(move |interfaces| {
            let row = interfaces.row(&key)?;
            let config = match row.active && !inactive {
                true => interfaces.current(&row.name)?,
                false => interfaces.persistent(&row.name)?,
            };
            Ok(document::format_interface(&config))
        })
        .await
    }
}

impl Interfaces {
    /// The document that counts from the next start; of an interface that is not defined, what it is now.
    pub(super) fn persistent(&self, name: &str) -> Result<HostInterfaceConfig, Error> {
        let definition = self.state().defined.get(name).cloned();
        definition.map_or_else(|| self.current(name), Ok)
    }

    /// What an interface is now. When it starts is a matter of its definition.
    fn current(&self, name: &str) -> Result<HostInterfaceConfig, Error> {
        let definition = self.state().defined.get(name).cloned();
        let current = self.host.current(name)?;
        Ok(HostInterfaceConfig { start_mode: definition.and_then(|config| config.start_mode), ..current })
    }
}
