use std::fs::File;

use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

use super::*;
use crate::config::{ClockConfig, CpuConfig, MemoryConfig};
use crate::hypervisor::{BootState, Buses, Exit, Hypervisor, Vm};
use crate::memory::{self, Memory};

const BYTES: u64 = 4 << 20;

fn memory() -> Memory {
    let config = MemoryConfig {
        bytes: BYTES,
        mergeable: false,
        hugepages: None,
        locked: false,
        numa: None,
        shared: false,
        cells: Vec::new(),
    };
    memory::allocate(&config).unwrap()
}

fn pages(dirty: &DirtyPages) -> Vec<Range<u64>> {
    dirty.runs().map(|run| run.start / PAGE_SIZE..run.end / PAGE_SIZE).collect()
}

#[test]
fn runs_join_pages_across_words_and_never_across_ranges() {
    let mut dirty = DirtyPages::default();
    dirty.push(0, vec![1 << 63 | 0b110, 0b1, 0, u64::MAX]);
    dirty.push(1 << 32, vec![0b1]);
    let high = (1 << 32) / PAGE_SIZE;
    assert_eq!(pages(&dirty), [1..3, 63..65, 192..256, high..high + 1]);
    assert_eq!(dirty.count(), 2 + 2 + 64 + 1);
    assert_eq!(pages(&DirtyPages::default()), []);
}

#[test]
fn writes_are_noted_only_while_somebody_tracks() {
    let memory = memory();
    let region = memory.iter().next().unwrap();
    let log = region.deref_bitmap();
    let mut words = vec![0; (BYTES / PAGE_SIZE / 64) as usize];
    memory.write_slice(b"before", GuestAddress(0)).unwrap();
    log.track(true);
    memory.write_slice(&[1; 8], GuestAddress(2 * PAGE_SIZE - 4)).unwrap();
    memory.write_obj(7u16, GuestAddress(70 * PAGE_SIZE)).unwrap();
    log.take_into(&mut words);
    assert_eq!(words[..2], [0b110, 1 << 6]);
    log.take_into(&mut words[2..]);
    assert_eq!(words[2..].iter().max(), Some(&0), "it was taken before");
    log.track(false);
    memory.write_slice(b"after", GuestAddress(0)).unwrap();
    assert!(!region.bitmap().dirty_at(0));
}

trait DerefBitmap {
    fn deref_bitmap(&self) -> &DeviceWrites;
}

impl DerefBitmap for vm_memory::GuestRegionMmap<DeviceWrites> {
    fn deref_bitmap(&self) -> &DeviceWrites {
        std::ops::Deref::deref(self).bitmap()
    }
}

/// 32-bit code that writes a byte to where `edi` points, says so by port 0x80, and goes on a page further up to `pages` times.
fn program(address: u32, pages: u32) -> Vec<u8> {
    let mut code = vec![0xbf];
    code.extend(address.to_le_bytes());
    code.push(0xb9);
    code.extend(pages.to_le_bytes());
    // again: mov byte [edi], 0x5a; add edi, 4096; loop again; out 0x80, al; hlt
    code.extend([0xc6, 0x07, 0x5a, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, 0xe2, 0xf5, 0xe6, 0x80, 0xf4]);
    code
}

fn vm(memory: &Memory) -> Vm {
    let kvm = File::options().read(true).write(true).open("/dev/kvm").unwrap();
    let mut vm = Hypervisor::new(kvm.into()).unwrap().create_vm(&ClockConfig::default()).unwrap();
    vm.set_memory(memory, memory, &[]).unwrap();
    vm
}

#[test]
fn what_guest_and_devices_write_is_reported_once_each() {
    const CODE: u64 = 0x1000;
    const FIRST: u64 = 0x20_0000;
    let memory = memory();
    let vm = vm(&memory);
    let mut vcpu = vm.create_vcpu(0, 1, &CpuConfig::default(), &ClockConfig::default()).unwrap();
    let buses = Buses::default();
    let mut run = || {
        vcpu.set_boot_state(BootState::Pvh { entry: CODE }).unwrap();
        assert_eq!(vcpu.run(&buses), Exit::Handled);
    };
    memory.write_slice(&program(FIRST as u32, 3), GuestAddress(CODE)).unwrap();
    run();
    vm.track_dirty(true).unwrap();
    assert_eq!(pages(&vm.take_dirty().unwrap()), [], "what was written before is not reported");
    memory.write_slice(&program(FIRST as u32 + 0x2000, 2), GuestAddress(CODE)).unwrap();
    run();
    memory.write_slice(b"a device", GuestAddress(0x30_0000)).unwrap();
    let first = FIRST / PAGE_SIZE;
    let code = CODE / PAGE_SIZE;
    assert_eq!(pages(&vm.take_dirty().unwrap()), [code..code + 1, first + 2..first + 4, 0x300..0x301]);
    assert_eq!(pages(&vm.take_dirty().unwrap()), [], "each is reported once");
    run();
    assert_eq!(pages(&vm.take_dirty().unwrap()), vec![first + 2..first + 4], "and again when written again");
    vm.track_dirty(false).unwrap();
    run();
    vm.track_dirty(true).unwrap();
    assert_eq!(pages(&vm.take_dirty().unwrap()), []);
    memory::clear(&memory);
    assert_eq!(vm.take_dirty().unwrap().count(), BYTES / PAGE_SIZE, "cleared memory is written memory");
}
