//! From links to documents.

use reeve_model::host_interface::{HostInterfaceConfig, HostInterfaceKind, HostProtocol};
use reeve_model::network::IpNetwork;
use reeve_sys::link::{Link, Route};

use crate::networks::bridge::is_link_local;

/// The word of what a link is.
pub(super) fn kind(link: &Link) -> &'static str {
    match link.kind.as_deref() {
        Some("bridge") => "bridge",
        Some("bond") => "bond",
        Some("vlan") => "vlan",
        _ => "ethernet",
    }
}

/// The document of a link as it is.
pub(super) fn config(link: &Link, links: &[Link], routes: &[Route]) -> HostInterfaceConfig {
    let members = || {
        let members = links.iter().filter(|other| other.master.as_ref() == Some(&link.name));
        members.map(|member| config(member, links, routes)).collect()
    };
    let kind = match kind(link) {
        "bridge" => {
            let options = link.bridge.clone().unwrap_or_default();
            HostInterfaceKind::Bridge {
                stp: options.stp,
                delay: options.forward_delay_ms.map(seconds),
                ports: members(),
            }
        }
        "bond" => HostInterfaceKind::Bond { mode: None, members: members() },
        "vlan" => match vlan(link) {
            Some((lower, tag)) => HostInterfaceKind::Vlan { tag, lower },
            None => HostInterfaceKind::Ethernet,
        },
        _ => HostInterfaceKind::Ethernet,
    };
    HostInterfaceConfig {
        name: link.name.to_string(),
        kind,
        start_mode: None,
        mac: link.mac,
        mtu: Some(link.mtu),
        protocols: [false, true].into_iter().filter_map(|six| protocol(link, routes, six)).collect(),
        extra: Default::default(),
    }
}

fn protocol(link: &Link, routes: &[Route], six: bool) -> Option<HostProtocol> {
    let addresses: Vec<IpNetwork> = link
        .addresses
        .iter()
        .filter(|has| has.ip.is_ipv6() == six && !is_link_local(has.ip))
        .filter_map(|has| IpNetwork::new(has.ip, has.prefix))
        .collect();
    let own = routes.iter().filter(|route| route.link.as_ref() == Some(&link.name) && route.is_default());
    let gateways = own.filter_map(|route| route.gateway.filter(|gateway| gateway.is_ipv6() == six)).collect();
    let protocol = HostProtocol { six, addresses, gateways, ..HostProtocol::default() };
    (!protocol.addresses.is_empty() || !protocol.gateways.is_empty()).then_some(protocol)
}

/// The lower link and the tag, which the kernel shows here only by the customary name.
fn vlan(link: &Link) -> Option<(String, u16)> {
    let (_, tag) = link.name.as_str().rsplit_once('.')?;
    Some((link.lower.as_ref()?.to_string(), tag.parse().ok()?))
}

/// Milliseconds as documents write seconds.
fn seconds(ms: u32) -> String {
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Seconds as documents write them, in milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<u32> {
    let seconds: f64 = text.trim().parse().ok()?;
    (0.0..=30.0).contains(&seconds).then_some((seconds * 1000.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_written_as_they_are_read() {
        for (text, ms) in [("0", 0), ("15", 15_000), ("0.01", 10), ("2.5", 2500)] {
            assert_eq!((milliseconds(text), seconds(ms).as_str()), (Some(ms), text));
        }
        for bad in ["", "-1", "31", "soon", "inf", "NaN"] {
            assert_eq!(milliseconds(bad), None, "{bad}");
        }
    }
}
