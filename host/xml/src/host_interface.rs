//! `<interface>` documents of a host (guide 14.14, 14.15.1), not of a domain.

use std::net::IpAddr;
use std::sync::LazyLock;

use reeve_model::host_interface::{HostDhcp, HostInterfaceConfig, HostInterfaceKind, HostProtocol};
use reeve_model::network::IpNetwork;

use crate::audit::{Depth, audit};
use crate::error::{Fault, ParseOptions, Parsed, XmlError};
use crate::grammar::Grammar;
use crate::print;
use crate::reader::Reader;
use crate::tree::{self, Element};
use crate::write::written;

/// What an interface document may contain.
pub(crate) static GRAMMAR: LazyLock<Grammar> =
    LazyLock::new(|| Grammar::new(include_str!("grammar/interface.grammar")));

/// Reads an interface document, and checks it ([`HostInterfaceConfig::check`]).
///
/// ```
/// let text = "<interface type='bridge' name='br0'><bridge><interface type='ethernet' name='eth0'/></bridge></interface>";
/// let parsed = reeve_xml::host_interface::parse(text, &Default::default())?;
/// assert_eq!(parsed.document.name, "br0");
/// # Ok::<(), reeve_xml::XmlError>(())
/// ```
pub fn parse(text: &str, options: &ParseOptions) -> Result<Parsed<HostInterfaceConfig>, XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    let rule = GRAMMAR.root(&root.name).ok_or_else(|| {
        let message = format!("an interface document starts with <interface>, not <{}>", root.name);
        placed(Fault::new(root.offset, message))
    })?;
    let document = read(&mut Reader::new(&root, Some((&GRAMMAR, rule)))).map_err(placed)?;
    document
        .check()
        .map_err(|broken| placed(Fault::new(root.offset_of_violation(&broken.path), broken.message)))?;
    let warnings = audit(text, &root, "/interface", (&GRAMMAR, rule), Depth::NotHonoured);
    crate::error::finish(document, warnings, options)
}

/// Writes an interface in libvirt's layout and order. Reading it back gives the same interface.
pub fn format(interface: &HostInterfaceConfig) -> String {
    print::document(&written(write(interface), &GRAMMAR))
}

fn read(interface: &mut Reader<'_, '_>) -> Result<HostInterfaceConfig, Fault> {
    Ok(HostInterfaceConfig {
        name: interface.required("name", "eth0")?,
        kind: read_kind(interface)?,
        start_mode: interface.one("start", |start| Ok(start.word("mode")))?.flatten(),
        mac: interface
            .one("mac", |mac| mac.parsed("address", "a MAC address such as 52:54:00:12:34:56"))?
            .flatten(),
        mtu: interface.one("mtu", |mtu| mtu.number("size"))?.flatten(),
        protocols: interface.each("protocol", read_protocol)?,
        extra: interface.extra(),
    })
}

fn read_kind(interface: &mut Reader<'_, '_>) -> Result<HostInterfaceKind, Fault> {
    let kind = interface.required("type", "bridge")?;
    let part = |interface: &Reader<'_, '_>| {
        interface
            .fault(format!("an interface of type '{kind}' says what it is made of; add <{kind}>…</{kind}>"))
    };
    match kind.as_str() {
        "ethernet" => Ok(HostInterfaceKind::Ethernet),
        "bridge" => interface
            .one("bridge", |bridge| {
                Ok(HostInterfaceKind::Bridge {
                    stp: bridge.either("stp", "on", "off")?,
                    delay: bridge.word("delay"),
                    ports: bridge.each("interface", read)?,
                })
            })?
            .ok_or_else(|| part(interface)),
        "bond" => interface
            .one("bond", |bond| {
                Ok(HostInterfaceKind::Bond {
                    mode: bond.word("mode"),
                    members: bond.each("interface", read)?,
                })
            })?
            .ok_or_else(|| part(interface)),
        "vlan" => interface
            .one("vlan", |vlan| {
                let lower = vlan.one("interface", |lower| lower.required("name", "eth0"))?;
                Ok(HostInterfaceKind::Vlan {
                    tag: vlan.needed("tag", "a VLAN, 1 to 4094")?,
                    lower: lower.ok_or_else(|| vlan.fault("a VLAN needs <interface name='…'/> below it"))?,
                })
            })?
            .ok_or_else(|| part(interface)),
        _ => {
            let message = format!("type='{kind}' is not one of ethernet, bridge, bond, vlan");
            Err(interface.attribute_fault("type", message))
        }
    }
}

fn read_protocol(protocol: &mut Reader<'_, '_>) -> Result<HostProtocol, Fault> {
    let read = HostProtocol {
        six: protocol.either("family", "ipv6", "ipv4")?.ok_or_else(|| {
            protocol.fault("<protocol> needs the attribute family; write family='ipv4' or family='ipv6'")
        })?,
        autoconf: protocol.flag("autoconf")?,
        dhcp: protocol.one("dhcp", |dhcp| {
            let config = HostDhcp { peer_dns: dhcp.either("peerdns", "yes", "no")? };
            dhcp.nothing_left()?;
            Ok(config)
        })?,
        addresses: protocol.each("ip", read_address)?,
        gateways: protocol.each("route", |route| {
            let gateway = route.needed("gateway", "an IP address")?;
            route.nothing_left()?;
            Ok(gateway)
        })?,
    };
    protocol.nothing_left()?;
    Ok(read)
}

fn read_address(ip: &mut Reader<'_, '_>) -> Result<IpNetwork, Fault> {
    let address: IpAddr = ip.needed("address", "an IP address")?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let prefix = ip.number("prefix")?.unwrap_or(whole);
    let network = IpNetwork::new(address, prefix).ok_or_else(|| {
        ip.attribute_fault("prefix", format!("prefix='{prefix}' is more than {address} has bits"))
    })?;
    ip.nothing_left()?;
    Ok(network)
}

fn write(interface: &HostInterfaceConfig) -> Element<'_> {
    let (kind, part) = write_kind(&interface.kind);
    Element::new("interface")
        .with("type", kind)
        .with("name", &interface.name)
        .one_unless_empty(Element::new("start").with_some("mode", interface.start_mode.as_ref()))
        .one_unless_empty(Element::new("mtu").with_some("size", interface.mtu.as_ref()))
        .one_unless_empty(Element::new("mac").with_some("address", interface.mac.as_ref()))
        .each(interface.protocols.iter().map(write_protocol))
        .one_some(part)
        .extra(&interface.extra)
}

fn write_kind(kind: &HostInterfaceKind) -> (&'static str, Option<Element<'_>>) {
    match kind {
        HostInterfaceKind::Ethernet => ("ethernet", None),
        HostInterfaceKind::Bridge { stp, delay, ports } => {
            let mut element = Element::new("bridge");
            if let Some(stp) = stp {
                element.set("stp", if *stp { "on" } else { "off" });
            }
            ("bridge", Some(element.with_some("delay", delay.as_ref()).each(ports.iter().map(write))))
        }
        HostInterfaceKind::Bond { mode, members } => {
            let element = Element::new("bond").with_some("mode", mode.as_ref());
            ("bond", Some(element.each(members.iter().map(write))))
        }
        HostInterfaceKind::Vlan { tag, lower } => {
            let lower = Element::new("interface").with("name", lower);
            ("vlan", Some(Element::new("vlan").with_some("tag", Some(tag)).one(lower)))
        }
    }
}

fn write_protocol(protocol: &HostProtocol) -> Element<'_> {
    let dhcp = protocol.dhcp.map(|dhcp| Element::new("dhcp").with_choice("peerdns", dhcp.peer_dns));
    let address = |network: &IpNetwork| {
        Element::new("ip")
            .with("address", network.address.to_string())
            .with("prefix", network.prefix.to_string())
    };
    Element::new("protocol")
        .with("family", if protocol.six { "ipv6" } else { "ipv4" })
        .one_flag("autoconf", protocol.autoconf)
        .one_some(dhcp)
        .each(protocol.addresses.iter().map(address))
        .each(
            protocol.gateways.iter().map(|gateway| Element::new("route").with_some("gateway", Some(gateway))),
        )
}
