//! `<forward>` (guide 18.3 to 18.7).

use reeve_model::network::{AddressRange, Forward, ForwardMode, Nat, PortRange};

use super::ADDRESS;
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

/// `mode='none'` is an isolated network, as one without `<forward>`.
pub(super) fn read(forward: &mut Reader<'_, '_>) -> Result<Option<Forward>, Fault> {
    let mode = match forward.attribute("mode") {
        None | Some("") => ForwardMode::Nat,
        Some("none") => {
            forward.nothing_left()?;
            return Ok(None);
        }
        Some(word) => ForwardMode::from_word(word).ok_or_else(|| {
            let words: Vec<&str> = ForwardMode::ALL.iter().map(|(_, word)| *word).collect();
            let message = format!("mode='{word}' is not one of none, {}", words.join(", "));
            forward.attribute_fault("mode", message)
        })?,
    };
    Ok(Some(Forward {
        mode,
        dev: forward.word("dev").filter(|dev| !dev.is_empty()),
        managed: forward.either("managed", "yes", "no")?,
        nat: forward.one("nat", read_nat)?,
        interfaces: forward.each("interface", read_device)?,
        pf: forward.one("pf", |pf| pf.required("dev", "eth0"))?,
        extra: forward.extra(),
    }))
}

/// `<interface dev='…'/>` or `<pf dev='…'/>`; how many guests use it is the host's to say.
pub(super) fn read_device(device: &mut Reader<'_, '_>) -> Result<String, Fault> {
    device.attribute("connections");
    let dev = device.required("dev", "eth0")?;
    device.nothing_left()?;
    Ok(dev)
}

fn read_nat(nat: &mut Reader<'_, '_>) -> Result<Nat, Fault> {
    Ok(Nat {
        ipv6: nat.either("ipv6", "yes", "no")?.unwrap_or_default(),
        addresses: nat.one("address", read_addresses)?,
        ports: nat.one("port", |ports| {
            let what = "a port, 0 to 65535";
            Ok(PortRange { start: ports.needed("start", what)?, end: ports.needed("end", what)? })
        })?,
    })
}

pub(super) fn read_addresses(range: &mut Reader<'_, '_>) -> Result<AddressRange, Fault> {
    Ok(AddressRange { start: range.needed("start", ADDRESS)?, end: range.needed("end", ADDRESS)? })
}

pub(super) fn write(forward: &Forward) -> Element<'_> {
    Element::new("forward")
        .with("mode", forward.mode.as_str())
        .with_some("dev", forward.dev.as_ref())
        .with_choice("managed", forward.managed)
        .one_some(forward.nat.as_ref().map(write_nat))
        .one_unless_empty(Element::new("pf").with_some("dev", forward.pf.as_ref()))
        .each(forward.interfaces.iter().map(|dev| Element::new("interface").with("dev", dev)))
        .extra(&forward.extra)
}

fn write_nat(nat: &Nat) -> Element<'_> {
    let addresses = nat.addresses.as_ref().map(|range| {
        Element::new("address").with_some("start", Some(&range.start)).with_some("end", Some(&range.end))
    });
    let ports = nat.ports.as_ref().map(|range| {
        Element::new("port").with_some("start", Some(&range.start)).with_some("end", Some(&range.end))
    });
    Element::new("nat").with_yes("ipv6", nat.ipv6).one_some(addresses).one_some(ports)
}
