//! The host's interfaces at one moment, and the way back there.

use std::net::{IpAddr, Ipv4Addr};

use reeve_model::MacAddress;
use reeve_sys::link::{Address, Bridge, Change, Link, LinkName, NewLink, PortOptions, Route};
use serde::{Deserialize, Serialize};

use super::{HostInterfaces, dhcp};
use crate::NetworkError;
use crate::networks::bridge::is_link_local;

/// The links, addresses and routes of a host at one moment, to be kept until the change is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSnapshot {
    links: Vec<SavedLink>,
    routes: Vec<SavedRoute>,
    /// The bridge that the change makes for which this was taken.
    making: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedLink {
    name: String,
    mac: Option<MacAddress>,
    mtu: u32,
    up: bool,
    master: Option<String>,
    alias: String,
    /// Set for bridges.
    bridge: Option<SavedBridge>,
    /// Set for ports of bridges.
    port: Option<SavedPort>,
    addresses: Vec<SavedAddress>,
    /// Set while a DHCP client of ours looks after it: true for IPv6.
    dhcp: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedBridge {
    stp: bool,
    forward_delay_ms: Option<u32>,
    ageing_s: Option<u32>,
    nf_call_iptables: Option<bool>,
    nf_call_ip6tables: Option<bool>,
    vlan_filtering: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedPort {
    isolated: bool,
    hairpin: bool,
    learning: bool,
    unicast_flood: bool,
    cost: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedAddress {
    ip: IpAddr,
    prefix: u8,
    broadcast: Option<Ipv4Addr>,
    noprefixroute: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct SavedRoute {
    destination: IpAddr,
    prefix: u8,
    gateway: Option<IpAddr>,
    link: String,
    metric: Option<u32>,
}

impl HostInterfaces {
    /// What [`HostInterfaces::rollback`] goes back to.
    pub fn snapshot(&self) -> Result<HostSnapshot, NetworkError> {
        let links = self.links()?.into_iter().map(|link| {
            let dhcp = dhcp::client(&self.host, &link.name)?;
            Ok(saved(link, dhcp))
        });
        let links = links.collect::<Result<Vec<SavedLink>, NetworkError>>()?;
        let routes = self.routes_of(&links)?;
        Ok(HostSnapshot { links, routes, making: None })
    }

    /// Makes the host's interfaces what they were; sentences on those that somebody else took away meanwhile. Goes on when something
    /// fails and tells the first failure. May be done again.
    pub fn rollback(&self, snapshot: &HostSnapshot) -> Result<Vec<String>, NetworkError> {
        let mut first = Ok(());
        let mut attempt = |done: Result<(), NetworkError>| {
            if let Err(error) = done {
                tracing::warn!("{error}");
                if first.is_ok() {
                    first = Err(error);
                }
            }
        };
        for link in self.links()? {
            // One whose making was cut off may not be marked yet.
            let is_being_made =
                link.bridge.is_some() && snapshot.making.as_deref() == Some(link.name.as_str());
            let is_ours = link.alias == self.alias() || is_being_made;
            if is_ours && snapshot.find(link.name.as_str()).is_none() {
                attempt(dhcp::stop(&self.host, &link.name));
                attempt(self.host.links.delete(&link.name).map_err(Into::into));
            }
        }
        for saved in &snapshot.links {
            attempt(self.restore_bridge(saved));
        }
        let there = self.host.links.list()?;
        let (there, gone): (Vec<&SavedLink>, Vec<&SavedLink>) = (snapshot.links.iter())
            .partition(|saved| there.iter().any(|link| link.name.as_str() == saved.name));
        for saved in &there {
            attempt(self.restore(saved));
        }
        attempt(self.restore_routes(snapshot, &gone));
        for saved in &there {
            attempt(self.restore_client(saved));
        }
        // Only bridges are ever deleted here, and those are made again.
        let sentence = |saved: &&SavedLink| {
            format!("interface '{}' is not on the host any more and was left alone", saved.name)
        };
        first.map(|()| gone.iter().map(sentence).collect())
    }

    /// Makes a bridge again that is gone.
    fn restore_bridge(&self, saved: &SavedLink) -> Result<(), NetworkError> {
        let name = LinkName::new(saved.name.as_str())?;
        let Some(bridge) = &saved.bridge else { return Ok(()) };
        if self.host.links.find(&name)?.is_some() {
            return Ok(());
        }
        self.host.links.create(&name, &NewLink::Bridge(Bridge { mac: saved.mac, ..bridge.options() }))?;
        if !saved.alias.is_empty() {
            self.host.links.change(&name, &Change::Alias(saved.alias.clone()))?;
        }
        Ok(())
    }

    fn restore(&self, saved: &SavedLink) -> Result<(), NetworkError> {
        let (links, name) = (&self.host.links, LinkName::new(saved.name.as_str())?);
        let Some(now) = links.find(&name)? else { return Ok(()) };
        if now.master.as_ref().map(LinkName::as_str) != saved.master.as_deref() {
            let master = saved.master.as_deref().map(LinkName::new).transpose()?;
            links.change(&name, &Change::Master(master))?;
            if let Some(port) = &saved.port {
                links.change(&name, &Change::Port(port.options()))?;
            }
        }
        if let (Some(mac), true) = (saved.mac, saved.mac != now.mac) {
            links.change(&name, &Change::Mac(mac))?;
        }
        if saved.mtu != now.mtu {
            links.change(&name, &Change::Mtu(saved.mtu))?;
        }
        if let (Some(bridge), Some(now)) = (&saved.bridge, &now.bridge)
            && now.stp != Some(bridge.stp)
        {
            let options = Bridge { stp: Some(bridge.stp), ..Bridge::default() };
            links.change(&name, &Change::Bridge(options))?;
        }
        if saved.up != now.up {
            links.change(&name, if saved.up { &Change::Up } else { &Change::Down })?;
        }
        // Setting it up or down may have changed them.
        let now = links.find(&name)?.map(|link| link.addresses).unwrap_or_default();
        let same = |has: &Address, saved: &SavedAddress| (has.ip, has.prefix) == (saved.ip, saved.prefix);
        for has in now.iter().filter(|has| !is_link_local(has.ip)) {
            if !saved.addresses.iter().any(|saved| same(has, saved)) {
                links.remove_address(&name, has.ip, has.prefix)?;
            }
        }
        for address in &saved.addresses {
            if !now.iter().any(|has| same(has, address)) {
                let new = Address {
                    broadcast: address.broadcast,
                    noprefixroute: address.noprefixroute,
                    nodad: address.ip.is_ipv6(),
                    ..Address::new(address.ip, address.prefix)
                };
                links.add_address(&name, &new)?;
            }
        }
        Ok(())
    }

    fn restore_routes(&self, snapshot: &HostSnapshot, gone: &[&SavedLink]) -> Result<(), NetworkError> {
        let now = self.routes_of(&snapshot.links)?;
        for extra in now.iter().filter(|route| !snapshot.routes.contains(route)) {
            self.host.links.remove_route(&extra.route()?)?;
        }
        let possible = |route: &&SavedRoute| !gone.iter().any(|link| link.name == route.link);
        let mut missing: Vec<&SavedRoute> =
            snapshot.routes.iter().filter(|route| !now.contains(route)).filter(possible).collect();
        // A gateway is found by the routes to links.
        missing.sort_by_key(|route| route.gateway.is_some());
        for route in missing {
            self.host.links.add_route(&route.route()?)?;
        }
        Ok(())
    }

    /// Ends a DHCP client that was started since, and starts one that was ended.
    fn restore_client(&self, saved: &SavedLink) -> Result<(), NetworkError> {
        let name = LinkName::new(saved.name.as_str())?;
        match (dhcp::client(&self.host, &name)?, saved.dhcp) {
            (now, then) if now == then => Ok(()),
            (_, None) => dhcp::stop(&self.host, &name),
            (_, Some(six)) => dhcp::start(&self.host, &name, six),
        }
    }

    fn routes_of(&self, links: &[SavedLink]) -> Result<Vec<SavedRoute>, NetworkError> {
        let routes = self.host.links.routes()?.into_iter().filter_map(|route| {
            let link = route.link?.to_string();
            let (destination, prefix) = (route.destination, route.prefix);
            let own =
                links.iter().any(|saved| saved.name == link) && !(is_link_local(destination) && prefix > 0);
            own.then_some(SavedRoute {
                destination,
                prefix,
                gateway: route.gateway,
                link,
                metric: route.metric,
            })
        });
        let mut routes: Vec<SavedRoute> = routes.collect();
        routes.sort_unstable();
        Ok(routes)
    }
}

impl HostSnapshot {
    /// The same for one change that makes a bridge of this name: going back takes that away.
    #[must_use]
    pub fn making(self, bridge: &str) -> Self {
        Self { making: Some(bridge.to_owned()), ..self }
    }

    fn find(&self, name: &str) -> Option<&SavedLink> {
        self.links.iter().find(|link| link.name == name)
    }
}

impl SavedBridge {
    fn options(&self) -> Bridge {
        Bridge {
            mac: None,
            stp: Some(self.stp),
            forward_delay_ms: self.forward_delay_ms,
            ageing_s: self.ageing_s,
            nf_call_iptables: self.nf_call_iptables,
            nf_call_ip6tables: self.nf_call_ip6tables,
            // A kernel that knows no VLANs refuses even to leave them off.
            vlan_filtering: self.vlan_filtering.then_some(true),
        }
    }
}

impl SavedPort {
    fn options(&self) -> PortOptions {
        PortOptions {
            isolated: Some(self.isolated),
            hairpin: Some(self.hairpin),
            learning: Some(self.learning),
            unicast_flood: Some(self.unicast_flood),
            cost: Some(self.cost),
        }
    }
}

impl SavedRoute {
    fn route(&self) -> Result<Route, NetworkError> {
        Ok(Route {
            destination: self.destination,
            prefix: self.prefix,
            gateway: self.gateway,
            link: Some(LinkName::new(self.link.as_str())?),
            metric: self.metric,
        })
    }
}

fn saved(link: Link, dhcp: Option<bool>) -> SavedLink {
    let addresses = link.addresses.into_iter().filter(|has| !is_link_local(has.ip));
    SavedLink {
        name: link.name.to_string(),
        mac: link.mac,
        mtu: link.mtu,
        up: link.up,
        master: link.master.map(|master| master.to_string()),
        alias: link.alias,
        bridge: link.bridge.map(|bridge| SavedBridge {
            stp: bridge.stp == Some(true),
            forward_delay_ms: bridge.forward_delay_ms,
            ageing_s: bridge.ageing_s,
            nf_call_iptables: bridge.nf_call_iptables,
            nf_call_ip6tables: bridge.nf_call_ip6tables,
            vlan_filtering: bridge.vlan_filtering == Some(true),
        }),
        port: link.port.map(|port| SavedPort {
            isolated: port.isolated,
            hairpin: port.hairpin,
            learning: port.learning,
            unicast_flood: port.unicast_flood,
            cost: port.cost,
        }),
        addresses: addresses
            .map(|has| SavedAddress {
                ip: has.ip,
                prefix: has.prefix,
                broadcast: has.broadcast,
                noprefixroute: has.noprefixroute,
            })
            .collect(),
        dhcp,
    }
}
