//! What networks, port groups and interfaces of domains have in common: bandwidth, VLAN tags, virtual ports.

use reeve_model::network::{Bandwidth, PortGroup, RateLimit, VirtualPort, Vlan, VlanTag};

use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(crate) fn read_bandwidth(bandwidth: &mut Reader<'_, '_>) -> Result<Bandwidth, Fault> {
    Ok(Bandwidth {
        inbound: bandwidth.one("inbound", read_limit)?,
        outbound: bandwidth.one("outbound", read_limit)?,
    })
}

fn read_limit(limit: &mut Reader<'_, '_>) -> Result<RateLimit, Fault> {
    Ok(RateLimit {
        average_kib: limit.number("average")?.unwrap_or_default(),
        peak_kib: limit.number("peak")?,
        burst_kib: limit.number("burst")?,
        floor_kib: limit.number("floor")?,
    })
}

pub(crate) fn write_bandwidth(bandwidth: &Bandwidth) -> Element<'_> {
    Element::new("bandwidth")
        .one_some(bandwidth.inbound.as_ref().map(|limit| write_limit("inbound", limit)))
        .one_some(bandwidth.outbound.as_ref().map(|limit| write_limit("outbound", limit)))
}

fn write_limit<'c>(name: &'c str, limit: &'c RateLimit) -> Element<'c> {
    let average = Some(&limit.average_kib).filter(|average| **average > 0 || limit.floor_kib.is_none());
    Element::new(name)
        .with_some("average", average)
        .with_some("peak", limit.peak_kib.as_ref())
        .with_some("floor", limit.floor_kib.as_ref())
        .with_some("burst", limit.burst_kib.as_ref())
}

pub(crate) fn read_vlan(vlan: &mut Reader<'_, '_>) -> Result<Vlan, Fault> {
    Ok(Vlan { trunk: vlan.either("trunk", "yes", "no")?, tags: vlan.each("tag", read_tag)? })
}

fn read_tag(tag: &mut Reader<'_, '_>) -> Result<VlanTag, Fault> {
    let id = tag.needed("id", "a VLAN, 0 to 4095")?;
    let native_mode = tag.word("nativeMode");
    if let Some(mode) = &native_mode
        && !["tagged", "untagged"].contains(&mode.as_str())
    {
        let message = format!("nativeMode='{mode}' is neither 'tagged' nor 'untagged'");
        return Err(tag.attribute_fault("nativeMode", message));
    }
    tag.nothing_left()?;
    Ok(VlanTag { id, native_mode })
}

pub(crate) fn write_vlan(vlan: &Vlan) -> Element<'_> {
    let tag = |tag: &VlanTag| {
        let mut element = Element::new("tag").with("id", tag.id.to_string());
        if let Some(mode) = &tag.native_mode {
            element.set("nativeMode", mode.clone());
        }
        element
    };
    Element::new("vlan").with_choice("trunk", vlan.trunk).each(vlan.tags.iter().map(tag))
}

pub(crate) fn read_virtualport(port: &mut Reader<'_, '_>) -> Result<VirtualPort, Fault> {
    Ok(VirtualPort {
        kind: port.word("type"),
        parameters: port.one("parameters", |parameters| Ok(parameters.all_attributes()))?.unwrap_or_default(),
    })
}

pub(crate) fn write_virtualport(port: &VirtualPort) -> Element<'_> {
    let mut parameters = Element::new("parameters");
    for (name, value) in &port.parameters {
        parameters.set(name.as_str(), value.as_str());
    }
    Element::new("virtualport").with_some("type", port.kind.as_ref()).one_unless_empty(parameters)
}

/// `<port isolated='yes'/>` inside of an element.
pub(crate) fn read_isolated(parent: &mut Reader<'_, '_>) -> Result<bool, Fault> {
    let isolated = parent.one("port", |port| port.either("isolated", "yes", "no"))?;
    Ok(isolated.flatten().unwrap_or_default())
}

pub(crate) fn write_isolated<'c>(isolated: bool) -> Element<'c> {
    Element::new("port").with_yes("isolated", isolated)
}

pub(crate) fn read_group(group: &mut Reader<'_, '_>) -> Result<PortGroup, Fault> {
    Ok(PortGroup {
        name: group.required("name", "staff")?,
        default: group.either("default", "yes", "no")?.unwrap_or_default(),
        bandwidth: group.one("bandwidth", read_bandwidth)?.unwrap_or_default(),
        vlan: group.one("vlan", read_vlan)?,
        virtualport: group.one("virtualport", read_virtualport)?,
        extra: group.extra(),
    })
}

pub(crate) fn write_group(group: &PortGroup) -> Element<'_> {
    Element::new("portgroup")
        .with("name", &group.name)
        .with_yes("default", group.default)
        .one_some(group.vlan.as_ref().map(write_vlan))
        .one_some(group.virtualport.as_ref().map(write_virtualport))
        .one_unless_empty(write_bandwidth(&group.bandwidth))
        .extra(&group.extra)
}
