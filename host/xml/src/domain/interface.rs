//! `<interface>` (guide 20.16.9).

use reeve_model::domain::{Interface, InterfaceDriver, OffloadSwitches};

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
        driver: Box::new(interface.one("driver", read_driver)?.unwrap_or_default()),
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

fn read_driver(driver: &mut Reader<'_, '_>) -> Result<InterfaceDriver, Fault> {
    Ok(InterfaceDriver {
        name: driver.word("name"),
        queues: driver.number("queues")?,
        ioeventfd: driver.either("ioeventfd", "on", "off")?,
        event_idx: driver.either("event_idx", "on", "off")?,
        host: driver.one("host", |host| read_switches(host, true))?.unwrap_or_default(),
        guest: driver.one("guest", |guest| read_switches(guest, false))?.unwrap_or_default(),
        extra: driver.extra(),
    })
}

/// Two of them are the host's alone.
fn read_switches(element: &mut Reader<'_, '_>, host: bool) -> Result<OffloadSwitches, Fault> {
    let mut switch = |name| element.either(name, "on", "off");
    Ok(OffloadSwitches {
        csum: switch("csum")?,
        gso: if host { switch("gso")? } else { None },
        tso4: switch("tso4")?,
        tso6: switch("tso6")?,
        ecn: switch("ecn")?,
        ufo: switch("ufo")?,
        mrg_rxbuf: if host { switch("mrg_rxbuf")? } else { None },
    })
}

fn write_driver(driver: &InterfaceDriver) -> Element<'_> {
    Element::new("driver")
        .with_some("name", driver.name.as_ref())
        .with_switch("ioeventfd", driver.ioeventfd)
        .with_switch("event_idx", driver.event_idx)
        .with_some("queues", driver.queues.as_ref())
        .one_unless_empty(write_switches("host", &driver.host))
        .one_unless_empty(write_switches("guest", &driver.guest))
        .extra(&driver.extra)
}

fn write_switches(name: &'static str, switches: &OffloadSwitches) -> Element<'static> {
    let OffloadSwitches { csum, gso, tso4, tso6, ecn, ufo, mrg_rxbuf } = *switches;
    let each = [
        ("csum", csum),
        ("gso", gso),
        ("tso4", tso4),
        ("tso6", tso6),
        ("ecn", ecn),
        ("ufo", ufo),
        ("mrg_rxbuf", mrg_rxbuf),
    ];
    let said = each.into_iter().filter_map(|(name, on)| Some((name, if on? { "on" } else { "off" })));
    said.fold(Element::new(name), |element, (name, word)| element.with(name, word))
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
        .one_unless_empty(Element::new("model").with_some("type", interface.model.as_ref()))
        .one_unless_empty(write_driver(&interface.driver));
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
