//! From what is to be made or changed to the kernel's messages.

use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoMacVtap, InfoPortData, InfoPortKind,
    InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVtapMode,
};

use super::decode::TICKS_PER_SECOND;
use super::{Bridge, LinkName, Mac, Macvtap, MacvtapMode, PortOptions};

/// A message about the link of this name.
pub(super) fn named(name: &LinkName) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_string()));
    message
}

/// The same with something of it to be set.
pub(super) fn with(name: &LinkName, attribute: LinkAttribute) -> LinkMessage {
    let mut message = named(name);
    message.attributes.push(attribute);
    message
}

pub(super) fn up(name: &LinkName, up: bool) -> LinkMessage {
    let mut message = named(name);
    message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
    message.header.change_mask = LinkFlags::Up;
    message
}

pub(super) fn plain(name: &LinkName, kind: InfoKind) -> LinkMessage {
    with(name, LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]))
}

pub(super) fn bridge(name: &LinkName, bridge: &Bridge) -> LinkMessage {
    let mut options = Vec::new();
    options
        .extend(bridge.forward_delay_ms.map(|ms| InfoBridge::ForwardDelay(ms / (1000 / TICKS_PER_SECOND))));
    options.extend(bridge.ageing_s.map(|s| InfoBridge::AgeingTime(s.saturating_mul(TICKS_PER_SECOND))));
    options.extend(bridge.stp.map(|on| {
        InfoBridge::StpState(if on { BridgeStpState::KernelStp } else { BridgeStpState::Disabled })
    }));
    options.extend(bridge.nf_call_iptables.map(InfoBridge::NfCallIpTables));
    options.extend(bridge.nf_call_ip6tables.map(InfoBridge::NfCallIp6Tables));
    // Saying no to a kernel that can't is refused like saying yes, so a no is not said.
    options.extend(bridge.vlan_filtering.filter(|&on| on).map(InfoBridge::VlanFiltering));
    described(name, InfoKind::Bridge, InfoData::Bridge(options))
}

pub(super) fn veth(name: &LinkName, peer: &LinkName) -> LinkMessage {
    described(name, InfoKind::Veth, InfoData::Veth(InfoVeth::Peer(named(peer))))
}

pub(super) fn macvtap(name: &LinkName, macvtap: &Macvtap, lower: u32) -> LinkMessage {
    let mode = match macvtap.mode {
        MacvtapMode::Bridge => MacVtapMode::Bridge,
        MacvtapMode::Private => MacVtapMode::Private,
        MacvtapMode::Vepa => MacVtapMode::Vepa,
        MacvtapMode::Passthrough => MacVtapMode::Passthrough,
    };
    let mut message = described(name, InfoKind::MacVtap, InfoData::MacVtap(vec![InfoMacVtap::Mode(mode)]));
    message.attributes.push(LinkAttribute::Link(lower));
    message.attributes.extend(macvtap.mac.map(address));
    message
}

pub(super) fn port(name: &LinkName, options: &PortOptions) -> LinkMessage {
    let mut data = Vec::new();
    data.extend(options.isolated.map(InfoBridgePort::Isolated));
    data.extend(options.hairpin.map(InfoBridgePort::HairpinMode));
    data.extend(options.learning.map(InfoBridgePort::Learning));
    data.extend(options.unicast_flood.map(InfoBridgePort::UnicastFlood));
    data.extend(options.cost.map(InfoBridgePort::Cost));
    let data = LinkInfo::PortData(InfoPortData::BridgePort(data));
    with(name, LinkAttribute::LinkInfo(vec![LinkInfo::PortKind(InfoPortKind::Bridge), data]))
}

pub(super) fn address(mac: Mac) -> LinkAttribute {
    LinkAttribute::Address(mac.0.to_vec())
}

fn described(name: &LinkName, kind: InfoKind, data: InfoData) -> LinkMessage {
    with(name, LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]))
}
