//! How devices enter and leave a domain, and sizes with units.

use reeve_model::Bytes;
use reeve_model::domain::{Device, DeviceCommon, DeviceConflict, Devices, Interface, MemBalloon};

fn nic(mac: &str, target: Option<&str>, alias: Option<&str>) -> Device {
    Device::Interface(Interface {
        kind: "bridge".into(),
        source: vec![("bridge".into(), "br0".into())],
        mac: Some(mac.into()),
        target: target.map(str::to_owned),
        model: Some("virtio".into()),
        common: DeviceCommon { alias: alias.map(str::to_owned), ..DeviceCommon::default() },
        ..Interface::default()
    })
}

fn balloon() -> Device {
    let common = DeviceCommon::default();
    Device::MemBalloon(MemBalloon { common, ..MemBalloon::implicit() })
}

#[test]
fn what_must_be_unique_is_refused_twice() {
    let mut devices = Devices::default();
    devices.insert(nic("52:54:00:00:00:01", Some("tap0"), Some("net0"))).expect("nothing there yet");
    for (second, what) in [
        (nic("52:54:00:00:00:01", None, None), "MAC"),
        (nic("52:54:00:00:00:02", Some("tap0"), None), "target"),
        (nic("52:54:00:00:00:02", None, Some("net0")), "alias"),
    ] {
        let conflict = devices.insert(second).expect_err(what);
        assert!(matches!(conflict, DeviceConflict::Taken { what: taken, .. } if taken == what), "{conflict}");
    }
    devices.insert(balloon()).expect("the first");
    assert_eq!(devices.insert(balloon()), Err(DeviceConflict::OnlyOne { element: "memballoon" }));
    assert_eq!((devices.interfaces.len(), devices.commons().count()), (1, 2));
}

#[test]
fn a_device_goes_by_alias_target_or_mac() {
    for key in ["net0", "tap0", "52:54:00:00:00:AA"] {
        let mut devices = Devices::default();
        let device = nic("52:54:00:00:00:aa", Some("tap0"), Some("net0"));
        devices.insert(device.clone()).expect("nothing there yet");
        assert_eq!(devices.remove("net1"), None);
        assert_eq!(devices.remove(key), Some(device), "{key}");
        assert_eq!(devices, Devices::default());
    }
}

#[test]
fn one_device_is_checked_alone() {
    let broken = nic("01:00:5e:00:00:01", None, None).check().expect_err("a group address");
    assert_eq!(broken.path, "/domain/devices/interface[1]/mac/@address");
    assert!(broken.message.contains("multicast"), "{broken}");
}

#[test]
fn units_are_those_of_the_guide() {
    for (unit, bytes) in [
        ("b", 1),
        ("bytes", 1),
        ("KB", 1_000),
        ("k", 1 << 10),
        ("KiB", 1 << 10),
        ("MB", 1_000_000),
        ("M", 1 << 20),
        ("MiB", 1 << 20),
        ("GB", 1_000_000_000),
        ("G", 1 << 30),
        ("GiB", 1 << 30),
        ("TB", 1_000_000_000_000),
        ("T", 1 << 40),
        ("TiB", 1 << 40),
    ] {
        assert_eq!(Bytes::of_unit(3, unit), Some(Bytes(3 * bytes)), "{unit}");
    }
    for unit in ["", "x", "KBi", "é"] {
        assert_eq!(Bytes::of_unit(1, unit), None, "{unit}");
    }
    assert_eq!(Bytes::of_unit(u64::MAX, "KiB"), None, "more than fits");
    assert_eq!(Bytes(1025).round_up_to_kib(), Some(Bytes::kib(2)));
    assert_eq!(Bytes(u64::MAX).round_up_to_kib(), None);
}
