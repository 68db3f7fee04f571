//! `<seclabel>`.

use reeve_model::domain::SecLabel;

use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(super) fn read(label: &mut Reader<'_, '_>) -> Result<SecLabel, Fault> {
    Ok(SecLabel { kind: label.word("type"), model: label.word("model"), extra: label.extra() })
}

pub(super) fn write(label: &SecLabel) -> Element<'_> {
    Element::new("seclabel")
        .with_some("type", label.kind.as_ref())
        .with_some("model", label.model.as_ref())
        .extra(&label.extra)
}
