//! What the CPU says of itself.

/// EAX, EBX, ECX and EDX of a leaf and subleaf of CPUID; zeroes on other architectures.
#[cfg(target_arch = "x86_64")]
pub fn read(leaf: u32, subleaf: u32) -> [u32; 4] {
    let found = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    [found.eax, found.ebx, found.ecx, found.edx]
}

/// EAX, EBX, ECX and EDX of a leaf and subleaf of CPUID; zeroes on other architectures.
#[cfg(not(target_arch = "x86_64"))]
pub fn read(_leaf: u32, _subleaf: u32) -> [u32; 4] {
    [0; 4]
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_leaf_is_told() {
        assert!(!cfg!(target_arch = "x86_64") || super::read(0, 0)[0] >= 1);
    }
}
