//! `<pm>` (guide 20.13).

use reeve_model::domain::PmConfig;

use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(super) fn read(pm: &mut Reader<'_, '_>) -> Result<PmConfig, Fault> {
    Ok(PmConfig {
        suspend_to_mem: pm.one("suspend-to-mem", read_state)?.flatten(),
        suspend_to_disk: pm.one("suspend-to-disk", read_state)?.flatten(),
        extra: pm.extra(),
    })
}

fn read_state(state: &mut Reader<'_, '_>) -> Result<Option<bool>, Fault> {
    state.either("enabled", "yes", "no")
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
