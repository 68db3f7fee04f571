//! Putting a link into a bridge and taking it out again, with its addresses and routes.

use reeve_model::host_interface::{HostInterfaceConfig, HostInterfaceKind};
use reeve_sys::link::{Address, Bridge, Change, Link, LinkError, LinkName, NewLink, Route};

use super::{BridgeOptions, HostInterfaces, subject};
use crate::NetworkError;
use crate::networks::bridge::is_link_local;

impl HostInterfaces {
    /// Puts a link into a new bridge, which takes over its addresses and routes; the document of the bridge.
    pub fn bridge(
        &self,
        link: &str,
        bridge: &str,
        options: BridgeOptions,
    ) -> Result<HostInterfaceConfig, NetworkError> {
        let found = self.link(link)?;
        let name = LinkName::new(bridge)?;
        if self.host.links.find(&name)?.is_some() {
            return Err(LinkError::Exists { name }.into());
        }
        if found.bridge.is_some() || found.master.is_some() || link == "lo" {
            let reason = "only a link that is no bridge, no port of one and not loopback can be put into one";
            return Err(NetworkError::Conflict { subject: subject(link), reason: reason.to_owned() });
        }
        if !options.start {
            return Ok(document(self.current(link)?, bridge, options));
        }
        self.whole(|| {
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
            let routes = self.take_routes(&found)?;
            self.move_addresses(&found, &name)?;
            links.change(&found.name, &Change::Master(Some(name.clone())))?;
            links.change(&found.name, &Change::Up)?;
            links.change(&name, &Change::Up)?;
            self.give_routes(routes, &name)?;
            self.current(bridge)
        })
    }

    /// Deletes a bridge and gives its addresses and routes to its one port; the document of the port. Without `start` the port stays down
    /// and gets nothing.
    pub fn unbridge(&self, bridge: &str, start: bool) -> Result<HostInterfaceConfig, NetworkError> {
        let found = self.link(bridge)?;
        let conflict = |reason: String| Err(NetworkError::Conflict { subject: subject(bridge), reason });
        if found.bridge.is_none() {
            return conflict("it is no bridge".to_owned());
        }
        let all = self.host.links.list()?;
        let mut ports = all.iter().filter(|link| link.master.as_ref() == Some(&found.name));
        let (Some(port), None) = (ports.next(), ports.next()) else {
            return conflict("a bridge with exactly one port can be taken apart".to_owned());
        };
        self.link(port.name.as_str())?;
        self.whole(|| {
            let links = &self.host.links;
            let routes = self.take_routes(&found)?;
            links.change(&port.name, &Change::Master(None))?;
            if start {
                self.move_addresses(&found, &port.name)?;
                links.change(&port.name, &Change::Up)?;
            } else {
                links.change(&port.name, &Change::Down)?;
            }
            links.delete(&found.name)?;
            if start {
                self.give_routes(routes, &port.name)?;
            }
            self.current(port.name.as_str())
        })
    }

    /// The routes of a link; those by way of gateways are removed, for IPv6 keeps them when their address goes.
    fn take_routes(&self, link: &Link) -> Result<Vec<Route>, NetworkError> {
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
            let new = Address { nodad: address.ip.is_ipv6(), tentative: false, ..*address };
            self.host.links.add_address(to, &new)?;
        }
        Ok(())
    }

    fn give_routes(&self, mut routes: Vec<Route>, to: &LinkName) -> Result<(), NetworkError> {
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
        start_mode: port.start_mode.clone(),
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
