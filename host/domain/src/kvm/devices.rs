//! Devices of a domain as devices of a worker.

use std::path::PathBuf;

use reeve_image::Format;
use reeve_model::device_address::DeviceAddress;
use reeve_model::domain::{CharDevice, DeviceCommon, Disk, DiskSource, DomainConfig, MemBalloon, Rng};
use reeve_sys::open::{ImageAccess, Sharing};
use reeve_vmm::config::{
    BalloonConfig, BlockConfig, CacheMode, ConsoleConfig, ConsolePort, DeviceConfig, DeviceKind,
    EncryptionConfig, RngConfig, RngRate, SerialConfig,
};

use super::interfaces;
use super::plan::{Source, Sources};

/// Alias of the device that carries virtio consoles and channels.
const VIRTIO_SERIAL: &str = "virtio-serial0";
/// Alias of a serial port that a `<console>` stands for.
const FIRST_SERIAL: &str = "serial0";

/// All of them. What the driver has no device for is refused by name.
pub(super) fn all(
    config: &DomainConfig,
    sources: &mut Sources,
    refuse: &mut impl FnMut(String),
) -> (Vec<SerialConfig>, Vec<DeviceConfig>) {
    let devices = &config.devices;
    for controller in &devices.controllers {
        if !matches!(controller.kind.as_str(), "pci" | "virtio-serial") {
            refuse(format!("there is no {} controller", controller.kind));
        }
    }
    if let Some(watchdog) = &devices.watchdog {
        refuse(format!("there is no watchdog '{}'", watchdog.model));
    }
    for element in &devices.extra.elements {
        refuse(format!("there is no device <{}>", element_name(element)));
    }
    refuse_same_image(&devices.disks, refuse);
    let serials = serials(config, sources, refuse);
    let mut list = Vec::new();
    for each in &devices.disks {
        keep(disk(each, sources), &mut list, refuse);
    }
    for each in &devices.interfaces {
        keep(interfaces::interface(each, sources), &mut list, refuse);
    }
    keep(console(config), &mut list, refuse);
    for each in &devices.rngs {
        keep(rng(each, sources).map(Some), &mut list, refuse);
    }
    keep(balloon(config), &mut list, refuse);
    (serials, list)
}

/// Two disks of one machine on one image would each find it locked by the other, unless both share it.
fn refuse_same_image(disks: &[Disk], refuse: &mut impl FnMut(String)) {
    for (number, disk) in disks.iter().enumerate() {
        let same = |other: &&Disk| {
            disk.source.path().is_some()
                && disk.source.path() == other.source.path()
                && !(is_shared(disk) && is_shared(other))
        };
        if let Some(other) = disks[..number].iter().find(same) {
            let path = disk.source.path().unwrap_or_default();
            refuse(format!("disks '{}' and '{}' both are '{path}'", other.target, disk.target));
        }
    }
}

/// Others may have its image too: they all only read, or they all know of each other.
fn is_shared(disk: &Disk) -> bool {
    is_readonly(disk) || disk.shareable
}

fn is_readonly(disk: &Disk) -> bool {
    disk.readonly || disk.device == "cdrom"
}

fn keep(
    made: Result<impl Into<Option<DeviceConfig>>, String>,
    list: &mut Vec<DeviceConfig>,
    refuse: &mut impl FnMut(String),
) {
    match made {
        Ok(device) => list.extend(device.into()),
        Err(sentence) => refuse(sentence),
    }
}

/// One disk.
pub(super) fn disk(disk: &Disk, sources: &mut Sources) -> Result<DeviceConfig, String> {
    let target = &disk.target;
    let virtio = disk.bus.as_deref().map_or_else(|| target.starts_with("vd"), |bus| bus == "virtio");
    if !virtio {
        let bus = disk.bus.as_deref().unwrap_or("that its name implies");
        return Err(format!("disk '{target}' is on bus '{bus}': only virtio is there"));
    }
    if !matches!(disk.device.as_str(), "disk" | "lun" | "cdrom") {
        return Err(format!("disk '{target}' is a {}: only disks are there", disk.device));
    }
    let format = disk.driver.format.as_deref().unwrap_or("raw");
    let Ok(format) = format.parse::<Format>() else {
        return Err(format!("disk '{target}' has format '{format}': only raw and qcow2 can be run"));
    };
    if format == Format::Qcow2 && disk.shareable && !is_readonly(disk) {
        return Err(format!(
            "disk '{target}' is shareable and qcow2: only a raw image can be written by several domains"
        ));
    }
    let secret = match &disk.encryption {
        None => None,
        Some(_) if format != Format::Raw => {
            return Err(format!("disk '{target}' is encrypted and {format}: only a raw image can be both"));
        }
        Some(encryption) => {
            let secret = encryption.passphrase();
            Some(secret.map_err(|error| format!("disk '{target}': {error}"))?.clone())
        }
    };
    let path = match &disk.source {
        DiskSource::File { path: Some(path) } | DiskSource::Block { path: Some(path) } => PathBuf::from(path),
        DiskSource::File { path: None } | DiskSource::Block { path: None } => {
            return Err(format!("disk '{target}' has no source: a virtio disk can't be empty"));
        }
        DiskSource::Volume { found: Some(found), .. } => PathBuf::from(&found.path),
        DiskSource::Volume { pool, volume, found: None } => {
            return Err(format!("disk '{target}': volume '{volume}' of pool '{pool}' was not looked up"));
        }
        DiskSource::Other { kind, .. } => {
            return Err(format!("disk '{target}' is of type '{kind}': use file, block or volume"));
        }
    };
    if !path.is_absolute() {
        return Err(format!("disk '{target}': '{}' is not an absolute path", path.display()));
    }
    let cache = cache_mode(disk)?;
    let readonly = is_readonly(disk);
    let follow = !matches!(&disk.source, DiskSource::Volume { found: Some(found), .. } if found.is_file);
    let access = ImageAccess {
        readonly,
        follow,
        direct: is_plain(disk) && bypasses(cache),
        sharing: if is_shared(disk) { Sharing::Shared } else { Sharing::Exclusive },
    };
    let what = format!("disk {target}");
    let fd = sources.add(Source::Image { what: what.clone(), path: path.clone(), access, format });
    // Where the disk begins in it is known when it is opened.
    let encryption = secret.map(|secret| EncryptionConfig {
        key: sources.add(Source::Key { what, path, image: fd, secret }),
        payload: 0,
    });
    let serial = disk.serial.as_ref().map(|serial| serial.chars().take(20).collect());
    let discard = disk.driver.discard.as_deref() == Some("unmap");
    // What is below the image is known when it is opened.
    let backing = Vec::new();
    let block = BlockConfig { fd, format, backing, readonly, serial, cache, discard, encryption };
    device(&disk.common, DeviceKind::Block(block))
}

fn cache_mode(disk: &Disk) -> Result<CacheMode, String> {
    Ok(match disk.driver.cache.as_deref() {
        None | Some("default" | "writeback") => CacheMode::Writeback,
        Some("none") => CacheMode::None,
        Some("writethrough") => CacheMode::Writethrough,
        Some("directsync") => CacheMode::Directsync,
        Some("unsafe") => CacheMode::Unsafe,
        Some(other) => {
            return Err(format!("disk '{}' has cache mode '{other}', which does not exist", disk.target));
        }
    })
}

/// Its file is the disk, byte for byte.
fn is_plain(disk: &Disk) -> bool {
    disk.encryption.is_none() && disk.driver.format.as_deref().is_none_or(|format| format == "raw")
}

fn bypasses(cache: CacheMode) -> bool {
    matches!(cache, CacheMode::None | CacheMode::Directsync)
}

/// What is done in another way than the document says.
pub(super) fn notes(disks: &[Disk]) -> Vec<String> {
    let note = |disk: &Disk| {
        let cache = cache_mode(disk).ok().filter(|cache| bypasses(*cache))?;
        let word = disk.driver.cache.as_deref().filter(|_| !is_plain(disk))?;
        let kind = if disk.encryption.is_some() { "an encrypted" } else { "a qcow2" };
        let instead = match cache {
            CacheMode::Directsync => "'writethrough': every write is on the disk before it is done",
            _ => "'writeback': the guest's flushes reach the disk",
        };
        Some(format!(
            "disk '{}' has cache mode '{word}', which would bypass the host's page cache; {kind} image is run as with {instead}",
            disk.target
        ))
    };
    disks.iter().filter_map(note).collect()
}

/// One source of random bytes.
pub(super) fn rng(rng: &Rng, sources: &mut Sources) -> Result<DeviceConfig, String> {
    if rng.model != "virtio" {
        return Err(format!("an rng is a '{}': only virtio is there", rng.model));
    }
    if rng.backend != "random" {
        return Err(format!("an rng has backend '{}': use random", rng.backend));
    }
    let path = PathBuf::from(rng.device.as_deref().unwrap_or("/dev/urandom"));
    let fd = sources.add(Source::Random { path });
    let rate = rng.rate.map(|rate| RngRate { bytes: rate.bytes, period_ms: rate.period_ms });
    device(&rng.common, DeviceKind::Rng(RngConfig { fd, rate }))
}

/// As libvirt does, a guest has a balloon unless the document says `none`.
fn balloon(config: &DomainConfig) -> Result<Option<DeviceConfig>, String> {
    let said = config.devices.memballoon.clone();
    let balloon = said.unwrap_or_else(|| MemBalloon {
        model: "virtio".to_owned(),
        stats_period: None,
        common: DeviceCommon { alias: Some("balloon0".to_owned()), ..DeviceCommon::default() },
    });
    match balloon.model.as_str() {
        "none" => Ok(None),
        "virtio" => {
            let stats = balloon.stats_period.is_some();
            let kind = DeviceKind::Balloon(BalloonConfig { target: config.current_memory.0, stats });
            device(&balloon.common, kind).map(Some)
        }
        other => Err(format!("the memory balloon is a '{other}': only virtio is there")),
    }
}

/// Serial ports; a `<console>` of a serial kind without a `<serial>` stands for the first one.
fn serials(
    config: &DomainConfig,
    sources: &mut Sources,
    refuse: &mut impl FnMut(String),
) -> Vec<SerialConfig> {
    let devices = &config.devices;
    let mut serials = Vec::new();
    for serial in &devices.serials {
        let alias = alias(&serial.common);
        let log = match (serial.kind.as_str(), &serial.path) {
            ("file", Some(path)) => {
                Some(sources.add(Source::Log { what: alias.clone(), path: PathBuf::from(path) }))
            }
            ("pty" | "null", _) => None,
            (kind, _) => {
                refuse(format!("serial port '{alias}' is of type '{kind}': use pty, file or null"));
                None
            }
        };
        serials.push(SerialConfig { alias, log });
    }
    if serials.is_empty() && devices.consoles.iter().any(|console| !is_virtio(console)) {
        serials.push(SerialConfig { alias: FIRST_SERIAL.to_owned(), log: None });
    }
    serials
}

/// The device with all virtio consoles and channels, consoles first.
fn console(config: &DomainConfig) -> Result<Option<DeviceConfig>, String> {
    let devices = &config.devices;
    let mut ports = Vec::new();
    for console in devices.consoles.iter().filter(|console| is_virtio(console)) {
        ports.push(port(console, None)?);
    }
    for channel in &devices.channels {
        let alias = alias(&channel.common);
        if channel.target_type.as_deref().is_some_and(|kind| kind != "virtio") {
            return Err(format!("channel '{alias}' has no virtio target"));
        }
        let name = channel.name.clone().ok_or_else(|| format!("channel '{alias}' has no name"))?;
        ports.push(port(channel, Some(name))?);
    }
    if ports.is_empty() {
        return Ok(None);
    }
    let kind = DeviceKind::Console(ConsoleConfig { ports });
    Ok(Some(DeviceConfig { alias: VIRTIO_SERIAL.to_owned(), slot: None, kind }))
}

fn port(device: &CharDevice, name: Option<String>) -> Result<ConsolePort, String> {
    let alias = alias(&device.common);
    match (device.kind.as_str(), &device.path) {
        ("pty" | "null", _) | ("unix", None) => Ok(ConsolePort { alias, name }),
        ("unix", Some(path)) => Err(format!("'{alias}' can't be reached at '{path}': leave its path out")),
        (kind, _) => Err(format!("'{alias}' is of type '{kind}': use pty")),
    }
}

/// The alias of the console that is opened when none is named.
pub(super) fn first_console(config: &DomainConfig) -> Option<String> {
    let devices = &config.devices;
    match devices.consoles.first() {
        Some(console) if is_virtio(console) => Some(alias(&console.common)),
        Some(_) => {
            Some(devices.serials.first().map_or(FIRST_SERIAL.to_owned(), |serial| alias(&serial.common)))
        }
        None => devices.serials.first().map(|serial| alias(&serial.common)),
    }
}

/// The alias of the port behind a console that an operator names: a serial `<console>` is the first serial port.
pub(super) fn console_port(config: &DomainConfig, name: &str) -> String {
    let named = |console: &&CharDevice| console.common.alias.as_deref() == Some(name) && !is_virtio(console);
    match config.devices.consoles.iter().find(named) {
        Some(_) => {
            config.devices.serials.first().map_or(FIRST_SERIAL.to_owned(), |serial| alias(&serial.common))
        }
        None => name.to_owned(),
    }
}

fn is_virtio(console: &CharDevice) -> bool {
    console.target_type.as_deref() == Some("virtio")
}

pub(super) fn device(common: &DeviceCommon, kind: DeviceKind) -> Result<DeviceConfig, String> {
    let alias = alias(common);
    let slot = match &common.address {
        None => None,
        Some(DeviceAddress::Pci { domain: 0, bus: 0, slot, function: 0, .. }) => Some(*slot),
        Some(_) => return Err(format!("device '{alias}' can only have an address on PCI bus 0, function 0")),
    };
    Ok(DeviceConfig { alias, slot, kind })
}

fn alias(common: &DeviceCommon) -> String {
    common.alias.clone().unwrap_or_default()
}

fn element_name(xml: &str) -> &str {
    let start = xml.trim_start().trim_start_matches('<');
    start.split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).next().unwrap_or(start)
}
