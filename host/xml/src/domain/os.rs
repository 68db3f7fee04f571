//! `<os>` and `<features>` (guide 20.2, 20.14).

use reeve_model::domain::{Features, OsConfig};

use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(super) fn read(os: &mut Reader<'_, '_>) -> Result<OsConfig, Fault> {
    let os_type = os.one("type", |kind| Ok((kind.trimmed(), kind.word("arch"), kind.word("machine"))))?;
    let (os_type, arch, machine) = os_type
        .filter(|(word, ..)| !word.is_empty())
        .ok_or_else(|| os.fault("<os> has no type; add <type>hvm</type>"))?;
    Ok(OsConfig {
        os_type,
        arch,
        machine,
        loader: read_path(os, "loader")?,
        kernel: read_path(os, "kernel")?,
        initrd: read_path(os, "initrd")?,
        cmdline: read_path(os, "cmdline")?,
        boot: os.each("boot", |boot| boot.required("dev", "hd"))?,
        smbios: os.one("smbios", |smbios| smbios.required("mode", "sysinfo"))?,
        extra: os.extra(),
    })
}

fn read_path(os: &mut Reader<'_, '_>, name: &str) -> Result<Option<String>, Fault> {
    Ok(os.one(name, |path| Ok(path.trimmed()))?.filter(|path| !path.is_empty()))
}

pub(super) fn write(os: &OsConfig) -> Element<'_> {
    let os_type = Element::new("type")
        .with_some("arch", os.arch.as_ref())
        .with_some("machine", os.machine.as_ref())
        .with_text(os.os_type.as_str());
    Element::new("os")
        .one(os_type)
        .one_text("loader", os.loader.as_ref())
        .one_text("kernel", os.kernel.as_ref())
        .one_text("initrd", os.initrd.as_ref())
        .one_text("cmdline", os.cmdline.as_ref())
        .each(os.boot.iter().map(|device| Element::new("boot").with("dev", device)))
        .each(os.smbios.as_ref().map(|mode| Element::new("smbios").with("mode", mode)))
        .extra(&os.extra)
}

pub(super) fn read_features(features: &mut Reader<'_, '_>) -> Result<Features, Fault> {
    Ok(Features {
        acpi: features.flag("acpi")?,
        apic: features.flag("apic")?,
        pae: features.flag("pae")?,
        extra: features.extra(),
    })
}

pub(super) fn write_features(features: &Features) -> Element<'_> {
    Element::new("features")
        .one_flag("acpi", features.acpi)
        .one_flag("apic", features.apic)
        .one_flag("pae", features.pae)
        .extra(&features.extra)
}
