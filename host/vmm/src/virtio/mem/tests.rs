use std::fs::File;
use std::sync::Arc;

use vm_memory::{Bytes, GuestAddress};

use super::*;
use crate::config::{ClockConfig, MemoryConfig, MemoryRegion};
use crate::hypervisor::{Hypervisor, MemoryBlocks, Vm};
use crate::memory;
use crate::virtio::device::{OwnState, OwnStateError, VirtioDevice};
use crate::virtio::testing::{Driver, MEMORY_SIZE};

const SIZE: u16 = 16;
const BLOCK: u64 = 2 << 20;
const REGION: MemoryRegion = MemoryRegion { start: 1 << 32, bytes: 8 * BLOCK, block: BLOCK };
const DONE: u16 = 0;
const REFUSED: u16 = 1;
const BUSY: u16 = 2;
const WRONG: u16 = 3;

struct Bench {
    vm: Vm,
    driver: Driver,
    control: MemControl,
}

fn vm() -> (Vm, memory::Memory) {
    let bytes = MEMORY_SIZE as u64;
    let config = MemoryConfig {
        bytes,
        mergeable: false,
        hugepages: None,
        locked: false,
        numa: None,
        shared: false,
        cells: Vec::new(),
    };
    let (ram, all) = memory::allocate_with(&config, &[REGION], &[]).unwrap();
    let kvm = File::options().read(true).write(true).open("/dev/kvm").unwrap();
    let mut vm = Hypervisor::new(kvm.into()).unwrap().create_vm(&ClockConfig::default()).unwrap();
    vm.set_memory(&ram, &all, &[REGION]).unwrap();
    (vm, all)
}

fn blocks(vm: &Vm) -> Arc<MemoryBlocks> {
    Arc::clone(&vm.blocks()[0])
}

impl Bench {
    /// The guest shall have so many of eight blocks.
    fn new(requested: u64) -> Self {
        let (vm, memory) = vm();
        let device = Mem::new(blocks(&vm), requested * BLOCK, None);
        let control = device.control();
        let mut driver = Driver::with_memory(Box::new(device), memory);
        driver.start(1 << 1, SIZE);
        Self { vm, driver, control }
    }

    /// A request as the driver makes it; answer and state.
    fn ask(&mut self, kind: u16, address: u64, count: u16) -> (u16, u16) {
        let mut request = [0; 24];
        request[..2].copy_from_slice(&kind.to_le_bytes());
        request[8..16].copy_from_slice(&address.to_le_bytes());
        request[16..18].copy_from_slice(&count.to_le_bytes());
        self.send(&request)
    }

    fn send(&mut self, request: &[u8]) -> (u16, u16) {
        let (request, length) = (self.driver.buffer(request), request.len() as u32);
        let response = self.driver.buffer(&[0xff; 10]);
        self.driver.submit(0, SIZE, &[(request, length, false), (response, 10, true)]);
        self.driver.wait_used(0, SIZE);
        let bytes = self.driver.bytes(response, 10);
        (u16::from_le_bytes([bytes[0], bytes[1]]), u16::from_le_bytes([bytes[8], bytes[9]]))
    }

    fn plug(&mut self, first: u64, count: u16) -> u16 {
        self.ask(0, REGION.start + first * BLOCK, count).0
    }

    fn unplug(&mut self, first: u64, count: u16) -> u16 {
        self.ask(1, REGION.start + first * BLOCK, count).0
    }

    fn state(&mut self, first: u64, count: u16) -> (u16, u16) {
        self.ask(3, REGION.start + first * BLOCK, count)
    }
}

#[test]
fn a_guest_takes_what_it_may_and_gives_it_back() {
    let mut bench = Bench::new(4);
    assert_eq!(bench.driver.read(0x2000, 8), BLOCK);
    assert_eq!((bench.driver.read(0x2010, 8), bench.driver.read(0x2018, 8)), (REGION.start, 8 * BLOCK));
    assert_eq!((bench.driver.read(0x2028, 8), bench.driver.read(0x2030, 8)), (0, 4 * BLOCK));
    assert_eq!((bench.plug(0, 3), bench.plug(5, 1), bench.plug(6, 1)), (DONE, DONE, REFUSED));
    assert_eq!((bench.control.plugged(), bench.driver.read(0x2028, 8)), (4 * BLOCK, 4 * BLOCK));
    assert_eq!(bench.state(0, 3), (DONE, 0), "plugged");
    assert_eq!(bench.state(3, 2), (DONE, 1), "unplugged");
    assert_eq!(bench.state(2, 2), (DONE, 2), "both");
    let word = GuestAddress(REGION.start + BLOCK);
    bench.driver.memory.write_obj(7u64, word).unwrap();
    assert_eq!((bench.unplug(1, 1), bench.plug(1, 1)), (DONE, DONE));
    assert_eq!(bench.driver.memory.read_obj::<u64>(word).unwrap(), 0, "it comes back empty");
    bench.control.request(6 * BLOCK);
    assert_eq!((bench.driver.read(0x2030, 8), bench.driver.lines.raised(0)), (6 * BLOCK, 1));
    assert_eq!((bench.plug(6, 2), bench.plug(3, 1)), (DONE, REFUSED));
    bench.control.request(0);
    assert_eq!((bench.ask(2, 0, 0).0, bench.control.plugged()), (DONE, 0));
}

#[test]
fn no_request_changes_what_it_may_not() {
    let mut bench = Bench::new(8);
    assert_eq!(bench.plug(2, 2), DONE);
    let start = REGION.start;
    for (address, count) in [
        (start + 1, 1),
        (start + BLOCK / 2, 1),
        (start - BLOCK, 1),
        (start - BLOCK, 2),
        (start + 7 * BLOCK, 2),
        (start + 8 * BLOCK, 1),
        (start, 0),
        (start, u16::MAX),
        (0, 1),
        (u64::MAX - BLOCK + 1, 1),
        (u64::MAX, u16::MAX),
    ] {
        for kind in [0, 1, 3] {
            assert_eq!(bench.ask(kind, address, count).0, WRONG, "{kind} {address:#x} {count}");
        }
    }
    assert_eq!((bench.plug(2, 1), bench.plug(1, 3), bench.unplug(1, 2)), (WRONG, WRONG, WRONG));
    assert_eq!((bench.ask(4, start, 1).0, bench.ask(u16::MAX, start, 1).0), (WRONG, WRONG));
    assert_eq!(bench.send(&[0; 23]).0, WRONG);
    assert_eq!((bench.control.plugged(), bench.state(2, 2)), (2 * BLOCK, (DONE, 0)));
}

#[test]
fn nothing_comes_or_goes_while_writes_are_noted() {
    let mut bench = Bench::new(8);
    assert_eq!(bench.plug(0, 2), DONE);
    bench.vm.track_dirty(true).unwrap();
    assert_eq!((bench.plug(2, 1), bench.unplug(0, 1), bench.ask(2, 0, 0).0), (BUSY, BUSY, BUSY));
    let _ = bench.vm.take_dirty().unwrap();
    bench.driver.memory.write_slice(b"written", GuestAddress(REGION.start + BLOCK)).unwrap();
    let dirty = bench.vm.take_dirty().unwrap();
    let runs: Vec<_> = dirty.runs().map(|run| (run.start, run.end)).collect();
    assert_eq!(runs, [(REGION.start + BLOCK, REGION.start + BLOCK + 4096)]);
    blocks(&bench.vm).reset().unwrap();
    assert_eq!(bench.control.plugged(), 0, "a reset takes them all the same");
    assert_eq!(bench.vm.take_dirty().unwrap().count(), 2 * BLOCK / 4096, "and they are empty now");
    bench.vm.track_dirty(false).unwrap();
    assert_eq!(bench.plug(2, 1), DONE);
}

#[test]
fn a_saved_device_has_the_blocks_it_had() {
    let mut bench = Bench::new(6);
    assert_eq!((bench.plug(0, 2), bench.plug(4, 1)), (DONE, DONE));
    let state = Mem::new(blocks(&bench.vm), 6 * BLOCK, None).state();
    let plugged = vec![(0, 2), (4, 5)];
    assert_eq!(state, OwnState::Memory { region: REGION, requested: 6 * BLOCK, plugged: plugged.clone() });
    let (vm, _memory) = vm();
    let mut device = Mem::new(blocks(&vm), 0, Some(1));
    device.restore(&state).unwrap();
    assert_eq!((device.control().plugged(), device.control().requested()), (3 * BLOCK, 6 * BLOCK));
    let elsewhere = MemoryRegion { start: REGION.start + (1 << 30), ..REGION };
    for (region, requested, plugged) in [
        (elsewhere, 0, vec![]),
        (REGION, 9 * BLOCK, vec![]),
        (REGION, BLOCK + 1, vec![]),
        (REGION, 0, vec![(5, 5)]),
        (REGION, 0, vec![(6, 9)]),
        (REGION, 0, vec![(5, u32::MAX)]),
        (REGION, 0, vec![(7, 6)]),
        (REGION, 0, vec![(0, 1)]),
    ] {
        let refused = device.restore(&OwnState::Memory { region, requested, plugged }).unwrap_err();
        assert!(matches!(refused, OwnStateError::Range(_)), "{refused}");
    }
    assert_eq!(device.restore(&OwnState::Nothing {}), Err(OwnStateError::Kind));
}
