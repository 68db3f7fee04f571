//! `<devices>` as a whole, and one device of any kind.

use reeve_model::domain::{Device, Devices};

use super::{chardev, controller, disk, filesystem, interface, memory_device, rng};
use crate::error::Fault;
use crate::print;
use crate::reader::Reader;
use crate::tree::{Element, Node};

pub(super) fn read(devices: &mut Reader<'_, '_>) -> Result<Devices, Fault> {
    Ok(Devices {
        emulator: devices.one("emulator", |path| Ok(path.trimmed()))?.filter(|path| !path.is_empty()),
        disks: devices.each("disk", disk::read)?,
        controllers: devices.each("controller", controller::read)?,
        filesystems: devices.each("filesystem", filesystem::read)?,
        interfaces: devices.each("interface", interface::read)?,
        serials: devices.each("serial", chardev::read)?,
        consoles: devices.each("console", chardev::read)?,
        channels: devices.each("channel", chardev::read)?,
        rngs: devices.each("rng", rng::read)?,
        memballoon: devices.one("memballoon", rng::read_balloon)?,
        watchdog: devices.one("watchdog", rng::read_watchdog)?,
        panic: devices.one("panic", rng::read_panic)?,
        vsock: devices.one("vsock", rng::read_vsock)?,
        memories: devices.each("memory", memory_device::read)?,
        extra: devices.extra(),
    })
}

pub(super) fn write(devices: &Devices) -> Element<'_> {
    Element::new("devices")
        .one_text("emulator", devices.emulator.as_ref())
        .each(devices.disks.iter().map(disk::write))
        .each(devices.controllers.iter().map(controller::write))
        .each(devices.filesystems.iter().map(filesystem::write))
        .each(devices.interfaces.iter().map(interface::write))
        .each(devices.serials.iter().map(|device| chardev::write("serial", device)))
        .each(devices.consoles.iter().map(|device| chardev::write("console", device)))
        .each(devices.channels.iter().map(|device| chardev::write("channel", device)))
        .each(devices.watchdog.iter().map(rng::write_watchdog))
        .each(devices.panic.iter().map(rng::write_panic))
        .each(devices.memballoon.iter().map(rng::write_balloon))
        .each(devices.rngs.iter().map(rng::write))
        .each(devices.memories.iter().map(memory_device::write))
        .each(devices.vsock.iter().map(rng::write_vsock))
        .extra(&devices.extra)
}

/// Reads one child of `<devices>`; of a kind that is not typed, its XML.
pub(crate) fn read_one(device: &mut Reader<'_, '_>) -> Result<Device, Fault> {
    Ok(match device.element.name.as_ref() {
        "disk" => Device::Disk(disk::read(device)?),
        "controller" => Device::Controller(controller::read(device)?),
        "filesystem" => Device::Filesystem(filesystem::read(device)?),
        "interface" => Device::Interface(interface::read(device)?),
        "serial" => Device::Serial(chardev::read(device)?),
        "console" => Device::Console(chardev::read(device)?),
        "channel" => Device::Channel(chardev::read(device)?),
        "rng" => Device::Rng(rng::read(device)?),
        "memballoon" => Device::MemBalloon(rng::read_balloon(device)?),
        "watchdog" => Device::Watchdog(rng::read_watchdog(device)?),
        "panic" => Device::Panic(rng::read_panic(device)?),
        "vsock" => Device::Vsock(rng::read_vsock(device)?),
        "memory" => Device::Memory(memory_device::read(device)?),
        _ => Device::Other(print::fragment(&Node::Element(device.element.clone()))),
    })
}

/// Writes one device; the error is the XML of a device that is not typed.
pub(crate) fn write_one(device: &Device) -> Result<Element<'_>, &str> {
    Ok(match device {
        Device::Disk(device) => disk::write(device),
        Device::Controller(device) => controller::write(device),
        Device::Filesystem(device) => filesystem::write(device),
        Device::Interface(device) => interface::write(device),
        Device::Serial(device) => chardev::write("serial", device),
        Device::Console(device) => chardev::write("console", device),
        Device::Channel(device) => chardev::write("channel", device),
        Device::Rng(device) => rng::write(device),
        Device::MemBalloon(device) => rng::write_balloon(device),
        Device::Watchdog(device) => rng::write_watchdog(device),
        Device::Panic(device) => rng::write_panic(device),
        Device::Vsock(device) => rng::write_vsock(device),
        Device::Memory(device) => memory_device::write(device),
        Device::Other(xml) => return Err(xml),
    })
}
