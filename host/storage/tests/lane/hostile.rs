//! Nothing leads out of a pool: names, links, things that are no files, contents that pretend.

use std::os::unix::fs::symlink;

use reeve_model::Bytes;
use reeve_model::storage::{BackingStore, PoolKind, VolumeConfig, WipeAlgorithm};
use reeve_storage::{Progress, Resize, Storage};

use crate::bed::{Bed, MIB, run, sparse};

#[test]
fn names_do_not_leave_the_pool() {
    let bed = Bed::directory();
    let secret = bed.dir.path().join("secret");
    std::fs::write(&secret, "hush").unwrap();
    let (uuid, progress) = (bed.uuid(), Progress::default());
    bed.storage.create(uuid, &sparse("good", MIB)).unwrap();
    for name in ["../secret", "/etc/passwd", "..", ".", "", "a/b", "x\0y", "a\nb", ".reeve-new-1", "-rf"] {
        let refused = |error: reeve_storage::StorageError| {
            let text = error.to_string();
            assert!(text.contains("name") || text.contains("is not there"), "{name:?}: {text}");
        };
        refused(bed.storage.create(uuid, &sparse(name, MIB)).unwrap_err());
        refused(bed.storage.create_from(uuid, &sparse(name, MIB), (uuid, "good"), &progress).unwrap_err());
        refused(bed.storage.create_from(uuid, &sparse("b", MIB), (uuid, name), &progress).unwrap_err());
        refused(bed.storage.delete_volume(uuid, name).unwrap_err());
        refused(bed.storage.wipe(uuid, name, WipeAlgorithm::Zero, &progress).unwrap_err());
        refused(
            bed.storage.resize(uuid, name, Resize { capacity: Bytes(9), ..Resize::default() }).unwrap_err(),
        );
        refused(bed.storage.upload(uuid, name, (0, None), &mut &b"x"[..], &progress).unwrap_err());
        refused(bed.storage.download(uuid, name, (0, None), &mut |_| Ok(()), &progress).unwrap_err());
    }
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "hush");
    assert_eq!(bed.refresh(), ["good"]);
}

#[test]
fn only_regular_files_are_volumes() {
    let bed = Bed::directory();
    let (uuid, progress) = (bed.uuid(), Progress::default());
    let secret = bed.dir.path().join("secret");
    std::fs::write(&secret, "hush").unwrap();
    symlink(&secret, bed.path().join("link")).unwrap();
    symlink("inside", bed.path().join("near")).unwrap();
    symlink(bed.dir.path(), bed.path().join("up")).unwrap();
    std::fs::write(bed.path().join("inside"), "x").unwrap();
    std::fs::create_dir(bed.path().join("folder")).unwrap();
    run("/usr/bin/mkfifo", &[bed.path().join("fifo").to_str().unwrap()]);
    assert_eq!(bed.refresh(), ["inside"]);
    for name in ["link", "near", "up", "folder", "fifo"] {
        let error = bed.storage.wipe(uuid, name, WipeAlgorithm::Zero, &progress).unwrap_err();
        assert!(
            error.to_string().contains("it is no volume") || error.to_string().contains("opened"),
            "{name}: {error}"
        );
        bed.storage.delete_volume(uuid, name).unwrap_err();
        bed.storage.upload(uuid, name, (0, None), &mut &b"x"[..], &progress).unwrap_err();
        let error = bed.storage.create(uuid, &sparse(name, MIB)).unwrap_err();
        assert!(error.to_string().contains("exists already"), "{error}");
    }
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "hush");
    // A pool whose directory is replaced by a link stays where it was.
    let moved = bed.dir.path().join("moved");
    std::fs::rename(bed.path(), &moved).unwrap();
    symlink("/etc", bed.path()).unwrap();
    assert_eq!(bed.refresh(), ["inside"]);
    bed.storage.create(uuid, &sparse("b", MIB)).unwrap();
    assert!(moved.join("b").exists());
}

#[test]
fn what_a_guest_writes_does_not_make_an_image_of_a_raw_volume() {
    let bed = Bed::directory();
    let uuid = bed.uuid();
    let mut header = b"QFI\xfb\0\0\0\x03\0\0\0\0\0\0\0\x68\0\0\0\x0b\0\0\0\x10\0\0\x01\0\0\0\0\0".to_vec();
    header.resize(104, 0);
    header.extend(b"/etc/shadow");
    bed.storage.create(uuid, &sparse("raw", MIB)).unwrap();
    bed.storage.upload(uuid, "raw", (0, None), &mut header.as_slice(), &Progress::default()).unwrap();
    let raw = bed.storage.volume(uuid, "raw").unwrap();
    assert_eq!((raw.format.as_str(), raw.capacity, raw.backing), ("raw", Bytes(MIB), None));
    // A file that somebody put there is what it says it is; its backing image is named, not opened.
    let path = bed.path().join("foreign").display().to_string();
    run(
        "/usr/bin/qemu-img",
        &["create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", &path, "1M"],
    );
    bed.refresh();
    let foreign = bed.storage.volume(uuid, "foreign").unwrap();
    assert_eq!((foreign.format.as_str(), foreign.backing.as_deref()), ("qcow2", Some("/etc/shadow")));
    std::fs::write(bed.path().join("broken"), &header[..20]).unwrap();
    let broken = bed.storage.volume(uuid, "broken").unwrap();
    assert!(broken.fault.is_some_and(|fault| fault.contains("broken")), "a cut header is no fault");
    std::fs::write(bed.path().join("other"), b"KDMV and more").unwrap();
    let other = bed.storage.volume(uuid, "other").unwrap();
    assert!(other.format == "vmdk" && other.fault.is_some(), "{other:?}");
}

#[test]
fn backing_images_and_unknown_formats_are_refused() {
    let bed = Bed::directory();
    let backing = |path: &str| BackingStore {
        path: path.to_owned(),
        format: Some("raw".to_owned()),
        permissions: None,
        extra: Default::default(),
    };
    for path in ["/etc/shadow", "../secret", "json:{\"driver\":\"file\"}", "nbd://10.0.0.1/x"] {
        let mut config = VolumeConfig { backing: Some(backing(path)), ..VolumeConfig::new("a", Bytes(MIB)) };
        let error = bed.storage.create(bed.uuid(), &config).unwrap_err();
        assert!(error.to_string().contains("no backing image"), "{error}");
        config.target.format = Some("qcow2".to_owned());
        let error = bed.storage.create(bed.uuid(), &config).unwrap_err();
        assert!(error.to_string().contains("can't be its backing image"), "{error}");
    }
    for format in ["vmdk", "bochs", "qcow"] {
        let mut config = VolumeConfig::new("a", Bytes(MIB));
        config.target.format = Some(format.to_owned());
        let error = bed.storage.create(bed.uuid(), &config).unwrap_err();
        assert!(error.to_string().contains(&format!("image format '{format}' is not supported")), "{error}");
    }
    assert!(bed.refresh().is_empty());
}

#[test]
fn two_pools_do_not_share_a_source() {
    let bed = Bed::directory();
    let mut other = bed.config.clone();
    other.uuid = uuid::Uuid::new_v4();
    other.name = "other".to_owned();
    other.target.path = Some(format!("{}/.", bed.path().display()));
    let error = bed.storage.start(&other, &Progress::default()).unwrap_err();
    assert!(error.to_string().contains("belongs to storage pool 'lab'"), "{error}");
}

#[test]
fn a_disk_with_a_hostile_table_does_not_start() {
    let bed = Bed::new(PoolKind::Disk, Some("gpt"), 64 * MIB);
    bed.storage.build(&bed.config, Default::default()).unwrap();
    let device = bed.device.as_ref().unwrap().device.clone();
    let disk = std::fs::File::options().write(true).open(&device).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&disk, &u32::MAX.to_le_bytes(), 512 + 80).unwrap();
    let error = Storage::new().start(&bed.config, &Progress::default()).unwrap_err();
    assert!(error.to_string().contains("entries of 128 bytes"), "{error}");
}
