//! Names of CPU features and the bits of CPUID that they are, from the manuals of Intel (volume 2, CPUID) and AMD (volume 3, appendix E).

/// A register of CPUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Register {
    /// EAX.
    Eax,
    /// EBX.
    Ebx,
    /// ECX.
    Ecx,
    /// EDX.
    Edx,
}

/// Where a feature is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word {
    /// Leaf.
    pub leaf: u32,
    /// Subleaf.
    pub subleaf: u32,
    /// Register.
    pub register: Register,
}

/// One feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its name in documents.
    pub name: &'static str,
    /// Where it is told.
    pub word: Word,
    /// Its bit.
    pub bit: u8,
}

/// Other names of some features.
const ALIASES: [(&str, &str); 10] = [
    ("pclmulqdq", "pclmuldq"),
    ("sse3", "pni"),
    ("sse4_1", "sse4.1"),
    ("sse4_2", "sse4.2"),
    ("tsc_deadline", "tsc-deadline"),
    ("ds-cpl", "ds_cpl"),
    ("lahf-lm", "lahf_lm"),
    ("fxsr-opt", "fxsr_opt"),
    ("sha_ni", "sha-ni"),
    ("i64", "lm"),
];

/// The feature with a name.
pub fn named(name: &str) -> Option<&'static Feature> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    FEATURES.iter().find(|feature| feature.name == name)
}

const fn word(leaf: u32, subleaf: u32, register: Register) -> Word {
    Word { leaf, subleaf, register }
}

const fn feature(word: Word, bit: u8, name: &'static str) -> Feature {
    Feature { name, word, bit }
}

const L1_EDX: Word = word(0x1, 0, Register::Edx);
const L1_ECX: Word = word(0x1, 0, Register::Ecx);
const L7_0_EBX: Word = word(0x7, 0, Register::Ebx);
const L7_0_ECX: Word = word(0x7, 0, Register::Ecx);
const L7_0_EDX: Word = word(0x7, 0, Register::Edx);
const L7_1_EAX: Word = word(0x7, 1, Register::Eax);
const LD_1_EAX: Word = word(0xd, 1, Register::Eax);
const X1_EDX: Word = word(0x8000_0001, 0, Register::Edx);
const X1_ECX: Word = word(0x8000_0001, 0, Register::Ecx);
const X7_EDX: Word = word(0x8000_0007, 0, Register::Edx);
const X8_EBX: Word = word(0x8000_0008, 0, Register::Ebx);

/// All features with names.
#[rustfmt::skip]
pub const FEATURES: &[Feature] = &[
    feature(L1_EDX, 0, "fpu"),
    feature(L1_EDX, 1, "vme"),
    feature(L1_EDX, 2, "de"),
    feature(L1_EDX, 3, "pse"),
    feature(L1_EDX, 4, "tsc"),
    feature(L1_EDX, 5, "msr"),
    feature(L1_EDX, 6, "pae"),
    feature(L1_EDX, 7, "mce"),
    feature(L1_EDX, 8, "cx8"),
    feature(L1_EDX, 9, "apic"),
    feature(L1_EDX, 11, "sep"),
    feature(L1_EDX, 12, "mtrr"),
    feature(L1_EDX, 13, "pge"),
    feature(L1_EDX, 14, "mca"),
    feature(L1_EDX, 15, "cmov"),
    feature(L1_EDX, 16, "pat"),
    feature(L1_EDX, 17, "pse36"),
    feature(L1_EDX, 18, "pn"),
    feature(L1_EDX, 19, "clflush"),
    feature(L1_EDX, 21, "ds"),
    feature(L1_EDX, 22, "acpi"),
    feature(L1_EDX, 23, "mmx"),
    feature(L1_EDX, 24, "fxsr"),
    feature(L1_EDX, 25, "sse"),
    feature(L1_EDX, 26, "sse2"),
    feature(L1_EDX, 27, "ss"),
    feature(L1_EDX, 28, "ht"),
    feature(L1_EDX, 29, "tm"),
    feature(L1_EDX, 30, "ia64"),
    feature(L1_EDX, 31, "pbe"),
    feature(L1_ECX, 0, "pni"),
    feature(L1_ECX, 1, "pclmuldq"),
    feature(L1_ECX, 2, "dtes64"),
    feature(L1_ECX, 3, "monitor"),
    feature(L1_ECX, 4, "ds_cpl"),
    feature(L1_ECX, 5, "vmx"),
    feature(L1_ECX, 6, "smx"),
    feature(L1_ECX, 7, "est"),
    feature(L1_ECX, 8, "tm2"),
    feature(L1_ECX, 9, "ssse3"),
    feature(L1_ECX, 10, "cid"),
    feature(L1_ECX, 12, "fma"),
    feature(L1_ECX, 13, "cx16"),
    feature(L1_ECX, 14, "xtpr"),
    feature(L1_ECX, 15, "pdcm"),
    feature(L1_ECX, 17, "pcid"),
    feature(L1_ECX, 18, "dca"),
    feature(L1_ECX, 19, "sse4.1"),
    feature(L1_ECX, 20, "sse4.2"),
    feature(L1_ECX, 21, "x2apic"),
    feature(L1_ECX, 22, "movbe"),
    feature(L1_ECX, 23, "popcnt"),
    feature(L1_ECX, 24, "tsc-deadline"),
    feature(L1_ECX, 25, "aes"),
    feature(L1_ECX, 26, "xsave"),
    feature(L1_ECX, 27, "osxsave"),
    feature(L1_ECX, 28, "avx"),
    feature(L1_ECX, 29, "f16c"),
    feature(L1_ECX, 30, "rdrand"),
    feature(L1_ECX, 31, "hypervisor"),
    feature(L7_0_EBX, 0, "fsgsbase"),
    feature(L7_0_EBX, 1, "tsc_adjust"),
    feature(L7_0_EBX, 3, "bmi1"),
    feature(L7_0_EBX, 4, "hle"),
    feature(L7_0_EBX, 5, "avx2"),
    feature(L7_0_EBX, 7, "smep"),
    feature(L7_0_EBX, 8, "bmi2"),
    feature(L7_0_EBX, 9, "erms"),
    feature(L7_0_EBX, 10, "invpcid"),
    feature(L7_0_EBX, 11, "rtm"),
    feature(L7_0_EBX, 14, "mpx"),
    feature(L7_0_EBX, 16, "avx512f"),
    feature(L7_0_EBX, 17, "avx512dq"),
    feature(L7_0_EBX, 18, "rdseed"),
    feature(L7_0_EBX, 19, "adx"),
    feature(L7_0_EBX, 20, "smap"),
    feature(L7_0_EBX, 21, "avx512ifma"),
    feature(L7_0_EBX, 23, "clflushopt"),
    feature(L7_0_EBX, 24, "clwb"),
    feature(L7_0_EBX, 26, "avx512pf"),
    feature(L7_0_EBX, 27, "avx512er"),
    feature(L7_0_EBX, 28, "avx512cd"),
    feature(L7_0_EBX, 29, "sha-ni"),
    feature(L7_0_EBX, 30, "avx512bw"),
    feature(L7_0_EBX, 31, "avx512vl"),
    feature(L7_0_ECX, 1, "avx512vbmi"),
    feature(L7_0_ECX, 2, "umip"),
    feature(L7_0_ECX, 3, "pku"),
    feature(L7_0_ECX, 4, "ospke"),
    feature(L7_0_ECX, 5, "waitpkg"),
    feature(L7_0_ECX, 6, "avx512vbmi2"),
    feature(L7_0_ECX, 8, "gfni"),
    feature(L7_0_ECX, 9, "vaes"),
    feature(L7_0_ECX, 10, "vpclmulqdq"),
    feature(L7_0_ECX, 11, "avx512vnni"),
    feature(L7_0_ECX, 12, "avx512bitalg"),
    feature(L7_0_ECX, 14, "avx512-vpopcntdq"),
    feature(L7_0_ECX, 16, "la57"),
    feature(L7_0_ECX, 22, "rdpid"),
    feature(L7_0_ECX, 24, "bus-lock-detect"),
    feature(L7_0_ECX, 25, "cldemote"),
    feature(L7_0_ECX, 27, "movdiri"),
    feature(L7_0_ECX, 28, "movdir64b"),
    feature(L7_0_EDX, 4, "fsrm"),
    feature(L7_0_EDX, 8, "avx512-vp2intersect"),
    feature(L7_0_EDX, 10, "md-clear"),
    feature(L7_0_EDX, 14, "serialize"),
    feature(L7_0_EDX, 16, "tsx-ldtrk"),
    feature(L7_0_EDX, 20, "ibt"),
    feature(L7_0_EDX, 22, "amx-bf16"),
    feature(L7_0_EDX, 23, "avx512-fp16"),
    feature(L7_0_EDX, 24, "amx-tile"),
    feature(L7_0_EDX, 25, "amx-int8"),
    feature(L7_0_EDX, 26, "spec-ctrl"),
    feature(L7_0_EDX, 27, "stibp"),
    feature(L7_0_EDX, 28, "flush-l1d"),
    feature(L7_0_EDX, 29, "arch-capabilities"),
    feature(L7_0_EDX, 30, "core-capability"),
    feature(L7_0_EDX, 31, "ssbd"),
    feature(L7_1_EAX, 4, "avx-vnni"),
    feature(L7_1_EAX, 5, "avx512-bf16"),
    feature(L7_1_EAX, 10, "fzrm"),
    feature(L7_1_EAX, 11, "fsrs"),
    feature(L7_1_EAX, 12, "fsrc"),
    feature(L7_1_EAX, 21, "amx-fp16"),
    feature(LD_1_EAX, 0, "xsaveopt"),
    feature(LD_1_EAX, 1, "xsavec"),
    feature(LD_1_EAX, 2, "xgetbv1"),
    feature(LD_1_EAX, 3, "xsaves"),
    feature(LD_1_EAX, 4, "xfd"),
    feature(X1_EDX, 11, "syscall"),
    feature(X1_EDX, 19, "mp"),
    feature(X1_EDX, 20, "nx"),
    feature(X1_EDX, 22, "mmxext"),
    feature(X1_EDX, 25, "fxsr_opt"),
    feature(X1_EDX, 26, "pdpe1gb"),
    feature(X1_EDX, 27, "rdtscp"),
    feature(X1_EDX, 29, "lm"),
    feature(X1_EDX, 30, "3dnowext"),
    feature(X1_EDX, 31, "3dnow"),
    feature(X1_ECX, 0, "lahf_lm"),
    feature(X1_ECX, 1, "cmp_legacy"),
    feature(X1_ECX, 2, "svm"),
    feature(X1_ECX, 3, "extapic"),
    feature(X1_ECX, 4, "cr8legacy"),
    feature(X1_ECX, 5, "abm"),
    feature(X1_ECX, 6, "sse4a"),
    feature(X1_ECX, 7, "misalignsse"),
    feature(X1_ECX, 8, "3dnowprefetch"),
    feature(X1_ECX, 9, "osvw"),
    feature(X1_ECX, 10, "ibs"),
    feature(X1_ECX, 11, "xop"),
    feature(X1_ECX, 12, "skinit"),
    feature(X1_ECX, 13, "wdt"),
    feature(X1_ECX, 15, "lwp"),
    feature(X1_ECX, 16, "fma4"),
    feature(X1_ECX, 17, "tce"),
    feature(X1_ECX, 19, "nodeid_msr"),
    feature(X1_ECX, 21, "tbm"),
    feature(X1_ECX, 22, "topoext"),
    feature(X1_ECX, 23, "perfctr_core"),
    feature(X1_ECX, 24, "perfctr_nb"),
    feature(X7_EDX, 8, "invtsc"),
    feature(X8_EBX, 0, "clzero"),
    feature(X8_EBX, 2, "xsaveerptr"),
    feature(X8_EBX, 9, "wbnoinvd"),
    feature(X8_EBX, 12, "ibpb"),
    feature(X8_EBX, 15, "amd-stibp"),
    feature(X8_EBX, 24, "amd-ssbd"),
    feature(X8_EBX, 25, "virt-ssbd"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_bits_are_unique() {
        let names: BTreeSet<_> = FEATURES.iter().map(|feature| feature.name).collect();
        let bits: BTreeSet<_> = FEATURES.iter().map(|feature| (feature.word, feature.bit)).collect();
        assert_eq!((names.len(), bits.len()), (FEATURES.len(), FEATURES.len()));
        assert!(FEATURES.iter().all(|feature| feature.bit < 32));
    }

    #[test]
    fn other_names_lead_to_features() {
        assert!(ALIASES.iter().all(|(alias, _)| named(alias).is_some()));
        assert_eq!(named("sse3"), named("pni"));
        assert_eq!(named("warp"), None);
    }
}
