//! Everything a vCPU and the in-kernel devices know, as plain data, and the way back.

use kvm_bindings::{
    KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, Msrs, kvm_debugregs, kvm_irqchip,
    kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_pit_state2, kvm_regs, kvm_sregs, kvm_vcpu_events,
    kvm_xcrs, kvm_xsave,
};
use kvm_ioctls::{Kvm, VcpuFd};

use super::{HypervisorError, Tried, Vcpu, Vm};

/// Most MSRs read or written at once.
const MSR_BATCH: usize = 64;

/// The registers of one vCPU.
pub struct VcpuState {
    regs: kvm_regs,
    sregs: kvm_sregs,
    xcrs: kvm_xcrs,
    xsave: Box<kvm_xsave>,
    msrs: Vec<kvm_msr_entry>,
    lapic: kvm_lapic_state,
    events: kvm_vcpu_events,
    debug_regs: kvm_debugregs,
    mp_state: kvm_mp_state,
}

/// The interrupt controllers and the timer of a machine.
#[derive(Clone)]
pub struct VmState {
    irqchips: [kvm_irqchip; 3],
    pit: kvm_pit_state2,
}

/// Numbers of the MSRs that KVM says belong to a vCPU's state.
pub(super) fn msr_numbers(kvm: &Kvm) -> Result<Vec<u32>, HypervisorError> {
    let list = kvm.get_msr_index_list().tried_to("list model-specific registers")?;
    Ok(list.as_slice().to_vec())
}

/// Reads those of `numbers` that this host lets be read.
fn read_msrs(fd: &VcpuFd, numbers: &[u32]) -> Result<Vec<kvm_msr_entry>, HypervisorError> {
    let mut values = Vec::with_capacity(numbers.len());
    let mut rest = numbers;
    while !rest.is_empty() {
        let batch: Vec<_> = rest
            .iter()
            .take(MSR_BATCH)
            .map(|index| kvm_msr_entry { index: *index, ..Default::default() })
            .collect();
        let mut msrs =
            Msrs::from_entries(&batch).map_err(|_| HypervisorError::Missing("model-specific registers"))?;
        let read = fd.get_msrs(&mut msrs).tried_to("read model-specific registers")?;
        values.extend_from_slice(&msrs.as_slice()[..read]);
        // KVM stops at the first one it refuses; that one is left out.
        rest = &rest[if read == batch.len() { read } else { read + 1 }..];
    }
    Ok(values)
}

/// Writes what the host lets be written: some registers are readable only.
fn write_msrs(fd: &VcpuFd, values: &[kvm_msr_entry]) -> Result<(), HypervisorError> {
    let mut rest = values;
    while !rest.is_empty() {
        let batch = &rest[..rest.len().min(MSR_BATCH)];
        let msrs =
            Msrs::from_entries(batch).map_err(|_| HypervisorError::Missing("model-specific registers"))?;
        let written = fd.set_msrs(&msrs).tried_to("set model-specific registers")?;
        rest = &rest[if written == batch.len() { written } else { written + 1 }..];
    }
    Ok(())
}

impl Vcpu {
    /// Reads the whole state. The vCPU must have settled.
    pub fn state(&self) -> Result<VcpuState, HypervisorError> {
        let fd = &self.fd;
        Ok(VcpuState {
            mp_state: fd.get_mp_state().tried_to("read vCPU run state")?,
            regs: fd.get_regs().tried_to("read vCPU registers")?,
            sregs: fd.get_sregs().tried_to("read vCPU registers")?,
            xcrs: fd.get_xcrs().tried_to("read vCPU extended control registers")?,
            xsave: Box::new(fd.get_xsave().tried_to("read vCPU floating-point state")?),
            msrs: read_msrs(fd, &self.msr_numbers)?,
            lapic: fd.get_lapic().tried_to("read a local APIC")?,
            events: fd.get_vcpu_events().tried_to("read vCPU events")?,
            debug_regs: fd.get_debug_regs().tried_to("read vCPU debug registers")?,
        })
    }

    /// Goes back to a state. The order matters to KVM: control registers before what depends on them, run state last.
    pub fn restore(&self, state: &VcpuState) -> Result<(), HypervisorError> {
        let fd = &self.fd;
        fd.set_sregs(&state.sregs).tried_to("set vCPU registers")?;
        fd.set_regs(&state.regs).tried_to("set vCPU registers")?;
        fd.set_xcrs(&state.xcrs).tried_to("set vCPU extended control registers")?;
        // SAFETY: no dynamic XSAVE feature is enabled for this process, so the fixed-size area is the whole of it.
        unsafe { fd.set_xsave(&state.xsave) }.tried_to("set vCPU floating-point state")?;
        write_msrs(fd, &state.msrs)?;
        fd.set_lapic(&state.lapic).tried_to("set a local APIC")?;
        fd.set_vcpu_events(&state.events).tried_to("set vCPU events")?;
        fd.set_debug_regs(&state.debug_regs).tried_to("set vCPU debug registers")?;
        fd.set_mp_state(state.mp_state).tried_to("set vCPU run state")
    }
}

impl Vm {
    /// Reads the state of the in-kernel devices. All vCPUs must stand still.
    pub fn state(&self) -> Result<VmState, HypervisorError> {
        let mut irqchips = [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC]
            .map(|chip_id| kvm_irqchip { chip_id, ..Default::default() });
        for chip in &mut irqchips {
            self.fd.get_irqchip(chip).tried_to("read an interrupt controller")?;
        }
        Ok(VmState { irqchips, pit: self.fd.get_pit2().tried_to("read the timer")? })
    }

    /// Goes back to a state.
    pub fn restore(&self, state: &VmState) -> Result<(), HypervisorError> {
        for chip in &state.irqchips {
            self.fd.set_irqchip(chip).tried_to("set an interrupt controller")?;
        }
        self.fd.set_pit2(&state.pit).tried_to("set the timer")
    }
}
