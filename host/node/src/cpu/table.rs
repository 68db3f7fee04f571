//! Models of x86 CPUs by name: what a document may ask for. A model is another one with some features more and some less.

/// One model as it is written down.
pub(super) struct Entry {
    /// Its name in documents.
    pub name: &'static str,
    /// `Intel` or `AMD`; none fits all.
    pub vendor: Option<&'static str>,
    /// Family, model and stepping.
    pub signature: (u32, u32, u32),
    /// It describes no CPU that was ever made.
    pub generic: bool,
    /// What it is based on.
    pub base: Option<&'static str>,
    /// Features more, blanks between.
    pub more: &'static str,
    /// Features less, blanks between.
    pub less: &'static str,
}

const fn model(
    name: &'static str,
    vendor: Option<&'static str>,
    signature: (u32, u32, u32),
    base: Option<&'static str>,
    more: &'static str,
) -> Entry {
    Entry { name, vendor, signature, generic: false, base, more, less: "" }
}

impl Entry {
    const fn less(self, less: &'static str) -> Self {
        Self { less, ..self }
    }

    const fn generic(self) -> Self {
        Self { generic: true, ..self }
    }
}

const INTEL: Option<&str> = Some("Intel");
const AMD: Option<&str> = Some("AMD");

/// All models, each after the one it is based on.
#[rustfmt::skip]
pub(super) const MODELS: &[Entry] = &[
    model("486", None, (4, 0, 0), None,
        "fpu vme pse"),
    model("pentium", None, (5, 2, 0), Some("486"),
        "de tsc msr mce cx8 mmx"),
    model("pentium2", None, (6, 5, 0), Some("pentium"),
        "pae sep mtrr pge mca cmov pat pse36 fxsr"),
    model("pentium3", None, (6, 7, 0), Some("pentium2"),
        "sse"),
    model("coreduo", INTEL, (6, 14, 8), Some("pentium3"),
        "apic clflush sse2 nx pni monitor ss ht"),
    model("core2duo", INTEL, (6, 15, 11), Some("pentium3"),
        "apic clflush sse2 nx syscall lm lahf_lm pni monitor ssse3 cx16"),
    model("qemu32", None, (6, 6, 3), Some("pentium3"),
        "apic sse2 pni").less("vme").generic(),
    model("kvm32", None, (15, 6, 1), Some("qemu32"),
        "clflush").generic(),
    model("qemu64", None, (6, 6, 3), Some("qemu32"),
        "clflush nx syscall lm cx16 svm lahf_lm").generic(),
    model("kvm64", None, (15, 6, 1), Some("kvm32"),
        "nx syscall lm cx16").generic(),
    model("cpu64-rhel5", None, (6, 6, 3), Some("kvm64"),
        "lahf_lm").less("cx16").generic(),
    model("cpu64-rhel6", None, (6, 13, 3), Some("kvm64"),
        "lahf_lm sse4a abm").generic(),
    model("athlon", AMD, (6, 2, 3), Some("pentium2"),
        "apic sse sse2 mmxext 3dnow 3dnowext"),
    model("phenom", AMD, (16, 2, 3), Some("pentium3"),
        "apic clflush sse2 pni monitor nx syscall mmxext fxsr_opt 3dnow 3dnowext lm svm").less("vme"),
    model("Conroe", INTEL, (6, 15, 3), Some("pentium3"),
        "apic clflush sse2 pni ssse3 nx syscall lm lahf_lm"),
    model("Penryn", INTEL, (6, 23, 10), Some("Conroe"),
        "cx16 sse4.1"),
    model("Nehalem", INTEL, (6, 26, 3), Some("Penryn"),
        "sse4.2 popcnt"),
    model("Westmere", INTEL, (6, 44, 1), Some("Nehalem"),
        "aes pclmuldq"),
    model("SandyBridge", INTEL, (6, 42, 1), Some("Westmere"),
        "avx xsave tsc-deadline x2apic rdtscp"),
    model("IvyBridge", INTEL, (6, 58, 9), Some("SandyBridge"),
        "f16c rdrand fsgsbase smep erms"),
    model("Haswell-noTSX", INTEL, (6, 60, 1), Some("IvyBridge"),
        "fma movbe pcid bmi1 bmi2 avx2 invpcid xsaveopt abm"),
    model("Haswell", INTEL, (6, 60, 4), Some("Haswell-noTSX"),
        "hle rtm"),
    model("Broadwell-noTSX", INTEL, (6, 61, 2), Some("Haswell-noTSX"),
        "adx rdseed smap 3dnowprefetch"),
    model("Broadwell", INTEL, (6, 61, 2), Some("Broadwell-noTSX"),
        "hle rtm"),
    model("Skylake-Client", INTEL, (6, 94, 3), Some("Broadwell"),
        "clflushopt xsavec xgetbv1 xsaves"),
    model("Skylake-Server", INTEL, (6, 85, 4), Some("Broadwell"),
        "clflushopt clwb avx512f avx512dq avx512cd avx512bw avx512vl xsavec xgetbv1 xsaves pku pdpe1gb"),
    model("Cascadelake-Server", INTEL, (6, 85, 6), Some("Skylake-Server"),
        "avx512vnni spec-ctrl ssbd"),
    model("Cascadelake-Server-noTSX", INTEL, (6, 85, 6), Some("Cascadelake-Server"),
        "").less("hle rtm"),
    model("Icelake-Server-noTSX", INTEL, (6, 134, 0), Some("Cascadelake-Server-noTSX"),
        "avx512ifma sha-ni avx512vbmi avx512vbmi2 gfni vaes vpclmulqdq avx512bitalg avx512-vpopcntdq umip la57 wbnoinvd fsrm \
         rdpid"),
    model("Icelake-Server", INTEL, (6, 134, 0), Some("Icelake-Server-noTSX"),
        "hle rtm"),
    model("SapphireRapids", INTEL, (6, 143, 4), Some("Icelake-Server"),
        "avx-vnni avx512-bf16 avx512-fp16 amx-bf16 amx-tile amx-int8 serialize tsx-ldtrk bus-lock-detect fzrm fsrs fsrc xfd"),
    model("SapphireRapids-noTSX", INTEL, (6, 143, 4), Some("SapphireRapids"),
        "").less("hle rtm tsx-ldtrk"),
    model("Opteron_G1", AMD, (15, 6, 1), Some("pentium3"),
        "apic clflush sse2 pni nx syscall lm"),
    model("Opteron_G2", AMD, (15, 6, 1), Some("Opteron_G1"),
        "cx16 rdtscp svm lahf_lm"),
    model("Opteron_G3", AMD, (16, 2, 3), Some("Opteron_G2"),
        "monitor popcnt abm sse4a misalignsse").less("rdtscp"),
    model("Opteron_G4", AMD, (21, 1, 2), Some("Opteron_G3"),
        "aes avx pclmuldq sse4.1 sse4.2 ssse3 xsave 3dnowprefetch fma4 xop pdpe1gb rdtscp").less("monitor"),
    model("Opteron_G5", AMD, (21, 2, 0), Some("Opteron_G4"),
        "f16c fma tbm"),
    model("EPYC", AMD, (23, 1, 2), Some("Opteron_G5"),
        "bmi1 bmi2 avx2 rdseed adx smap smep fsgsbase rdrand movbe clflushopt sha-ni osvw cr8legacy fxsr_opt mmxext xsaveopt \
         xsavec xgetbv1 ht").less("fma4 xop tbm"),
    model("EPYC-Rome", AMD, (23, 49, 0), Some("EPYC"),
        "clwb umip rdpid wbnoinvd ibpb amd-stibp clzero xsaveerptr"),
    model("EPYC-Milan", AMD, (25, 1, 1), Some("EPYC-Rome"),
        "pcid invpcid erms fsrm pku vaes vpclmulqdq xsaves spec-ctrl ssbd"),
];
