//! Rules of `<devices>`: words, limits, and what must be unique.

use std::collections::BTreeSet;

use super::super::{
    CharDevice, Device, DeviceCommon, Devices, Disk, DiskSource, Filesystem, Interface, MemoryDevice, Vsock,
};
use super::{Checked, Violation, broken, disk, word};
use crate::device_address::DeviceAddress;
use crate::filter::check_parameters;
use crate::network::{check_bandwidth, check_vlan};
use crate::storage::check_volume_name;

pub(super) fn check(devices: &Devices) -> Checked {
    let mut seen = Seen::default();
    for (index, disk) in devices.disks.iter().enumerate() {
        let path = format!("/domain/devices/disk[{}]", index + 1);
        check_disk(&path, disk)?;
        seen.unique(format!("{path}/target/@dev"), "target", &disk.target)?;
        seen.common(&path, &disk.common)?;
    }
    for (index, controller) in devices.controllers.iter().enumerate() {
        let path = format!("/domain/devices/controller[{}]", index + 1);
        let usb_companion = controller.kind == "usb";
        if let Some(number) = controller.index.filter(|_| !usb_companion) {
            seen.unique(format!("{path}/@index"), "controller", &format!("{} {number}", controller.kind))?;
        }
        seen.common(&path, &controller.common)?;
    }
    for (index, filesystem) in devices.filesystems.iter().enumerate() {
        let path = format!("/domain/devices/filesystem[{}]", index + 1);
        check_filesystem(&path, filesystem)?;
        if let Some(target) = &filesystem.target {
            seen.unique(format!("{path}/target/@dir"), "target of a filesystem", target)?;
        }
        seen.common(&path, &filesystem.common)?;
    }
    for (index, interface) in devices.interfaces.iter().enumerate() {
        let path = format!("/domain/devices/interface[{}]", index + 1);
        check_interface(&path, interface)?;
        if let Some(mac) = &interface.mac {
            seen.unique(format!("{path}/mac/@address"), "MAC", &mac.to_ascii_lowercase())?;
        }
        if let Some(target) = &interface.target {
            seen.unique(format!("{path}/target/@dev"), "target", target)?;
        }
        seen.common(&path, &interface.common)?;
    }
    for (element, list) in
        [("serial", &devices.serials), ("console", &devices.consoles), ("channel", &devices.channels)]
    {
        for (index, device) in list.iter().enumerate() {
            let path = format!("/domain/devices/{element}[{}]", index + 1);
            check_char(&path, device)?;
            if let Some(name) = &device.name {
                seen.unique(format!("{path}/target/@name"), "channel name", name)?;
            }
            seen.common(&path, &device.common)?;
        }
    }
    for (index, rng) in devices.rngs.iter().enumerate() {
        let path = format!("/domain/devices/rng[{}]", index + 1);
        word(format!("{path}/backend/@model"), Some(&rng.backend), &["random", "egd", "builtin"])?;
        if rng.rate.is_some_and(|rate| rate.period_ms == 0) {
            return broken(format!("{path}/rate/@period"), "the period of an rng is at least 1 ms");
        }
        seen.common(&path, &rng.common)?;
    }
    if let Some(balloon) = &devices.memballoon {
        seen.common("/domain/devices/memballoon", &balloon.common)?;
    }
    if let Some(vsock) = &devices.vsock {
        let path = "/domain/devices/vsock";
        word(
            format!("{path}/@model"),
            vsock.model.as_deref(),
            &["virtio", "virtio-transitional", "virtio-non-transitional"],
        )?;
        if let Some(address) = vsock.cid.filter(|address| !(Vsock::FIRST..u32::MAX).contains(address)) {
            return broken(
                format!("{path}/cid/@address"),
                format!(
                    "{address} can't be the address of a guest: use {} to {}",
                    Vsock::FIRST,
                    u32::MAX - 1
                ),
            );
        }
        if vsock.auto == Some(false) && vsock.cid.is_none() {
            return broken(format!("{path}/cid"), "auto='no' needs an address, e.g. address='3'");
        }
        seen.common(path, &vsock.common)?;
    }
    if let Some(watchdog) = &devices.watchdog {
        let path = "/domain/devices/watchdog";
        let actions = ["reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi"];
        word(format!("{path}/@action"), watchdog.action.as_deref(), &actions)?;
        seen.common(path, &watchdog.common)?;
    }
    if let Some(panic) = &devices.panic {
        seen.common("/domain/devices/panic", &panic.common)?;
    }
    for (index, memory) in devices.memories.iter().enumerate() {
        let path = format!("/domain/devices/memory[{}]", index + 1);
        check_memory(&path, memory)?;
        seen.common(&path, &memory.common)?;
    }
    Ok(())
}

fn check_filesystem(path: &str, filesystem: &Filesystem) -> Checked {
    let Filesystem { kind, access_mode, driver, binary, .. } = filesystem;
    let kinds = ["mount", "template", "file", "block", "ram", "bind", "volume"];
    let drivers = ["path", "handle", "loop", "nbd", "ploop", "virtiofs", "mtp"];
    let rules: [(&str, &Option<String>, &[&str]); 5] = [
        ("@type", kind, &kinds),
        ("@accessmode", access_mode, &["passthrough", "mapped", "squash"]),
        ("driver/@type", driver, &drivers),
        ("binary/cache/@mode", &binary.cache, &["none", "auto", "always"]),
        ("binary/sandbox/@mode", &binary.sandbox, &["namespace", "chroot"]),
    ];
    rules.into_iter().try_for_each(|(at, value, words)| word(format!("{path}/{at}"), value.as_deref(), words))
}

/// Only whole blocks can be plugged.
fn check_memory(path: &str, memory: &MemoryDevice) -> Checked {
    let (size, block, requested) = (memory.size, memory.block(), memory.requested());
    if memory.model != "virtio-mem" {
        return Ok(());
    }
    if !block.0.is_power_of_two() || block < MemoryDevice::BLOCK {
        let message = format!("{block} can't be plugged at once; use 2 MiB or a power of two above it");
        return broken(format!("{path}/target/block"), message);
    }
    let parts = [("size", size), ("requested", requested)];
    if let Some((name, part)) = parts.into_iter().find(|(_, part)| !part.0.is_multiple_of(block.0)) {
        let message = format!("{part} are not whole blocks of {block}; use a multiple of a block");
        return broken(format!("{path}/target/{name}"), message);
    }
    if size.0 == 0 || requested > size {
        let message =
            format!("the guest can't have {requested} of {size}; lower <requested> or raise <size>");
        return broken(format!("{path}/target/requested"), message);
    }
    Ok(())
}

impl Device {
    /// Checks the rules of this device alone, as if it were the only one of a domain.
    pub fn check(&self) -> Result<(), super::Violation> {
        let mut alone = Devices::default();
        alone.insert(self.clone()).expect("an empty device list conflicts with nothing");
        check(&alone)
    }
}

/// What was met on the way, to refuse it a second time.
#[derive(Default)]
struct Seen(BTreeSet<(&'static str, String)>);

impl Seen {
    fn unique(&mut self, path: String, what: &'static str, value: &str) -> Checked {
        if self.0.insert((what, value.to_owned())) {
            return Ok(());
        }
        broken(path, format!("{what} '{value}' is used by two devices; give each its own"))
    }

    fn common(&mut self, path: &str, common: &DeviceCommon) -> Checked {
        if let Some(alias) = &common.alias {
            self.unique(format!("{path}/alias/@name"), "alias", alias)?;
        }
        let Some(address) = &common.address else { return Ok(()) };
        let path = format!("{path}/address");
        match address {
            DeviceAddress::Pci { domain, bus, slot, function, .. } => {
                if *slot > 0x1f {
                    return broken(format!("{path}/@slot"), format!("slot {slot:#x} is above 0x1f"));
                }
                if *function > 7 {
                    return broken(
                        format!("{path}/@function"),
                        format!("function {function:#x} is above 0x7"),
                    );
                }
                if (*domain, *bus, *slot) == (0, 0, 0) {
                    return broken(path, "slot 0 of bus 0 is the host bridge; choose slot 0x1 to 0x1f");
                }
                let text = format!("{domain:04x}:{bus:02x}:{slot:02x}.{function:x}");
                self.unique(path, "PCI address", &text)
            }
            DeviceAddress::VirtioSerial { controller, bus, port } => {
                self.unique(path, "virtio-serial address", &format!("{controller}:{bus}:{port}"))
            }
            DeviceAddress::Drive { .. } | DeviceAddress::Other { .. } => Ok(()),
        }
    }
}

fn check_disk(path: &str, disk: &Disk) -> Checked {
    if disk.target.is_empty() || !disk.target.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let message = format!("disk target '{}' is not a device name like vda", disk.target);
        return broken(format!("{path}/target/@dev"), message);
    }
    word(format!("{path}/@device"), Some(&disk.device), &["disk", "cdrom", "floppy", "lun"])?;
    if let DiskSource::Volume { pool, volume, .. } = &disk.source {
        if pool.trim().is_empty() || pool.contains('/') || pool.contains(char::is_control) {
            let message =
                format!("'{pool}' can't name a storage pool; name one that 'reeve pool list' shows");
            return broken(format!("{path}/source/@pool"), message);
        }
        if let Err(message) = check_volume_name(volume) {
            return broken(format!("{path}/source/@volume"), message);
        }
    }
    let buses = ["virtio", "scsi", "sata", "ide", "usb", "fdc", "sd", "xen", "nvme", "uml"];
    word(format!("{path}/target/@bus"), disk.bus.as_deref(), &buses)?;
    let driver = format!("{path}/driver");
    let caches = ["default", "none", "writethrough", "writeback", "directsync", "unsafe"];
    word(format!("{driver}/@cache"), disk.driver.cache.as_deref(), &caches)?;
    word(format!("{driver}/@io"), disk.driver.io.as_deref(), &["threads", "native", "io_uring"])?;
    let policies = ["stop", "report", "ignore", "enospace"];
    word(format!("{driver}/@error_policy"), disk.driver.error_policy.as_deref(), &policies)?;
    let policies = ["stop", "report", "ignore"];
    word(format!("{driver}/@rerror_policy"), disk.driver.rerror_policy.as_deref(), &policies)?;
    word(format!("{driver}/@discard"), disk.driver.discard.as_deref(), &["unmap", "ignore"])?;
    if disk.driver.io.as_deref() == Some("native")
        && disk.driver.cache.as_deref().is_some_and(|cache| !matches!(cache, "none" | "directsync"))
    {
        let message = "io='native' needs cache='none' or 'directsync'; change one of them";
        return broken(format!("{driver}/@io"), message);
    }
    disk::check(path, disk)?;
    match disk.iotune.check() {
        Ok(()) => Ok(()),
        Err(message) => broken(format!("{path}/iotune"), message),
    }
}

fn check_interface(path: &str, interface: &Interface) -> Checked {
    if let Some(mac) = &interface.mac {
        check_mac(format!("{path}/mac/@address"), mac)?;
    }
    if let Some(target) = &interface.target {
        let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b':';
        if target.is_empty() || target.len() > 15 || !target.bytes().all(legal) {
            let message = format!("'{target}' cannot name a network device; use 1 to 15 letters and digits");
            return broken(format!("{path}/target/@dev"), message);
        }
    }
    if interface.mtu.is_some_and(|mtu| !(68..=65535).contains(&mtu)) {
        return broken(format!("{path}/mtu/@size"), "the MTU is 68 to 65535");
    }
    if interface.kind == "mcast" {
        let group = interface.source_attribute("address").map(str::parse::<std::net::IpAddr>);
        if !group.is_some_and(|group| group.is_ok_and(|group| group.is_multicast())) {
            let message =
                "an interface of type 'mcast' needs the address of a multicast group, e.g. 230.0.0.1";
            return broken(format!("{path}/source/@address"), message);
        }
    }
    let at =
        |place: String, message| Violation { path: format!("{path}/{}", place.replace('.', "/")), message };
    // Guaranteed throughput needs a network with a queue of its own (guide 20.16.9.14).
    check_bandwidth("bandwidth", &interface.bandwidth, interface.kind == "network")
        .map_err(|broken| at(broken.path, broken.message))?;
    if let Some(vlan) = &interface.vlan {
        check_vlan("vlan", vlan).map_err(|broken| at(broken.path, broken.message))?;
    }
    if let Some(reference) = &interface.filterref {
        check_parameters("filterref", &reference.parameters)
            .map_err(|broken| at(broken.path, broken.message))?;
    }
    Ok(())
}

/// Six pairs of hexadecimal digits; the first byte's lowest bit clear, for a network card cannot be a group.
fn check_mac(path: String, mac: &str) -> Checked {
    let bytes: Option<Vec<u8>> = mac
        .split(':')
        .map(|pair| u8::from_str_radix(pair, 16).ok().filter(|_| pair.bytes().all(|c| c.is_ascii_hexdigit())))
        .collect();
    let bytes = bytes.filter(|bytes| bytes.len() == 6 && mac.len() == 17);
    match bytes.as_deref() {
        None => broken(path, format!("'{mac}' is not a MAC address; write six pairs like 52:54:00:12:34:56")),
        Some([first, ..]) if first & 1 == 1 => {
            broken(path, format!("MAC '{mac}' is a multicast address; make the first byte even, e.g. 52"))
        }
        Some([0, 0, 0, 0, 0, 0]) => {
            broken(path, "MAC '00:00:00:00:00:00' is not an address; leave it out to have one made")
        }
        Some(_) => Ok(()),
    }
}

fn check_char(path: &str, device: &CharDevice) -> Checked {
    let kinds = [
        "pty",
        "unix",
        "file",
        "null",
        "stdio",
        "vc",
        "dev",
        "pipe",
        "tcp",
        "udp",
        "spicevmc",
        "spiceport",
        "nmdm",
        "qemu-vdagent",
        "dbus",
    ];
    word(format!("{path}/@type"), Some(&device.kind), &kinds)
}
