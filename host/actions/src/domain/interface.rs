//! What the interfaces of a domain are: listed, and the addresses behind them (guide 14.5.7, 14.5.8, 14.5.14).

use std::collections::BTreeSet;
use std::net::IpAddr;

use reeve_domain::DomainError;
use reeve_model::domain::DomainConfig;
use reeve_model::domain_interface::{AddressOptions, AddressSource, DomainInterface, InterfaceAddress};
use reeve_model::{Actor, Error, ErrorCode, MacAddress, Verb};
use uuid::Uuid;

use crate::Actions;
use crate::error::explain;

impl Actions {
    /// Interfaces of a domain in document order: those of its machine while it is active, those of its definition when `inactive` or off.
    pub fn interfaces(
        &self,
        actor: &Actor,
        key: &str,
        inactive: bool,
    ) -> Result<Vec<DomainInterface>, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let config = match inactive {
            false => self.domains.snapshot(subject.uuid).map_err(explain)?.config,
            true => match self.domains.definition(subject.uuid).map_err(explain)? {
                Some(definition) => definition.as_ref().clone(),
                None => {
                    let message = format!("domain '{}' is transient: it has no definition", subject.name);
                    return Err(Error::new(ErrorCode::WrongState, message));
                }
            },
        };
        Ok(config.devices.interfaces.iter().map(DomainInterface::from).collect())
    }

    /// Addresses of a running guest, as far as the host knows them.
    pub async fn interface_addresses(
        &self,
        actor: &Actor,
        key: &str,
        options: &AddressOptions,
    ) -> Result<Vec<InterfaceAddress>, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        if snapshot.summary.id.is_none() {
            let sentence = "is not running".to_owned();
            return Err(explain(DomainError::WrongState { name: subject.name, sentence }));
        }
        let from_agent = match options.source == AddressSource::Agent {
            true => {
                self.subject(actor, Verb::DomainAgent, key)?;
                self.guest_addresses(&subject).await?
            }
            false => Vec::new(),
        };
        let mut interfaces: Vec<DomainInterface> =
            snapshot.config.devices.interfaces.iter().map(DomainInterface::from).collect();
        if let Some(wanted) = &options.interface {
            interfaces.retain(|interface| interface.is_named(wanted));
            if interfaces.is_empty() {
                return Err(no_interface(&subject.name, wanted));
            }
        }
        let mut addresses = Vec::new();
        for interface in interfaces {
            let mac: Option<MacAddress> = interface.mac.as_deref().and_then(|mac| mac.parse().ok());
            let Some(mac) = mac else { continue };
            let of_interface = |ip, prefix, hostname| InterfaceAddress {
                target: interface.target.clone(),
                mac,
                ip,
                prefix,
                hostname,
            };
            if options.source == AddressSource::Agent {
                let own = from_agent.iter().filter(|said| said.is_of(mac));
                addresses.extend(own.map(|said| of_interface(said.ip, said.prefix, None)));
                continue;
            }
            if options.source == AddressSource::Arp {
                let seen = self.seen(subject.uuid, mac).await?;
                addresses.extend(
                    seen.into_iter().map(|ip| of_interface(ip, if ip.is_ipv4() { 32 } else { 128 }, None)),
                );
                continue;
            }
            let Some(network) = self.network_of(subject.uuid, mac) else { continue };
            let leases = self.on_networks(move |networks| networks.leases(network)).await?;
            let own = leases.into_iter().filter(|lease| lease.mac == Some(mac));
            addresses.extend(own.map(|lease| of_interface(lease.ip, lease.prefix, lease.hostname)));
        }
        Ok(addresses)
    }

    /// Addresses that the host saw an interface use.
    async fn seen(&self, domain: Uuid, mac: MacAddress) -> Result<BTreeSet<IpAddr>, Error> {
        let neighbours = self.on_networks(move |networks| networks.neighbours(mac)).await?;
        let mut seen = BTreeSet::from_iter(neighbours);
        if let Some(plugged) = self.networking.records().ports.get(&(domain, mac)) {
            seen.extend(&plugged.learned);
        }
        Ok(seen)
    }

    /// The network that an interface of a running domain is plugged into, while it is active.
    fn network_of(&self, domain: Uuid, mac: MacAddress) -> Option<Uuid> {
        let records = self.networking.records();
        let network = records.ports.get(&(domain, mac))?.port.network?;
        records.networks.get(&network).is_some_and(|network| network.live.is_some()).then_some(network)
    }
}

/// Where the interface with this target, MAC address or alias is among those of a configuration.
pub(super) fn position(config: &DomainConfig, key: &str) -> Option<usize> {
    config.devices.interfaces.iter().position(|interface| DomainInterface::from(interface).is_named(key))
}

/// What is said of an interface that is not there.
pub(super) fn no_interface(domain: &str, key: &str) -> Error {
    let message = format!("domain '{domain}' has no interface '{key}'");
    let hint = format!("'reeve domain domiflist {domain}' shows what it has; name one by its target or MAC");
    Error::new(ErrorCode::NotFound, message).with_hint(hint)
}
