//! The bridge of a network that has one of its own.

use std::net::IpAddr;

use reeve_model::network::{ForwardMode, IpNetwork, NetworkConfig};
use reeve_sys::link::{Address, Bridge, Change, LinkName, NewLink, Route};
use reeve_sys::sysctl::{Setting, SysctlError};

use super::subject;
use crate::undo::{Undo, note};
use crate::{Host, NetworkError};

/// True where the host makes the bridge: isolated, nat, route, open.
pub(crate) fn is_own(config: &NetworkConfig) -> bool {
    config.forward.as_ref().is_none_or(|forward| forward.mode.has_own_bridge())
}

/// The bridge of a network, which must have one by now.
pub(crate) fn name(config: &NetworkConfig) -> Result<LinkName, NetworkError> {
    match &config.bridge.name {
        Some(name) => Ok(LinkName::new(name.as_str())?),
        None => Err(NetworkError::Invalid {
            subject: subject(config),
            reason: "its bridge has no name yet; define it first".to_owned(),
        }),
    }
}

/// The alias that tells a bridge of ours.
pub(crate) fn alias(host: &Host, config: &NetworkConfig) -> String {
    let mut alias = format!("{} network {} {}", host.mark(), config.uuid, config.name);
    alias.truncate(alias.floor_char_boundary(255));
    alias
}

/// Makes the bridge with its addresses and routes, and lets packets pass the host where the network wants that.
pub(super) fn make<'a>(
    host: &'a Host,
    config: &NetworkConfig,
    bridge: &'a LinkName,
    undo: &mut Undo<'a>,
) -> Result<(), NetworkError> {
    let links = &host.links;
    let new = Bridge {
        mac: config.mac,
        stp: Some(config.bridge.stp.unwrap_or(true)),
        forward_delay_ms: Some(config.bridge.delay_s.unwrap_or(0).saturating_mul(1000)),
        ageing_s: None,
        nf_call_iptables: Some(true),
        nf_call_ip6tables: Some(true),
        vlan_filtering: None,
    };
    links.create(bridge, &NewLink::Bridge(new))?;
    undo.push(move || note(links.delete(bridge)));
    links.change(bridge, &Change::Alias(alias(host, config)))?;
    if let Some(mtu) = config.mtu {
        links.change(bridge, &Change::Mtu(mtu))?;
    }
    settings(host, config, bridge)?;
    for ip in &config.ips {
        links.add_address(bridge, &address(ip.network))?;
    }
    links.change(bridge, &Change::Up)?;
    for route in routes(config, bridge) {
        links.add_route(&route)?;
    }
    forwarding(host, config, undo)
}

/// The address of the host in the network. Nobody else can have it: nobody is asked.
pub(super) fn address(network: IpNetwork) -> Address {
    Address { nodad: network.address.is_ipv6(), ..Address::new(network.address, network.prefix) }
}

/// Static routes to what is behind guests.
pub(super) fn routes(config: &NetworkConfig, bridge: &LinkName) -> Vec<Route> {
    let route = |route: &reeve_model::network::Route| Route {
        destination: route.destination.first(),
        prefix: route.destination.prefix,
        gateway: Some(route.gateway),
        link: Some(bridge.clone()),
        metric: Some(route.metric.unwrap_or(1)),
    };
    config.routes.iter().map(route).collect()
}

/// The host takes no addresses from guests that play router, and has no IPv6 on a network without.
fn settings(host: &Host, config: &NetworkConfig, bridge: &LinkName) -> Result<(), NetworkError> {
    // Guests may still talk IPv6 among themselves; the host stays out of it.
    let six = config.ips.iter().any(|ip| ip.network.address.is_ipv6());
    let settings = [
        (Setting::AcceptRa(bridge.clone()), 0),
        (Setting::Autoconf(bridge.clone()), 0),
        (Setting::DisableIpv6(bridge.clone()), u64::from(!six)),
    ];
    for (setting, value) in settings {
        match host.sysctls.set(&setting, value) {
            // A kernel without IPv6 has nothing to be switched off.
            Ok(_) | Err(SysctlError::Missing(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Lets the host pass packets on. It stays so when the network ends: others may have come to rely on it since, as nobody tells who
/// needs it.
pub(super) fn forwarding<'a>(
    host: &'a Host,
    config: &NetworkConfig,
    undo: &mut Undo<'a>,
) -> Result<(), NetworkError> {
    let routed = config.forward.as_ref().is_some_and(|forward| {
        matches!(forward.mode, ForwardMode::Nat | ForwardMode::Route | ForwardMode::Open)
    });
    let has = |four: bool| config.ips.iter().any(|ip| ip.network.address.is_ipv4() == four);
    for (setting, wanted) in [(Setting::Ipv4Forward, has(true)), (Setting::Ipv6Forward, has(false))] {
        if routed && wanted {
            let previous = host.sysctls.set(&setting, 1)?;
            undo.push(move || note(host.sysctls.restore(&previous)));
        }
    }
    Ok(())
}

/// Puts back what is missing of a bridge that is there, and says what it was.
pub(super) fn mend(
    host: &Host,
    config: &NetworkConfig,
    bridge: &LinkName,
) -> Result<Vec<String>, NetworkError> {
    let mut mended = Vec::new();
    let Some(link) = host.links.find(bridge)? else { return Ok(mended) };
    for ip in &config.ips {
        let same = |has: &Address| (has.ip, has.prefix) == (ip.network.address, ip.network.prefix);
        if !link.addresses.iter().any(same) {
            host.links.add_address(bridge, &address(ip.network))?;
            mended.push(format!("address {} was missing on '{bridge}'", ip.network));
        }
    }
    if !link.up {
        host.links.change(bridge, &Change::Up)?;
        mended.push(format!("bridge '{bridge}' was down"));
    }
    let present = host.links.routes()?;
    for route in routes(config, bridge) {
        let same = |has: &&Route| (has.destination, has.prefix) == (route.destination, route.prefix);
        if present.iter().find(same).is_none_or(|has| has.link.as_ref() != Some(bridge)) {
            host.links.add_route(&route)?;
            mended.push(format!("route to {route} was missing"));
        }
    }
    let mut undo = Undo::default();
    forwarding(host, config, &mut undo)?;
    undo.keep();
    Ok(mended)
}

/// True for addresses that every link has for itself.
pub(crate) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_multicast(),
    }
}
