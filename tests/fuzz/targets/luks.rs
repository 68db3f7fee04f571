//! The header of a LUKS container that somebody made to hurt: it is read or refused, and what is told of it is within the file.
#![no_main]

use std::fs::File;
use std::os::unix::fs::FileExt;

use libfuzzer_sys::fuzz_target;
use reeve_image::{ImageFile, luks_info};
use rustix::fs::{MemfdFlags, memfd_create};

/// Room for a payload behind the header.
const LENGTH: u64 = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    let file: File = memfd_create("container", MemfdFlags::CLOEXEC).expect("memory").into();
    file.write_all_at(bytes, 0).expect("memory");
    file.set_len(LENGTH).expect("memory");
    let file = ImageFile::new(file, "container").expect("a file");
    if let Ok(Some(found)) = luks_info(&file) {
        assert!(found.payload + found.capacity == LENGTH && found.slots <= 8 && found.key_bits <= 512);
    }
});
