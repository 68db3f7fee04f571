//! What targets of pools and volumes have in common: sizes, permissions, encryption.

use reeve_model::Bytes;
use reeve_model::storage::{Encryption, Permissions, SecretReference};

use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

/// A size with its unit; bytes when it names none.
pub(crate) fn read_size(size: &mut Reader<'_, '_>) -> Result<Bytes, Fault> {
    let unit = size.attribute("unit").unwrap_or("bytes");
    let count: u64 = size.text_number()?;
    if Bytes::of_unit(0, unit).is_none() {
        let message = format!("unit='{unit}' is no unit of size; write bytes, KiB, MiB, GiB, TiB");
        return Err(size.attribute_fault("unit", message));
    }
    let name = &size.element.name;
    Bytes::of_unit(count, unit)
        .ok_or_else(|| size.fault(format!("<{name}> of {count} {unit} is more than can be counted")))
}

pub(crate) fn write_size<'c>(name: &'static str, size: Option<Bytes>) -> Option<Element<'c>> {
    size.map(|size| Element::new(name).with("unit", "bytes").with_text(size.0.to_string()))
}

pub(crate) fn read_permissions(permissions: &mut Reader<'_, '_>) -> Result<Permissions, Fault> {
    Ok(Permissions {
        mode: permissions.one("mode", read_mode)?,
        owner: permissions.one("owner", read_id)?.flatten(),
        group: permissions.one("group", read_id)?.flatten(),
        label: permissions.one("label", |label| Ok(label.trimmed()))?.filter(|label| !label.is_empty()),
        extra: permissions.extra(),
    })
}

fn read_mode(mode: &mut Reader<'_, '_>) -> Result<u32, Fault> {
    let text = mode.trimmed();
    let digits = text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    u32::from_str_radix(&text, 8)
        .ok()
        .filter(|mode| digits && *mode <= 0o7777)
        .ok_or_else(|| mode.fault(format!("mode '{text}' is not octal, 0 to 07777, such as 0700")))
}

/// A user or group; -1 is nobody in particular.
fn read_id(id: &mut Reader<'_, '_>) -> Result<Option<u32>, Fault> {
    let number: i64 = id.text_number()?;
    match (number, u32::try_from(number)) {
        (-1, _) => Ok(None),
        (_, Ok(number)) if number < u32::MAX => Ok(Some(number)),
        _ => Err(id.fault(format!("{number} is no id of a user or group"))),
    }
}

pub(crate) fn write_permissions(permissions: &Permissions) -> Element<'_> {
    let mode = permissions.mode.map(|mode| Element::new("mode").with_text(format!("0{mode:o}")));
    Element::new("permissions")
        .one_some(mode)
        .one_text("owner", permissions.owner.as_ref())
        .one_text("group", permissions.group.as_ref())
        .one_text("label", permissions.label.as_ref())
        .extra(&permissions.extra)
}

pub(crate) fn read_encryption(encryption: &mut Reader<'_, '_>) -> Result<Encryption, Fault> {
    Ok(Encryption {
        format: encryption.word("format"),
        secrets: encryption.each("secret", read_secret)?,
        extra: encryption.extra(),
    })
}

pub(crate) fn write_encryption(encryption: &Encryption) -> Element<'_> {
    Element::new("encryption")
        .with_some("format", encryption.format.as_ref())
        .each(encryption.secrets.iter().map(write_secret))
        .extra(&encryption.extra)
}

pub(crate) fn read_secret(secret: &mut Reader<'_, '_>) -> Result<SecretReference, Fault> {
    Ok(SecretReference { kind: secret.word("type"), uuid: secret.word("uuid"), usage: secret.word("usage") })
}

pub(crate) fn write_secret(secret: &SecretReference) -> Element<'_> {
    Element::new("secret")
        .with_some("type", secret.kind.as_ref())
        .with_some("uuid", secret.uuid.as_ref())
        .with_some("usage", secret.usage.as_ref())
}
