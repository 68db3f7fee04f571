//! Rules of what a disk is for its guest, which libvirt has too: what only disks of some buses have, and how large blocks are.

use super::super::Disk;
use super::{Checked, broken, word};

/// Digits of a world wide name.
const WWN: usize = 16;

pub(super) fn check(path: &str, disk: &Disk) -> Checked {
    let target = &disk.target;
    let bus = disk.bus.as_deref().unwrap_or("virtio");
    if let Some(wwn) = &disk.wwn {
        let path = format!("{path}/wwn");
        if wwn.len() != WWN || !wwn.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return broken(path, format!("'{wwn}' is no world wide name; write {WWN} hexadecimal digits"));
        }
        if !matches!(bus, "scsi" | "ide" | "sata") {
            let message = format!(
                "disk '{target}' is on bus '{bus}', whose disks have no world wide name; write <serial>, by which a guest finds it as /dev/disk/by-id/virtio-SERIAL"
            );
            return broken(path, message);
        }
    }
    check_startup(path, disk)?;
    if disk.tray.is_some() && !disk.is_drive() {
        let message = format!("disk '{target}' is no drive, so it has no tray; take tray out");
        return broken(format!("{path}/target/@tray"), message);
    }
    if disk.driver.copy_on_read == Some(true) && (disk.readonly || disk.is_drive()) {
        let message = format!(
            "disk '{target}' is never written, so nothing that is read is kept in it; take copy_on_read out"
        );
        return broken(format!("{path}/driver/@copy_on_read"), message);
    }
    if let Err((attribute, message)) = disk.blocks.check() {
        return broken(format!("{path}/blockio/@{attribute}"), message);
    }
    check_geometry(path, disk, bus)
}

fn check_startup(path: &str, disk: &Disk) -> Checked {
    let path = format!("{path}/source/@startupPolicy");
    word(path.clone(), disk.startup_policy.as_deref(), &["mandatory", "requisite", "optional"])?;
    if disk.startup_policy.as_deref() == Some("requisite") && !disk.is_drive() {
        let message = format!(
            "disk '{}' is no drive, and 'requisite' is for drives; use mandatory or optional",
            disk.target
        );
        return broken(path, message);
    }
    Ok(())
}

fn check_geometry(path: &str, disk: &Disk, bus: &str) -> Checked {
    let Some(geometry) = &disk.blocks.geometry else { return Ok(()) };
    let path = format!("{path}/geometry");
    word(format!("{path}/@trans"), geometry.translation.as_deref(), &["auto", "none", "lba"])?;
    if !matches!(bus, "ide" | "scsi" | "virtio") {
        return broken(path, format!("disks of bus '{bus}' have no geometry; take <geometry> out"));
    }
    if geometry.translation.is_some() && bus != "ide" {
        return broken(
            format!("{path}/@trans"),
            format!("trans is for disks of IDE, not of {bus}; take it out"),
        );
    }
    let limits = [
        ("cyls", geometry.cylinders, 65_535),
        ("heads", geometry.heads, 255),
        ("secs", geometry.sectors, 255),
    ];
    for (name, value, most) in limits {
        if value == 0 || value > most {
            return broken(format!("{path}/@{name}"), format!("{name}='{value}' is not 1 to {most}"));
        }
    }
    Ok(())
}
