//! `<network>` documents (guide ch. 18): readers and writers side by side, a file an element group.

mod forward;
mod ip;
pub(crate) mod port;
mod services;
mod update;

pub use update::{UpdateRefused, section, update};

use std::sync::LazyLock;

use reeve_model::network::{Bridge, NetworkConfig};
use uuid::Uuid;

use crate::audit::{Depth, audit};
use crate::domain::read_uuid;
use crate::error::{Fault, ParseOptions, Parsed, XmlError};
use crate::grammar::Grammar;
use crate::print;
use crate::reader::Reader;
use crate::tree::{self, Element};
use crate::write::written;

/// What a network document may contain.
pub(crate) static GRAMMAR: LazyLock<Grammar> =
    LazyLock::new(|| Grammar::new(include_str!("grammar/network.grammar")));

const MAC: &str = "a MAC address such as 52:54:00:12:34:56";
const ADDRESS: &str = "an IP address";

/// Reads a network document.
///
/// A UUID is made when the document has none; `connections` is ignored. Rules of a whole network are checked
/// ([`NetworkConfig::check`]).
///
/// ```
/// let text = "<network><name>lab</name><ip address='10.9.0.1' netmask='255.255.255.0'/></network>";
/// let parsed = reeve_xml::network::parse(text, &Default::default())?;
/// assert_eq!(parsed.document.ips[0].network.prefix, 24);
/// assert!(parsed.document.forward.is_none() && parsed.warnings.is_empty());
/// # Ok::<(), reeve_xml::XmlError>(())
/// ```
pub fn parse(text: &str, options: &ParseOptions) -> Result<Parsed<NetworkConfig>, XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    let rule = GRAMMAR.root(&root.name).ok_or_else(|| {
        let message = format!("a network document starts with <network>, not <{}>", root.name);
        placed(Fault::new(root.offset, message))
    })?;
    let document = read(&mut Reader::new(&root, Some((&GRAMMAR, rule)))).map_err(placed)?;
    document.check().map_err(|broken| {
        let path = path_of(&document, &broken.path);
        placed(Fault::new(root.offset_of_violation(&path), broken.message))
    })?;
    let warnings = audit(text, &root, "/network", (&GRAMMAR, rule), Depth::NotHonoured);
    crate::error::finish(document, warnings, options)
}

/// Writes a network in libvirt's layout and order. Reading it back gives the same network.
pub fn format(network: &NetworkConfig) -> String {
    print::document(&written(write(network, 0), &GRAMMAR))
}

/// As [`format`](fn@format), with the number of guests that are plugged into the running network.
pub fn format_live(network: &NetworkConfig, connections: u32) -> String {
    print::document(&written(write(network, connections), &GRAMMAR))
}

/// As [`format`](fn@format), without the UUID when the document had none.
pub(crate) fn format_as_written(network: &NetworkConfig, had_uuid: bool) -> String {
    let mut root = written(write(network, 0), &GRAMMAR);
    root.children.retain(|child| had_uuid || child.as_element().is_none_or(|child| child.name != "uuid"));
    print::document(&root)
}

/// The path of a broken rule with port groups by their number, as other elements.
fn path_of(network: &NetworkConfig, path: &str) -> String {
    let Some(rest) = path.strip_prefix("portgroup[") else { return path.to_owned() };
    let found = network.portgroups.iter().rposition(|group| rest.starts_with(&format!("{}]", group.name)));
    found.map_or_else(|| "portgroup".to_owned(), |index| format!("portgroup[{index}]"))
}

fn read(network: &mut Reader<'_, '_>) -> Result<NetworkConfig, Fault> {
    network.attribute("connections");
    let name = network
        .one("name", |name| Ok(name.trimmed()))?
        .ok_or_else(|| network.fault("the network has no name; add <name>…</name>"))?;
    Ok(NetworkConfig {
        uuid: network.one("uuid", read_uuid)?.unwrap_or_else(Uuid::new_v4),
        metadata: network.fragment("metadata")?,
        guest_ipv6: network.either("ipv6", "yes", "no")?.unwrap_or_default(),
        forward: network.one("forward", forward::read)?.flatten(),
        bridge: network.one("bridge", read_bridge)?.unwrap_or_default(),
        mac: network.one("mac", |mac| mac.parsed("address", MAC))?.flatten(),
        mtu: network.one("mtu", |mtu| mtu.number("size"))?.flatten(),
        domain: network.one("domain", services::read_domain)?,
        dns: network.one("dns", services::read_dns)?.unwrap_or_default(),
        bandwidth: network.one("bandwidth", port::read_bandwidth)?.unwrap_or_default(),
        vlan: network.one("vlan", port::read_vlan)?,
        virtualport: network.one("virtualport", port::read_virtualport)?,
        port_isolated: port::read_isolated(network)?,
        portgroups: network.each("portgroup", port::read_group)?,
        ips: network.each("ip", ip::read)?,
        routes: network.each("route", ip::read_route)?,
        extra: network.extra(),
        name,
    })
}

fn read_bridge(bridge: &mut Reader<'_, '_>) -> Result<Bridge, Fault> {
    Ok(Bridge {
        name: bridge.word("name").filter(|name| !name.is_empty()),
        stp: bridge.either("stp", "on", "off")?,
        // The guide shows what net-dumpxml of old wrote.
        delay_s: match bridge.number("delay")? {
            Some(delay) => Some(delay),
            None => bridge.number("forwardDelay")?,
        },
        extra: bridge.extra(),
    })
}

fn write(network: &NetworkConfig, connections: u32) -> Element<'_> {
    let mut root = Element::new("network");
    if connections > 0 {
        root.set("connections", connections.to_string());
    }
    if network.guest_ipv6 {
        root.set("ipv6", "yes");
    }
    let mut root = root
        .one_text("name", Some(&network.name))
        .one(Element::new("uuid").with_text(network.uuid.to_string()));
    if let Some(metadata) = &network.metadata {
        root.fragment(metadata);
    }
    root.one_some(network.forward.as_ref().map(forward::write))
        .one_unless_empty(write_bridge(&network.bridge))
        .one_unless_empty(Element::new("mtu").with_some("size", network.mtu.as_ref()))
        .one_unless_empty(Element::new("mac").with_some("address", network.mac.as_ref()))
        .one_some(network.domain.as_ref().map(services::write_domain))
        .one_unless_empty(services::write_dns(&network.dns))
        .one_some(network.vlan.as_ref().map(port::write_vlan))
        .one_unless_empty(port::write_bandwidth(&network.bandwidth))
        .one_unless_empty(port::write_isolated(network.port_isolated))
        .each(network.ips.iter().map(ip::write))
        .each(network.routes.iter().map(ip::write_route))
        .one_some(network.virtualport.as_ref().map(port::write_virtualport))
        .each(network.portgroups.iter().map(port::write_group))
        .extra(&network.extra)
}

fn write_bridge(bridge: &Bridge) -> Element<'_> {
    let mut element = Element::new("bridge").with_some("name", bridge.name.as_ref());
    if let Some(stp) = bridge.stp {
        element.set("stp", if stp { "on" } else { "off" });
    }
    element.with_some("delay", bridge.delay_s.as_ref()).extra(&bridge.extra)
}
