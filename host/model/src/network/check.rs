//! What holds for every network document, whatever the host.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::MacAddress;

use super::{Bandwidth, ForwardMode, IpConfig, NetworkConfig, RateLimit, Vlan};

/// A rule that a document breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct NetworkViolation {
    /// Where, e.g. `ip[0].dhcp.range[1]`.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

pub(super) fn broken(path: impl Into<String>, message: impl Into<String>) -> Result<(), NetworkViolation> {
    Err(NetworkViolation { path: path.into(), message: message.into() })
}

/// The most addresses that one DHCP range may have, as dnsmasq and libvirt bound it.
const RANGE_MAX: u128 = 65535;

impl NetworkConfig {
    /// Checks it; the first rule it breaks.
    pub fn check(&self) -> Result<(), NetworkViolation> {
        if self.name.trim().is_empty() || self.name.contains(['/', '\n', '\0']) || self.name.len() > 255 {
            return broken("name", "a network needs a name of 1 to 255 bytes without '/' and line breaks");
        }
        if let Some(bridge) = &self.bridge.name
            && !is_link_name(bridge)
        {
            return broken(
                "bridge",
                format!(
                    "'{bridge}' can't be the name of a bridge: 1 to 15 bytes without '/', ':' and blanks"
                ),
            );
        }
        if self.bridge.delay_s.is_some_and(|delay| delay > 30) {
            return broken("bridge", "the forward delay is 0 to 30 seconds");
        }
        if self.mtu.is_some_and(|mtu| !(68..=65535).contains(&mtu)) {
            return broken("mtu", "the MTU is 68 to 65535");
        }
        if self.mac.is_some_and(MacAddress::is_multicast) {
            return broken("mac", "a bridge can't have a multicast address");
        }
        self.check_forward()?;
        self.check_addresses()?;
        super::check_services::check(self)?;
        check_bandwidth("bandwidth", &self.bandwidth, false)?;
        if let Some(vlan) = &self.vlan {
            check_vlan("vlan", vlan)?;
        }
        self.check_portgroups()
    }

    fn check_forward(&self) -> Result<(), NetworkViolation> {
        let Some(forward) = &self.forward else { return Ok(()) };
        let mode = forward.mode.as_str();
        if forward.nat.is_some() && forward.mode != ForwardMode::Nat {
            return broken("forward.nat", format!("<nat> belongs to mode 'nat', not to '{mode}'"));
        }
        if let Some(nat) = &forward.nat {
            if nat.addresses.is_some_and(|range| range.count().is_none()) {
                return broken(
                    "forward.nat.address",
                    "the first address must not be after the last, and both of one family",
                );
            }
            if nat.ports.is_some_and(|ports| ports.start > ports.end || ports.start == 0) {
                return broken("forward.nat.port", "ports are 1 to 65535, the first not after the last");
            }
        }
        if let Some(dev) = &forward.dev
            && !forward.interfaces.is_empty()
            && !forward.interfaces.contains(dev)
        {
            return broken("forward", format!("dev='{dev}' is none of its <interface> elements"));
        }
        if forward.mode == ForwardMode::Open && forward.dev.is_some() {
            return broken("forward", "mode 'open' adds no rules, so it can't hold traffic to one dev");
        }
        let own = forward.mode.has_own_bridge();
        if own && self.bridge.name.is_none() && self.ips.is_empty() && forward.mode != ForwardMode::Open {
            return broken("ip", format!("a network of mode '{mode}' needs an <ip>"));
        }
        if !own && !self.ips.is_empty() {
            return broken(
                "ip",
                format!(
                    "a network of mode '{mode}' has no address of the host: its guests get theirs outside"
                ),
            );
        }
        match forward.mode {
            ForwardMode::Bridge
                if self.bridge.name.is_some()
                    && (forward.dev.is_some() || !forward.interfaces.is_empty()) =>
            {
                broken("forward", "mode 'bridge' names either a <bridge> or a dev, not both")
            }
            ForwardMode::Bridge
                if self.bridge.name.is_none() && forward.dev.is_none() && forward.interfaces.is_empty() =>
            {
                broken("forward", "mode 'bridge' needs a <bridge name='…'/> of the host or a dev")
            }
            ForwardMode::Private | ForwardMode::Vepa | ForwardMode::Passthrough
                if forward.dev.is_none() && forward.interfaces.is_empty() && forward.pf.is_none() =>
            {
                broken("forward", format!("mode '{mode}' needs a dev, <interface dev='…'/> or <pf dev='…'/>"))
            }
            ForwardMode::Private | ForwardMode::Vepa | ForwardMode::Passthrough | ForwardMode::Hostdev
                if self.bridge.name.is_some() =>
            {
                broken("bridge", format!("a network of mode '{mode}' has no bridge"))
            }
            _ => Ok(()),
        }
    }

    fn check_addresses(&self) -> Result<(), NetworkViolation> {
        for (index, ip) in self.ips.iter().enumerate() {
            let path = format!("ip[{index}]");
            for (other, earlier) in self.ips.iter().enumerate().take(index) {
                if ip.network.overlaps(earlier.network) {
                    return broken(
                        path,
                        format!("{} overlaps {} of ip[{other}]", ip.network, earlier.network),
                    );
                }
            }
            check_ip(&path, ip)?;
        }
        let serving = self.ips.iter().filter(|ip| ip.dhcp.is_some() && ip.network.address.is_ipv4()).count();
        if serving > 1 {
            return broken("ip", "only one IPv4 address of a network can have <dhcp>");
        }
        for (index, route) in self.routes.iter().enumerate() {
            let path = format!("route[{index}]");
            if route.destination.first() != route.destination.address {
                return broken(
                    path,
                    format!("{} has host bits; write {}", route.destination, route.destination.first()),
                );
            }
            if !self.ips.iter().any(|ip| ip.network.contains(route.gateway)) {
                return broken(
                    path,
                    format!("gateway {} is in none of the network's addresses", route.gateway),
                );
            }
            if route.metric == Some(0) {
                return broken(path, "a metric is 1 or more");
            }
        }
        Ok(())
    }

    fn check_portgroups(&self) -> Result<(), NetworkViolation> {
        let mut names = HashSet::new();
        for group in &self.portgroups {
            let path = format!("portgroup[{}]", group.name);
            if !names.insert(&group.name) {
                return broken(path, "two port groups have this name");
            }
            check_bandwidth(&format!("{path}.bandwidth"), &group.bandwidth, false)?;
            if let Some(vlan) = &group.vlan {
                check_vlan(&format!("{path}.vlan"), vlan)?;
            }
        }
        if self.portgroups.iter().filter(|group| group.default).count() > 1 {
            return broken("portgroup", "only one port group can be the default");
        }
        Ok(())
    }
}

fn check_ip(path: &str, ip: &IpConfig) -> Result<(), NetworkViolation> {
    let network = ip.network;
    let hosts_only = network.prefix >= if network.address.is_ipv4() { 31 } else { 127 };
    if !hosts_only && network.address == network.first() {
        return broken(
            path,
            format!("{network} is the network itself; give the host an address in it, e.g. the next one"),
        );
    }
    if network.address.is_ipv4() && !hosts_only && network.address == network.last() {
        return broken(path, format!("{network} is the broadcast address"));
    }
    if ip.tftp_root.is_some() && network.address.is_ipv6() {
        return broken(path, "<tftp> belongs to an IPv4 address");
    }
    let Some(dhcp) = &ip.dhcp else { return Ok(()) };
    if network.address.is_ipv6() && network.prefix != 64 && !dhcp.ranges.is_empty() {
        return broken(path, "DHCP over IPv6 needs a prefix of 64");
    }
    for (index, range) in dhcp.ranges.iter().enumerate() {
        let path = format!("{path}.dhcp.range[{index}]");
        let addresses = range.addresses;
        let Some(count) = addresses.count() else {
            return broken(path, format!("{addresses} runs backwards or mixes families"));
        };
        if !network.contains(addresses.start) || !network.contains(addresses.end) {
            return broken(path, format!("{addresses} is not within {network}"));
        }
        if count > RANGE_MAX {
            return broken(path, format!("{addresses} has {count} addresses; {RANGE_MAX} is the most"));
        }
        let edge = |address: IpAddr| address == network.first() || address == network.last();
        if network.address.is_ipv4() && (edge(addresses.start) || edge(addresses.end)) {
            return broken(path, format!("{addresses} includes the network's own or its broadcast address"));
        }
    }
    for (index, host) in dhcp.hosts.iter().enumerate() {
        let path = format!("{path}.dhcp.host[{index}]");
        if host.mac.is_none() && host.id.is_none() && host.name.is_none() {
            return broken(path, "a <host> needs a mac, an id or a name to be told by");
        }
        if host.ip.is_none() && host.name.is_none() {
            return broken(path, "a <host> needs an ip or a name to give");
        }
        if let Some(address) = host.ip
            && !network.contains(address)
        {
            return broken(path, format!("{address} is not within {network}"));
        }
    }
    Ok(())
}

/// Checks limits; `floor` is allowed for inbound of an interface.
pub(crate) fn check_bandwidth(
    path: &str,
    bandwidth: &Bandwidth,
    floor: bool,
) -> Result<(), NetworkViolation> {
    let check = |direction: &str, limit: &RateLimit, floor: bool| {
        let path = format!("{path}.{direction}");
        if limit.floor_kib.is_some() && !floor {
            return broken(path, "floor belongs to the inbound of an interface of a network");
        }
        if limit.average_kib == 0 && limit.floor_kib.is_none() {
            return broken(path, "average is missing or 0");
        }
        if limit.average_kib == 0 && (limit.peak_kib.is_some() || limit.burst_kib.is_some()) {
            return broken(path, "peak and burst need an average");
        }
        if limit.peak_kib.is_some_and(|peak| peak < limit.average_kib) {
            return broken(path, "peak is below average");
        }
        Ok(())
    };
    bandwidth.inbound.as_ref().map_or(Ok(()), |limit| check("inbound", limit, floor))?;
    bandwidth.outbound.as_ref().map_or(Ok(()), |limit| check("outbound", limit, false))
}

/// Checks tags.
pub(crate) fn check_vlan(path: &str, vlan: &Vlan) -> Result<(), NetworkViolation> {
    if vlan.tags.is_empty() {
        return broken(path, "a <vlan> needs a <tag>");
    }
    if let Some(tag) = vlan.tags.iter().find(|tag| tag.id > 4095) {
        return broken(path, format!("tag {} is above 4095", tag.id));
    }
    if vlan.trunk == Some(false) && vlan.tags.len() > 1 {
        return broken(path, "several tags are a trunk; leave trunk='no' out");
    }
    Ok(())
}

/// True for a name that a link can have.
pub(crate) fn is_link_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(['/', ':', '\0'])
        && !name.contains(char::is_whitespace)
}
