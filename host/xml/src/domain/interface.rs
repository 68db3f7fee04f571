//! `<interface>` (guide 20.16.9).

use reeve_model::domain::Interface;

use super::address::{read_common, write_common};
use crate::error::Fault;
use crate::filter::{read_reference, write_reference};
use crate::network::port;
use crate::reader::Reader;
use crate::tree::Element;

pub(crate) fn read(interface: &mut Reader<'_, '_>) -> Result<Interface, Fault> {
    Ok(Interface {
        kind: interface.required("type", "bridge")?,
        source: interface.one("source", |source| Ok(source.all_attributes()))?.unwrap_or_default(),
        mac: interface
            .one("mac", |mac| Ok(mac.word("address")))?
            .flatten()
            .map(|mac| mac.trim().to_ascii_lowercase()),
        target: interface.one("target", |target| Ok(target.word("dev")))?.flatten(),
        model: interface.one("model", |model| Ok(model.word("type")))?.flatten(),
        link_up: interface.one("link", |link| link.either("state", "up", "down"))?.flatten(),
        mtu: interface.one("mtu", |mtu| mtu.number("size"))?.flatten(),
        bandwidth: interface.one("bandwidth", port::read_bandwidth)?.unwrap_or_default(),
        vlan: interface.one("vlan", port::read_vlan)?,
        virtualport: interface.one("virtualport", port::read_virtualport)?,
        isolated: port::read_isolated(interface)?,
        filterref: interface.one("filterref", read_reference)?,
        common: read_common(interface)?,
    })
}

pub(crate) fn write(interface: &Interface) -> Element<'_> {
    let mut source = Element::new("source");
    for (name, value) in &interface.source {
        source.set(name.as_str(), value.as_str());
    }
    let link = interface.link_up.map(|up| Element::new("link").with("state", if up { "up" } else { "down" }));
    let element = Element::new("interface")
        .with("type", &interface.kind)
        .one_unless_empty(Element::new("mac").with_some("address", interface.mac.as_ref()))
        .one_unless_empty(source)
        .one_unless_empty(Element::new("target").with_some("dev", interface.target.as_ref()))
        .one_unless_empty(Element::new("model").with_some("type", interface.model.as_ref()));
    let element = element
        .one_some(link)
        .one_unless_empty(Element::new("mtu").with_some("size", interface.mtu.as_ref()))
        .one_unless_empty(port::write_bandwidth(&interface.bandwidth))
        .one_some(interface.vlan.as_ref().map(port::write_vlan))
        .one_some(interface.virtualport.as_ref().map(port::write_virtualport))
        .one_unless_empty(port::write_isolated(interface.isolated))
        .one_some(interface.filterref.as_ref().map(write_reference));
    write_common(element, &interface.common)
}
