//! Putting a link into a bridge and taking it out again, with its addresses and routes.

use reeve_model::host_interface::{HostInterfaceConfig, HostInterfaceKind};
use reeve_sys::link::{Address, Bridge, Change, Link, LinkError, LinkName, NewLink, Route};

use super::{BridgeOptions, HostInterfaces, dhcp, subject};
use crate::NetworkError;
use crate::networks::bridge::is_link_local;

impl HostInterfaces {
    /// Puts a link into a new bridge, which takes over its addresses and routes, and its DHCP client where that is one of ours;
    /// sentences on what an operator should look at.
    pub fn bridge(
        &self,
        link: &str,
        bridge: &str,
        options: BridgeOptions,
    ) -> Result<Vec<String>, NetworkError> {
        let (found, name) = self.bridgeable(link, bridge)?;
        let warnings = (found.addresses.iter())
            .filter(|address| address.leased && address.ip.is_ipv4())
            .map(|address| {
                format!(
                    "address {}/{} of interface '{link}' is leased; unless its DHCP client moves to '{bridge}' too, nobody renews it there",
                    address.ip, address.prefix
                )
            });
        let client = dhcp::client(&self.host, &found.name)?;
        let warnings = if client.is_some() { Vec::new() } else { warnings.collect() };
        self.whole(&name, || {
            let new = Bridge {
                mac: found.mac,
                stp: Some(options.stp),
                forward_delay_ms: Some(options.delay_s.saturating_mul(1000)),
                ..Bridge::default()
            };
            let links = &self.host.links;
            links.create(&name, &NewLink::Bridge(new))?;
            links.change(&name, &Change::Alias(self.alias()))?;
            links.change(&name, &Change::Mtu(found.mtu))?;
            dhcp::stop(&self.host, &found.name)?;
            let routes = self.take_routes(&found)?;
            self.move_addresses(&found, &name)?;
            links.change(&found.name, &Change::Master(Some(name.clone())))?;
            links.change(&found.name, &Change::Up)?;
            links.change(&name, &Change::Up)?;
            self.give_routes(routes, &name)?;
            match client {
                Some(six) => dhcp::start(&self.host, &name, six),
                None => Ok(()),
            }
        })?;
        Ok(warnings)
    }

    /// The document of the bridge that would take over what a document gives to its link. Refuses what [`HostInterfaces::bridge`] does.
    pub fn bridged(
        &self,
        link: HostInterfaceConfig,
        bridge: &str,
        options: BridgeOptions,
    ) -> Result<HostInterfaceConfig, NetworkError> {
        self.bridgeable(&link.name, bridge)?;
        Ok(document(link, bridge, options))
    }

    /// A link that can be put into a bridge of this name.
    fn bridgeable(&self, link: &str, bridge: &str) -> Result<(Link, LinkName), NetworkError> {
        let found = self.link(link)?;
        let name = LinkName::new(bridge)?;
        if self.host.links.find(&name)?.is_some() {
            return Err(LinkError::Exists { name }.into());
        }
        if found.bridge.is_some() || found.master.is_some() || link == "lo" {
            let reason = "only a link that is no bridge, no port of one and not loopback can be put into one";
            return Err(NetworkError::Conflict { subject: subject(link), reason: reason.to_owned() });
        }
        self.refuse_laden(&found)?;
        Ok((found, name))
    }

    /// Deletes a bridge and gives its addresses and routes, and its DHCP client where that is one of ours, to its one port. Without `start`
    /// the port stays down and gets nothing.
    pub fn unbridge(&self, bridge: &str, start: bool) -> Result<(), NetworkError> {
        let found = self.link(bridge)?;
        let port = self.only_port(&found)?;
        let client = dhcp::client(&self.host, &found.name)?;
        self.whole(&found.name, || {
            let links = &self.host.links;
            dhcp::stop(&self.host, &found.name)?;
            let routes = self.take_routes(&found)?;
            links.change(&port, &Change::Master(None))?;
            if start {
                self.move_addresses(&found, &port)?;
                links.change(&port, &Change::Up)?;
            } else {
                links.change(&port, &Change::Down)?;
            }
            links.delete(&found.name)?;
            if start {
                self.give_routes(routes, &port)?;
            }
            match client.filter(|_| start) {
                Some(six) => dhcp::start(&self.host, &port, six),
                None => Ok(()),
            }
        })
    }

    /// The one port of a bridge that can be taken apart.
    fn only_port(&self, bridge: &Link) -> Result<LinkName, NetworkError> {
        let conflict = |reason: &str| {
            let subject = subject(bridge.name.as_str());
            Err(NetworkError::Conflict { subject, reason: reason.to_owned() })
        };
        if bridge.bridge.is_none() {
            return conflict("it is no bridge");
        }
        self.refuse_laden(bridge)?;
        let all = self.links()?;
        let mut ports = all.iter().filter(|link| link.master.as_ref() == Some(&bridge.name));
        match (ports.next(), ports.next()) {
            (Some(port), None) => Ok(port.name.clone()),
            _ => conflict("a bridge with exactly one port can be taken apart"),
        }
    }

    /// The routes of a link; those by way of gateways are removed, for IPv6 keeps them when their address goes.
    pub(super) fn take_routes(&self, link: &Link) -> Result<Vec<Route>, NetworkError> {
        let routes = self.host.links.routes()?.into_iter();
        let own = |route: &Route| {
            route.link.as_ref() == Some(&link.name)
                && (route.is_default() || !is_link_local(route.destination))
        };
        let routes: Vec<Route> = routes.filter(own).collect();
        for route in routes.iter().filter(|route| route.gateway.is_some()) {
            self.host.links.remove_route(route)?;
        }
        Ok(routes)
    }

    fn move_addresses(&self, from: &Link, to: &LinkName) -> Result<(), NetworkError> {
        for address in from.addresses.iter().filter(|address| !is_link_local(address.ip)) {
            self.host.links.remove_address(&from.name, address.ip, address.prefix)?;
            let new = Address { nodad: address.ip.is_ipv6(), tentative: false, leased: false, ..*address };
            self.host.links.add_address(to, &new)?;
        }
        Ok(())
    }

    pub(super) fn give_routes(&self, mut routes: Vec<Route>, to: &LinkName) -> Result<(), NetworkError> {
        routes.sort_by_key(|route| route.gateway.is_some());
        for route in routes {
            let new = Route { link: Some(to.clone()), ..route };
            if !self.host.links.routes()?.contains(&new) {
                self.host.links.add_route(&new)?;
            }
        }
        Ok(())
    }
}

/// The document of a bridge that takes over what a link has.
fn document(mut port: HostInterfaceConfig, bridge: &str, options: BridgeOptions) -> HostInterfaceConfig {
    let protocols = std::mem::take(&mut port.protocols);
    HostInterfaceConfig {
        name: bridge.to_owned(),
        start_mode: port.start_mode.take(),
        mac: port.mac,
        mtu: port.mtu,
        protocols,
        extra: Default::default(),
        kind: HostInterfaceKind::Bridge {
            stp: Some(options.stp),
            delay: Some(options.delay_s.to_string()),
            ports: vec![port],
        },
    }
}

/// The document of the one port of a bridge, with what the bridge gives back to it; none when it does not have one.
pub(super) fn released(bridge: HostInterfaceConfig) -> Option<HostInterfaceConfig> {
    let HostInterfaceKind::Bridge { mut ports, .. } = bridge.kind else { return None };
    let port = ports.pop().filter(|_| ports.is_empty())?;
    Some(HostInterfaceConfig { start_mode: bridge.start_mode, protocols: bridge.protocols, ..port })
}
