//! `<disk>` (guide 20.16.1).

use reeve_model::domain::{Disk, DiskBlocks, DiskDriver, DiskGeometry, DiskSource, IoTune};
use reeve_model::storage::Encryption;

use super::address::{read_common, write_common};
use super::cpu::required;
use crate::error::Fault;
use crate::pool::target::{read_encryption, write_encryption};
use crate::reader::Reader;
use crate::tree::Element;

pub(crate) fn read(disk: &mut Reader<'_, '_>) -> Result<Disk, Fault> {
    let device = disk.word("device").unwrap_or_else(|| "disk".to_owned());
    let Source { source, encryption: of_source, startup_policy } = read_source(disk)?;
    let driver = disk.one("driver", read_driver)?.unwrap_or_default();
    let (target, bus, tray) = disk
        .one("target", |target| {
            Ok((target.required("dev", "vda")?, target.word("bus"), target.either("tray", "open", "closed")?))
        })?
        .ok_or_else(|| disk.fault("the disk has no target; add <target dev='vda' bus='virtio'/>"))?;
    Ok(Disk {
        bus: bus.or_else(|| bus_of(&target).map(str::to_owned)),
        // A drive for discs cannot write (guide 20.16.1.7).
        readonly: disk.flag("readonly")? || device == "cdrom",
        shareable: disk.flag("shareable")?,
        transient: disk.flag("transient")?,
        serial: disk.one("serial", |serial| Ok(serial.trimmed()))?.filter(|serial| !serial.is_empty()),
        wwn: disk.one("wwn", |wwn| Ok(wwn.trimmed()))?,
        startup_policy,
        tray,
        blocks: Box::new(DiskBlocks {
            geometry: disk.one("geometry", read_geometry)?,
            ..disk.one("blockio", read_blocks)?.unwrap_or_default()
        }),
        iotune: Box::new(disk.one("iotune", read_iotune)?.unwrap_or_default()),
        encryption: disk.one("encryption", read_encryption)?.or(of_source),
        common: read_common(disk)?,
        device,
        source,
        driver,
        target,
    })
}

/// What `<source>` says.
struct Source {
    source: DiskSource,
    /// How it is encrypted, where that is said within it.
    encryption: Option<Encryption>,
    startup_policy: Option<String>,
}

fn read_source(disk: &mut Reader<'_, '_>) -> Result<Source, Fault> {
    let kind = disk.word("type").unwrap_or_else(|| "file".to_owned());
    let (mut encryption, mut startup_policy) = (None, None);
    let mut path = |name: &str| {
        let path = disk.one("source", |source| {
            encryption = source.one("encryption", read_encryption)?;
            startup_policy = source.word("startupPolicy");
            Ok(source.word(name))
        })?;
        Ok(path.flatten().filter(|path| !path.is_empty()))
    };
    let source = match kind.as_str() {
        "file" => DiskSource::File { path: path("file")? },
        "block" => DiskSource::Block { path: path("dev")? },
        "volume" => {
            let example = "add <source pool='default' volume='web.img'/>";
            let named = |source: &mut Reader<'_, '_>| {
                encryption = source.one("encryption", read_encryption)?;
                startup_policy = source.word("startupPolicy");
                Ok((source.required("pool", "default")?, source.required("volume", "web.img")?))
            };
            let source = disk.one("source", named)?;
            let (pool, volume) =
                source.ok_or_else(|| disk.fault(format!("the disk names no volume; {example}")))?;
            DiskSource::Volume { pool, volume, found: None }
        }
        _ => DiskSource::Other { kind, source: disk.fragment("source")? },
    };
    Ok(Source { source, encryption, startup_policy })
}

/// The bus that a target's name tells when the document does not (guide 20.16.1.4).
fn bus_of(target: &str) -> Option<&'static str> {
    let buses = [("xvd", "xen"), ("vd", "virtio"), ("sd", "scsi"), ("hd", "ide"), ("fd", "fdc")];
    buses.iter().find(|(prefix, _)| target.starts_with(prefix)).map(|(_, bus)| *bus)
}

fn read_driver(driver: &mut Reader<'_, '_>) -> Result<DiskDriver, Fault> {
    Ok(DiskDriver {
        name: driver.word("name"),
        format: driver.word("type"),
        cache: driver.word("cache"),
        io: driver.word("io"),
        error_policy: driver.word("error_policy"),
        rerror_policy: driver.word("rerror_policy"),
        discard: driver.word("discard"),
        iothread: driver.number("iothread")?,
        copy_on_read: driver.either("copy_on_read", "on", "off")?,
        ioeventfd: driver.either("ioeventfd", "on", "off")?,
        event_idx: driver.either("event_idx", "on", "off")?,
        extra: driver.extra(),
    })
}

fn read_blocks(blocks: &mut Reader<'_, '_>) -> Result<DiskBlocks, Fault> {
    Ok(DiskBlocks {
        logical: blocks.number("logical_block_size")?,
        physical: blocks.number("physical_block_size")?,
        discard: blocks.number("discard_granularity")?,
        geometry: None,
    })
}

fn write_blocks(blocks: &DiskBlocks) -> Element<'_> {
    Element::new("blockio")
        .with_some("logical_block_size", blocks.logical.as_ref())
        .with_some("physical_block_size", blocks.physical.as_ref())
        .with_some("discard_granularity", blocks.discard.as_ref())
}

fn read_geometry(geometry: &mut Reader<'_, '_>) -> Result<DiskGeometry, Fault> {
    Ok(DiskGeometry {
        cylinders: required(geometry, "cyls")?,
        heads: required(geometry, "heads")?,
        sectors: required(geometry, "secs")?,
        translation: geometry.word("trans"),
    })
}

fn write_geometry(geometry: &DiskGeometry) -> Element<'_> {
    Element::new("geometry")
        .with("cyls", geometry.cylinders.to_string())
        .with("heads", geometry.heads.to_string())
        .with("secs", geometry.sectors.to_string())
        .with_some("trans", geometry.translation.as_ref())
}

fn read_iotune(iotune: &mut Reader<'_, '_>) -> Result<IoTune, Fault> {
    let mut tune = IoTune::default();
    for (name, value) in tune.numbers() {
        *value = iotune.one(&name, Reader::text_number)?;
    }
    Ok(tune)
}

fn write_iotune(mut tune: IoTune) -> Element<'static> {
    let said = tune.numbers().into_iter().filter_map(|(name, value)| Some((name, (*value)?)));
    said.fold(Element::new("iotune"), |element, (name, value)| {
        element.one(Element::new(name).with_text(value.to_string()))
    })
}

pub(crate) fn write(disk: &Disk) -> Element<'_> {
    let path = |name, path: &'_ Option<String>| match path {
        Some(path) => Element::new("source").with(name, path.clone()),
        None => Element::new("source"),
    };
    let (kind, source) = match &disk.source {
        DiskSource::File { path: file } => ("file", path("file", file)),
        DiskSource::Block { path: device } => ("block", path("dev", device)),
        DiskSource::Volume { pool, volume, .. } => {
            ("volume", Element::new("source").with("pool", pool.clone()).with("volume", volume.clone()))
        }
        DiskSource::Other { kind, .. } => (kind.as_str(), Element::new("source")),
    };
    // A source that is kept as it is written has all that is said of it.
    let policy = disk.startup_policy.as_ref().filter(|_| !matches!(disk.source, DiskSource::Other { .. }));
    let source = source.with_some("startupPolicy", policy);
    let driver = &disk.driver;
    let driver = Element::new("driver")
        .with_some("name", driver.name.as_ref())
        .with_some("type", driver.format.as_ref())
        .with_some("cache", driver.cache.as_ref())
        .with_some("error_policy", driver.error_policy.as_ref())
        .with_some("rerror_policy", driver.rerror_policy.as_ref())
        .with_some("io", driver.io.as_ref())
        .with_switch("ioeventfd", driver.ioeventfd)
        .with_switch("event_idx", driver.event_idx)
        .with_switch("copy_on_read", driver.copy_on_read)
        .with_some("discard", driver.discard.as_ref())
        .with_some("iothread", driver.iothread.as_ref())
        .extra(&driver.extra);
    let mut target = Element::new("target").with("dev", &disk.target).with_some("bus", disk.bus.as_ref());
    if let Some(open) = disk.tray {
        target.set("tray", if open { "open" } else { "closed" });
    }
    let mut element = Element::new("disk")
        .with("type", kind)
        .with("device", &disk.device)
        .one_unless_empty(driver)
        .one_unless_empty(source)
        .one(target);
    if let DiskSource::Other { source: Some(source), .. } = &disk.source {
        element.fragment(source);
    }
    let element = element
        .one_flag("readonly", disk.readonly)
        .one_flag("shareable", disk.shareable)
        .one_flag("transient", disk.transient)
        .one_text("serial", disk.serial.as_ref())
        .one_text("wwn", disk.wwn.as_ref())
        .each(disk.blocks.geometry.as_ref().map(write_geometry))
        .one_unless_empty(write_blocks(&disk.blocks))
        .one_unless_empty(write_iotune(*disk.iotune))
        .one_some(disk.encryption.as_ref().map(write_encryption));
    write_common(element, &disk.common)
}
