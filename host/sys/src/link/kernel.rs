//! The kernel's own links.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkMessage};
use rustix::io::Errno;

use super::{
    Address, Change, Counters, Forward, KernelError, Link, LinkError, LinkName, Links, Mac, Macvtap,
    MacvtapMode, Neighbour, NewLink, Route, address, decode, forward, neighbour, request, route,
};
use crate::{netlink, tap};

/// The links of the calling thread's network namespace. A socket is opened for each call, so that the same value serves threads in
/// different namespaces.
#[derive(Debug, Clone, Copy, Default)]
pub struct KernelLinks;

impl Links for KernelLinks {
    fn list(&self) -> Result<Vec<Link>, LinkError> {
        let read = |source| LinkError::Read { what: "network interfaces", source };
        let messages = all().map_err(read)?;
        let names = names_in(&messages);
        let mut addresses: HashMap<u32, Vec<Address>> = HashMap::new();
        for (index, address) in address::list().map_err(read)? {
            addresses.entry(index).or_default().push(address);
        }
        let mut links: Vec<Link> =
            messages.into_iter().filter_map(|message| decode::link(message, &names)).collect();
        for link in &mut links {
            link.addresses = addresses.remove(&link.index).unwrap_or_default();
        }
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    fn find(&self, name: &LinkName) -> Result<Option<Link>, LinkError> {
        let failed = |source| refused(name, "read".to_owned(), source);
        let message = match one(name) {
            Ok(message) => message,
            Err(error) if error.is(Errno::NODEV) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut names = HashMap::new();
        for attribute in &message.attributes {
            if let LinkAttribute::Controller(index) | LinkAttribute::Link(index) = attribute {
                names.extend(name_at(*index).map_err(failed)?.map(|name| (*index, name)));
            }
        }
        let Some(mut link) = decode::link(message, &names) else { return Ok(None) };
        let addresses = address::list().map_err(failed)?.into_iter();
        link.addresses =
            addresses.filter(|(index, _)| *index == link.index).map(|(_, address)| address).collect();
        Ok(Some(link))
    }

    fn counters(&self, name: &LinkName) -> Result<Counters, LinkError> {
        let message = one(name).map_err(|source| refused(name, "read".to_owned(), source))?;
        Ok(decode::counters(&message).unwrap_or_default())
    }

    fn create(&self, name: &LinkName, new: &NewLink) -> Result<(), LinkError> {
        let (message, what) = match new {
            NewLink::Bridge(bridge) => {
                let mut message = request::bridge(name, bridge);
                message.attributes.extend(bridge.mac.map(request::address));
                let what = if bridge.vlan_filtering == Some(true) { "VLAN filtering" } else { "bridges" };
                (message, what)
            }
            NewLink::Tap(new) => {
                return tap::persistent::create(name, new, |mac| self.change(name, &Change::Mac(mac)));
            }
            NewLink::Macvtap(macvtap) => {
                (request::macvtap(name, macvtap, self.index(&macvtap.lower)?), "macvtaps")
            }
            NewLink::Veth { peer } => (request::veth(name, peer), "veth pairs"),
            NewLink::Dummy => (request::plain(name, InfoKind::Dummy), "dummy links"),
            NewLink::Ifb => (request::plain(name, InfoKind::Ifb), "intermediate links (ifb)"),
        };
        let made = netlink::act(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL);
        made.map_err(|source| match source {
            source if source.is(Errno::EXIST) => {
                // Of a veth pair the other name may be the one that is taken.
                let peer = match new {
                    NewLink::Veth { peer } if matches!(one(name), Err(error) if error.is(Errno::NODEV)) => {
                        peer
                    }
                    _ => name,
                };
                LinkError::Exists { name: peer.clone() }
            }
            source if source.is(Errno::OPNOTSUPP) => LinkError::Unsupported { name: name.clone(), what },
            source => refused(name, "made".to_owned(), source),
        })?;
        match new {
            NewLink::Macvtap(Macvtap { mode: MacvtapMode::Passthrough, mac: Some(mac), .. }) => {
                self.pass_through_as(name, *mac)
            }
            _ => Ok(()),
        }
    }

    fn delete(&self, name: &LinkName) -> Result<(), LinkError> {
        let done = netlink::act(RouteNetlinkMessage::DelLink(request::named(name)), 0);
        done.map_err(|source| refused(name, "deleted".to_owned(), source))
    }

    fn change(&self, name: &LinkName, change: &Change) -> Result<(), LinkError> {
        let message = match change {
            Change::Up => request::up(name, true),
            Change::Down => request::up(name, false),
            Change::Name(new) => {
                let mut message = request::named(new);
                message.header.index = self.index(name)?;
                message
            }
            Change::Mtu(mtu) => request::with(name, LinkAttribute::Mtu(*mtu)),
            Change::Mac(mac) => request::with(name, request::address(*mac)),
            Change::Master(None) => request::with(name, LinkAttribute::Controller(0)),
            Change::Master(Some(bridge)) => {
                request::with(name, LinkAttribute::Controller(self.index(bridge)?))
            }
            Change::Alias(alias) => request::with(name, LinkAttribute::IfAlias(alias.clone())),
            Change::QueueLength(length) => request::with(name, LinkAttribute::TxQueueLen(*length)),
            Change::Port(options) => request::port(name, options),
            Change::Bridge(bridge) => request::bridge(name, bridge),
        };
        let message = match change {
            // The other message leaves what belongs to a kind alone.
            Change::Port(_) | Change::Bridge(_) => RouteNetlinkMessage::NewLink(message),
            _ => RouteNetlinkMessage::SetLink(message),
        };
        netlink::act(message, 0).map_err(|source| match change {
            Change::Name(new) if source.is(Errno::EXIST) => LinkError::Exists { name: new.clone() },
            Change::Bridge(bridge) if bridge.vlan_filtering == Some(true) && source.is(Errno::OPNOTSUPP) => {
                LinkError::Unsupported { name: name.clone(), what: "VLAN filtering" }
            }
            _ => refused(name, change.step(), source),
        })
    }

    fn move_to(&self, name: &LinkName, namespace: BorrowedFd<'_>) -> Result<(), LinkError> {
        let message = request::with(name, LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        let done = netlink::act(RouteNetlinkMessage::SetLink(message), 0);
        done.map_err(|source| refused(name, "moved to another namespace".to_owned(), source))
    }

    fn add_address(&self, name: &LinkName, address: &Address) -> Result<(), LinkError> {
        let done = address::add(self.index(name)?, address);
        done.map_err(|source| {
            refused(name, format!("given address {}/{}", address.ip, address.prefix), source)
        })
    }

    fn remove_address(&self, name: &LinkName, ip: IpAddr, prefix: u8) -> Result<(), LinkError> {
        let done = address::remove(self.index(name)?, ip, prefix);
        done.map_err(|source| refused(name, format!("freed of address {ip}/{prefix}"), source))
    }

    fn routes(&self) -> Result<Vec<Route>, LinkError> {
        let routes = names().and_then(|names| route::list(&names));
        routes.map_err(|source| LinkError::Read { what: "routes", source })
    }

    fn add_route(&self, route: &Route) -> Result<(), LinkError> {
        let link = route.link.as_ref().map(|name| self.index(name)).transpose()?;
        route::add(route, link).map_err(|source| LinkError::Route {
            route: route.to_string(),
            step: "added",
            source,
        })
    }

    fn remove_route(&self, route: &Route) -> Result<(), LinkError> {
        let link = route.link.as_ref().map(|name| self.index(name)).transpose()?;
        route::remove(route, link).map_err(|source| LinkError::Route {
            route: route.to_string(),
            step: "removed",
            source,
        })
    }

    fn forwards(&self, bridge: &LinkName) -> Result<Vec<Forward>, LinkError> {
        let index = self.index(bridge)?;
        let forwards = names().and_then(|names| forward::list(index, &names));
        forwards.map_err(|source| refused(bridge, "asked what it forwards".to_owned(), source))
    }

    fn add_forward(&self, port: &LinkName, mac: Mac) -> Result<(), LinkError> {
        let done = forward::add(self.index(port)?, mac);
        done.map_err(|source| refused(port, format!("made the port for {mac}"), source))
    }

    fn remove_forward(&self, port: &LinkName, mac: Mac) -> Result<(), LinkError> {
        let done = forward::remove(self.index(port)?, mac);
        done.map_err(|source| refused(port, format!("freed of {mac}"), source))
    }

    fn neighbours(&self) -> Result<Vec<Neighbour>, LinkError> {
        neighbour::list().map_err(|source| LinkError::Read { what: "neighbours", source })
    }
}

impl KernelLinks {
    /// The kernel makes such a macvtap with the lower link's address, whatever it was told, and takes another one afterwards.
    fn pass_through_as(&self, name: &LinkName, mac: Mac) -> Result<(), LinkError> {
        self.change(name, &Change::Mac(mac)).inspect_err(|_| {
            // What was refused first counts.
            let _ = self.delete(name);
        })
    }

    fn index(&self, name: &LinkName) -> Result<u32, LinkError> {
        let message = one(name).map_err(|source| refused(name, "read".to_owned(), source))?;
        Ok(message.header.index)
    }
}

fn refused(name: &LinkName, step: String, source: KernelError) -> LinkError {
    let name = name.clone();
    if source.is(Errno::NODEV) {
        LinkError::Missing { name }
    } else {
        LinkError::Refused { name, step, source }
    }
}

fn one(name: &LinkName) -> Result<LinkMessage, KernelError> {
    match netlink::get(RouteNetlinkMessage::GetLink(request::named(name)))? {
        RouteNetlinkMessage::NewLink(message) => Ok(message),
        _ => Err(Errno::NODEV.into()),
    }
}

/// The name of a link by its index; none when it is gone or in another namespace.
fn name_at(index: u32) -> Result<Option<LinkName>, KernelError> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    match netlink::get(RouteNetlinkMessage::GetLink(message)) {
        Ok(RouteNetlinkMessage::NewLink(message)) => Ok(decode::name_of(&message)),
        Ok(_) => Ok(None),
        Err(error) if error.is(Errno::NODEV) || error.is(Errno::INVAL) => Ok(None),
        Err(error) => Err(error),
    }
}

fn names() -> Result<HashMap<u32, LinkName>, KernelError> {
    Ok(names_in(&all()?))
}

fn all() -> Result<Vec<LinkMessage>, KernelError> {
    let messages = netlink::list(&RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    let links = messages.into_iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewLink(message) => Some(message),
        _ => None,
    });
    Ok(links.collect())
}

fn names_in(messages: &[LinkMessage]) -> HashMap<u32, LinkName> {
    let named = messages.iter().filter_map(|message| Some((message.header.index, decode::name_of(message)?)));
    named.collect()
}
