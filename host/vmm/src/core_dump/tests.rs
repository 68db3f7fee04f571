use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use vm_memory::{Bytes, GuestAddress};

use super::*;
use crate::config::MemoryConfig;

const MIB: u64 = 1 << 20;

fn memory() -> Memory {
    let config = MemoryConfig {
        bytes: 16 * MIB,
        mergeable: false,
        hugepages: None,
        locked: false,
        numa: None,
        shared: false,
        cells: Vec::new(),
    };
    let memory = crate::memory::allocate(&config).unwrap();
    memory.write_slice(b"first", GuestAddress(0)).unwrap();
    memory.write_slice(&[7; 3 * 4096], GuestAddress(5 * MIB - 4096)).unwrap();
    memory
}

fn vcpus(count: u64) -> Vec<VcpuRegisters> {
    let vcpu = |number: u64| {
        let mut vcpu = VcpuRegisters { kernel_gs_base: 0x6000 + number, ..VcpuRegisters::default() };
        (vcpu.regs.rip, vcpu.regs.r15, vcpu.regs.rsp) = (0x1000 + number, 0x2000 + number, 0x3000 + number);
        (vcpu.sregs.cr3, vcpu.sregs.gs.selector, vcpu.sregs.cs.l) = (0x4000 + number, 0x18, 1);
        vcpu
    };
    (0..count).map(vcpu).collect()
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn a_core_has_memory_where_its_headers_say() {
    let (memory, progress) = (memory(), Progress::default());
    let file = tempfile::tempfile().unwrap();
    write_core(&file, &vcpus(2), &memory, &progress).unwrap();
    assert_eq!((progress.done(), progress.data()), (16 * MIB, 4 * 4096));
    let (mut bytes, mut reader) = (Vec::new(), File::try_clone(&file).unwrap());
    std::io::Seek::rewind(&mut reader).unwrap();
    reader.read_to_end(&mut bytes).unwrap();
    // One range: PT_NOTE at 64, PT_LOAD at 120.
    let (offset, address, length) = (word(&bytes, 128), word(&bytes, 144), word(&bytes, 152));
    assert_eq!((address, length, bytes.len() as u64), (0, 16 * MIB, offset + 16 * MIB));
    let mut all = vec![0; 16 * MIB as usize];
    memory.read_slice(&mut all, GuestAddress(0)).unwrap();
    assert!(bytes[offset as usize..] == all);
    assert!(file.metadata().unwrap().blocks() * 512 < 2 * MIB, "zeros take no room");
}

#[test]
fn the_notes_of_every_vcpu_have_its_registers() {
    let bytes = notes::notes(&vcpus(254));
    let (first, second) = (12 + 8 + 336, 12 + 8 + 440);
    assert_eq!(bytes.len(), 254 * (first + second));
    for number in [0usize, 253] {
        let status = &bytes[number * first + 20..];
        assert_eq!(u32::from_le_bytes(status[32..36].try_into().unwrap()), number as u32 + 1);
        let registers = |index: usize| word(status, 112 + 8 * index);
        assert_eq!(registers(0), 0x2000 + number as u64, "r15");
        assert_eq!((registers(16), registers(19)), (0x1000 + number as u64, 0x3000 + number as u64));
        assert_eq!(registers(26), 0x18, "gs");
        let state = &bytes[254 * first + number * second + 20..];
        assert_eq!(state[..8], [1, 0, 0, 0, 184, 1, 0, 0]);
        assert_eq!(word(state, 8 + 16 * 8), 0x1000 + number as u64, "rip");
        assert_eq!(u32::from_le_bytes(state[160..164].try_into().unwrap()), 1 << 21, "64-bit code");
        assert_eq!(word(state, 392 + 3 * 8), 0x4000 + number as u64, "cr3");
        assert_eq!(word(state, 432), 0x6000 + number as u64, "kernel gs");
    }
}

#[test]
fn a_dump_that_is_cancelled_ends() {
    let progress = Progress::default();
    progress.cancel();
    let error = write_core(&tempfile::tempfile().unwrap(), &vcpus(1), &memory(), &progress).unwrap_err();
    assert!(matches!(error, StateError::Cancelled), "{error}");
}
