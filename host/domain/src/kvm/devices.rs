//! Devices of a domain as devices of a worker.

use std::path::PathBuf;

use reeve_image::Format;
use reeve_model::device_address::DeviceAddress;
use reeve_model::domain::{
    DeviceCommon, Disk, DiskBlocks, DiskDriver, DiskGeometry, DiskSource, DomainConfig, IoLimit, IoLimits,
    IoTune, MemBalloon, MemoryDevice, PanicDevice, Rng, Vsock, Watchdog,
};
use reeve_sys::open::{ImageAccess, Sharing};
use reeve_vmm::config::{
    BalloonConfig, BlockConfig, BlockGeometry, BlockShape, CacheMode, DeviceConfig, DeviceKind, DiskLimits,
    EncryptionConfig, ErrorAction, ErrorPolicy, FdIndex, IoEngine, PluggableConfig, RateLimit, RngConfig,
    RngRate, SerialConfig, VsockConfig, WatchdogAction, WatchdogConfig,
};

use super::plan::{Source, Sources};
use super::{consoles, filesystems, interfaces};

/// Characters of a serial number that a virtio disk has.
const SERIAL_MAX: usize = 20;

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
    for element in &devices.extra.elements {
        let name = element_name(element);
        let instead = match name {
            "parallel" => ": a serial port or a channel carries bytes too",
            "graphics" | "video" | "input" => ": a machine has no screen; use a console",
            "sound" => ": a machine has no sound; leave it out",
            "hostdev" | "redirdev" | "smartcard" => {
                ": devices of the host stay with the host; a disk, an interface or a channel leads to what they have"
            }
            _ => "",
        };
        refuse(format!("there is no device <{name}>{instead}"));
    }
    refuse_same_image(&devices.disks, refuse);
    let serials = consoles::serials(config, sources, refuse);
    let mut list = Vec::new();
    for each in &devices.disks {
        keep(disk(each, sources), &mut list, refuse);
    }
    for each in &devices.interfaces {
        keep(interfaces::interface(each, sources), &mut list, refuse);
    }
    list.extend(consoles::ports(config, sources, refuse));
    for each in &devices.rngs {
        keep(rng(each, sources).map(Some), &mut list, refuse);
    }
    keep(balloon(config), &mut list, refuse);
    if let Some(each) = &devices.watchdog {
        keep(watchdog(each).map(Some), &mut list, refuse);
    }
    if let Some(each) = &devices.panic {
        keep(panic(each).map(Some), &mut list, refuse);
    }
    if let Some(each) = &devices.vsock {
        keep(vsock(each, sources).map(Some), &mut list, refuse);
    }
    filesystems::refuse_together(config, refuse);
    for each in &devices.filesystems {
        keep(filesystems::filesystem(each, sources).map(Some), &mut list, refuse);
    }
    for each in &devices.memories {
        keep(memory(each).map(Some), &mut list, refuse);
    }
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
    disk.readonly || is_drive(disk)
}

/// Its medium can be changed.
pub(super) fn is_drive(disk: &Disk) -> bool {
    disk.device == "cdrom"
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
    if disk.transient {
        return Err(format!(
            "disk '{target}' is transient, and what is written to it would stay: go back to a snapshot instead, or give it a qcow2 image on what it has, and remove that afterwards"
        ));
    }
    if disk.tray == Some(true) {
        return Err(format!(
            "drive '{target}' has its tray open: a virtio drive has none; leave its <source> out for a drive without a medium"
        ));
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
        DiskSource::File { path: None } | DiskSource::Block { path: None } if is_drive(disk) => {
            return empty(disk, sources);
        }
        DiskSource::File { path: None } | DiskSource::Block { path: None } => {
            return Err(format!("disk '{target}' has no source: only a cdrom can be empty"));
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
    if disk.driver.copy_on_read == Some(true) && format == Format::Raw {
        return Err(format!(
            "disk '{target}' is raw, so there is nothing below it to copy when it is read; take copy_on_read out, or put a qcow2 image on it"
        ));
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
    let kind = DeviceKind::Block(BlockConfig { encryption, ..block(disk, fd, format)? });
    notified(device(&disk.common, kind)?, disk.driver.ioeventfd, disk.driver.event_idx)
}

/// A device with how guest and host notify each other as its `<driver>` has it.
pub(super) fn notified(
    device: DeviceConfig,
    ioeventfd: Option<bool>,
    event_idx: Option<bool>,
) -> Result<DeviceConfig, String> {
    if ioeventfd == Some(false) {
        let alias = device.alias;
        return Err(format!(
            "device '{alias}' has ioeventfd='off': notifications go to the threads of devices without stopping a vCPU, there is no other way; take it out"
        ));
    }
    Ok(DeviceConfig { event_idx: event_idx.unwrap_or(true), ..device })
}

/// A drive without a medium.
fn empty(disk: &Disk, sources: &mut Sources) -> Result<DeviceConfig, String> {
    let fd = sources.add(Source::Empty);
    let kind = DeviceKind::Block(block(disk, fd, Format::Raw)?);
    notified(device(&disk.common, kind)?, disk.driver.ioeventfd, disk.driver.event_idx)
}

/// What a worker is told of a disk beside what encrypts it.
fn block(disk: &Disk, fd: FdIndex, format: Format) -> Result<BlockConfig, String> {
    let io = if disk.driver.io.as_deref() == Some("threads") { IoEngine::Thread } else { IoEngine::Ring };
    Ok(BlockConfig {
        fd,
        format,
        // What is below the image is known when it is opened.
        backing: Vec::new(),
        readonly: is_readonly(disk),
        removable: is_drive(disk),
        serial: disk.serial.as_ref().map(|serial| serial.chars().take(SERIAL_MAX).collect()),
        cache: cache_mode(disk)?,
        discard: disk.driver.discard.as_deref() == Some("unmap"),
        limits: limits(&disk.iotune),
        errors: errors(&disk.driver),
        io,
        iothread: disk.driver.iothread,
        shape: shape(disk)?,
        copy_on_read: disk.driver.copy_on_read == Some(true),
        encryption: None,
    })
}

/// What the guest is told of the blocks of a disk, where the document says something of them.
fn shape(disk: &Disk) -> Result<Option<Box<BlockShape>>, String> {
    let DiskBlocks { logical, physical, discard, ref geometry } = *disk.blocks;
    let geometry = geometry.as_ref().map(|geometry| told(geometry, &disk.target)).transpose()?;
    let shape = BlockShape { logical, physical, discard, geometry };
    Ok((shape != BlockShape::default()).then(|| Box::new(shape)))
}

/// A geometry in the guest's numbers.
fn told(geometry: &DiskGeometry, target: &str) -> Result<BlockGeometry, String> {
    let DiskGeometry { cylinders, heads, sectors, .. } = *geometry;
    match (u16::try_from(cylinders), u8::try_from(heads), u8::try_from(sectors)) {
        (Ok(cylinders), Ok(heads), Ok(sectors)) => Ok(BlockGeometry { cylinders, heads, sectors }),
        _ => Err(format!(
            "disk '{target}' has a geometry of {cylinders}/{heads}/{sectors}, which no guest can be told"
        )),
    }
}

/// What becomes of requests that fail (guide 20.16.1.5): as libvirt does, what is said of all holds for reads too, as far as it can.
fn errors(driver: &DiskDriver) -> ErrorPolicy {
    let action = |word: &str| match word {
        "stop" => Some(ErrorAction::Stop),
        "report" => Some(ErrorAction::Report),
        "ignore" => Some(ErrorAction::Ignore),
        _ => None,
    };
    let (all, reads) = (driver.error_policy.as_deref(), driver.rerror_policy.as_deref());
    let by_default = ErrorPolicy::default();
    ErrorPolicy {
        write: all.and_then(action).unwrap_or(by_default.write),
        read: reads.or(all).and_then(action).unwrap_or(by_default.read),
    }
}

/// The limits of a disk as its worker keeps them.
pub(super) fn limits(tune: &IoTune) -> DiskLimits {
    let one = |limit: IoLimit| RateLimit {
        rate: limit.rate(),
        max: limit.max.unwrap_or(0),
        seconds: limit.max_length.unwrap_or(0),
    };
    let each = |limits: IoLimits| [limits.total, limits.read, limits.write].map(one);
    DiskLimits {
        bytes: each(tune.bytes),
        requests: each(tune.iops),
        request_bytes: tune.size_iops_sec.unwrap_or(0),
    }
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
    let io = |disk: &Disk| {
        let qcow2 = disk.driver.format.as_deref() == Some("qcow2");
        let instead = match disk.driver.io.as_deref()? {
            _ if qcow2 => "transfers of a qcow2 image are done one after the other by the thread of the disk",
            "native" => "transfers are done by io_uring, many at once",
            "threads" => "transfers are done one after the other by the thread of the disk",
            _ => return None,
        };
        Some(format!("disk '{}' asks for io '{}': {instead}", disk.target, disk.driver.io.as_deref()?))
    };
    let serial = |disk: &Disk| {
        let serial = disk.serial.as_ref().filter(|serial| serial.chars().count() > SERIAL_MAX)?;
        let target = &disk.target;
        Some(format!(
            "disk '{target}' has serial '{serial}': its guest sees the first {SERIAL_MAX} characters"
        ))
    };
    disks.iter().flat_map(|disk| [note(disk), io(disk), serial(disk)]).flatten().collect()
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
    let balloon = config.devices.memballoon.clone().unwrap_or_else(MemBalloon::implicit);
    match balloon.model.as_str() {
        "none" => Ok(None),
        "virtio" => {
            let stats_period = balloon.stats_period.filter(|seconds| *seconds > 0);
            let target = config.current_memory.0;
            let deflate_on_oom = balloon.auto_deflate.unwrap_or(true);
            let reporting = balloon.free_page_reporting.unwrap_or(true);
            let stats = true;
            let balloon_config = BalloonConfig { target, stats, stats_period, deflate_on_oom, reporting };
            let kind = DeviceKind::Balloon(balloon_config);
            device(&balloon.common, kind).map(Some)
        }
        other => Err(format!("the memory balloon is a '{other}': only virtio is there")),
    }
}

/// Sockets between guest and host.
fn vsock(vsock: &Vsock, sources: &mut Sources) -> Result<DeviceConfig, String> {
    if vsock.model.as_deref().is_some_and(|model| model != "virtio") {
        let model = vsock.model.as_deref().unwrap_or_default();
        return Err(format!("the vsock is a '{model}': only virtio is there"));
    }
    let cid = vsock.cid.unwrap_or(Vsock::FIRST);
    let path = PathBuf::from(vsock.path.as_deref().unwrap_or_default());
    if vsock.path.is_some() && !path.is_absolute() {
        return Err(format!("the vsock has a source of path '{}', which is not absolute", path.display()));
    }
    let fd = sources.add(Source::SocketListener { what: "the vsock".to_owned(), path });
    device(&vsock.common, DeviceKind::Vsock(VsockConfig { cid, fd }))
}

/// The watchdog, of the model that a stock kernel finds on a PCI bus.
fn watchdog(watchdog: &Watchdog) -> Result<DeviceConfig, String> {
    if watchdog.model != "i6300esb" {
        return Err(format!("the watchdog is an '{}': only i6300esb is there", watchdog.model));
    }
    let action = match watchdog.action.as_deref() {
        None | Some("reset") => WatchdogAction::Reset,
        Some("shutdown") => WatchdogAction::Shutdown,
        Some("poweroff") => WatchdogAction::Poweroff,
        Some("pause") => WatchdogAction::Pause,
        Some("none") => WatchdogAction::None,
        Some("inject-nmi") => WatchdogAction::InjectNmi,
        Some("dump") => WatchdogAction::Dump,
        Some(other) => {
            return Err(format!(
                "the watchdog's action '{other}' can't be carried out: use reset, shutdown, poweroff, pause, dump, inject-nmi or none"
            ));
        }
    };
    device(&watchdog.common, DeviceKind::Watchdog(WatchdogConfig { action }))
}

/// Memory that is plugged in blocks.
fn memory(memory: &MemoryDevice) -> Result<DeviceConfig, String> {
    if memory.model != "virtio-mem" {
        return Err(format!("memory to plug is '{}': only virtio-mem is there", memory.model));
    }
    let (bytes, block, requested) = (memory.size.0, memory.block().0, memory.requested().0);
    device(&memory.common, DeviceKind::Memory(PluggableConfig { bytes, block, requested, node: memory.node }))
}

/// The device that is told of panics; it is on the PCI bus whatever the document calls it.
fn panic(panic: &PanicDevice) -> Result<DeviceConfig, String> {
    match panic.model.as_deref() {
        None | Some("isa" | "pvpanic") => device(&panic.common, DeviceKind::Panic),
        Some(other) => Err(format!("the panic device is a '{other}': only pvpanic is there")),
    }
}

pub(super) fn device(common: &DeviceCommon, kind: DeviceKind) -> Result<DeviceConfig, String> {
    let alias = alias(common);
    let slot = match &common.address {
        None => None,
        Some(DeviceAddress::Pci { domain: 0, bus: 0, slot, function: 0, .. }) => Some(*slot),
        Some(_) => return Err(format!("device '{alias}' can only have an address on PCI bus 0, function 0")),
    };
    Ok(DeviceConfig { alias, slot, event_idx: true, kind })
}

/// Its alias; every device has got one before it is planned.
pub(super) fn alias(common: &DeviceCommon) -> String {
    common.alias.clone().unwrap_or_default()
}

fn element_name(xml: &str) -> &str {
    let start = xml.trim_start().trim_start_matches('<');
    start.split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).next().unwrap_or(start)
}
