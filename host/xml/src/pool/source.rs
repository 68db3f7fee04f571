//! `<source>` of a pool.

use reeve_model::Bytes;
use reeve_model::storage::{Adapter, Extent, PoolSource, SourceAuth, SourceDevice, SourceHost};

use super::target::{read_secret, write_secret};
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(super) fn read(source: &mut Reader<'_, '_>) -> Result<PoolSource, Fault> {
    Ok(PoolSource {
        hosts: source.each("host", |host| {
            Ok(SourceHost { name: host.required("name", "files.example.com")?, port: host.number("port")? })
        })?,
        devices: source.each("device", read_device)?,
        dir: source.one("dir", |dir| dir.required("path", "/export/images"))?,
        adapter: source.one("adapter", |adapter| {
            Ok(Adapter {
                kind: adapter.word("type"),
                name: adapter.word("name"),
                parent: adapter.word("parent"),
                wwnn: adapter.word("wwnn"),
                wwpn: adapter.word("wwpn"),
                extra: adapter.extra(),
            })
        })?,
        name: source.one("name", |name| Ok(name.trimmed()))?.filter(|name| !name.is_empty()),
        initiator: source
            .one("initiator", |initiator| {
                initiator.one("iqn", |iqn| iqn.required("name", "iqn.2010-05.com.example:host"))
            })?
            .flatten(),
        auth: source.one("auth", read_auth)?,
        format: source.one("format", |format| format.required("type", "gpt"))?,
        protocol: source.one("protocol", |protocol| protocol.required("ver", "4"))?,
        vendor: source.one("vendor", |vendor| vendor.required("name", "Acme"))?,
        product: source.one("product", |product| product.required("name", "model"))?,
        extra: source.extra(),
    })
}

fn read_device(device: &mut Reader<'_, '_>) -> Result<SourceDevice, Fault> {
    Ok(SourceDevice {
        path: device.required("path", "/dev/sdb")?,
        part_separator: device.either("part_separator", "yes", "no")?,
        free: device.each("freeExtent", |extent| {
            let mut end = |name| extent.needed::<u64>(name, "a number of bytes").map(Bytes);
            Ok(Extent { start: end("start")?, end: end("end")? })
        })?,
    })
}

fn read_auth(auth: &mut Reader<'_, '_>) -> Result<SourceAuth, Fault> {
    if auth.element.attribute("passwd").is_some() {
        let message =
            "a password does not belong into a document; define a secret and name it by <secret usage='…'/>";
        return Err(auth.attribute_fault("passwd", message));
    }
    Ok(SourceAuth {
        kind: auth.required("type", "chap")?,
        username: auth.word("username"),
        secret: auth.one("secret", read_secret)?,
        extra: auth.extra(),
    })
}

pub(super) fn write(source: &PoolSource) -> Element<'_> {
    let named = |element: &'static str, name: &'static str, value: &Option<String>| {
        value.clone().map(|value| Element::new(element).with(name, value))
    };
    let initiator = named("iqn", "name", &source.initiator);
    Element::new("source")
        .each(
            source.hosts.iter().map(|host| {
                Element::new("host").with("name", &host.name).with_some("port", host.port.as_ref())
            }),
        )
        .each(source.devices.iter().map(write_device))
        .one_some(named("dir", "path", &source.dir))
        .one_some(source.adapter.as_ref().map(write_adapter))
        .one_text("name", source.name.as_ref())
        .one_some(initiator.map(|iqn| Element::new("initiator").one(iqn)))
        .one_some(source.auth.as_ref().map(write_auth))
        .one_some(named("format", "type", &source.format))
        .one_some(named("protocol", "ver", &source.protocol))
        .one_some(named("vendor", "name", &source.vendor))
        .one_some(named("product", "name", &source.product))
        .extra(&source.extra)
}

fn write_device(device: &SourceDevice) -> Element<'_> {
    let free = |extent: &Extent| {
        Element::new("freeExtent")
            .with("start", extent.start.0.to_string())
            .with("end", extent.end.0.to_string())
    };
    Element::new("device")
        .with("path", &device.path)
        .with_choice("part_separator", device.part_separator)
        .each(device.free.iter().map(free))
}

fn write_adapter(adapter: &Adapter) -> Element<'_> {
    Element::new("adapter")
        .with_some("type", adapter.kind.as_ref())
        .with_some("name", adapter.name.as_ref())
        .with_some("parent", adapter.parent.as_ref())
        .with_some("wwnn", adapter.wwnn.as_ref())
        .with_some("wwpn", adapter.wwpn.as_ref())
        .extra(&adapter.extra)
}

fn write_auth(auth: &SourceAuth) -> Element<'_> {
    Element::new("auth")
        .with("type", &auth.kind)
        .with_some("username", auth.username.as_ref())
        .one_some(auth.secret.as_ref().map(write_secret))
        .extra(&auth.extra)
}
