//! Interfaces of domains are plugged and unplugged: from the document to a tap or macvtap on the host, with its filter in force before
//! the first frame.
//!
//! ```text
//!   plan ─▶ guard port-plug ─▶ rules of its filter ─▶ note ─▶ bind ─▶ make ─▶ the driver opens it
//!                                                       ▲        │ error: unbind, unplug, forget
//! ```

use std::sync::Arc;

use reeve_model::domain::{DomainConfig, DomainType, Interface};
use reeve_model::network::NetworkChange;
use reeve_model::{Actor, DomainState, Error, ErrorCode, MacAddress};
use reeve_network::{PlannedPort, PortRequest};
use reeve_store::PortRow;
use reeve_sys::link::LinkName;
use uuid::Uuid;

use crate::Actions;
use crate::networking::Plugged;
use crate::policy_port::{Denial, NetworkGuard, NetworkQuestion};

impl Actions {
    /// Plugs every interface of a domain that is about to run, and puts into the configuration what the driver is to open. When one of
    /// them can't be, none is.
    pub(crate) async fn plug_all(&self, actor: &Actor, config: &mut DomainConfig) -> Result<(), Error> {
        // The simulator has no interfaces on the host.
        if config.domain_type == DomainType::Sim {
            return Ok(());
        }
        let whole = Arc::new(config.clone());
        // What an earlier run left.
        self.unplug_all(actor, config.uuid, None).await?;
        for interface in &mut config.devices.interfaces {
            match self.plug(actor, &whole, DomainState::ShutOff, interface).await {
                Ok(port) => *interface = port.interface,
                Err(error) => {
                    if let Err(undo) = self.unplug_all(actor, whole.uuid, None).await {
                        tracing::error!(domain = whole.name, %undo, "interfaces could not be unplugged again");
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Plugs one interface.
    pub(crate) async fn plug(
        &self,
        actor: &Actor,
        domain: &Arc<DomainConfig>,
        state: DomainState,
        interface: &Interface,
    ) -> Result<PlannedPort, Error> {
        let (whole, wanted) = (Arc::clone(domain), interface.clone());
        let port = self
            .on_networks(move |networks| {
                networks.plan(&PortRequest {
                    domain: whole.uuid,
                    domain_name: &whole.name,
                    interface: &wanted,
                })
            })
            .await?;
        for warning in &port.warnings {
            tracing::warn!(domain = domain.name, link = port.link, "{warning}");
        }
        self.ask_port(actor, domain, state, &port).await?;
        let plugged = Plugged { port: port.clone(), addresses: Vec::new(), since: self.bus.last_seq() };
        let filters = self.networking.records().filters.clone();
        let binding = self.binding(actor, &plugged, &filters).await?;
        let key = (port.domain, port.mac);
        let row = row(&port)?;
        self.store(move |store| store.put_port(&row)).await?;
        self.networking.records().ports.insert(key, plugged);
        let made = match self.apply(binding.into_iter().collect()).await {
            Ok(()) => {
                let port = port.clone();
                self.on_networks(move |networks| networks.make(&port)).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = made {
            self.unplug(&port).await?;
            return Err(error);
        }
        self.tell_port(actor, &port, NetworkChange::PortPlugged);
        Ok(port)
    }

    /// Takes every interface of a domain off the host; with `before`, only those that were plugged before the event with that number.
    pub(crate) async fn unplug_all(
        &self,
        actor: &Actor,
        domain: Uuid,
        before: Option<u64>,
    ) -> Result<(), Error> {
        let ports: Vec<PlannedPort> = {
            let records = self.networking.records();
            let old = |plugged: &Plugged| before.is_none_or(|event| plugged.since < event);
            let own = records.ports.iter().filter(|((owner, _), plugged)| *owner == domain && old(plugged));
            own.map(|(_, plugged)| plugged.port.clone()).collect()
        };
        for port in ports {
            self.unplug(&port).await?;
            self.tell_port(actor, &port, NetworkChange::PortUnplugged);
        }
        Ok(())
    }

    /// Takes one interface of a domain off the host; nothing where it is not plugged.
    pub(crate) async fn unplug_interface(
        &self,
        actor: &Actor,
        domain: Uuid,
        mac: MacAddress,
    ) -> Result<(), Error> {
        let found = self.networking.records().ports.get(&(domain, mac)).map(|plugged| plugged.port.clone());
        let Some(port) = found else { return Ok(()) };
        self.unplug(&port).await?;
        self.tell_port(actor, &port, NetworkChange::PortUnplugged);
        Ok(())
    }

    /// Takes an interface off the host, and its rules after it.
    pub(crate) async fn unplug(&self, port: &PlannedPort) -> Result<(), Error> {
        let gone = port.clone();
        self.on_networks(move |networks| networks.unplug(&gone)).await?;
        if let Ok(link) = LinkName::new(port.link.as_str()) {
            let networking = Arc::clone(&self.networking);
            crate::blocking(move || Ok(networking.bindings.unbind(&[link])?)).await?;
        }
        let (domain, mac) = (port.domain, port.mac);
        self.store(move |store| store.remove_port(domain, &mac.to_string())).await?;
        self.networking.records().ports.remove(&(domain, mac));
        Ok(())
    }

    pub(crate) async fn ask_port(
        &self,
        actor: &Actor,
        domain: &Arc<DomainConfig>,
        state: DomainState,
        port: &PlannedPort,
    ) -> Result<(), Error> {
        let question = NetworkQuestion::Plug { config: Arc::clone(domain), state, port: port.view() };
        let asked = self.policy.guard_network(NetworkGuard { actor: actor.clone(), question }).await;
        asked.map_err(|Denial { policy, reason }| {
            let (link, name) = (&port.link, &domain.name);
            let message = format!(
                "policy '{policy}' denies port-plug of interface '{link}' of domain '{name}': {reason}"
            );
            let hint = format!("'reeve policy decisions --subject {name}' shows what it was asked");
            Error::new(ErrorCode::Denied, message).with_hint(hint)
        })
    }

    pub(crate) fn tell_port(&self, actor: &Actor, port: &PlannedPort, change: NetworkChange) {
        let Some(network) = port.network else { return };
        let found =
            self.networking.records().networks.get(&network).map(|network| Arc::clone(network.config()));
        if let Some(config) = found {
            self.tell_network(actor, &config, change, &port.link);
        }
    }
}

/// A port as it is kept for the next daemon.
pub(crate) fn row(port: &PlannedPort) -> Result<PortRow, Error> {
    let text = serde_json::to_string(port).map_err(|fault| {
        Error::new(ErrorCode::Internal, format!("interface '{}' can't be noted: {fault}", port.link))
    })?;
    Ok(PortRow { domain: port.domain, mac: port.mac.to_string(), port: text })
}
