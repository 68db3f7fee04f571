//! From the kernel's description of a link to [`Link`].

use std::collections::HashMap;

use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoMacVtap, InfoPortData, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage, MacVtapMode, State,
};

use super::{Bridge, Counters, Link, LinkName, Mac, MacvtapMode, OperState, Port};

/// The kernel counts these times in hundredths of a second.
pub(super) const TICKS_PER_SECOND: u32 = 100;

pub(super) fn name_of(message: &LinkMessage) -> Option<LinkName> {
    message.attributes.iter().find_map(|attribute| match attribute {
        // A name that can't be one of ours is taken for no link: whoever gave it can't use it with us.
        LinkAttribute::IfName(name) => LinkName::new(name.as_str()).ok(),
        _ => None,
    })
}

/// A link without its addresses. `names` are those of the other links by index.
pub(super) fn link(message: LinkMessage, names: &HashMap<u32, LinkName>) -> Option<Link> {
    let name = name_of(&message)?;
    let flags = message.header.flags;
    let mut link = Link {
        name,
        index: message.header.index,
        kind: None,
        mac: None,
        mtu: 0,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        state: OperState::Unknown,
        master: None,
        lower: None,
        alias: String::new(),
        queue_length: 0,
        addresses: Vec::new(),
        bridge: None,
        port: None,
        macvtap: None,
    };
    let mut foreign = false;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::Address(bytes) => link.mac = mac(&bytes),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::OperState(state) => link.state = oper_state(state),
            LinkAttribute::Controller(index) => link.master = names.get(&index).cloned(),
            LinkAttribute::Link(index) => link.lower = names.get(&index).cloned(),
            // The index above is one of another namespace.
            LinkAttribute::LinkNetNsId(_) => foreign = true,
            LinkAttribute::IfAlias(alias) => link.alias = alias,
            LinkAttribute::TxQueueLen(length) => link.queue_length = length,
            LinkAttribute::LinkInfo(infos) => infos.into_iter().for_each(|info| of_kind(&mut link, info)),
            _ => {}
        }
    }
    if foreign {
        link.lower = None;
    }
    if let (Some(bridge), own) = (&mut link.bridge, link.mac) {
        bridge.mac = own;
    }
    Some(link)
}

pub(super) fn counters(message: &LinkMessage) -> Option<Counters> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Stats64(stats) => Some(Counters {
            rx_bytes: stats.rx_bytes,
            rx_packets: stats.rx_packets,
            rx_errors: stats.rx_errors,
            rx_dropped: stats.rx_dropped,
            tx_bytes: stats.tx_bytes,
            tx_packets: stats.tx_packets,
            tx_errors: stats.tx_errors,
            tx_dropped: stats.tx_dropped,
        }),
        _ => None,
    })
}

fn mac(bytes: &[u8]) -> Option<Mac> {
    bytes.try_into().ok().map(Mac)
}

fn oper_state(state: State) -> OperState {
    match state {
        State::NotPresent => OperState::NotPresent,
        State::Down => OperState::Down,
        State::LowerLayerDown => OperState::LowerLayerDown,
        State::Testing => OperState::Testing,
        State::Dormant => OperState::Dormant,
        State::Up => OperState::Up,
        _ => OperState::Unknown,
    }
}

fn of_kind(link: &mut Link, info: LinkInfo) {
    match info {
        LinkInfo::Kind(kind) => link.kind = Some(kind.to_string()),
        LinkInfo::Data(InfoData::Bridge(options)) => link.bridge = Some(bridge(&options)),
        LinkInfo::Data(InfoData::MacVtap(options)) => {
            link.macvtap = options.iter().find_map(|option| match option {
                InfoMacVtap::Mode(mode) => macvtap_mode(*mode),
                _ => None,
            });
        }
        LinkInfo::PortData(InfoPortData::BridgePort(options)) => link.port = Some(port(&options)),
        _ => {}
    }
}

fn macvtap_mode(mode: MacVtapMode) -> Option<MacvtapMode> {
    match mode {
        MacVtapMode::Bridge => Some(MacvtapMode::Bridge),
        MacVtapMode::Private => Some(MacvtapMode::Private),
        MacVtapMode::Vepa => Some(MacvtapMode::Vepa),
        MacVtapMode::Passthrough => Some(MacvtapMode::Passthrough),
        _ => None,
    }
}

fn bridge(options: &[InfoBridge]) -> Bridge {
    let mut bridge = Bridge::default();
    for option in options {
        match option {
            InfoBridge::StpState(state) => bridge.stp = Some(*state != BridgeStpState::Disabled),
            InfoBridge::ForwardDelay(ticks) => {
                bridge.forward_delay_ms = Some(ticks.saturating_mul(1000 / TICKS_PER_SECOND));
            }
            InfoBridge::AgeingTime(ticks) => bridge.ageing_s = Some(ticks / TICKS_PER_SECOND),
            InfoBridge::NfCallIpTables(value) => bridge.nf_call_iptables = Some(*value),
            InfoBridge::NfCallIp6Tables(value) => bridge.nf_call_ip6tables = Some(*value),
            InfoBridge::VlanFiltering(value) => bridge.vlan_filtering = Some(*value),
            _ => {}
        }
    }
    // A kernel without VLANs does not mention them.
    bridge.vlan_filtering.get_or_insert(false);
    bridge
}

fn port(options: &[InfoBridgePort]) -> Port {
    let mut port = Port { isolated: false, hairpin: false, learning: false, unicast_flood: false, cost: 0 };
    for option in options {
        match option {
            InfoBridgePort::Isolated(value) => port.isolated = *value,
            InfoBridgePort::HairpinMode(value) => port.hairpin = *value,
            InfoBridgePort::Learning(value) => port.learning = *value,
            InfoBridgePort::UnicastFlood(value) => port.unicast_flood = *value,
            InfoBridgePort::Cost(cost) => port.cost = *cost,
            _ => {}
        }
    }
    port
}
