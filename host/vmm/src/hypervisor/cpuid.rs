//! What a vCPU says about itself: the host's features with the topology of the machine (one socket, a core a vCPU).

use kvm_bindings::CpuId;

use super::HypervisorError;

const FEATURES: u32 = 1;
const CACHES: u32 = 4;
const TOPOLOGY: u32 = 0xb;
const TOPOLOGY_V2: u32 = 0x1f;
const HYPERVISOR_PRESENT: u32 = 1 << 31;
const HYPER_THREADING: u32 = 1 << 28;
/// Level types of leaf 0xb.
const LEVEL_THREAD: u32 = 1;
const LEVEL_CORE: u32 = 2;

/// The CPUID table of vCPU `index` of `count`.
pub(super) fn for_vcpu(host: &CpuId, index: u32, count: u32) -> Result<CpuId, HypervisorError> {
    let core_bits = count.next_power_of_two().trailing_zeros();
    let mut entries = host.as_slice().to_vec();
    for entry in &mut entries {
        match entry.function {
            FEATURES => {
                entry.ebx = entry.ebx & 0xff00 | (1 << core_bits).min(0xff) << 16 | index << 24;
                entry.ecx |= HYPERVISOR_PRESENT;
                entry.edx =
                    if count > 1 { entry.edx | HYPER_THREADING } else { entry.edx & !HYPER_THREADING };
            }
            // Every cache level is a core's own: bits 14 to 25 say how many share it, 26 to 31 how many cores there are.
            CACHES => entry.eax = entry.eax & 0x3fff | ((1 << core_bits) - 1).min(0x3f) << 26,
            TOPOLOGY | TOPOLOGY_V2 => {
                let (shift, processors, level) = match entry.index {
                    0 => (0, 1, LEVEL_THREAD),
                    1 => (core_bits, count, LEVEL_CORE),
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

#[cfg(test)]
mod tests {
    use kvm_bindings::kvm_cpuid_entry2;

    use super::*;

    #[test]
    fn every_vcpu_has_its_own_id_and_one_socket() {
        let leaf = |function, index| kvm_cpuid_entry2 { function, index, ..Default::default() };
        let host = CpuId::from_entries(&[leaf(1, 0), leaf(0xb, 0), leaf(0xb, 1), leaf(0xb, 2)]).unwrap();
        let guest = for_vcpu(&host, 2, 3).unwrap();
        let [features, threads, cores, end] = guest.as_slice() else { panic!("four leaves") };
        assert_eq!((features.ebx >> 24, features.ebx >> 16 & 0xff), (2, 4));
        assert_eq!((threads.ebx, threads.ecx, threads.edx), (1, 0x100, 2));
        assert_eq!((cores.eax, cores.ebx, cores.ecx, cores.edx), (2, 3, 0x201, 2));
        assert_eq!((end.ebx, end.ecx), (0, 2));
    }
}
