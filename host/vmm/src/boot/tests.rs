use std::io::Write;

use super::*;
use crate::config::MemoryConfig;

fn memory(bytes: u64) -> Memory {
    crate::memory::allocate(&MemoryConfig {
        bytes,
        mergeable: false,
        hugepages: None,
        locked: false,
        numa: None,
        shared: false,
        cells: Vec::new(),
    })
    .unwrap()
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn boot(memory: &Memory, kernel: &[u8], initrd: Option<&[u8]>) -> Result<BootState, BootError> {
    let (kernel, initrd) = (file(kernel), initrd.map(file));
    load(
        memory,
        &BootSource {
            kernel: &kernel,
            initrd: initrd.as_ref(),
            cmdline: "quiet",
            present: CpuMask::first(1),
            max_vcpus: 1,
            serials: 1,
            rtc: true,
            sleep: crate::legacy::SleepStates { mem: true, disk: true },
            smbios: &SmbiosConfig::default(),
            hardware: Hardware { sockets: 1, cores: 1, threads: 1, memory: 4 << 20 },
            numa: &Numa::default(),
        },
    )
}

/// A bzImage of one setup sector and four bytes of code.
fn bzimage() -> Vec<u8> {
    let mut image = vec![0; 0x400];
    image[0x1f1] = 1;
    image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x020fu16.to_le_bytes());
    image[0x211] = 1;
    image[0x214..0x218].copy_from_slice(&0x10_0000u32.to_le_bytes());
    image[0x22c..0x230].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    image[0x238..0x23c].copy_from_slice(&255u32.to_le_bytes());
    image.extend(b"code");
    image
}

#[test]
fn a_bzimage_gets_a_zero_page_with_command_line_initrd_and_memory_map() {
    let memory = memory(16 << 20);
    let state = boot(&memory, &bzimage(), Some(b"initrd")).unwrap();
    assert_eq!(state, BootState::Long { entry: 0x10_0200 });
    let mut cmdline = [0; 6];
    memory.read_slice(&mut cmdline, GuestAddress(layout::CMDLINE)).unwrap();
    assert_eq!(&cmdline, b"quiet\0");
    let params: linux_loader::bootparam::boot_params =
        memory.read_obj(GuestAddress(layout::ZERO_PAGE)).unwrap();
    let (image, size) = (params.hdr.ramdisk_image, params.hdr.ramdisk_size);
    assert_eq!((image, size), ((16 << 20) - 4096, 6));
    let mut initrd = [0; 6];
    memory.read_slice(&mut initrd, GuestAddress(u64::from(image))).unwrap();
    assert_eq!(&initrd, b"initrd");
    assert_eq!((params.e820_entries, params.acpi_rsdp_addr), (4, 0xe_0000));
}

#[test]
fn the_memory_map_leaves_the_hole_below_4_gib_out() {
    let map = memory_map(&memory(6 << 30));
    let ram: Vec<_> =
        map.iter().filter(|(.., usage)| *usage == Usage::Ram).map(|(start, len, _)| (*start, *len)).collect();
    assert_eq!(ram, [(0, 0x9_fc00), (0x10_0000, 0xbff0_0000), (0x1_0000_0000, 0xc000_0000)]);
    let ends = map.iter().zip(&map[1..]).all(|((start, len, _), (next, ..))| start + len <= *next);
    assert!(ends, "ranges overlap: {map:x?}");
}

#[test]
fn files_that_are_no_kernel_are_refused_with_a_sentence() {
    let memory = memory(4 << 20);
    let mut elf32 = vec![0; 64];
    elf32[..6].copy_from_slice(b"\x7fELF\x01\x01");
    for bytes in [&b""[..], b"#!/bin/sh\n", &elf32, &[0; 4096]] {
        assert!(matches!(boot(&memory, bytes, None), Err(BootError::Format)));
    }
    let mut broken = b"\x7fELF\x02\x01".to_vec();
    broken.resize(64, 0);
    broken[18] = 62;
    let error = boot(&memory, &broken, None).unwrap_err();
    assert!(
        error.to_string().starts_with("the kernel can't be loaded into 4194304 bytes of guest memory"),
        "{error}"
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let memory = memory(4 << 20);
    let mut large = bzimage();
    large.resize(8 << 20, 0);
    assert!(matches!(boot(&memory, &large, None), Err(BootError::Load { .. })));
    let initrd = vec![0; 4 << 20];
    assert!(matches!(boot(&memory, &bzimage(), Some(&initrd)), Err(BootError::InitrdSize { .. })));
}
