//! `<resource>` (guide 20.10).

use reeve_model::domain::ResourceConfig;

use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(super) fn read(resource: &mut Reader<'_, '_>) -> Result<ResourceConfig, Fault> {
    let partition = resource.one("partition", |partition| Ok(partition.trimmed()))?;
    Ok(ResourceConfig {
        partition: partition.filter(|partition| !partition.is_empty()),
        extra: resource.extra(),
    })
}

pub(super) fn write(resource: &ResourceConfig) -> Element<'_> {
    Element::new("resource").one_text("partition", resource.partition.as_ref()).extra(&resource.extra)
}
