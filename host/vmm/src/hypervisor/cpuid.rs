//! What a vCPU says about itself: the host's features, or those of a model, with the topology of the machine (by default one socket, a core
//! a vCPU).

use kvm_bindings::{CpuId, kvm_cpuid_entry2};

use super::HypervisorError;
use crate::config::{ClockConfig, CpuConfig, CpuTopology};

const VENDOR: u32 = 0;
const FEATURES: u32 = 1;
const CACHES: u32 = 4;
const TOPOLOGY: u32 = 0xb;
const TOPOLOGY_V2: u32 = 0x1f;
const VENDOR_EXTENDED: u32 = 0x8000_0000;
/// What KVM offers its guests.
const KVM_FEATURES: u32 = 0x4000_0001;
/// The paravirtual clock in both of its forms, and that it never goes back.
const KVM_CLOCK: u32 = 1 | 1 << 3 | 1 << 24;
const HYPERVISOR_PRESENT: u32 = 1 << 31;
const HYPER_THREADING: u32 = 1 << 28;
/// Level types of leaf 0xb.
const LEVEL_THREAD: u32 = 1;
const LEVEL_CORE: u32 = 2;

/// The CPUID table of vCPU `index` of `count`.
pub(super) fn for_vcpu(
    host: &CpuId,
    index: u32,
    count: u32,
    cpu: &CpuConfig,
    clock: &ClockConfig,
) -> Result<CpuId, HypervisorError> {
    let CpuTopology { cores, threads, .. } =
        cpu.topology.unwrap_or(CpuTopology { cores: count, threads: 1, sockets: 1 });
    let thread_bits = threads.next_power_of_two().trailing_zeros();
    let core_bits = cores.next_power_of_two().trailing_zeros();
    let socket_bits = thread_bits + core_bits;
    let mut entries = host.as_slice().to_vec();
    for entry in &mut entries {
        apply(entry, cpu);
        match entry.function {
            FEATURES => {
                entry.ebx = entry.ebx & 0xff00 | (1 << socket_bits).min(0xff) << 16 | index << 24;
                entry.ecx |= HYPERVISOR_PRESENT;
                entry.edx = match cores * threads > 1 {
                    true => entry.edx | HYPER_THREADING,
                    false => entry.edx & !HYPER_THREADING,
                };
            }
            KVM_FEATURES if !clock.kvmclock => entry.eax &= !KVM_CLOCK,
            // Every cache level is a core's own: bits 14 to 25 say how many threads share it, 26 to 31 how many cores there are.
            CACHES => {
                entry.eax = entry.eax & 0x3fff | (threads - 1) << 14 | ((1 << core_bits) - 1).min(0x3f) << 26;
            }
            TOPOLOGY | TOPOLOGY_V2 => {
                let (shift, processors, level) = match entry.index {
                    0 => (thread_bits, threads, LEVEL_THREAD),
                    1 => (socket_bits, cores * threads, LEVEL_CORE),
                    _ => (0, 0, 0),
                };
                entry.eax = shift;
                entry.ebx = processors;
                entry.ecx = entry.index | level << 8;
                entry.edx = index;
            }
            _ => {}
        }
    }
    CpuId::from_entries(&entries).map_err(|_| HypervisorError::Missing("room for the CPU features"))
}

/// What a model changes in one leaf.
fn apply(entry: &mut kvm_cpuid_entry2, cpu: &CpuConfig) {
    for word in cpu.words.iter().filter(|word| (word.leaf, word.subleaf) == (entry.function, entry.index)) {
        let register = match word.register {
            0 => &mut entry.eax,
            1 => &mut entry.ebx,
            2 => &mut entry.ecx,
            _ => &mut entry.edx,
        };
        *register = *register & word.keep | word.set;
    }
    if let Some((family, model, stepping)) = cpu.signature.filter(|_| entry.function == FEATURES) {
        let base = family.min(0xf);
        let extended = (family - base) & 0xff;
        entry.eax =
            extended << 20 | (model >> 4 & 0xf) << 16 | base << 8 | (model & 0xf) << 4 | stepping & 0xf;
    }
    let letters = cpu.vendor.as_deref().map(str::as_bytes).filter(|letters| letters.len() == 12);
    if let Some(letters) = letters.filter(|_| matches!(entry.function, VENDOR | VENDOR_EXTENDED)) {
        let word =
            |at: usize| u32::from_le_bytes([letters[at], letters[at + 1], letters[at + 2], letters[at + 3]]);
        (entry.ebx, entry.edx, entry.ecx) = (word(0), word(4), word(8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CpuidWord;

    fn leaf(function: u32, index: u32) -> kvm_cpuid_entry2 {
        kvm_cpuid_entry2 { function, index, ..Default::default() }
    }

    #[test]
    fn every_vcpu_has_its_own_id_and_one_socket() {
        let host = CpuId::from_entries(&[leaf(1, 0), leaf(0xb, 0), leaf(0xb, 1), leaf(0xb, 2)]).unwrap();
        let guest = for_vcpu(&host, 2, 3, &CpuConfig::default(), &ClockConfig::default()).unwrap();
        let [features, threads, cores, end] = guest.as_slice() else { panic!("four leaves") };
        assert_eq!((features.ebx >> 24, features.ebx >> 16 & 0xff), (2, 4));
        assert_eq!((threads.ebx, threads.ecx, threads.edx), (1, 0x100, 2));
        assert_eq!((cores.eax, cores.ebx, cores.ecx, cores.edx), (2, 3, 0x201, 2));
        assert_eq!((end.ebx, end.ecx), (0, 2));
    }

    #[test]
    fn sockets_cores_and_threads_are_told() {
        let host = CpuId::from_entries(&[leaf(1, 0), leaf(4, 0), leaf(0xb, 0), leaf(0xb, 1)]).unwrap();
        let topology = Some(CpuTopology { cores: 4, threads: 2, sockets: 2 });
        let guest =
            for_vcpu(&host, 9, 16, &CpuConfig { topology, ..CpuConfig::default() }, &ClockConfig::default())
                .unwrap();
        let [features, caches, threads, cores] = guest.as_slice() else { panic!("four leaves") };
        assert_eq!((features.ebx >> 24, features.ebx >> 16 & 0xff, features.edx >> 28 & 1), (9, 8, 1));
        assert_eq!((caches.eax >> 14 & 0xfff, caches.eax >> 26), (1, 3));
        assert_eq!((threads.eax, threads.ebx), (1, 2));
        assert_eq!((cores.eax, cores.ebx, cores.edx), (3, 8, 9));
    }

    #[test]
    fn a_guest_without_the_paravirtual_clock_is_not_told_of_it() {
        let mut features = leaf(KVM_FEATURES, 0);
        features.eax = 0x0100_00ff;
        let host = CpuId::from_entries(&[features]).unwrap();
        let without = ClockConfig { kvmclock: false, ..ClockConfig::default() };
        let told = |clock| for_vcpu(&host, 0, 1, &CpuConfig::default(), clock).unwrap().as_slice()[0].eax;
        assert_eq!((told(&ClockConfig::default()), told(&without)), (0x0100_00ff, 0xf6));
    }

    #[test]
    fn a_model_keeps_what_it_has_and_says_who_it_is() {
        let mut all = leaf(1, 0);
        (all.ecx, all.edx) = (0xffff_ffff, 0xffff_ffff);
        let host = CpuId::from_entries(&[leaf(0, 0), all]).unwrap();
        let word = |register, keep, set| CpuidWord { leaf: 1, subleaf: 0, register, keep, set };
        let cpu = CpuConfig {
            topology: None,
            words: vec![word(2, 0b1, 0), word(3, 0b11, 1 << 20)],
            vendor: Some("GenuineIntel".to_owned()),
            signature: Some((21, 0x31, 2)),
        };
        let guest = for_vcpu(&host, 0, 1, &cpu, &ClockConfig::default()).unwrap();
        let [vendor, features] = guest.as_slice() else { panic!("two leaves") };
        assert_eq!(vendor.ebx.to_le_bytes(), *b"Genu");
        assert_eq!((vendor.edx.to_le_bytes(), vendor.ecx.to_le_bytes()), (*b"ineI", *b"ntel"));
        assert_eq!(features.eax, 6 << 20 | 3 << 16 | 15 << 8 | 1 << 4 | 2);
        assert_eq!((features.ecx, features.edx), (HYPERVISOR_PRESENT | 1, 1 << 20 | 0b11));
    }

    /// What KVM keeps of a model is what it was told, with what it adds itself.
    #[test]
    fn kvm_takes_a_model() {
        let Ok(kvm) = kvm_ioctls::Kvm::new() else {
            println!("SKIP kvm kvm_takes_a_model: /dev/kvm can't be opened");
            return;
        };
        let host = kvm.get_supported_cpuid(kvm_bindings::KVM_MAX_CPUID_ENTRIES).unwrap();
        let sse3 = CpuidWord { leaf: 1, subleaf: 0, register: 2, keep: !1, set: 0 };
        let cpu = CpuConfig { words: vec![sse3], signature: Some((6, 44, 1)), ..CpuConfig::default() };
        let vm = kvm.create_vm().unwrap();
        let vcpu = vm.create_vcpu(0).unwrap();
        vcpu.set_cpuid2(&for_vcpu(&host, 0, 1, &cpu, &ClockConfig::default()).unwrap()).unwrap();
        let kept = vcpu.get_cpuid2(kvm_bindings::KVM_MAX_CPUID_ENTRIES).unwrap();
        let features = kept.as_slice().iter().find(|entry| entry.function == 1).unwrap();
        assert_eq!(features.eax, 2 << 16 | 6 << 8 | 12 << 4 | 1);
        if features.ecx & 1 == 1 {
            println!("SKIP kvm kvm_takes_a_model: this KVM shows guests features whatever it is told");
        }
    }
}
