//! `<serial>`, `<console>` and `<channel>` (guide 20.16.14).

use reeve_model::domain::CharDevice;

use super::address::{read_common, write_common};
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(crate) fn read(device: &mut Reader<'_, '_>) -> Result<CharDevice, Fault> {
    let kind = device.word("type").unwrap_or_else(|| "pty".to_owned());
    // A udp device has two sources, and stays as it is.
    let source = match device.count("source") {
        1 => device.one("source", |source| {
            let path = source.word("path");
            Ok((path, source.word("mode"), source.word("host"), source.word("service")))
        })?,
        _ => None,
    };
    let (path, mode, host, service) = source.unwrap_or_default();
    let protocol = device.one("protocol", |protocol| Ok(protocol.word("type")))?.flatten();
    let target = device.one("target", |target| {
        let port = target.number("port")?;
        Ok((target.word("type"), port, target.word("name")))
    })?;
    let (target_type, port, name) = target.unwrap_or_default();
    let common = read_common(device)?;
    Ok(CharDevice { kind, path, mode, host, service, protocol, target_type, port, name, common })
}

/// `element` is `serial`, `console` or `channel`.
pub(crate) fn write<'c>(element: &'c str, device: &'c CharDevice) -> Element<'c> {
    let target = Element::new("target")
        .with_some("type", device.target_type.as_ref())
        .with_some("port", device.port.as_ref())
        .with_some("name", device.name.as_ref());
    let source = Element::new("source")
        .with_some("mode", device.mode.as_ref())
        .with_some("path", device.path.as_ref())
        .with_some("host", device.host.as_ref())
        .with_some("service", device.service.as_ref());
    let element = Element::new(element)
        .with("type", &device.kind)
        .one_unless_empty(source)
        .one_unless_empty(Element::new("protocol").with_some("type", device.protocol.as_ref()))
        .one_unless_empty(target);
    write_common(element, &device.common)
}
