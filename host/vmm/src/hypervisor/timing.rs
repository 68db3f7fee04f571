//! What KVM can be told about the clocks and timers of a guest.

use kvm_bindings::{KVM_CAP_ENFORCE_PV_FEATURE_CPUID, KVMIO, kvm_enable_cap, kvm_reinject_control};
use kvm_ioctls::{Cap, Kvm, VcpuFd, VmFd};
use vmm_sys_util::ioctl::ioctl_with_ref;
use vmm_sys_util::ioctl_io_nr;

use super::{Hypervisor, HypervisorError, Tried};
use crate::config::ClockConfig;

ioctl_io_nr!(KVM_REINJECT_CONTROL, KVMIO, 0x71);

/// A counter that is off by no more than this many parts of a million needs no scaling: CPUs of one model differ by as much.
const TOLERANCE_PPM: u64 = 250;

/// The most that KVM_SET_TSC_KHZ takes: it refuses i32::MAX and above.
pub(crate) const MOST_TSC_KHZ: u32 = i32::MAX as u32 - 1;

/// What the time stamp counter of a guest can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TscSupport {
    /// Thousands of ticks a second of the host's; 0 where KVM does not know.
    pub khz: u32,
    /// It can be another.
    pub scales: bool,
}

impl TscSupport {
    /// Whether a guest can have a counter of that rate: KVM takes less than 2^31 kHz, and AMD's CPUs scale by less than 256.
    pub fn can_be(self, khz: u32) -> bool {
        let off = u64::from(self.khz.abs_diff(khz));
        let scaled = khz <= MOST_TSC_KHZ && (self.khz == 0 || khz <= self.khz.saturating_mul(255));
        khz > 0 && self.scales && scaled
            || self.khz > 0 && off * 1_000_000 <= u64::from(self.khz) * TOLERANCE_PPM
    }
}

impl Hypervisor {
    /// What the time stamp counters of guests can be.
    pub fn tsc(&self) -> Result<TscSupport, HypervisorError> {
        let vm = self.kvm.create_vm().tried_to("create a virtual machine")?;
        let vcpu = vm.create_vcpu(0).tried_to("create a vCPU")?;
        let khz = if self.kvm.check_extension(Cap::GetTscKhz) { vcpu.get_tsc_khz().unwrap_or(0) } else { 0 };
        Ok(TscSupport { khz, scales: self.kvm.check_extension(Cap::TscControl) })
    }
}

/// Gives a vCPU the time stamp counter that it is to have.
pub(super) fn set_tsc(vcpu: &VcpuFd, clock: &ClockConfig) -> Result<(), HypervisorError> {
    let Some(khz) = clock.tsc_khz else { return Ok(()) };
    let own = TscSupport { khz: vcpu.get_tsc_khz().unwrap_or(0), scales: false };
    if own.can_be(khz) {
        return Ok(());
    }
    vcpu.set_tsc_khz(khz).tried_to("give the time stamp counter another rate")
}

/// Ticks of the interval timer that come late are dropped.
pub(super) fn drop_late_ticks(vm: &VmFd) -> Result<(), HypervisorError> {
    let control = kvm_reinject_control::default();
    // SAFETY: the descriptor is that of a virtual machine, and the ioctl reads the structure that it is given.
    let result = unsafe { ioctl_with_ref(vm, KVM_REINJECT_CONTROL(), &control) };
    match result {
        0 => Ok(()),
        _ => Err(kvm_ioctls::Error::last()).tried_to("drop late ticks of the timer"),
    }
}

/// Whether KVM can keep a guest to the paravirtual features it is told of.
pub(super) fn enforces_features(kvm: &Kvm) -> bool {
    kvm.check_extension_raw(KVM_CAP_ENFORCE_PV_FEATURE_CPUID.into()) > 0
}

/// What a vCPU is not told of is not there.
pub(super) fn enforce_features(vcpu: &VcpuFd) -> Result<(), HypervisorError> {
    let mut cap = kvm_enable_cap { cap: KVM_CAP_ENFORCE_PV_FEATURE_CPUID, ..Default::default() };
    cap.args[0] = 1;
    vcpu.enable_cap(&cap).tried_to("keep the guest to the features it is told of")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_close_to_the_hosts_needs_no_scaling() {
        let fixed = TscSupport { khz: 2_000_000, scales: false };
        assert!(fixed.can_be(2_000_400) && !fixed.can_be(2_001_000) && !fixed.can_be(1));
        assert!(TscSupport { scales: true, ..fixed }.can_be(1_000_000));
        assert!(!TscSupport { khz: 0, scales: false }.can_be(0));
        let scales = TscSupport { scales: true, ..fixed };
        assert!(scales.can_be(255 * 2_000_000) && !scales.can_be(255 * 2_000_000 + 1) && !scales.can_be(0));
        let unknown = TscSupport { khz: 0, scales: true };
        assert!(unknown.can_be(MOST_TSC_KHZ) && !unknown.can_be(MOST_TSC_KHZ + 1));
    }
}
