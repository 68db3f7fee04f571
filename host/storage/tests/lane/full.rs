//! A medium that is full: a clear error, and the space is given back.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, Instant};

use reeve_model::Bytes;
use reeve_model::storage::{BuildMode, PoolKind, Preallocation, VolumeConfig};
use reeve_storage::{Progress, Resize, StorageError, Volume};

use crate::bed::{Bed, MIB, sparse};

const PATIENCE: Duration = Duration::from_secs(10);

/// It did not fit, and nothing of it is there.
fn full_again(bed: &Bed, made: Result<Volume, StorageError>) {
    let free = bed.storage.space(bed.uuid()).unwrap().available;
    let error = made.unwrap_err();
    assert!(matches!(error, StorageError::Full { .. }), "{error}");
    is_back(bed, free);
}

/// Nothing of the space is lost. File systems give it back in their own time.
fn is_back(bed: &Bed, free: Bytes) {
    let begun = Instant::now();
    loop {
        bed.refresh();
        // A block of a file's own tree may stay.
        let lost = free.0.saturating_sub(bed.storage.space(bed.uuid()).unwrap().available.0);
        if lost <= 64 << 10 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{lost} bytes are lost");
        std::thread::yield_now();
    }
}

#[test]
fn whatever_does_not_fit_leaves_nothing_behind() {
    let bed = Bed::new(PoolKind::Fs, Some("ext4"), 32 * MIB);
    let uuid = bed.uuid();
    bed.storage.build(&bed.config, BuildMode::NoOverwrite).unwrap();
    bed.start();
    let source = bed.storage.create(uuid, &VolumeConfig::new("source", Bytes(12 * MIB))).unwrap();
    bed.open("source").write_all_at(&vec![7; 12 * MIB as usize], 0).unwrap();
    bed.refresh();
    let free = bed.storage.space(uuid).unwrap().available;
    let full = |error: StorageError| {
        assert!(matches!(error, StorageError::Full { .. }), "{error}");
        is_back(&bed, free);
        let left: Vec<_> =
            std::fs::read_dir(bed.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");
    };
    full(bed.storage.create(uuid, &VolumeConfig::new("large", Bytes(64 * MIB))).unwrap_err());
    let grow = Resize { capacity: Bytes(64 * MIB), allocate: true, ..Resize::default() };
    full(bed.storage.resize(uuid, "source", grow).unwrap_err());
    assert_eq!(bed.storage.volume(uuid, "source").unwrap().capacity, source.capacity);
    // Two copies don't fit.
    let clone = |name: &str| VolumeConfig { capacity: None, ..VolumeConfig::new(name, Bytes(0)) };
    let progress = Progress::default();
    let mut copies = 0;
    let error = loop {
        let name = format!("copy{copies}");
        match bed.storage.create_from(uuid, &clone(&name), (uuid, "source"), &progress) {
            Ok(_) => copies += 1,
            Err(error) => break error,
        }
        assert!(copies < 4, "the file system is larger than it should be");
    };
    assert!(matches!(error, StorageError::Full { .. }), "{error}");
    // Nor does an image of the same disk, nor what is taken at once.
    let mut image = clone("image");
    image.target.format = Some("qcow2".to_owned());
    full_again(&bed, bed.storage.create_from(uuid, &image, (uuid, "source"), &progress));
    for (space, format) in [
        (Preallocation::Full, "raw"),
        (Preallocation::Falloc, "raw"),
        (Preallocation::Full, "qcow2"),
        (Preallocation::Falloc, "qcow2"),
    ] {
        let mut taken = sparse("taken", 64 * MIB);
        taken.target.preallocation = Some(space);
        taken.target.format = Some(format.to_owned());
        full_again(&bed, bed.storage.create(uuid, &taken));
    }
    assert_eq!(bed.refresh().len(), 1 + copies);
    for copy in 0..copies {
        bed.storage.delete_volume(uuid, &format!("copy{copy}")).unwrap();
    }
    is_back(&bed, free);
    // An upload into a sparse volume stops, and the volume is there to be deleted.
    bed.storage.create(uuid, &sparse("thin", 64 * MIB)).unwrap();
    let mut endless = std::io::Read::take(std::io::repeat(9), 64 * MIB);
    let error = bed.storage.upload(uuid, "thin", (0, None), &mut endless, &progress).unwrap_err();
    // Nothing was in it before, so nothing stays; of a file that is handed over neither.
    full(error);
    let mut file = tempfile::tempfile().unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(9), 64 * MIB), &mut file).unwrap();
    full(bed.storage.upload_file(uuid, "thin", (0, None), file.into(), &progress).unwrap_err());
    assert_eq!(bed.storage.volume(uuid, "thin").unwrap().capacity, Bytes(64 * MIB));
    bed.storage.delete_volume(uuid, "thin").unwrap();
    is_back(&bed, free);
    assert_eq!(bed.path().join("source").metadata().unwrap().size(), 12 * MIB);
    bed.storage.stop(uuid).unwrap();
}
