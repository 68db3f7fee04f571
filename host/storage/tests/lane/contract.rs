//! What every kind of pool keeps to: one walk through its whole life. The emulated host of lane B takes it too, for kinds that need more
//! than this machine has.

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use reeve_model::Bytes;
use reeve_model::storage::{BuildMode, PoolKind, VolumeConfig, VolumeKind, WipeAlgorithm};
use reeve_storage::{Progress, Resize, Storage, Stretch};

use crate::bed::{Bed, MIB, sparse};

/// The walk, to be called once a kind.
pub fn walk(bed: &mut Bed) {
    let uuid = bed.uuid();
    let progress = Progress::default();

    // Nothing runs before it is built and started.
    assert!(bed.storage.start(&bed.config, &progress).is_err(), "an unbuilt pool started");
    assert!(!bed.storage.is_active(uuid));
    let error = bed.storage.volumes(uuid).unwrap_err();
    assert!(error.to_string().ends_with("is not active"), "{error}");
    let mode = match bed.config.kind {
        PoolKind::Dir | PoolKind::Netfs => BuildMode::Keep,
        _ => BuildMode::NoOverwrite,
    };
    bed.storage.build(&bed.config, mode).unwrap();
    bed.start();
    let error = bed.storage.start(&bed.config, &progress).unwrap_err();
    assert_eq!(error.to_string(), "storage pool 'lab' is active already");
    assert_eq!(bed.names().len(), 0);
    let empty = bed.storage.space(uuid).unwrap();
    assert!(empty.capacity.0 > 0 && empty.available <= empty.capacity, "{empty:?}");

    // A volume is there with its size, and its key and path find it.
    let first = bed.name("first", 1);
    let made = bed.storage.create(uuid, &VolumeConfig::new(&first, Bytes(4 * MIB))).unwrap();
    assert_eq!((made.capacity, made.allocation.0 >= 4 * MIB), (Bytes(4 * MIB), true));
    let kind = if bed.config.kind.holds_files() { VolumeKind::File } else { VolumeKind::Block };
    assert_eq!((made.kind, made.format.as_str()), (kind, "raw"));
    assert_eq!(bed.storage.find(&made.path), Some((uuid, first.clone())));
    assert_eq!(bed.storage.find(&made.key), Some((uuid, first.clone())));
    let error = bed.storage.create(uuid, &VolumeConfig::new(&first, Bytes(MIB))).unwrap_err();
    assert!(error.to_string().contains("it exists already"), "{error}");

    // What is uploaded is what is there, at its place.
    let bytes: Vec<u8> = (0..MIB as u32).map(|at| (at % 251) as u8).collect();
    let written = bed.storage.upload(uuid, &first, (MIB, None), &mut bytes.as_slice(), &progress).unwrap();
    assert_eq!(written, MIB);
    let mut there = vec![0; bytes.len()];
    bed.open(&first).read_exact_at(&mut there, MIB).unwrap();
    assert!(there == bytes, "the uploaded bytes are not at their place");
    assert!(download(&bed.storage, uuid, &first, (MIB, Some(MIB))) == bytes);

    // A clone is equal and its own.
    let clone = bed.name("clone", 2);
    let config = VolumeConfig { capacity: None, ..VolumeConfig::new(&clone, Bytes(0)) };
    let made = bed.storage.create_from(uuid, &config, (uuid, &first), &progress).unwrap();
    assert_eq!(made.capacity, Bytes(4 * MIB));
    assert!(
        download(&bed.storage, uuid, &clone, (0, None)) == download(&bed.storage, uuid, &first, (0, None))
    );
    bed.open(&clone).write_all_at(b"mine", 0).unwrap();
    assert_eq!(download(&bed.storage, uuid, &first, (0, Some(4))), [0; 4]);
    assert_eq!(bed.refresh(), {
        let mut both = [clone.clone(), first.clone()];
        both.sort();
        both
    });

    // Larger, and smaller only when asked.
    let resize = Resize { capacity: Bytes(2 * MIB), delta: true, ..Resize::default() };
    assert_eq!(bed.storage.resize(uuid, &clone, resize).unwrap().capacity, bed.size(6 * MIB));
    assert!(download(&bed.storage, uuid, &clone, (4 * MIB, None)).iter().all(|byte| *byte == 0));
    let smaller = Resize { capacity: Bytes(2 * MIB), ..Resize::default() };
    let error = bed.storage.resize(uuid, &clone, smaller).unwrap_err();
    assert!(error.to_string().contains("give --shrink"), "{error}");
    let smaller = Resize { shrink: true, ..smaller };
    assert_eq!(bed.storage.resize(uuid, &clone, smaller).unwrap().capacity, bed.size(2 * MIB));
    assert!(download(&bed.storage, uuid, &clone, (MIB, Some(MIB))) == bytes);

    // Wiped, nothing of it is left.
    bed.storage.wipe(uuid, &clone, WipeAlgorithm::Dod, &progress).unwrap();
    let left = download(&bed.storage, uuid, &clone, (0, None));
    assert!(!left.windows(4).any(|bytes| bytes == b"mine") && left[MIB as usize..] != bytes[..]);

    // Another daemon finds all of it.
    let again = Storage::new();
    again.start(&bed.config, &progress).unwrap();
    let found: Vec<_> =
        again.volumes(uuid).unwrap().into_iter().map(|volume| (volume.name, volume.capacity)).collect();
    let known: Vec<_> =
        bed.storage.volumes(uuid).unwrap().into_iter().map(|volume| (volume.name, volume.capacity)).collect();
    assert_eq!(found, known);
    drop(again);

    // Stopped and started, the data is as it was.
    bed.storage.stop(uuid).unwrap();
    assert!(!bed.storage.is_active(uuid) && bed.storage.volumes(uuid).is_err());
    bed.start();
    assert!(download(&bed.storage, uuid, &first, (MIB, Some(MIB))) == bytes);

    // Deleted, its space is free, and what comes after holds nothing of it.
    let before = bed.storage.space(uuid).unwrap().available;
    bed.storage.delete_volume(uuid, &first).unwrap();
    // A server may free it a moment later.
    let deadline = Instant::now() + Duration::from_secs(10);
    while bed.storage.space(uuid).unwrap().available <= before {
        assert!(Instant::now() < deadline, "the space of a deleted volume is not free");
        std::thread::park_timeout(Duration::from_millis(20));
        bed.refresh();
    }
    let error = bed.storage.delete_volume(uuid, &first).unwrap_err();
    assert!(error.to_string().ends_with("is not there"), "{error}");
    bed.storage.create(uuid, &VolumeConfig::new(&first, Bytes(4 * MIB))).unwrap();
    assert!(download(&bed.storage, uuid, &first, (0, None)).iter().all(|byte| *byte == 0));
    for name in [&first, &clone] {
        bed.storage.delete_volume(uuid, name).unwrap();
    }
    assert_eq!(bed.refresh().len(), 0);

    // The source goes when it is asked to, and not while it runs.
    let error = bed.storage.delete(&bed.config).unwrap_err();
    assert!(error.to_string().ends_with("is active already"), "{error}");
    bed.storage.stop(uuid).unwrap();
    bed.storage.delete(&bed.config).unwrap();
    assert!(bed.storage.start(&bed.config, &progress).is_err(), "a deleted pool started");
    bed.storage.build(&bed.config, mode_after(bed.config.kind)).unwrap();
    bed.start();
    bed.storage.create(uuid, &sparse(&first, MIB)).unwrap();
    bed.storage.stop(uuid).unwrap();
}

/// A file system stays on the device when the pool is deleted; its directory is made again.
fn mode_after(kind: PoolKind) -> BuildMode {
    if kind.holds_files() { BuildMode::Keep } else { BuildMode::NoOverwrite }
}

pub fn download(storage: &Storage, pool: uuid::Uuid, name: &str, part: (u64, Option<u64>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sink = |stretch: Stretch<'_>| {
        match stretch {
            Stretch::Data(data) => bytes.extend_from_slice(data),
            Stretch::Hole(length) => bytes.resize(bytes.len() + length as usize, 0),
        }
        Ok(())
    };
    storage.download(pool, name, part, &mut sink, &Progress::default()).unwrap();
    bytes
}
