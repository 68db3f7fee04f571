//! IP addresses of links.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::KernelError;
use crate::netlink;

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Length of its network's prefix in bits.
    pub prefix: u8,
    /// The network's broadcast address; IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// Whether the kernel makes no route to its network.
    pub noprefixroute: bool,
    /// Whether nobody is asked before if it is taken; IPv6 only.
    pub nodad: bool,
    /// Whether others are still being asked; nothing can be bound to it yet. Only ever read.
    pub tentative: bool,
    /// Whether it ends unless somebody renews it, as a lease does. Only ever read.
    pub leased: bool,
}

impl Address {
    /// An address with the broadcast address that follows from it, if it is one of IPv4.
    pub fn new(ip: IpAddr, prefix: u8) -> Self {
        let broadcast = match ip {
            IpAddr::V4(ip) if prefix < 31 => {
                Some(Ipv4Addr::from_bits(ip.to_bits() | u32::MAX.unbounded_shr(prefix.into())))
            }
            _ => None,
        };
        Self { ip, prefix, broadcast, noprefixroute: false, nodad: false, tentative: false, leased: false }
    }
}

pub(super) fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// All addresses of the namespace with the index of their link.
pub(super) fn list() -> Result<Vec<(u32, Address)>, KernelError> {
    let messages = netlink::list(&RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
    Ok(messages.into_iter().filter_map(decode).collect())
}

pub(super) fn add(index: u32, address: &Address) -> Result<(), KernelError> {
    let mut message = message(index, address.ip, address.prefix);
    message.attributes.extend(address.broadcast.map(AddressAttribute::Broadcast));
    let mut flags = AddressFlags::empty();
    flags.set(AddressFlags::Noprefixroute, address.noprefixroute);
    flags.set(AddressFlags::Nodad, address.nodad);
    message.attributes.push(AddressAttribute::Flags(flags));
    netlink::act(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
}

pub(super) fn remove(index: u32, ip: IpAddr, prefix: u8) -> Result<(), KernelError> {
    netlink::act(RouteNetlinkMessage::DelAddress(message(index, ip, prefix)), 0)
}

fn message(index: u32, ip: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(ip);
    message.header.prefix_len = prefix;
    message.header.index = index;
    message.header.scope = if ip.is_loopback() { AddressScope::Host } else { AddressScope::Universe };
    message.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
    message
}

fn decode(message: RouteNetlinkMessage) -> Option<(u32, Address)> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let (mut local, mut other, mut broadcast, mut flags) = (None, None, None, AddressFlags::empty());
    for attribute in message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(ip),
            AddressAttribute::Address(ip) => other = Some(ip),
            AddressAttribute::Broadcast(ip) => broadcast = Some(ip),
            AddressAttribute::Flags(found) => flags = found,
            _ => {}
        }
    }
    let address = Address {
        // On a point-to-point link the other one is the peer's.
        ip: local.or(other)?,
        prefix: message.header.prefix_len,
        broadcast,
        noprefixroute: flags.contains(AddressFlags::Noprefixroute),
        nodad: flags.contains(AddressFlags::Nodad),
        tentative: flags.contains(AddressFlags::Tentative),
        leased: !flags.contains(AddressFlags::Permanent),
    };
    Some((message.header.index, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broadcast_address_follows_from_the_prefix() {
        let broadcast = |ip: &str, prefix| Address::new(ip.parse().unwrap(), prefix).broadcast;
        assert_eq!(broadcast("192.168.122.1", 24), Some(Ipv4Addr::new(192, 168, 122, 255)));
        assert_eq!(broadcast("10.1.2.3", 8), Some(Ipv4Addr::new(10, 255, 255, 255)));
        assert_eq!(broadcast("10.1.2.3", 0), Some(Ipv4Addr::BROADCAST));
        assert_eq!(broadcast("10.1.2.4", 31), None);
        assert_eq!(broadcast("fd00::1", 64), None);
    }
}
