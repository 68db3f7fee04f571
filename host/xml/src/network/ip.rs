//! `<ip>` and `<route>`: addresses, and what is served at them.

use std::net::IpAddr;

use reeve_model::network::{Bootp, Dhcp, DhcpHost, DhcpRange, IpConfig, IpNetwork, Route};

use super::forward::read_addresses;
use super::{ADDRESS, MAC};
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(super) fn read(ip: &mut Reader<'_, '_>) -> Result<IpConfig, Fault> {
    let address = ip.needed("address", ADDRESS)?;
    let (network, netmask_form) = read_network(ip, "address", address)?;
    let config = IpConfig {
        network,
        netmask_form,
        local_ptr: ip.either("localPtr", "yes", "no")?.unwrap_or_default(),
        tftp_root: ip.one("tftp", |tftp| {
            let root = tftp.required("root", "/srv/tftp")?;
            tftp.nothing_left()?;
            Ok(root)
        })?,
        dhcp: ip.one("dhcp", read_dhcp)?,
    };
    ip.nothing_left()?;
    Ok(config)
}

/// The prefix of an address, by `prefix`, by `netmask`, or by the class of the address; true when by `netmask`.
fn read_network(ip: &mut Reader<'_, '_>, name: &str, address: IpAddr) -> Result<(IpNetwork, bool), Fault> {
    let word = if address.is_ipv4() { "ipv4" } else { "ipv6" };
    if let Some(family) = ip.attribute("family")
        && family != word
    {
        return Err(ip.attribute_fault("family", format!("family='{family}', but {address} is {word}")));
    }
    let netmask: Option<IpAddr> = ip.parsed("netmask", "a netmask such as 255.255.255.0")?;
    let prefix: Option<u8> = ip.number("prefix")?;
    match (netmask, prefix, address) {
        (Some(_), Some(_), _) => {
            Err(ip.attribute_fault("netmask", "netmask and prefix say the same; keep one"))
        }
        (Some(_), None, IpAddr::V6(_)) => {
            Err(ip.attribute_fault("netmask", "an IPv6 address takes a prefix, not a netmask"))
        }
        (Some(netmask), None, _) => {
            let network = IpNetwork::with_netmask(address, netmask).ok_or_else(|| {
                ip.attribute_fault("netmask", format!("'{netmask}' is no netmask: ones, then zeroes"))
            })?;
            Ok((network, true))
        }
        (None, prefix, _) => {
            let prefix = prefix.or_else(|| class_of(address)).ok_or_else(|| {
                ip.attribute_fault(name, format!("{address} has no class; give it a prefix"))
            })?;
            let network = IpNetwork::new(address, prefix).ok_or_else(|| {
                ip.attribute_fault("prefix", format!("prefix='{prefix}' is more than {word} has bits"))
            })?;
            Ok((network, false))
        }
    }
}

/// The prefix that libvirt takes when a document names none.
fn class_of(address: IpAddr) -> Option<u8> {
    match address {
        IpAddr::V4(address) => match address.octets()[0] {
            0..=127 => Some(8),
            128..=191 => Some(16),
            192..=223 => Some(24),
            _ => None,
        },
        IpAddr::V6(_) => Some(64),
    }
}

fn read_dhcp(dhcp: &mut Reader<'_, '_>) -> Result<Dhcp, Fault> {
    let config = Dhcp {
        ranges: dhcp.each("range", read_range)?,
        hosts: dhcp.each("host", read_host)?,
        bootp: dhcp.one("bootp", |bootp| {
            let config = Bootp { file: bootp.required("file", "pxelinux.0")?, server: bootp.word("server") };
            bootp.nothing_left()?;
            Ok(config)
        })?,
    };
    dhcp.nothing_left()?;
    Ok(config)
}

pub(super) fn read_range(range: &mut Reader<'_, '_>) -> Result<DhcpRange, Fault> {
    let config = DhcpRange { addresses: read_addresses(range)?, lease_s: range.one("lease", read_lease)? };
    range.nothing_left()?;
    Ok(config)
}

pub(super) fn read_host(host: &mut Reader<'_, '_>) -> Result<DhcpHost, Fault> {
    let config = DhcpHost {
        mac: host.parsed("mac", MAC)?,
        id: host.word("id"),
        name: host.word("name"),
        ip: host.parsed("ip", ADDRESS)?,
        lease_s: host.one("lease", read_lease)?,
    };
    host.nothing_left()?;
    Ok(config)
}

/// Units of a lease, the largest first.
const UNITS: [(&str, u64); 3] = [("hours", 3600), ("minutes", 60), ("seconds", 1)];

fn read_lease(lease: &mut Reader<'_, '_>) -> Result<u64, Fault> {
    let expiry: u64 = lease.needed("expiry", "a number; 0 is for ever")?;
    let unit = lease.word("unit").unwrap_or_else(|| "minutes".to_owned());
    let (_, seconds) = UNITS.iter().find(|(word, _)| *word == unit).ok_or_else(|| {
        lease.attribute_fault("unit", format!("unit='{unit}' is not one of seconds, minutes, hours"))
    })?;
    lease.nothing_left()?;
    expiry.checked_mul(*seconds).filter(|expiry| *expiry <= u64::from(u32::MAX)).ok_or_else(|| {
        lease.attribute_fault("expiry", format!("a lease of {expiry} {unit} is too long; 0 is for ever"))
    })
}

pub(super) fn write(ip: &IpConfig) -> Element<'_> {
    let mut element = Element::new("ip");
    write_network(&mut element, ip.network, ip.netmask_form);
    element
        .with_yes("localPtr", ip.local_ptr)
        .one_unless_empty(Element::new("tftp").with_some("root", ip.tftp_root.as_ref()))
        .one_some(ip.dhcp.as_ref().map(write_dhcp))
}

fn write_network(element: &mut Element<'_>, network: IpNetwork, netmask_form: bool) {
    if network.address.is_ipv6() {
        element.set("family", "ipv6");
    }
    element.set("address", network.address.to_string());
    if netmask_form && network.address.is_ipv4() {
        element.set("netmask", network.netmask().to_string());
    } else {
        element.set("prefix", network.prefix.to_string());
    }
}

fn write_dhcp(dhcp: &Dhcp) -> Element<'_> {
    let bootp = dhcp.bootp.as_ref().map(|bootp| {
        Element::new("bootp").with("file", &bootp.file).with_some("server", bootp.server.as_ref())
    });
    Element::new("dhcp")
        .each(dhcp.ranges.iter().map(write_range))
        .each(dhcp.hosts.iter().map(write_host))
        .one_some(bootp)
}

fn write_range(range: &DhcpRange) -> Element<'_> {
    Element::new("range")
        .with_some("start", Some(&range.addresses.start))
        .with_some("end", Some(&range.addresses.end))
        .one_some(range.lease_s.map(write_lease))
}

fn write_host(host: &DhcpHost) -> Element<'_> {
    Element::new("host")
        .with_some("mac", host.mac.as_ref())
        .with_some("id", host.id.as_ref())
        .with_some("name", host.name.as_ref())
        .with_some("ip", host.ip.as_ref())
        .one_some(host.lease_s.map(write_lease))
}

fn write_lease<'c>(seconds: u64) -> Element<'c> {
    let element = Element::new("lease");
    let fits = UNITS.iter().find(|(_, unit)| seconds > 0 && seconds.is_multiple_of(*unit));
    match fits {
        Some((word, unit)) => element.with("expiry", (seconds / unit).to_string()).with("unit", *word),
        None => element.with("expiry", "0"),
    }
}

pub(super) fn read_route(route: &mut Reader<'_, '_>) -> Result<Route, Fault> {
    let address = route.needed("address", ADDRESS)?;
    let (destination, netmask_form) = read_network(route, "address", address)?;
    let config = Route {
        destination,
        netmask_form,
        gateway: route.needed("gateway", ADDRESS)?,
        metric: route.number("metric")?,
    };
    route.nothing_left()?;
    Ok(config)
}

pub(super) fn write_route(route: &Route) -> Element<'_> {
    let mut element = Element::new("route");
    write_network(&mut element, route.destination, route.netmask_form);
    element.with_some("gateway", Some(&route.gateway)).with_some("metric", route.metric.as_ref())
}
