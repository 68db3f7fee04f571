//! One virtual machine of KVM: memory slots, interrupt controllers, timer.

use std::ops::Deref;
use std::sync::Arc;

use kvm_bindings::{
    CpuId, KVM_MAX_CPUID_ENTRIES, KVM_MEM_LOG_DIRTY_PAGES, KVM_PIT_SPEAKER_DUMMY, kvm_msi, kvm_pit_config,
    kvm_userspace_memory_region,
};
use kvm_ioctls::{Kvm, VmFd};
use vm_memory::{Address, GuestMemoryBackend, GuestMemoryRegion};

use super::interrupts::Interrupts;
use super::{HypervisorError, MemoryBlocks, PinTrigger, Tried, Vcpu, timing};
use crate::config::{ClockConfig, CpuConfig, MemoryRegion, MissedTicks};
use crate::layout;
use crate::memory::{DirtyPages, Memory};

/// One virtual machine.
pub struct Vm {
    pub(super) fd: Arc<VmFd>,
    pub(super) interrupts: Arc<Interrupts>,
    cpuid: CpuId,
    msr_numbers: Arc<[u32]>,
    /// RAM. Keeps the mappings alive that KVM has slots for.
    memory: Option<Memory>,
    /// Memory that comes and goes.
    blocks: Vec<Arc<MemoryBlocks>>,
    /// Most memory slots.
    slots: usize,
    pub(super) has_pit: bool,
    /// Vcpus can be kept to the paravirtual features that they are told of.
    enforces_features: bool,
}

impl Vm {
    pub(super) fn new(kvm: &Kvm, clock: &ClockConfig) -> Result<Self, HypervisorError> {
        let fd = Arc::new(kvm.create_vm().tried_to("create a virtual machine")?);
        fd.set_identity_map_address(layout::KVM_IDENTITY_MAP).tried_to("set its identity map")?;
        fd.set_tss_address(layout::KVM_TSS as usize).tried_to("set its task state address")?;
        fd.create_irq_chip().tried_to("create interrupt controllers")?;
        if let Some(missed) = clock.pit {
            let pit = kvm_pit_config { flags: KVM_PIT_SPEAKER_DUMMY, ..Default::default() };
            fd.create_pit2(pit).tried_to("create a timer")?;
            // KVM gives ticks that were late unless it is told not to.
            if missed == MissedTicks::Discard {
                timing::drop_late_ticks(&fd)?;
            }
        }
        let cpuid = kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).tried_to("list CPU features")?;
        let interrupts = Arc::new(Interrupts::new(Arc::clone(&fd)));
        let msr_numbers = super::state::msr_numbers(kvm)?.into();
        Ok(Self {
            fd,
            interrupts,
            cpuid,
            msr_numbers,
            memory: None,
            blocks: Vec::new(),
            slots: kvm.get_nr_memslots(),
            has_pit: clock.pit.is_some(),
            enforces_features: timing::enforces_features(kvm),
        })
    }

    /// Gives the machine its memory: RAM, and regions of `all` that come and go in blocks. Once, before the first vCPU runs.
    pub fn set_memory(
        &mut self,
        ram: &Memory,
        all: &Memory,
        regions: &[MemoryRegion],
    ) -> Result<(), HypervisorError> {
        self.set_slots(ram, 0)?;
        self.memory = Some(ram.clone());
        let mut slot = ram.iter().count() as u32;
        for region in regions {
            let blocks = MemoryBlocks::new(Arc::clone(&self.fd), all.clone(), *region, slot);
            self.blocks.push(Arc::new(blocks));
            slot += region.blocks();
        }
        if slot as usize > self.slots {
            return Err(HypervisorError::Missing("slots for that many blocks of memory"));
        }
        Ok(())
    }

    /// Regions of memory that come and go in blocks, in their order.
    pub fn blocks(&self) -> &[Arc<MemoryBlocks>] {
        &self.blocks
    }

    /// Starts or stops noting which pages are written, by vCPUs and by devices. Nothing is noted yet when it starts; the
    /// vCPUs may run.
    pub fn track_dirty(&self, on: bool) -> Result<(), HypervisorError> {
        let Some(memory) = &self.memory else { return Ok(()) };
        // Devices first: what one of them writes between both steps is noted, and what is noted too early does no harm.
        memory.iter().for_each(|region| region.deref().bitmap().track(on));
        for blocks in &self.blocks {
            blocks.track(on)?;
        }
        self.set_slots(memory, if on { KVM_MEM_LOG_DIRTY_PAGES } else { 0 })
    }

    /// Pages that were written since the last call, or since tracking started. A page is read after this, never
    /// before: what is written meanwhile is in the next answer.
    pub fn take_dirty(&self) -> Result<DirtyPages, HypervisorError> {
        let mut dirty = DirtyPages::default();
        let Some(memory) = &self.memory else { return Ok(dirty) };
        for (slot, region) in memory.iter().enumerate() {
            let bytes = region.len() as usize;
            let mut words =
                self.fd.get_dirty_log(slot as u32, bytes).tried_to("list the pages the guest has written")?;
            region.deref().bitmap().take_into(&mut words);
            dirty.push(region.start_addr().raw_value(), words);
        }
        for blocks in &self.blocks {
            dirty.push(blocks.region().start, blocks.take_dirty()?);
        }
        Ok(dirty)
    }

    fn set_slots(&self, memory: &Memory, flags: u32) -> Result<(), HypervisorError> {
        for (slot, region) in memory.iter().enumerate() {
            let slot = kvm_userspace_memory_region {
                slot: slot as u32,
                flags,
                guest_phys_addr: region.start_addr().raw_value(),
                memory_size: region.len(),
                userspace_addr: region.as_ptr() as u64,
            };
            // SAFETY: the range is a whole mapping that `self.memory` keeps alive as long as the VM, and RAM ranges of
            // the layout don't overlap. A slot that is there already differs in its flags only.
            unsafe { self.fd.set_user_memory_region(slot) }.tried_to("give the guest its memory")?;
        }
        Ok(())
    }

    /// vCPU number `index` of `count`. It waits for INIT and SIPI unless it is the first.
    pub fn create_vcpu(
        &self,
        index: u32,
        count: u32,
        cpu: &CpuConfig,
        clock: &ClockConfig,
    ) -> Result<Vcpu, HypervisorError> {
        let fd = self.fd.create_vcpu(u64::from(index)).tried_to("create a vCPU")?;
        timing::set_tsc(&fd, clock)?;
        let cpuid = super::cpuid::for_vcpu(&self.cpuid, index, count, cpu, clock)?;
        fd.set_cpuid2(&cpuid).tried_to("set CPU features")?;
        if !clock.kvmclock && self.enforces_features {
            timing::enforce_features(&fd)?;
        }
        Ok(Vcpu::new(fd, Arc::clone(&self.msr_numbers)))
    }

    /// Sends vCPU `index` a non-maskable interrupt, as a message to its local APIC: that needs no vCPU to stop.
    pub fn inject_nmi(&self, index: u32) -> Result<(), HypervisorError> {
        const DELIVER_NMI: u32 = 0b100 << 8;
        let message = kvm_msi {
            address_lo: layout::LOCAL_APIC as u32 | index << 12,
            data: DELIVER_NMI,
            ..Default::default()
        };
        self.fd.signal_msi(message).map(drop).tried_to("inject an NMI")
    }

    /// A trigger for pin `pin` (0 to 23) of the interrupt controllers.
    pub fn pin(&self, pin: u32) -> PinTrigger {
        PinTrigger::new(Arc::clone(&self.fd), pin)
    }
}
