//! net-update (guide 14.22): an element of a section from its text, and the change of a network that a client asks for.

use reeve_model::network::{
    NetworkConfig, NetworkUpdate, NetworkViolation, Section, UpdateError, UpdateSection,
};

use super::{GRAMMAR, forward, ip, port, read_bridge, services};
use crate::error::{Fault, XmlError};
use crate::reader::Reader;
use crate::tree;

/// Why a network was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateRefused {
    /// The element can't be read.
    #[error(transparent)]
    Element(#[from] XmlError),
    /// It does not fit what the network has.
    #[error(transparent)]
    Section(#[from] UpdateError),
    /// The network would break a rule.
    #[error("the changed network is refused: {0}")]
    Network(#[from] NetworkViolation),
}

/// The network with the change made; it keeps every rule of a network.
pub fn update(network: &NetworkConfig, change: &NetworkUpdate) -> Result<NetworkConfig, UpdateRefused> {
    let element = section(&change.xml, change.section)?;
    let changed = network.updated(change.command, element, change.parent)?;
    changed.check()?;
    Ok(changed)
}

/// Reads one element of a section.
pub fn section(text: &str, section: UpdateSection) -> Result<Section, XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    let path = path_of(section);
    let name = path.last().copied().unwrap_or_default();
    if root.name != name {
        let message = format!("an element of section '{section}' is a <{name}>, not a <{}>", root.name);
        return Err(placed(Fault::new(root.offset, message)));
    }
    let rule = path.iter().fold(GRAMMAR.root("network"), |rule, step| GRAMMAR.child(rule?, step));
    let mut reader = Reader::new(&root, rule.map(|rule| (&*GRAMMAR, rule)));
    let element = read(&mut reader, section).map_err(placed)?;
    reader.nothing_left().map_err(placed)?;
    Ok(element)
}

fn path_of(section: UpdateSection) -> &'static [&'static str] {
    match section {
        UpdateSection::Bridge => &["bridge"],
        UpdateSection::Domain => &["domain"],
        UpdateSection::Ip => &["ip"],
        UpdateSection::IpDhcpHost => &["ip", "dhcp", "host"],
        UpdateSection::IpDhcpRange => &["ip", "dhcp", "range"],
        UpdateSection::Forward => &["forward"],
        UpdateSection::ForwardInterface => &["forward", "interface"],
        UpdateSection::ForwardPf => &["forward", "pf"],
        UpdateSection::Portgroup => &["portgroup"],
        UpdateSection::DnsHost => &["dns", "host"],
        UpdateSection::DnsTxt => &["dns", "txt"],
        UpdateSection::DnsSrv => &["dns", "srv"],
    }
}

fn read(element: &mut Reader<'_, '_>, section: UpdateSection) -> Result<Section, Fault> {
    Ok(match section {
        UpdateSection::Bridge => Section::Bridge(read_bridge(element)?),
        UpdateSection::Domain => Section::Domain(services::read_domain(element)?),
        UpdateSection::Ip => Section::Ip(ip::read(element)?),
        UpdateSection::IpDhcpHost => Section::IpDhcpHost(ip::read_host(element)?),
        UpdateSection::IpDhcpRange => Section::IpDhcpRange(ip::read_range(element)?),
        UpdateSection::Forward => Section::Forward(
            forward::read(element)?
                .ok_or_else(|| element.attribute_fault("mode", "net-update can't isolate a network"))?,
        ),
        UpdateSection::ForwardInterface => Section::ForwardInterface(forward::read_device(element)?),
        UpdateSection::ForwardPf => Section::ForwardPf(forward::read_device(element)?),
        UpdateSection::Portgroup => Section::Portgroup(port::read_group(element)?),
        UpdateSection::DnsHost => Section::DnsHost(services::read_host(element)?),
        UpdateSection::DnsTxt => Section::DnsTxt(services::read_txt(element)?),
        UpdateSection::DnsSrv => Section::DnsSrv(services::read_srv(element)?),
    })
}
