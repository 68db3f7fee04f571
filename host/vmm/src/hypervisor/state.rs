//! Everything a vCPU and the in-kernel devices know, as plain data, and the way back.

use kvm_bindings::{
    KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, Msrs, kvm_clock_data, kvm_debugregs,
    kvm_irqchip, kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_pit_state2, kvm_regs, kvm_sregs,
    kvm_vcpu_events, kvm_xcrs, kvm_xsave,
};
use kvm_ioctls::{Kvm, VcpuFd};
use serde::{Deserialize, Serialize};

use super::{HypervisorError, Tried, Vcpu, Vm};

/// Most MSRs read or written at once.
const MSR_BATCH: usize = 64;
/// Most MSRs of a saved vCPU; KVM lists some hundred.
const MAX_MSRS: usize = 4096;
/// When the timer of the local APIC fires. KVM takes it only when the APIC is in that mode already.
const MSR_TSC_DEADLINE: u32 = 0x6e0;
const MSR_KERNEL_GS_BASE: u32 = 0xc000_0102;
/// The controllers of a machine, in the order they are kept.
const IRQCHIPS: [u32; 3] = [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC];

/// The registers of one vCPU. Saved, each structure of KVM is its bytes, which the kernel keeps as they are for good.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VcpuState {
    regs: kvm_regs,
    sregs: kvm_sregs,
    xcrs: kvm_xcrs,
    xsave: Box<kvm_xsave>,
    #[serde(with = "pairs")]
    msrs: Vec<kvm_msr_entry>,
    lapic: kvm_lapic_state,
    events: kvm_vcpu_events,
    debug_regs: kvm_debugregs,
    mp_state: kvm_mp_state,
}

/// What a debugger wants to know of a vCPU.
#[derive(Debug, Clone, Copy, Default)]
pub struct VcpuRegisters {
    /// General registers.
    pub regs: kvm_regs,
    /// Segments and control registers.
    pub sregs: kvm_sregs,
    /// The base of GS that the kernel swaps in.
    pub kernel_gs_base: u64,
}

impl VcpuState {
    /// What a debugger wants to know of it.
    pub fn registers(&self) -> VcpuRegisters {
        let swapped = self.msrs.iter().find(|msr| msr.index == MSR_KERNEL_GS_BASE);
        let kernel_gs_base = swapped.map_or(0, |msr| msr.data);
        VcpuRegisters { regs: self.regs, sregs: self.sregs, kernel_gs_base }
    }
}

/// The interrupt controllers and the timer of a machine.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VmState {
    irqchips: [kvm_irqchip; 3],
    /// None in a machine without the timer.
    #[serde(default)]
    pit: Option<kvm_pit_state2>,
}

impl VmState {
    /// Whether there is an interval timer.
    pub fn has_pit(&self) -> bool {
        self.pit.is_some()
    }
}

/// MSRs as pairs of number and value.
mod pairs {
    use kvm_bindings::kvm_msr_entry;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(msrs: &[kvm_msr_entry], to: S) -> Result<S::Ok, S::Error> {
        msrs.iter().map(|msr| (msr.index, msr.data)).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<kvm_msr_entry>, D::Error> {
        let pairs = Vec::<(u32, u64)>::deserialize(from)?.into_iter();
        Ok(pairs.map(|(index, data)| kvm_msr_entry { index, data, ..Default::default() }).collect())
    }
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
        let deadline: Vec<_> =
            state.msrs.iter().filter(|msr| msr.index == MSR_TSC_DEADLINE && msr.data != 0).copied().collect();
        write_msrs(fd, &deadline)?;
        fd.set_vcpu_events(&state.events).tried_to("set vCPU events")?;
        fd.set_debug_regs(&state.debug_regs).tried_to("set vCPU debug registers")?;
        fd.set_mp_state(state.mp_state).tried_to("set vCPU run state")
    }

    /// Checks a state that comes from elsewhere: it may set no register that is not part of a vCPU's state on this host.
    pub fn accepts(&self, state: &VcpuState) -> Result<(), HypervisorError> {
        let known = |msr: &kvm_msr_entry| self.msr_numbers.contains(&msr.index);
        match state.msrs.iter().find(|msr| !known(msr)) {
            _ if state.msrs.len() > MAX_MSRS => Err(HypervisorError::Missing("room for that many registers")),
            Some(msr) => Err(HypervisorError::Register(msr.index)),
            None => Ok(()),
        }
    }

    /// Tells the guest that it stood still for a while, so that it takes the time that passed for no hang.
    pub fn excuse_pause(&self) {
        // A guest without the paravirtual clock has no place for it.
        let _ = self.fd.kvmclock_ctrl();
    }
}

impl Vm {
    /// Reads the state of the in-kernel devices. All vCPUs must stand still.
    pub fn state(&self) -> Result<VmState, HypervisorError> {
        let mut irqchips = IRQCHIPS.map(|chip_id| kvm_irqchip { chip_id, ..Default::default() });
        for chip in &mut irqchips {
            self.fd.get_irqchip(chip).tried_to("read an interrupt controller")?;
        }
        let pit = self.has_pit.then(|| self.fd.get_pit2().tried_to("read the timer")).transpose()?;
        Ok(VmState { irqchips, pit })
    }

    /// Goes back to a state.
    pub fn restore(&self, state: &VmState) -> Result<(), HypervisorError> {
        for (chip_id, chip) in IRQCHIPS.into_iter().zip(&state.irqchips) {
            let chip = kvm_irqchip { chip_id, ..*chip };
            self.fd.set_irqchip(&chip).tried_to("set an interrupt controller")?;
        }
        match state.pit.as_ref().filter(|_| self.has_pit) {
            Some(pit) => self.fd.set_pit2(pit).tried_to("set the timer"),
            None => Ok(()),
        }
    }

    /// The paravirtual clock in nanoseconds.
    pub fn clock(&self) -> Result<u64, HypervisorError> {
        Ok(self.fd.get_clock().tried_to("read the paravirtual clock")?.clock)
    }

    /// Lets the paravirtual clock go on from `clock` nanoseconds.
    pub fn set_clock(&self, clock: u64) -> Result<(), HypervisorError> {
        let clock = kvm_clock_data { clock, ..Default::default() };
        self.fd.set_clock(&clock).tried_to("set the paravirtual clock")
    }
}
