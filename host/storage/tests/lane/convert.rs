//! Volumes with the content of others, in another format or shape: judged by qemu-img.

use std::os::unix::fs::{FileExt, MetadataExt};

use reeve_model::Bytes;
use reeve_model::storage::{BackingStore, BuildMode, PoolKind, Preallocation, VolumeConfig};
use reeve_storage::Progress;

use crate::bed::{Bed, MIB, run, sparse};

fn copy(name: &str, format: Option<&str>) -> VolumeConfig {
    let mut config = VolumeConfig { capacity: None, ..VolumeConfig::new(name, Bytes(0)) };
    config.target.format = format.map(str::to_owned);
    config
}

fn qemu(bed: &Bed, words: &[&str]) -> String {
    let words: Vec<String> = (words.iter())
        .map(|word| {
            word.strip_prefix('@')
                .map_or((*word).to_owned(), |name| bed.path().join(name).display().to_string())
        })
        .collect();
    run("/usr/bin/qemu-img", &words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn over(path: &str) -> Option<BackingStore> {
    Some(BackingStore { path: path.to_owned(), format: None, permissions: None, extra: Default::default() })
}

/// A directory pool with a raw volume `base` of 16 MiB, a part of it written.
fn bed() -> Bed {
    let bed = Bed::directory();
    bed.storage.create(bed.uuid(), &sparse("base", 16 * MIB)).unwrap();
    bed.open("base").write_all_at(&vec![0x5a; 3 * MIB as usize], 5 * MIB).unwrap();
    bed
}

#[test]
fn a_copy_may_have_another_format() {
    let bed = bed();
    let (uuid, progress) = (bed.uuid(), Progress::default());
    let made =
        bed.storage.create_from(uuid, &copy("a.qcow2", Some("qcow2")), (uuid, "base"), &progress).unwrap();
    assert_eq!((made.format.as_str(), made.capacity.0), ("qcow2", 16 * MIB));
    assert!(made.allocation.0 < 4 * MIB, "{made:?}");
    assert_eq!(progress.get(), (16 * MIB, 16 * MIB));
    qemu(&bed, &["check", "-f", "qcow2", "@a.qcow2"]);
    qemu(&bed, &["compare", "-f", "raw", "-F", "qcow2", "@base", "@a.qcow2"]);
    let made = bed
        .storage
        .create_from(uuid, &copy("b", Some("raw")), (uuid, "a.qcow2"), &Progress::default())
        .unwrap();
    assert_eq!((made.format.as_str(), made.capacity.0, made.physical.0), ("raw", 16 * MIB, 16 * MIB));
    assert!(made.allocation.0 < 4 * MIB, "{made:?}");
    qemu(&bed, &["compare", "-f", "raw", "-F", "raw", "-s", "@base", "@b"]);
    // Larger than its template.
    for (name, format) in [("c.qcow2", "qcow2"), ("d.qcow2", "qcow2"), ("e", "raw")] {
        let config = VolumeConfig { capacity: Some(Bytes(20 * MIB)), ..copy(name, Some(format)) };
        let from = if name == "d.qcow2" { "base" } else { "a.qcow2" };
        let made = bed.storage.create_from(uuid, &config, (uuid, from), &Progress::default()).unwrap();
        assert_eq!(made.capacity.0, 20 * MIB, "{name}");
        qemu(&bed, &["compare", "-f", "raw", "-F", format, "@base", &format!("@{name}")]);
    }
    let error =
        bed.storage.create_from(uuid, &copy("f", Some("vmdk")), (uuid, "base"), &progress).unwrap_err();
    assert!(error.to_string().contains("vmdk"), "{error}");
    assert_eq!(bed.refresh(), ["a.qcow2", "b", "base", "c.qcow2", "d.qcow2", "e"]);
}

#[test]
fn an_image_is_made_anew_only_where_its_shape_differs() {
    let bed = bed();
    let (uuid, progress) = (bed.uuid(), Progress::default());
    let overlay = VolumeConfig { backing: over("base"), ..copy("over.qcow2", Some("qcow2")) };
    bed.storage.create(uuid, &overlay).unwrap();
    let path = bed.path().join("base").display().to_string();
    // The document of an overlay makes an overlay.
    let mut document = bed.storage.document(uuid, "over.qcow2").unwrap();
    assert_eq!(
        document.backing.as_ref().map(|backing| (&backing.path, backing.format.as_deref())),
        Some((&path, Some("raw")))
    );
    document.name = "again.qcow2".to_owned();
    let made = bed.storage.create_from(uuid, &document, (uuid, "over.qcow2"), &progress).unwrap();
    assert_eq!(made.backing.as_deref(), Some(path.as_str()));
    let mut other = copy("other.qcow2", None);
    other.target.cluster_size = Some(Bytes(4096));
    other.target.compat = Some("0.10".to_owned());
    let made = bed.storage.create_from(uuid, &other, (uuid, "over.qcow2"), &progress).unwrap();
    assert_eq!(made.backing, None, "a converted image stands alone");
    let info = qemu(&bed, &["info", "@other.qcow2"]);
    assert!(info.contains("cluster_size: 4096") && info.contains("compat: 0.10"), "{info}");
    qemu(&bed, &["compare", "-f", "raw", "-F", "qcow2", "@base", "@other.qcow2"]);
    let refused = VolumeConfig { backing: over("base"), ..copy("refused.qcow2", Some("raw")) };
    let error = bed.storage.create_from(uuid, &refused, (uuid, "over.qcow2"), &progress).unwrap_err();
    assert!(error.to_string().contains("leave <backingStore> out"), "{error}");
    // Elsewhere the backing image would not be found, so there it stands alone.
    let elsewhere = Bed::directory();
    bed.storage.start(&elsewhere.config, &progress).unwrap();
    let made = bed
        .storage
        .create_from(elsewhere.uuid(), &copy("far.qcow2", None), (uuid, "over.qcow2"), &progress)
        .unwrap();
    assert_eq!((made.format.as_str(), made.backing), ("qcow2", None));
    let far = elsewhere.path().join("far.qcow2").display().to_string();
    qemu(&bed, &["compare", "-f", "raw", "-F", "qcow2", "@base", &far]);
    assert_eq!(bed.refresh(), ["again.qcow2", "base", "other.qcow2", "over.qcow2"]);
}

#[test]
fn a_partition_gets_what_an_image_shows() {
    let images = bed();
    let (uuid, progress) = (images.uuid(), Progress::default());
    images.storage.create_from(uuid, &copy("a.qcow2", Some("qcow2")), (uuid, "base"), &progress).unwrap();
    let disk = Bed::new(PoolKind::Disk, Some("gpt"), 64 * MIB);
    images.storage.build(&disk.config, BuildMode::Overwrite).unwrap();
    images.storage.start(&disk.config, &progress).unwrap();
    let made =
        images.storage.create_from(disk.uuid(), &copy("part", None), (uuid, "a.qcow2"), &progress).unwrap();
    assert_eq!((made.format.as_str(), made.capacity.0), ("raw", 16 * MIB));
    qemu(&images, &["compare", "-f", "raw", "-F", "raw", "@base", &made.path]);
    images.storage.stop(disk.uuid()).unwrap();
}

#[test]
fn space_is_taken_as_it_is_asked_for() {
    let bed = bed();
    let uuid = bed.uuid();
    let blocks = |name: &str| bed.path().join(name).metadata().unwrap().blocks() * 512;
    for (format, space, least, most) in [
        ("raw", Preallocation::Off, 0, 0),
        ("raw", Preallocation::Falloc, 16, 17),
        ("raw", Preallocation::Full, 16, 17),
        ("qcow2", Preallocation::Off, 0, 1),
        ("qcow2", Preallocation::Metadata, 0, 1),
        ("qcow2", Preallocation::Falloc, 16, 17),
        ("qcow2", Preallocation::Full, 16, 17),
    ] {
        let name = format!("{format}-{space:?}");
        let mut config =
            VolumeConfig { allocation: Some(Bytes(0)), ..VolumeConfig::new(&name, Bytes(16 * MIB)) };
        config.target.format = Some(format.to_owned());
        config.target.preallocation = Some(space);
        bed.storage.create(uuid, &config).unwrap();
        assert!((least * MIB..=most * MIB).contains(&blocks(&name)), "{name}: {}", blocks(&name));
        let mut config = copy(&format!("{name}-copy"), Some(format));
        config.target.preallocation = Some(space);
        bed.storage.create_from(uuid, &config, (uuid, "base"), &Progress::default()).unwrap();
        let taken = blocks(&config.name);
        assert!((least.max(3) * MIB..=(most + 4).min(17) * MIB).contains(&taken), "{name}-copy: {taken}");
        qemu(&bed, &["compare", "-f", "raw", "-F", format, "@base", &format!("@{}", config.name)]);
        if format == "qcow2" {
            qemu(&bed, &["check", "-f", "qcow2", &format!("@{name}")]);
            let mapped = qemu(&bed, &["map", "--output=json", "-f", "qcow2", &format!("@{name}")]);
            assert_eq!(mapped.contains("\"offset\""), space != Preallocation::Off, "{name}: {mapped}");
        }
    }
    let mut config = VolumeConfig::new("refused", Bytes(MIB));
    config.target.preallocation = Some(Preallocation::Metadata);
    let error = bed.storage.create(uuid, &config).unwrap_err();
    assert!(error.to_string().contains("no metadata to preallocate"), "{error}");
    config.target.format = Some("qcow2".to_owned());
    config.backing = over("base");
    let error = bed.storage.create(uuid, &config).unwrap_err();
    assert!(error.to_string().contains("can't be preallocated"), "{error}");
}

#[test]
fn a_document_says_whose_a_volume_is_and_when_it_was_touched() {
    let bed = bed();
    let uuid = bed.uuid();
    let mut config = copy("a.qcow2", Some("qcow2"));
    config.capacity = Some(Bytes(MIB));
    config.target.permissions = Some(reeve_model::storage::Permissions {
        mode: Some(0o640),
        owner: Some(107),
        group: Some(36),
        ..Default::default()
    });
    bed.storage.create(uuid, &config).unwrap();
    let document = bed.storage.document(uuid, "a.qcow2").unwrap();
    assert_eq!(document.check(), Ok(()));
    assert_eq!(document.target.permissions, config.target.permissions);
    assert_eq!(document.target.compat.as_deref(), Some("1.1"));
    assert_eq!(document.target.cluster_size, Some(Bytes(65536)));
    let stamps = document.target.timestamps.unwrap();
    let metadata = bed.path().join("a.qcow2").metadata().unwrap();
    assert_eq!(stamps.mtime, Some(format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec())));
    assert!(stamps.atime.is_some() && stamps.ctime.is_some());
    let document = bed.storage.document(uuid, "base").unwrap();
    assert_eq!((document.target.compat, document.target.permissions.unwrap().mode), (None, Some(0o600)));
}
