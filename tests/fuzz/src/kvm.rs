//! A machine of KVM's.

use std::fs::File;

use reeve_vmm::config::ClockConfig;
use reeve_vmm::hypervisor::{Hypervisor, Vm};

/// A machine without memory or vCPUs. Needs /dev/kvm.
pub fn vm() -> Vm {
    let kvm = File::options().read(true).write(true).open("/dev/kvm").expect("there is KVM");
    let hypervisor = Hypervisor::new(kvm.into()).expect("KVM is what it should be");
    // The fuzzer's own alarm interrupts it at times.
    let mut tries = std::iter::repeat_with(|| hypervisor.create_vm(&ClockConfig::default())).take(100);
    tries.find_map(Result::ok).expect("KVM makes a machine")
}
