//! The block device against hostile rings; its disk never grows.
#![no_main]

use std::fs::File;

use libfuzzer_sys::fuzz_target;
use reeve_fuzz::assault::Assault;
use reeve_vmm::config::DiskLimits;
use reeve_vmm::virtio::block::{Block, Disk, DiskOptions};
use rustix::fs::{MemfdFlags, memfd_create};

const DISK: u64 = 256 << 10;

fuzz_target!(|assault: Assault| {
    let file = File::from(memfd_create("disk", MemfdFlags::CLOEXEC).expect("a file in memory"));
    file.set_len(DISK).expect("the file can be sized");
    let options = DiskOptions { discard: true, ..DiskOptions::default() };
    let disk = Disk::new(file.try_clone().expect("a second descriptor"), options);
    let block = Block::new(disk.expect("the file is a disk"), &DiskLimits::default());
    assault.run(Box::new(block.expect("the host has descriptors")));
    assert_eq!(file.metadata().expect("the file is open").len(), DISK);
});
