//! `<serial>`, `<console>` and `<channel>` (guide 20.16.14).

use reeve_model::domain::CharDevice;

use super::address::{read_common, write_common};
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(crate) fn read(device: &mut Reader<'_, '_>) -> Result<CharDevice, Fault> {
    let kind = device.word("type").unwrap_or_else(|| "pty".to_owned());
    // A udp device has two sources, neither with a path.
    let path = match device.count("source") {
        1 => device.one("source", |source| Ok(source.word("path")))?.flatten(),
        _ => None,
    };
    let target = device.one("target", |target| {
        let port = target.number("port")?;
        Ok((target.word("type"), port, target.word("name")))
    })?;
    let (target_type, port, name) = target.unwrap_or_default();
    Ok(CharDevice { kind, path, target_type, port, name, common: read_common(device)? })
}

/// `element` is `serial`, `console` or `channel`.
pub(crate) fn write<'c>(element: &'c str, device: &'c CharDevice) -> Element<'c> {
    let target = Element::new("target")
        .with_some("type", device.target_type.as_ref())
        .with_some("port", device.port.as_ref())
        .with_some("name", device.name.as_ref());
    let element = Element::new(element)
        .with("type", &device.kind)
        .one_unless_empty(Element::new("source").with_some("path", device.path.as_ref()))
        .one_unless_empty(target);
    write_common(element, &device.common)
}
