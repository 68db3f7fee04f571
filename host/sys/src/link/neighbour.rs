//! Whom the host's own stack has talked to: its neighbour tables, ARP's and IPv6's.

use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};

use super::{KernelError, Mac};
use crate::netlink;

/// A neighbour of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its hardware address.
    pub mac: Mac,
    /// Its address.
    pub ip: IpAddr,
}

pub(super) fn list() -> Result<Vec<Neighbour>, KernelError> {
    let messages = netlink::list(&RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()))?;
    Ok(messages.into_iter().filter_map(decode).collect())
}

/// None for what is no neighbour: a question without an answer, a multicast group, an entry of a bridge.
fn decode(message: RouteNetlinkMessage) -> Option<Neighbour> {
    let RouteNetlinkMessage::NewNeighbour(message) = message else { return None };
    let is_known = matches!(
        message.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
    );
    let (mut mac, mut ip) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = bytes.as_slice().try_into().ok().map(Mac),
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => ip = Some((*address).into()),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => ip = Some((*address).into()),
            _ => {}
        }
    }
    is_known.then_some(Neighbour { mac: mac?, ip: ip? })
}
