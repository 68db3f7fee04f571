//! A qcow2 image that somebody made to hurt: no panic, no large allocation, no end that does not come; what is read is bounded by the
//! disk, a repaired image is sound, and one that is written to still opens.
#![no_main]

use std::fs::File;

use libfuzzer_sys::fuzz_target;
use reeve_image::{Access, Format, ImageFile, NoBacking, Repair, check, info, open_alone, probe};
use rustix::fs::{MemfdFlags, memfd_create};

/// Only so much of the disk is looked at: it may be of any size.
const LOOKED_AT: u64 = 1 << 20;
/// Stretches of a map that are visited.
const STRETCHES: usize = 1000;

fn image(bytes: &[u8]) -> ImageFile {
    let file: File = memfd_create("image", MemfdFlags::CLOEXEC).expect("memory").into();
    std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0).expect("memory");
    ImageFile::new(file, "image").expect("a file")
}

fuzz_target!(|bytes: &[u8]| {
    let _ = probe(&image(bytes));
    let _ = info(image(bytes), Format::Qcow2);
    let _ = reeve_image::open(image(bytes), Format::Qcow2, Access::Read, &NoBacking);
    if let Ok(found) = check(image(bytes), Format::Qcow2, Repair::All)
        && found.corruptions == 0
    {
        assert!(found.leaks == 0, "a repaired image has leaks: {found:?}");
    }
    let Ok(mut disk) = open_alone(image(bytes), Format::Qcow2, Access::Write) else { return };
    let size = disk.size().min(LOOKED_AT);
    let mut buffer = vec![0; size as usize];
    let _ = disk.read(&mut buffer, 0);
    let mut at = 0;
    for _ in 0..STRETCHES {
        let Ok(extent) = disk.extent(at, disk.size()) else { break };
        assert!(extent.length > 0 || disk.size() == 0);
        at += extent.length;
        if at >= disk.size() {
            break;
        }
    }
    if size > 600 && disk.write(&[1; 600], size / 2).is_ok() {
        let mut back = [0; 600];
        // Whoever says that two parts of the disk are the same cluster may read the other.
        let _ = disk.read(&mut back, size / 2);
    }
    if size > 0 {
        let _ = disk.zero(0, size);
    }
    // The number of references that a snapshot counts is that of the tables, which are in the file.
    if bytes.len() < 1 << 20 && disk.size() < 1 << 40 {
        let _ = disk.create_snapshot("fuzz", time::OffsetDateTime::UNIX_EPOCH);
        let _ = disk.apply_snapshot("fuzz");
        let _ = disk.delete_snapshot("fuzz");
    }
});
