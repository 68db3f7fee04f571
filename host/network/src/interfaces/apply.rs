//! From documents to links.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reeve_model::host_interface::{HostInterfaceConfig, HostInterfaceKind};
use reeve_sys::link::{Address, Bridge, Change, LinkName, NewLink, Route};
use reeve_sys::sysctl::{Setting, SysctlError};

use super::{HostInterfaces, dhcp, read, subject};
use crate::NetworkError;
use crate::networks::bridge::is_link_local;

impl HostInterfaces {
    /// Makes a defined interface what its document says and sets it up. When a step fails, the host is what it was.
    pub fn start(&self, config: &HostInterfaceConfig) -> Result<(), NetworkError> {
        self.whole(|| self.apply(config))
    }

    /// Takes an interface down: its addresses go, its DHCP client ends, a bridge is deleted.
    pub fn destroy(&self, name: &str) -> Result<(), NetworkError> {
        let link = self.link(name)?;
        if name == "lo" {
            let reason = "the host can't do without loopback".to_owned();
            return Err(NetworkError::Conflict { subject: subject(name), reason });
        }
        self.whole(|| {
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
        match &config.kind {
            HostInterfaceKind::Ethernet => {
                self.link(&config.name)?;
            }
            HostInterfaceKind::Bridge { stp, delay, ports } => {
                if links.find(&name)?.is_none() {
                    let delay = match delay.as_deref() {
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
                    links.create(&name, &NewLink::Bridge(new))?;
                    links.change(&name, &Change::Alias(self.alias()))?;
                }
                for port in ports {
                    let link = self.link(&port.name)?;
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
        self.give_addresses(config, &name)
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
