//! `<disk>` (guide 20.16.1).

use reeve_model::domain::{Disk, DiskDriver, DiskSource, IoTune};
use reeve_model::storage::Encryption;

use super::address::{read_common, write_common};
use crate::error::Fault;
use crate::pool::target::{read_encryption, write_encryption};
use crate::reader::Reader;
use crate::tree::Element;

pub(crate) fn read(disk: &mut Reader<'_, '_>) -> Result<Disk, Fault> {
    let device = disk.word("device").unwrap_or_else(|| "disk".to_owned());
    let (source, of_source) = read_source(disk)?;
    let driver = disk.one("driver", read_driver)?.unwrap_or_default();
    let (target, bus) = disk
        .one("target", |target| Ok((target.required("dev", "vda")?, target.word("bus"))))?
        .ok_or_else(|| disk.fault("the disk has no target; add <target dev='vda' bus='virtio'/>"))?;
    Ok(Disk {
        bus: bus.or_else(|| bus_of(&target).map(str::to_owned)),
        // A drive for discs cannot write (guide 20.16.1.7).
        readonly: disk.flag("readonly")? || device == "cdrom",
        shareable: disk.flag("shareable")?,
        serial: disk.one("serial", |serial| Ok(serial.trimmed()))?.filter(|serial| !serial.is_empty()),
        iotune: Box::new(disk.one("iotune", read_iotune)?.unwrap_or_default()),
        encryption: disk.one("encryption", read_encryption)?.or(of_source),
        common: read_common(disk)?,
        device,
        source,
        driver,
        target,
    })
}

/// The source, and how it is encrypted where that is said within it.
fn read_source(disk: &mut Reader<'_, '_>) -> Result<(DiskSource, Option<Encryption>), Fault> {
    let kind = disk.word("type").unwrap_or_else(|| "file".to_owned());
    let mut encryption = None;
    let mut path = |name: &str| {
        let path = disk.one("source", |source| {
            encryption = source.one("encryption", read_encryption)?;
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
                Ok((source.required("pool", "default")?, source.required("volume", "web.img")?))
            };
            let source = disk.one("source", named)?;
            let (pool, volume) =
                source.ok_or_else(|| disk.fault(format!("the disk names no volume; {example}")))?;
            DiskSource::Volume { pool, volume, found: None }
        }
        _ => DiskSource::Other { kind, source: disk.fragment("source")? },
    };
    Ok((source, encryption))
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
        extra: driver.extra(),
    })
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
    let driver = &disk.driver;
    let driver = Element::new("driver")
        .with_some("name", driver.name.as_ref())
        .with_some("type", driver.format.as_ref())
        .with_some("cache", driver.cache.as_ref())
        .with_some("error_policy", driver.error_policy.as_ref())
        .with_some("rerror_policy", driver.rerror_policy.as_ref())
        .with_some("io", driver.io.as_ref())
        .with_some("discard", driver.discard.as_ref())
        .with_some("iothread", driver.iothread.as_ref())
        .extra(&driver.extra);
    let target = Element::new("target").with("dev", &disk.target).with_some("bus", disk.bus.as_ref());
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
        .one_text("serial", disk.serial.as_ref())
        .one_unless_empty(write_iotune(*disk.iotune))
        .one_some(disk.encryption.as_ref().map(write_encryption));
    write_common(element, &disk.common)
}
