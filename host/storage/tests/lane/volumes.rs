//! Volumes that are files: sparse content, refreshes, operations that meet.

use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Instant;

use reeve_model::Bytes;
use reeve_model::storage::{Permissions, VolumeConfig, WipeAlgorithm};
use reeve_storage::{Progress, Stretch};

use crate::bed::{Bed, MIB, sparse};
use crate::contract::download;

#[test]
fn holes_stay_holes() {
    let bed = Bed::directory();
    let (uuid, progress) = (bed.uuid(), Progress::default());
    let blocks = |name: &str| bed.path().join(name).metadata().unwrap().blocks() * 512;
    bed.storage.create(uuid, &sparse("thin", 64 * MIB)).unwrap();
    assert_eq!(blocks("thin"), 0);
    bed.open("thin").write_all_at(b"data", 32 * MIB).unwrap();
    let clone = VolumeConfig { capacity: None, ..VolumeConfig::new("clone", Bytes(0)) };
    let made = bed.storage.create_from(uuid, &clone, (uuid, "thin"), &progress).unwrap();
    assert!(made.allocation.0 < MIB && made.capacity.0 == 64 * MIB, "{made:?}");
    assert_eq!(download(&bed.storage, uuid, "clone", (32 * MIB, Some(4))), b"data");
    let mut stretches = Vec::new();
    let mut sink = |stretch: Stretch<'_>| {
        stretches.push(match stretch {
            Stretch::Data(bytes) => bytes.len() as u64,
            Stretch::Hole(length) => length,
        });
        Ok(())
    };
    bed.storage.download(uuid, "clone", (0, None), &mut sink, &progress).unwrap();
    assert_eq!((stretches[0], stretches.iter().sum::<u64>()), (32 * MIB, 64 * MIB));
    // Zeroes that are sent become holes, and take what was there away.
    bed.storage.create(uuid, &VolumeConfig::new("thick", Bytes(8 * MIB))).unwrap();
    assert_eq!(blocks("thick"), 8 * MIB);
    bed.open("thick").write_all_at(&vec![1; 8 * MIB as usize], 0).unwrap();
    let mut zeroes = std::io::repeat(0).take(6 * MIB);
    bed.storage.upload(uuid, "thick", (0, None), &mut zeroes, &progress).unwrap();
    assert!(blocks("thick") < 3 * MIB, "{}", blocks("thick"));
    let content = download(&bed.storage, uuid, "thick", (0, None));
    assert!(
        content[..6 * MIB as usize].iter().all(|byte| *byte == 0)
            && content[6 * MIB as usize..].iter().all(|byte| *byte == 1)
    );
}

#[test]
fn streams_end_where_they_are_told() {
    let bed = Bed::directory();
    let (uuid, progress) = (bed.uuid(), Progress::default());
    bed.storage.create(uuid, &sparse("a", MIB)).unwrap();
    let upload = |part, bytes: &[u8]| bed.storage.upload(uuid, "a", part, &mut &*bytes, &progress);
    assert_eq!(upload((MIB - 2, None), b"ab").unwrap(), 2);
    assert_eq!(upload((0, Some(3)), b"abc").unwrap(), 3);
    for (part, bytes, reason) in [
        ((0, Some(3)), &b"abcd"[..], "than the 3 bytes that fit"),
        ((MIB - 2, None), &b"abc"[..], "than the 2 bytes that fit"),
        ((MIB + 1, None), &b"a"[..], "nothing begins at 1048577"),
    ] {
        let error = upload(part, bytes).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert_eq!(download(&bed.storage, uuid, "a", (MIB - 2, Some(99))), b"ab");
    assert!(download(&bed.storage, uuid, "a", (MIB, None)).is_empty());
    assert_eq!(bed.path().join("a").metadata().unwrap().len(), MIB, "an upload made the volume larger");
}

#[test]
fn a_refresh_sees_what_others_did_and_looks_again_only_there() {
    let bed = Bed::directory();
    for number in 0..2000 {
        std::fs::write(bed.path().join(format!("v{number:04}")), "x").unwrap();
    }
    let progress = Progress::default();
    let cold = Instant::now();
    bed.storage.refresh(bed.uuid(), &progress).unwrap();
    let cold = cold.elapsed();
    assert_eq!(progress.get(), (2000, 2000));
    assert_eq!(bed.names().len(), 2000);
    std::fs::remove_file(bed.path().join("v0007")).unwrap();
    std::fs::write(bed.path().join("v0008"), "longer").unwrap();
    std::fs::write(bed.path().join("new"), "x").unwrap();
    let warm = Instant::now();
    let names = bed.refresh();
    println!("refresh of 2000 volumes: {cold:?} cold, {:?} warm", warm.elapsed());
    assert!(names.len() == 2000 && names.contains(&"new".to_owned()) && !names.contains(&"v0007".to_owned()));
    assert_eq!(bed.storage.volume(bed.uuid(), "v0008").unwrap().capacity, Bytes(6));
    let cancelled = Progress::default();
    cancelled.cancel();
    let error = bed.storage.refresh(bed.uuid(), &cancelled).unwrap_err();
    assert!(error.to_string().contains("it was cancelled"), "{error}");
    assert_eq!(bed.names().len(), 2000, "a cancelled refresh lost volumes");
}

/// What a daemon that was killed leaves is swept away; what another writes just now is not.
#[test]
fn unfinished_files_go_with_the_next_refresh() {
    let bed = Bed::directory();
    let left = bed.path().join(".reeve-new-left");
    let held = bed.path().join(".reeve-new-held");
    std::fs::write(&left, "half").unwrap();
    let file = std::fs::File::create(&held).unwrap();
    file.lock().unwrap();
    assert!(bed.refresh().is_empty());
    assert!(!left.exists() && held.exists());
    drop(file);
    bed.refresh();
    assert!(!held.exists());
}

/// Tells when it is read from.
struct Announced {
    reading: std::io::PipeReader,
    begun: std::sync::mpsc::SyncSender<()>,
}

impl Read for Announced {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let _ = self.begun.try_send(());
        self.reading.read(bytes)
    }
}

#[test]
fn operations_on_one_volume_exclude_each_other() {
    let bed = Bed::directory();
    let uuid = bed.uuid();
    bed.storage.create(uuid, &sparse("a", 4 * MIB)).unwrap();
    let (reading, writing) = std::io::pipe().unwrap();
    let (begun, beginning) = std::sync::mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        let upload = scope.spawn(|| {
            let mut input = Announced { reading, begun };
            bed.storage.upload(uuid, "a", (0, None), &mut input, &Progress::default())
        });
        beginning.recv().unwrap();
        std::io::Write::write_all(&mut (&writing), b"begun").unwrap();
        let error = bed.storage.wipe(uuid, "a", WipeAlgorithm::Zero, &Progress::default()).unwrap_err();
        assert!(error.to_string().contains("another operation works on it"), "{error}");
        bed.storage.delete_volume(uuid, "a").unwrap_err();
        bed.storage.download(uuid, "a", (0, None), &mut |_| Ok(()), &Progress::default()).unwrap_err();
        let error = bed.storage.stop(uuid).unwrap_err();
        assert!(error.to_string().contains("can't be stopped before"), "{error}");
        // Others go on.
        bed.storage.create(uuid, &sparse("b", MIB)).unwrap();
        drop(writing);
        assert_eq!(upload.join().unwrap().unwrap(), 5);
    });
    bed.storage.delete_volume(uuid, "a").unwrap();
    bed.storage.stop(uuid).unwrap();
}

#[test]
fn sizes_and_owners_are_as_asked() {
    let bed = Bed::directory();
    let uuid = bed.uuid();
    let mut config =
        VolumeConfig { allocation: Some(Bytes(2 * MIB)), ..VolumeConfig::new("part", Bytes(8 * MIB)) };
    config.target.permissions =
        Some(Permissions { mode: Some(0o640), owner: Some(107), group: Some(36), ..Permissions::default() });
    let made = bed.storage.create(uuid, &config).unwrap();
    assert_eq!((made.capacity.0, made.allocation.0), (8 * MIB, 2 * MIB));
    let metadata = bed.path().join("part").metadata().unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.uid(), metadata.gid()), (0o640, 107, 36));
    bed.storage.create(uuid, &sparse("plain", 1)).unwrap();
    assert_eq!(bed.path().join("plain").metadata().unwrap().mode() & 0o7777, 0o600);
    let none = VolumeConfig { capacity: None, ..VolumeConfig::new("none", Bytes(0)) };
    assert!(bed.storage.create(uuid, &none).unwrap_err().to_string().contains("needs a capacity"));
    let small = VolumeConfig::new("small", Bytes(MIB));
    let error = bed.storage.create_from(uuid, &small, (uuid, "part"), &Progress::default()).unwrap_err();
    assert!(error.to_string().contains("can't be smaller than 'part'"), "{error}");
    let larger = VolumeConfig::new("larger", Bytes(16 * MIB));
    let made = bed.storage.create_from(uuid, &larger, (uuid, "part"), &Progress::default()).unwrap();
    assert_eq!(made.capacity.0, 16 * MIB);
}
