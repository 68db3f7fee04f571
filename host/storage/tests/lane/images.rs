//! qcow2 volumes, as this host and qemu-img see them.

use reeve_model::Bytes;
use reeve_model::storage::{BackingStore, ImageFeatures, VolumeConfig, WipeAlgorithm};
use reeve_storage::{Progress, Resize};

use crate::bed::{Bed, MIB, run};

fn qcow2(name: &str, bytes: u64) -> VolumeConfig {
    let mut config = VolumeConfig::new(name, Bytes(bytes));
    config.target.format = Some("qcow2".to_owned());
    config
}

fn qemu_info(bed: &Bed, name: &str) -> String {
    let path = bed.path().join(name).display().to_string();
    run("/usr/bin/qemu-img", &["check", "-f", "qcow2", &path]);
    run("/usr/bin/qemu-img", &["info", "-f", "qcow2", &path])
}

#[test]
fn images_are_made_as_asked() {
    let bed = Bed::directory();
    let mut config = qcow2("a.qcow2", 64 * MIB);
    config.target.cluster_size = Some(Bytes(128 << 10));
    config.target.features = Some(ImageFeatures { lazy_refcounts: true, ..ImageFeatures::default() });
    let made = bed.storage.create(bed.uuid(), &config).unwrap();
    assert_eq!((made.format.as_str(), made.capacity.0), ("qcow2", 64 * MIB));
    assert!(made.allocation.0 < 2 * MIB && made.fault.is_none(), "{made:?}");
    let info = qemu_info(&bed, "a.qcow2");
    for fact in ["67108864 bytes", "cluster_size: 131072", "compat: 1.1", "lazy refcounts: true"] {
        assert!(info.contains(fact), "{fact}: {info}");
    }
    let mut old = qcow2("old.qcow2", MIB);
    old.target.compat = Some("0.10".to_owned());
    bed.storage.create(bed.uuid(), &old).unwrap();
    assert!(qemu_info(&bed, "old.qcow2").contains("compat: 0.10"));
    let whole = VolumeConfig { allocation: Some(Bytes(8 * MIB)), ..qcow2("whole.qcow2", 8 * MIB) };
    assert!(bed.storage.create(bed.uuid(), &whole).unwrap().allocation.0 >= 8 * MIB);
    let mut odd = qcow2("odd.qcow2", MIB);
    odd.target.compat = Some("0.10".to_owned());
    odd.target.features = Some(ImageFeatures { lazy_refcounts: true, ..ImageFeatures::default() });
    let error = bed.storage.create(bed.uuid(), &odd).unwrap_err();
    assert!(error.to_string().contains("need compat 1.1"), "{error}");
    assert_eq!(bed.refresh(), ["a.qcow2", "old.qcow2", "whole.qcow2"]);
}

#[test]
fn what_overlays_read_is_not_written_over() {
    let bed = Bed::directory();
    let (uuid, progress) = (bed.uuid(), Progress::default());
    bed.storage.create(uuid, &VolumeConfig::new("base.img", Bytes(4 * MIB))).unwrap();
    let content = vec![0x5a; 4 * MIB as usize];
    bed.storage.upload(uuid, "base.img", (0, None), &mut content.as_slice(), &progress).unwrap();
    let path = bed.path().join("base.img");
    let below = path.display().to_string();
    let backing = BackingStore { path: below, format: None, permissions: None, extra: Default::default() };
    let overlay = VolumeConfig { capacity: None, backing: Some(backing), ..qcow2("over.qcow2", 0) };
    bed.storage.create(uuid, &overlay).unwrap();
    let wipe = || bed.storage.wipe(uuid, "base.img", WipeAlgorithm::Zero, &progress);
    let upload = || bed.storage.upload(uuid, "base.img", (0, None), &mut &b"other"[..], &progress);
    let shrink = Resize { capacity: Bytes(MIB), shrink: true, ..Resize::default() };
    let shrink = || bed.storage.resize(uuid, "base.img", shrink);
    for error in [wipe().unwrap_err(), upload().unwrap_err(), shrink().unwrap_err()] {
        assert!(error.to_string().contains("volume 'over.qcow2' reads from it"), "{error}");
        assert!(std::fs::read(&path).unwrap() == content, "it was changed all the same: {error}");
    }
    // What makes it longer takes nothing from who reads it.
    let grow = Resize { capacity: Bytes(5 * MIB), ..Resize::default() };
    assert_eq!(bed.storage.resize(uuid, "base.img", grow).unwrap().capacity.0, 5 * MIB);
    bed.storage.delete_volume(uuid, "over.qcow2").unwrap();
    wipe().unwrap();
    upload().unwrap();
    assert_eq!(shrink().unwrap().capacity.0, MIB);
}

#[test]
fn overlays_grow_and_keep_what_they_read_from() {
    let bed = Bed::directory();
    let (uuid, progress) = (bed.uuid(), Progress::default());
    bed.storage.create(uuid, &VolumeConfig::new("base.img", Bytes(4 * MIB))).unwrap();
    for (name, path) in [
        ("one.qcow2", bed.path().join("base.img").display().to_string()),
        ("two.qcow2", "base.img".to_owned()),
    ] {
        let backing = BackingStore { path, format: None, permissions: None, extra: Default::default() };
        let config = VolumeConfig { capacity: None, backing: Some(backing), ..qcow2(name, 0) };
        let made = bed.storage.create(uuid, &config).unwrap();
        assert_eq!(
            (made.capacity.0, made.backing),
            (4 * MIB, Some(bed.path().join("base.img").display().to_string()))
        );
        assert!(qemu_info(&bed, name).contains("backing file format: raw"));
    }
    let error = bed.storage.delete_volume(uuid, "base.img").unwrap_err();
    assert!(error.to_string().contains("volume 'one.qcow2' reads from it"), "{error}");
    let grow = Resize { capacity: Bytes(8 * MIB), ..Resize::default() };
    assert_eq!(bed.storage.resize(uuid, "one.qcow2", grow).unwrap().capacity.0, 8 * MIB);
    assert!(qemu_info(&bed, "one.qcow2").contains("8388608 bytes"));
    let copy = VolumeConfig { capacity: None, ..VolumeConfig::new("copy.qcow2", Bytes(0)) };
    let made = bed.storage.create_from(uuid, &copy, (uuid, "one.qcow2"), &progress).unwrap();
    assert_eq!((made.format.as_str(), made.capacity.0), ("qcow2", 8 * MIB));
    qemu_info(&bed, "copy.qcow2");
    let wrong = BackingStore {
        path: "base.img".into(),
        format: Some("qcow2".into()),
        permissions: None,
        extra: Default::default(),
    };
    let wrong = VolumeConfig { backing: Some(wrong), ..qcow2("wrong.qcow2", MIB) };
    let error = bed.storage.create(uuid, &wrong).unwrap_err();
    assert!(error.to_string().contains("has the format 'raw', not 'qcow2'"), "{error}");
    for name in ["one.qcow2", "two.qcow2", "copy.qcow2", "base.img"] {
        bed.storage.delete_volume(uuid, name).unwrap();
    }
    assert!(bed.refresh().is_empty());
}
