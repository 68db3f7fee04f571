//! `<sysinfo>` (guide 20.3).

use reeve_model::domain::{SysInfo, SysInfoEntry};

use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(super) fn read(sysinfo: &mut Reader<'_, '_>) -> Result<SysInfo, Fault> {
    Ok(SysInfo {
        kind: sysinfo.required("type", "smbios")?,
        bios: sysinfo.one("bios", read_entries)?.unwrap_or_default(),
        system: sysinfo.one("system", read_entries)?.unwrap_or_default(),
        base_boards: sysinfo.each("baseBoard", read_entries)?,
        chassis: sysinfo.one("chassis", read_entries)?.unwrap_or_default(),
        extra: sysinfo.extra(),
    })
}

fn read_entries(block: &mut Reader<'_, '_>) -> Result<Vec<SysInfoEntry>, Fault> {
    block.each("entry", |entry| {
        Ok(SysInfoEntry { name: entry.required("name", "vendor")?, value: entry.trimmed() })
    })
}

pub(super) fn write(sysinfo: &SysInfo) -> Element<'_> {
    Element::new("sysinfo")
        .with("type", &sysinfo.kind)
        .one_unless_empty(write_entries("bios", &sysinfo.bios))
        .one_unless_empty(write_entries("system", &sysinfo.system))
        .each(sysinfo.base_boards.iter().map(|board| write_entries("baseBoard", board)))
        .one_unless_empty(write_entries("chassis", &sysinfo.chassis))
        .extra(&sysinfo.extra)
}

fn write_entries<'c>(name: &'static str, entries: &'c [SysInfoEntry]) -> Element<'c> {
    let entry = |entry: &'c SysInfoEntry| {
        Element::new("entry").with("name", &entry.name).with_text(entry.value.as_str())
    };
    Element::new(name).each(entries.iter().map(entry))
}
