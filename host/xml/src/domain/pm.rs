//! `<pm>` (guide 20.13).

use reeve_model::domain::PmConfig;

use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(super) fn read(pm: &mut Reader<'_, '_>) -> Result<PmConfig, Fault> {
    let state = |pm: &mut Reader<'_, '_>, name: &str| {
        let found = pm.one(name, |state| state.either("enabled", "yes", "no"))?;
        Ok(found.flatten())
    };
    Ok(PmConfig {
        suspend_to_mem: state(pm, "suspend-to-mem")?,
        suspend_to_disk: state(pm, "suspend-to-disk")?,
        extra: pm.extra(),
    })
}

pub(super) fn write(pm: &PmConfig) -> Element<'_> {
    let state = |name, enabled: Option<bool>| {
        enabled.map(|enabled| Element::new(name).with("enabled", if enabled { "yes" } else { "no" }))
    };
    Element::new("pm")
        .each(state("suspend-to-mem", pm.suspend_to_mem))
        .each(state("suspend-to-disk", pm.suspend_to_disk))
        .extra(&pm.extra)
}
