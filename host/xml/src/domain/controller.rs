//! `<controller>` (guide 20.16.4).

use reeve_model::domain::Controller;

use super::address::{read_common, write_common};
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(crate) fn read(controller: &mut Reader<'_, '_>) -> Result<Controller, Fault> {
    Ok(Controller {
        kind: controller.required("type", "virtio-serial")?,
        index: controller.number("index")?,
        model: controller.word("model"),
        common: read_common(controller)?,
    })
}

pub(crate) fn write(controller: &Controller) -> Element<'_> {
    let element = Element::new("controller")
        .with("type", &controller.kind)
        .with_some("index", controller.index.as_ref())
        .with_some("model", controller.model.as_ref());
    write_common(element, &controller.common)
}
