//! Memory that is plugged in blocks against hostile rings, on a machine of KVM's whose memory it is; what is plugged stays within the region.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use reeve_fuzz::assault::Assault;
use reeve_fuzz::kvm;
use reeve_fuzz::machine::MEMORY;
use reeve_vmm::config::{MemoryConfig, MemoryRegion};
use reeve_vmm::hypervisor::Vm;
use reeve_vmm::memory;
use reeve_vmm::virtio::mem::Mem;

const BLOCK: u64 = 2 << 20;
const REGION: MemoryRegion = MemoryRegion { start: 1 << 32, bytes: 8 * BLOCK, block: BLOCK };

fn vm() -> Vm {
    let config = MemoryConfig {
        bytes: MEMORY,
        mergeable: false,
        hugepages: None,
        locked: false,
        numa: None,
        shared: false,
        cells: Vec::new(),
    };
    let (ram, all) = memory::allocate_with(&config, &[REGION], &[]).expect("there is memory");
    let mut vm = kvm::vm();
    vm.set_memory(&ram, &all, &[REGION]).expect("the machine takes its memory");
    vm
}

fuzz_target!(|assault: Assault| {
    let vm = vm();
    let device = Mem::new(Arc::clone(&vm.blocks()[0]), REGION.bytes / 2, None);
    let control = device.control();
    assault.run(Box::new(device));
    assert!(control.plugged() <= REGION.bytes && control.plugged().is_multiple_of(BLOCK));
});
