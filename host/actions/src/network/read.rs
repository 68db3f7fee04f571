//! What networks are.

use reeve_model::network::{Lease, NetworkSummary, Port, PortCounters};
use reeve_model::{Actor, Error, ErrorCode, Verb};

use super::summary;
use crate::{Actions, document};

impl Actions {
    /// All networks that `actor` may see, by name.
    pub fn networks(&self, actor: &Actor) -> Result<Vec<NetworkSummary>, Error> {
        if !matches!(actor, Actor::Policy { .. }) {
            self.authorize(actor, Verb::NetworkRead, "")?;
        }
        let records = self.networking.records();
        let mut all: Vec<NetworkSummary> = (records.networks.iter())
            .map(|(uuid, network)| summary(&records, *uuid, network))
            .filter(|row| self.authorize(actor, Verb::NetworkRead, &row.name).is_ok())
            .collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// One network.
    pub fn network_info(&self, actor: &Actor, key: &str) -> Result<NetworkSummary, Error> {
        let (uuid, network) = self.network(actor, Verb::NetworkRead, key)?;
        Ok(summary(&self.networking.records(), uuid, &network))
    }

    /// The document of a network: the live one while it is active, unless `inactive` asks for the definition.
    pub fn network_xml(&self, actor: &Actor, key: &str, inactive: bool) -> Result<String, Error> {
        let (uuid, network) = self.network(actor, Verb::NetworkRead, key)?;
        match (&network.live, &network.definition) {
            (_, Some(definition)) if inactive => Ok(document::format_network(definition)),
            (Some(live), _) => {
                let connections = self.networking.records().connections(uuid);
                Ok(document::format_network_live(live, connections))
            }
            (None, _) => Ok(document::format_network(network.config())),
        }
    }

    /// What the network's DHCP server gave out.
    pub async fn network_leases(&self, actor: &Actor, key: &str) -> Result<Vec<Lease>, Error> {
        let (uuid, _) = self.network(actor, Verb::NetworkRead, key)?;
        self.on_networks(move |networks| networks.leases(uuid)).await
    }

    /// Interfaces of running domains that are plugged into a network.
    pub fn network_ports(&self, actor: &Actor, key: &str) -> Result<Vec<Port>, Error> {
        let (uuid, _) = self.network(actor, Verb::NetworkRead, key)?;
        let records = self.networking.records();
        let plugged = records.ports.values().filter(|plugged| plugged.port.network == Some(uuid));
        Ok(plugged
            .map(|plugged| {
                let addresses = records.known(plugged, plugged.watch.as_ref());
                Port { addresses, ..plugged.port.view() }
            })
            .collect())
    }

    /// What passed a port of a network.
    pub async fn port_counters(&self, actor: &Actor, key: &str, link: &str) -> Result<PortCounters, Error> {
        let ports = self.network_ports(actor, key)?;
        let Some(port) = ports.into_iter().find(|port| port.link == link) else {
            let message = format!("nothing with the link '{link}' is plugged into network '{key}'");
            let hint = format!("'reeve network ports {key}' shows what is");
            return Err(Error::new(ErrorCode::NotFound, message).with_hint(hint));
        };
        self.on_networks(move |networks| networks.counters(&port.link)).await
    }
}
