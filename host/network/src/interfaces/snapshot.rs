//! The host's interfaces at one moment, and the way back there.

use std::net::{IpAddr, Ipv4Addr};

use reeve_model::MacAddress;
use reeve_sys::link::{Address, Bridge, Change, Link, LinkName, NewLink, Route};
use serde::{Deserialize, Serialize};

use super::HostInterfaces;
use crate::NetworkError;
use crate::networks::bridge::is_link_local;

/// The links, addresses and routes of a host at one moment, to be kept until the change is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSnapshot {
    links: Vec<SavedLink>,
    routes: Vec<SavedRoute>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedLink {
    name: String,
    mac: Option<MacAddress>,
    mtu: u32,
    up: bool,
    master: Option<String>,
    alias: String,
    /// Set for bridges: spanning tree, and the delay in milliseconds.
    bridge: Option<(bool, u32)>,
    addresses: Vec<SavedAddress>,
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
        let links: Vec<SavedLink> = self.links()?.into_iter().map(saved).collect();
        let routes = self.routes_of(&links)?;
        Ok(HostSnapshot { links, routes })
    }

    /// Makes the host's interfaces what they were. Goes on when something fails and tells the first failure.
    pub fn rollback(&self, snapshot: &HostSnapshot) -> Result<(), NetworkError> {
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
            let made_since = link.alias == self.alias() && snapshot.find(link.name.as_str()).is_none();
            if made_since {
                attempt(self.host.links.delete(&link.name).map_err(Into::into));
            }
        }
        for saved in &snapshot.links {
            attempt(self.restore_bridge(saved));
        }
        for saved in &snapshot.links {
            attempt(self.restore(saved));
        }
        attempt(self.restore_routes(snapshot));
        first
    }

    /// Makes a bridge again that is gone.
    fn restore_bridge(&self, saved: &SavedLink) -> Result<(), NetworkError> {
        let name = LinkName::new(saved.name.as_str())?;
        let Some((stp, delay)) = saved.bridge else { return Ok(()) };
        if self.host.links.find(&name)?.is_some() {
            return Ok(());
        }
        let new =
            Bridge { mac: saved.mac, stp: Some(stp), forward_delay_ms: Some(delay), ..Bridge::default() };
        self.host.links.create(&name, &NewLink::Bridge(new))?;
        if !saved.alias.is_empty() {
            self.host.links.change(&name, &Change::Alias(saved.alias.clone()))?;
        }
        Ok(())
    }

    fn restore(&self, saved: &SavedLink) -> Result<(), NetworkError> {
        let (links, name) = (&self.host.links, LinkName::new(saved.name.as_str())?);
        let Some(now) = links.find(&name)? else {
            return Err(super::missing(&saved.name));
        };
        if now.master.as_ref().map(LinkName::as_str) != saved.master.as_deref() {
            let master = saved.master.as_deref().map(LinkName::new).transpose()?;
            links.change(&name, &Change::Master(master))?;
        }
        if let (Some(mac), true) = (saved.mac, saved.mac != now.mac) {
            links.change(&name, &Change::Mac(mac))?;
        }
        if saved.mtu != now.mtu {
            links.change(&name, &Change::Mtu(saved.mtu))?;
        }
        if let (Some((stp, _)), Some(bridge)) = (saved.bridge, &now.bridge)
            && bridge.stp != Some(stp)
        {
            links.change(&name, &Change::Bridge(Bridge { stp: Some(stp), ..Bridge::default() }))?;
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

    fn restore_routes(&self, snapshot: &HostSnapshot) -> Result<(), NetworkError> {
        let now = self.routes_of(&snapshot.links)?;
        for extra in now.iter().filter(|route| !snapshot.routes.contains(route)) {
            self.host.links.remove_route(&extra.route()?)?;
        }
        let mut missing: Vec<&SavedRoute> =
            snapshot.routes.iter().filter(|route| !now.contains(route)).collect();
        // A gateway is found by the routes to links.
        missing.sort_by_key(|route| route.gateway.is_some());
        for route in missing {
            self.host.links.add_route(&route.route()?)?;
        }
        Ok(())
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
    fn find(&self, name: &str) -> Option<&SavedLink> {
        self.links.iter().find(|link| link.name == name)
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

fn saved(link: Link) -> SavedLink {
    let bridge = link.bridge.map(|bridge| (bridge.stp == Some(true), bridge.forward_delay_ms.unwrap_or(0)));
    let addresses = link.addresses.into_iter().filter(|has| !is_link_local(has.ip));
    SavedLink {
        name: link.name.to_string(),
        mac: link.mac,
        mtu: link.mtu,
        up: link.up,
        master: link.master.map(|master| master.to_string()),
        alias: link.alias,
        bridge,
        addresses: addresses
            .map(|has| SavedAddress {
                ip: has.ip,
                prefix: has.prefix,
                broadcast: has.broadcast,
                noprefixroute: has.noprefixroute,
            })
            .collect(),
    }
}
