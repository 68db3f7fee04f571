//! The seam to KVM: [`Hypervisor`] makes a [`Vm`], a [`Vm`] makes [`Vcpu`]s. Everything above sees exits as accesses to
//! [`crate::bus::Bus`] and [`Exit`], interrupts as lines, and never an ioctl.

mod blocks;
mod boot_state;
mod cpuid;
mod interrupts;
mod state;
mod timing;
mod vcpu;
mod vm;

use std::os::fd::{IntoRawFd, OwnedFd};

use kvm_ioctls::{Cap, Kvm};

use crate::config::ClockConfig;

pub use blocks::{BlockError, MemoryBlocks};
pub use boot_state::{BOOT_GDT, BootState};
pub use interrupts::PinTrigger;
pub use state::{VcpuRegisters, VcpuState, VmState};
pub(crate) use timing::MOST_TSC_KHZ;
pub use timing::TscSupport;
pub(crate) use vcpu::kick_current;
pub use vcpu::{Buses, Exit, Vcpu};
pub use vm::Vm;

/// What KVM refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HypervisorError {
    /// The descriptor is not `/dev/kvm`, or one of another time.
    #[error("the descriptor given as /dev/kvm speaks version {0} of the KVM API instead of 12")]
    Version(i32),
    /// KVM lacks something that is needed.
    #[error("KVM of this host has no {0}")]
    Missing(&'static str),
    /// Saved state has a register that no vCPU here has.
    #[error("the saved vCPU has the register {0:#x}, which this host doesn't have")]
    Register(u32),
    /// An ioctl failed.
    #[error("KVM can't {what}: {source}")]
    Kvm {
        /// What was tried, e.g. "create a vCPU".
        what: &'static str,
        /// Reason.
        source: kvm_ioctls::Error,
    },
}

/// Names what was tried when an ioctl failed.
pub(crate) trait Tried<T> {
    /// Turns the error into one that says what was tried.
    fn tried_to(self, what: &'static str) -> Result<T, HypervisorError>;
}

impl<T> Tried<T> for Result<T, kvm_ioctls::Error> {
    fn tried_to(self, what: &'static str) -> Result<T, HypervisorError> {
        self.map_err(|source| HypervisorError::Kvm { what, source })
    }
}

/// `/dev/kvm`.
pub struct Hypervisor {
    kvm: Kvm,
}

impl Hypervisor {
    /// Takes an open `/dev/kvm` and checks that it has what machines need.
    pub fn new(device: OwnedFd) -> Result<Self, HypervisorError> {
        use std::os::fd::FromRawFd;
        // SAFETY: the descriptor is owned and given up here, so nothing else closes it.
        let kvm = unsafe { Kvm::from_raw_fd(device.into_raw_fd()) };
        let version = kvm.get_api_version();
        if version != 12 {
            return Err(HypervisorError::Version(version));
        }
        let needed = [
            (Cap::Irqchip, "in-kernel interrupt controllers"),
            (Cap::Pit2, "in-kernel timer"),
            (Cap::UserMemory, "user memory"),
            (Cap::Irqfd, "irqfd"),
            (Cap::Ioeventfd, "ioeventfd"),
            (Cap::IrqRouting, "interrupt routing"),
            (Cap::ExtCpuid, "CPUID control"),
            (Cap::ImmediateExit, "immediate exit"),
        ];
        for (cap, name) in needed {
            if !kvm.check_extension(cap) {
                return Err(HypervisorError::Missing(name));
            }
        }
        Ok(Self { kvm })
    }

    /// What KVM lets vCPUs say: leaf, subleaf and the registers EAX to EDX.
    pub fn cpuid(&self) -> Result<Vec<(u32, u32, [u32; 4])>, HypervisorError> {
        let found = self.kvm.get_supported_cpuid(kvm_bindings::KVM_MAX_CPUID_ENTRIES);
        let found = found.tried_to("list CPU features")?;
        let entry = |entry: &kvm_bindings::kvm_cpuid_entry2| {
            (entry.function, entry.index, [entry.eax, entry.ebx, entry.ecx, entry.edx])
        };
        Ok(found.as_slice().iter().map(entry).collect())
    }

    /// A machine without memory and vCPUs, with interrupt controllers and the timers that it is to have.
    pub fn create_vm(&self, clock: &ClockConfig) -> Result<Vm, HypervisorError> {
        Vm::new(&self.kvm, clock)
    }
}
