//! What must hold on this host before a network is made.

use reeve_model::network::{ForwardMode, IpNetwork, NetworkConfig, VirtualPort, Vlan};
use reeve_sys::link::{Link, LinkName};

use super::{State, bridge, subject};
use crate::{Host, NetworkError, service};

/// What keeps Linux bridges and macvtaps from carrying VLAN tags (guide 18.14).
const NO_VLAN: &str =
    "<vlan> needs Open vSwitch or SR-IOV; a Linux bridge and macvtap carry no tags for guests";

/// Checks a network that is to be made.
pub(super) fn check(host: &Host, config: &NetworkConfig, state: &State) -> Result<Vec<String>, NetworkError> {
    let links = host.links.list()?;
    common(host, config, &links)?;
    if !bridge::is_own(config) {
        return Ok(warnings(config));
    }
    let name = bridge::name(config)?;
    if let Some(link) = links.iter().find(|link| link.name == name) {
        let whose = if link.alias.is_empty() { String::new() } else { format!(" ({})", link.alias) };
        return conflict(config, format!("a link '{name}' is there already{whose}; name another bridge"));
    }
    let other = state.configs().find(|other| {
        other.uuid != config.uuid && bridge::is_own(other) && other.bridge.name == config.bridge.name
    });
    if let Some(other) = other {
        return conflict(config, format!("bridge '{name}' belongs to network '{}'", other.name));
    }
    overlaps(host, config, state, &links)?;
    Ok(warnings(config))
}

/// Checks a network whose bridge is there.
pub(super) fn check_running(
    host: &Host,
    config: &NetworkConfig,
    state: &State,
) -> Result<Vec<String>, NetworkError> {
    let links = host.links.list()?;
    common(host, config, &links)?;
    if bridge::is_own(config) {
        overlaps(host, config, state, &links)?;
    }
    Ok(warnings(config))
}

fn common(host: &Host, config: &NetworkConfig, links: &[Link]) -> Result<(), NetworkError> {
    refuse_switches(config)?;
    let there = |name: &str| links.iter().find(|link| link.name.as_str() == name);
    let missing = |what: String| Err(NetworkError::Missing { subject: subject(config), what });
    if let Some(forward) = &config.forward {
        if forward.mode == ForwardMode::Hostdev {
            let reason = "mode 'hostdev' hands PCI functions to guests, which this version can't";
            return Err(NetworkError::Unsupported { subject: subject(config), reason: reason.to_owned() });
        }
        for dev in forward.dev.iter().chain(&forward.interfaces).chain(&forward.pf) {
            plain(config, dev)?;
            if there(dev).is_none() {
                return missing(format!("network interface '{dev}'"));
            }
        }
        if let (ForwardMode::Bridge, Some(name)) = (forward.mode, &config.bridge.name) {
            match there(name) {
                None => return missing(format!("bridge '{name}'")),
                Some(link) if link.bridge.is_none() => {
                    return conflict(config, format!("'{name}' is no bridge"));
                }
                Some(_) => {}
            }
        }
    }
    if !bridge::is_own(config) {
        return Ok(());
    }
    plain(config, bridge::name(config)?.as_str())?;
    service::check(config)?;
    if service::is_needed(config) && !host.dnsmasq.exists() {
        let program = host.dnsmasq.display();
        return missing(format!("program '{program}' (Debian package dnsmasq-base)"));
    }
    Ok(())
}

/// Names become part of rules and of dnsmasq's configuration, where other signs mean something.
fn plain(config: &NetworkConfig, name: &str) -> Result<(), NetworkError> {
    LinkName::new(name)?;
    if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        return Ok(());
    }
    Err(NetworkError::Invalid {
        subject: subject(config),
        reason: format!(
            "link '{name}' can't be named in packet filter rules: letters, digits, '.', '_' and '-' only"
        ),
    })
}

fn refuse_switches(config: &NetworkConfig) -> Result<(), NetworkError> {
    let groups = config.portgroups.iter().map(|group| (&group.vlan, &group.virtualport));
    for (vlan, port) in groups.chain([(&config.vlan, &config.virtualport)]) {
        refuse_switch(&subject(config), vlan.as_ref(), port.as_ref())?;
    }
    Ok(())
}

/// Refuses tags and virtual ports, which only switches carry that this host has not.
pub(crate) fn refuse_switch(
    subject: &str,
    vlan: Option<&Vlan>,
    port: Option<&VirtualPort>,
) -> Result<(), NetworkError> {
    let unsupported = |reason: String| Err(NetworkError::Unsupported { subject: subject.to_owned(), reason });
    if let Some(port) = port {
        let kind = port.kind.as_deref().unwrap_or("without a type");
        let what = match kind {
            "openvswitch" => "Open vSwitch",
            _ => "lldpad and a switch outside that speaks it",
        };
        return unsupported(format!("<virtualport> {kind} needs {what}, which this version does not drive"));
    }
    if vlan.is_some_and(|vlan| !vlan.tags.is_empty()) {
        return unsupported(NO_VLAN.to_owned());
    }
    Ok(())
}

fn overlaps(host: &Host, config: &NetworkConfig, state: &State, links: &[Link]) -> Result<(), NetworkError> {
    let own = bridge::name(config)?;
    let routes = host.links.routes()?;
    for net in config.ips.iter().map(|ip| ip.network).filter(|net| !bridge::is_link_local(net.address)) {
        let others = state.configs().filter(|other| other.uuid != config.uuid && bridge::is_own(other));
        for (other, ip) in others.flat_map(|other| other.ips.iter().map(move |ip| (other, ip))) {
            if net.overlaps(ip.network) {
                return conflict(
                    config,
                    format!("{net} overlaps {} of network '{}'", ip.network, other.name),
                );
            }
        }
        for link in links.iter().filter(|link| link.name != own) {
            let addresses = link.addresses.iter().filter(|has| !bridge::is_link_local(has.ip));
            let mut networks = addresses.filter_map(|has| IpNetwork::new(has.ip, has.prefix));
            if let Some(taken) = networks.find(|taken| net.overlaps(*taken)) {
                return conflict(
                    config,
                    format!("{net} overlaps {taken} of network interface '{}'", link.name),
                );
            }
        }
        for route in routes.iter().filter(|route| !route.is_default() && route.link.as_ref() != Some(&own)) {
            let Some(taken) = IpNetwork::new(route.destination, route.prefix) else { continue };
            // A wider network behind a router is no obstacle: the more precise route wins.
            let in_the_way = route.gateway.is_none() || route.prefix >= net.prefix;
            if in_the_way && net.overlaps(taken) && !bridge::is_link_local(taken.address) {
                let by = route.link.as_ref().map(|link| format!(" by '{link}'")).unwrap_or_default();
                return conflict(config, format!("{net} overlaps the host's route to {taken}{by}"));
            }
        }
    }
    Ok(())
}

fn warnings(config: &NetworkConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, value) in &config.bridge.extra.attributes {
        match name.as_str() {
            "zone" => warnings.push(format!(
                "zone '{value}' of the bridge has no effect: add the bridge to the zone in firewalld itself"
            )),
            "macTableManager" if value != "kernel" => warnings.push(format!(
                "macTableManager '{value}' has no effect: the kernel learns the addresses of the bridge"
            )),
            _ => {}
        }
    }
    let routed = config.forward.as_ref().is_some_and(|forward| forward.mode.has_own_bridge());
    if routed && config.ips.iter().any(|ip| ip.network.address.is_ipv6()) {
        warnings.push(
            "the host passes IPv6 packets on, so its interfaces take no routes from routers unless their accept_ra is 2"
                .to_owned(),
        );
    }
    warnings
}

fn conflict<T>(config: &NetworkConfig, reason: String) -> Result<T, NetworkError> {
    Err(NetworkError::Conflict { subject: subject(config), reason })
}
