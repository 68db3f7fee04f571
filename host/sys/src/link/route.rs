//! Routes of the main table.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};

use super::{KernelError, LinkName, address};
use crate::netlink;

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A way to a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The network.
    pub destination: IpAddr,
    /// Length of its prefix in bits; 0 is the default route.
    pub prefix: u8,
    /// Who passes packets on; none when the network is at the link itself.
    pub gateway: Option<IpAddr>,
    /// Where packets leave; the kernel finds it by the gateway when it is none.
    pub link: Option<LinkName>,
    /// The lowest wins; none is 0 for IPv4 and 1024 for IPv6.
    pub metric: Option<u32>,
}

impl Route {
    /// True for the way to everything that has no better one.
    pub fn is_default(&self) -> bool {
        self.prefix == 0
    }

    /// The family of its addresses.
    pub fn family(&self) -> Family {
        if self.destination.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.destination, self.prefix)
    }
}

/// All unicast routes of the main table; those of several hops give one for each.
pub(super) fn list(names: &HashMap<u32, LinkName>) -> Result<Vec<Route>, KernelError> {
    let mut routes = Vec::new();
    for ip in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
        let mut request = RouteMessage::default();
        request.header.address_family = address::family(ip);
        for message in netlink::list(&RouteNetlinkMessage::GetRoute(request))? {
            if let RouteNetlinkMessage::NewRoute(message) = message {
                decode(&message, ip, names, &mut routes);
            }
        }
    }
    Ok(routes)
}

pub(super) fn add(route: &Route, link: Option<u32>) -> Result<(), KernelError> {
    let mut message = message(route, link);
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    message.header.scope = if route.gateway.is_some() { RouteScope::Universe } else { RouteScope::Link };
    netlink::act(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
}

pub(super) fn remove(route: &Route, link: Option<u32>) -> Result<(), KernelError> {
    let mut message = message(route, link);
    // Of any scope.
    message.header.scope = RouteScope::NoWhere;
    netlink::act(RouteNetlinkMessage::DelRoute(message), 0)
}

fn message(route: &Route, link: Option<u32>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = address::family(route.destination);
    message.header.destination_prefix_length = route.prefix;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.attributes = vec![RouteAttribute::Destination(route.destination.into())];
    message.attributes.extend(route.gateway.map(|ip| RouteAttribute::Gateway(ip.into())));
    message.attributes.extend(link.map(RouteAttribute::Oif));
    message.attributes.extend(route.metric.map(RouteAttribute::Priority));
    message
}

fn decode(message: &RouteMessage, any: IpAddr, names: &HashMap<u32, LinkName>, routes: &mut Vec<Route>) {
    let table = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    let main = u32::from(RouteHeader::RT_TABLE_MAIN);
    if table.unwrap_or(message.header.table.into()) != main || message.header.kind != RouteType::Unicast {
        return;
    }
    let prefix = message.header.destination_prefix_length;
    let mut route = Route { destination: any, prefix, gateway: None, link: None, metric: None };
    let mut hops = &[][..];
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(found) => route.destination = ip(found).unwrap_or(any),
            RouteAttribute::Gateway(found) => route.gateway = ip(found),
            RouteAttribute::Oif(index) => route.link = names.get(index).cloned(),
            RouteAttribute::Priority(metric) => route.metric = Some(*metric),
            RouteAttribute::MultiPath(found) => hops = found,
            _ => {}
        }
    }
    if hops.is_empty() {
        routes.push(route);
        return;
    }
    for hop in hops {
        let gateway = hop.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Gateway(found) => ip(found),
            _ => None,
        });
        routes.push(Route { gateway, link: names.get(&hop.interface_index).cloned(), ..route.clone() });
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}
