//! What a bridge forwards where, as far as it was told to: static entries of its forwarding database.

use std::collections::HashMap;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{KernelError, LinkName, Mac};
use crate::netlink;

/// Frames for an address leave by a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Where the frames go to.
    pub mac: Mac,
    /// The port of the bridge.
    pub port: LinkName,
}

pub(super) fn list(bridge: u32, names: &HashMap<u32, LinkName>) -> Result<Vec<Forward>, KernelError> {
    let mut request = NeighbourMessage::default();
    request.header.family = AddressFamily::Bridge;
    let messages = netlink::list(&RouteNetlinkMessage::GetNeighbour(request))?;
    Ok(messages.into_iter().filter_map(|message| decode(message, bridge, names)).collect())
}

pub(super) fn add(port: u32, mac: Mac) -> Result<(), KernelError> {
    netlink::act(RouteNetlinkMessage::NewNeighbour(message(port, mac)), NLM_F_CREATE | NLM_F_EXCL)
}

pub(super) fn remove(port: u32, mac: Mac) -> Result<(), KernelError> {
    netlink::act(RouteNetlinkMessage::DelNeighbour(message(port, mac)), 0)
}

fn message(port: u32, mac: Mac) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = port;
    message.header.state = NeighbourState::Noarp;
    message.header.flags = NeighbourFlags::Controller;
    message.attributes = vec![NeighbourAttribute::LinkLayerAddress(mac.0.to_vec())];
    message
}

fn decode(message: RouteNetlinkMessage, bridge: u32, names: &HashMap<u32, LinkName>) -> Option<Forward> {
    let RouteNetlinkMessage::NewNeighbour(message) = message else { return None };
    let (mut mac, mut master) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = bytes.as_slice().try_into().ok().map(Mac),
            NeighbourAttribute::Controller(index) => master = Some(*index),
            _ => {}
        }
    }
    let ours = master == Some(bridge) && message.header.state == NeighbourState::Noarp;
    ours.then_some(Forward { mac: mac?, port: names.get(&message.header.ifindex)?.clone() })
}
