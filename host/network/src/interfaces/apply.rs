//! From documents to links.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reeve_model::host_interface::{HostInterfaceConfig, HostInterfaceKind};
use reeve_sys::link::{Address, Bridge, Change, Link, LinkName, NewLink, Route};
use reeve_sys::sysctl::{Setting, SysctlError};

use super::{HostInterfaces, dhcp, read, subject};
use crate::NetworkError;
use crate::networks::bridge::is_link_local;

impl HostInterfaces {
    /// Makes a defined interface what its document says and sets it up. When a step fails, the host is what it was.
    pub fn start(&self, config: &HostInterfaceConfig) -> Result<(), NetworkError> {
        self.whole(&LinkName::new(config.name.as_str())?, || self.apply(config))
    }

    /// Takes an interface down: its addresses go, its DHCP client ends, a bridge is deleted.
    pub fn destroy(&self, name: &str) -> Result<(), NetworkError> {
        let link = self.link(name)?;
        if name == "lo" {
            let reason = "the host can't do without loopback".to_owned();
            return Err(NetworkError::Conflict { subject: subject(name), reason });
        }
        self.refuse_laden(&link)?;
        self.whole(&link.name, || {
            dhcp::stop(&self.host, &link.name)?;
            if link.bridge.is_some() {
                return Ok(self.host.links.delete(&link.name)?);
            }
            for address in link.addresses.iter().filter(|address| !is_link_local(address.ip)) {
                self.host.links.remove_address(&link.name, address.ip, address.prefix)?;
            }
            Ok(self.host.links.change(&link.name, &Change::Down)?)
        })
    }

    fn apply(&self, config: &HostInterfaceConfig) -> Result<(), NetworkError> {
        let (links, name) = (&self.host.links, LinkName::new(config.name.as_str())?);
        let unsupported = |what: &str| {
            let reason = format!(
                "{what} can't be made by this version; make it by other means and use it as type 'ethernet'"
            );
            Err(NetworkError::Unsupported { subject: subject(&config.name), reason })
        };
        let mut routes = Vec::new();
        match &config.kind {
            HostInterfaceKind::Ethernet => {
                if self.link(&config.name)?.bridge.is_some() {
                    return Err(other_kind(&config.name, "a bridge", "bridge"));
                }
            }
            HostInterfaceKind::Bridge { stp, delay, ports } => {
                match links.find(&name)? {
                    None => self.make_bridge(config, &name, *stp, delay.as_deref())?,
                    Some(found) if found.bridge.is_none() => {
                        return Err(other_kind(&config.name, "no bridge", "ethernet"));
                    }
                    Some(_) => {}
                }
                for port in ports {
                    let link = self.link(&port.name)?;
                    routes.extend(self.free_port(config, port, &link)?);
                    links.change(&link.name, &Change::Master(Some(name.clone())))?;
                    links.change(&link.name, &Change::Up)?;
                }
            }
            HostInterfaceKind::Bond { .. } => return unsupported("a bond"),
            HostInterfaceKind::Vlan { .. } => return unsupported("a VLAN interface"),
        }
        let now = self.link(&config.name)?;
        if let Some(mac) = config.mac.filter(|mac| now.mac != Some(*mac)) {
            links.change(&name, &Change::Mac(mac))?;
        }
        if let Some(mtu) = config.mtu.filter(|mtu| *mtu != now.mtu) {
            links.change(&name, &Change::Mtu(mtu))?;
        }
        links.change(&name, &Change::Up)?;
        self.give_addresses(config, &name)?;
        self.give_routes(routes, &name)?;
        self.give_ways_out(config, &name)
    }

    fn make_bridge(
        &self,
        config: &HostInterfaceConfig,
        name: &LinkName,
        stp: Option<bool>,
        delay: Option<&str>,
    ) -> Result<(), NetworkError> {
        let delay = match delay {
            None => 0,
            Some(text) => read::milliseconds(text).ok_or_else(|| NetworkError::Invalid {
                subject: subject(&config.name),
                reason: format!("'{text}' is no delay of 0 to 30 seconds"),
            })?,
        };
        let new = Bridge {
            mac: config.mac,
            stp: Some(stp.unwrap_or(true)),
            forward_delay_ms: Some(delay),
            ..Bridge::default()
        };
        self.host.links.create(name, &NewLink::Bridge(new))?;
        Ok(self.host.links.change(name, &Change::Alias(self.alias()))?)
    }

    /// Takes from a link that becomes a port what its bridge gets, and gives the routes that went by it. A port with any other address is
    /// refused: the host would be cut off from it.
    fn free_port(
        &self,
        bridge: &HostInterfaceConfig,
        port: &HostInterfaceConfig,
        link: &Link,
    ) -> Result<Vec<Route>, NetworkError> {
        let conflict = |reason: String| NetworkError::Conflict { subject: subject(&bridge.name), reason };
        if let Some(master) = link.master.as_ref().filter(|master| master.as_str() != bridge.name) {
            let name = &port.name;
            return Err(conflict(format!(
                "its port '{name}' is a part of '{master}'; take it out of that first"
            )));
        }
        let has: Vec<&Address> = link.addresses.iter().filter(|has| !is_link_local(has.ip)).collect();
        let says = |config: &HostInterfaceConfig, has: &Address| {
            let mut all = config.protocols.iter().flat_map(|protocol| &protocol.addresses);
            all.any(|net| (net.address, net.prefix) == (has.ip, has.prefix))
        };
        if let Some(lost) = has.iter().find(|has| !says(bridge, has) && !says(port, has)) {
            let (name, ip, prefix) = (&port.name, lost.ip, lost.prefix);
            return Err(conflict(format!(
                "its port '{name}' has the address {ip}/{prefix}, which nobody would reach any more; write it into the bridge's \
                 <protocol>, or make the bridge with 'reeve iface bridge {name} {}'",
                bridge.name
            )));
        }
        let moved: Vec<&Address> = has.into_iter().filter(|has| says(bridge, has)).collect();
        if moved.is_empty() {
            return Ok(Vec::new());
        }
        dhcp::stop(&self.host, &link.name)?;
        let routes = self.take_routes(link)?;
        for address in moved {
            self.host.links.remove_address(&link.name, address.ip, address.prefix)?;
        }
        Ok(routes)
    }

    fn give_addresses(&self, config: &HostInterfaceConfig, name: &LinkName) -> Result<(), NetworkError> {
        let links = &self.host.links;
        let has = links.find(name)?.map(|link| link.addresses).unwrap_or_default();
        for protocol in &config.protocols {
            if protocol.six && protocol.autoconf {
                for setting in [Setting::AcceptRa(name.clone()), Setting::Autoconf(name.clone())] {
                    match self.host.sysctls.set(&setting, 1) {
                        Ok(_) | Err(SysctlError::Missing(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            for net in &protocol.addresses {
                if !has.iter().any(|has| (has.ip, has.prefix) == (net.address, net.prefix)) {
                    links.add_address(name, &Address::new(net.address, net.prefix))?;
                }
            }
        }
        Ok(())
    }

    /// Default routes, and what a DHCP server gives.
    fn give_ways_out(&self, config: &HostInterfaceConfig, name: &LinkName) -> Result<(), NetworkError> {
        let links = &self.host.links;
        for protocol in &config.protocols {
            let any: IpAddr =
                if protocol.six { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
            for gateway in &protocol.gateways {
                let route = Route {
                    destination: any,
                    prefix: 0,
                    gateway: Some(*gateway),
                    link: Some(name.clone()),
                    metric: None,
                };
                let there = |has: &Route| {
                    has.is_default() && (&has.gateway, &has.link) == (&route.gateway, &route.link)
                };
                if !links.routes()?.iter().any(there) {
                    links.add_route(&route)?;
                }
            }
            if protocol.dhcp.is_some() {
                dhcp::start(&self.host, name, protocol.six)?;
            }
        }
        Ok(())
    }
}

fn other_kind(name: &str, is: &str, kind: &str) -> NetworkError {
    let reason = format!("on the host it is {is}; define it with type='{kind}'");
    NetworkError::Conflict { subject: subject(name), reason }
}
