//! CPU models and features (guide 14.16, 14.17, 20.11): what a document describes, what a host has, and what several have in common.
//!
//! A description is a model and features more or less; both become bits of CPUID, and bits become a description again: the model that shares
//! most bits, and the rest by name.

mod feature;
mod table;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use reeve_model::domain::{CpuConfig, CpuFeature};
use reeve_model::node::{CpuComparison, CpuRelation};

pub use feature::{FEATURES, Feature, Register, Word, named};

/// Bits that say what the system does at the moment, not what the CPU can do.
const PASSING: [&str; 3] = ["hypervisor", "osxsave", "ospke"];

/// A description of a CPU means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpuError {
    /// There is no such model.
    #[error("CPU model '{0}' is not known; 'reeve node cpu-models' shows those that are")]
    Model(String),
    /// There is no such feature.
    #[error("CPU feature '{0}' is not known")]
    Feature(String),
    /// It names no model.
    #[error("the CPU names no <model>")]
    NoModel,
    /// There is none to work with.
    #[error("the document holds no <cpu>")]
    Nothing,
    /// They have no model in common.
    #[error("the CPUs have too little in common for any model")]
    NoBaseline,
}

/// Features as bits of CPUID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features(BTreeMap<Word, u32>);

impl Features {
    /// Adds one.
    pub fn insert(&mut self, feature: &Feature) {
        *self.0.entry(feature.word).or_default() |= 1 << feature.bit;
    }

    /// Takes one away.
    pub fn remove(&mut self, feature: &Feature) {
        if let Some(bits) = self.0.get_mut(&feature.word) {
            *bits &= !(1 << feature.bit);
        }
    }

    /// True when it is there.
    pub fn contains(&self, feature: &Feature) -> bool {
        self.bits(feature.word) >> feature.bit & 1 == 1
    }

    /// Bits of one word.
    pub fn bits(&self, word: Word) -> u32 {
        self.0.get(&word).copied().unwrap_or(0)
    }

    /// True when all of them are in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|(word, bits)| bits & !other.bits(*word) == 0)
    }

    /// Those that are in both.
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().map(|(word, bits)| (*word, bits & other.bits(*word))).collect())
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.0.values().map(|bits| bits.count_ones()).sum()
    }

    /// Names of those that are not in `other`, in the order in which libvirt writes them: of the words from the last leaf on, of the
    /// bits from the highest on.
    pub fn names_beyond(&self, other: &Self) -> Vec<&'static str> {
        let mut all: Vec<&Feature> =
            FEATURES.iter().filter(|feature| self.contains(feature) && !other.contains(feature)).collect();
        all.sort_by_key(|feature| {
            let Word { leaf, subleaf, register } = feature.word;
            (u32::MAX - leaf, u32::MAX - subleaf, register, u8::MAX - feature.bit)
        });
        all.into_iter().map(|feature| feature.name).collect()
    }
}

/// A model with a name.
#[derive(Debug)]
pub struct Model {
    /// Its name.
    pub name: &'static str,
    /// `Intel` or `AMD`; none fits all.
    pub vendor: Option<&'static str>,
    /// Family, model and stepping.
    pub signature: (u32, u32, u32),
    /// It describes no CPU that was ever made, and no host is described by it.
    pub generic: bool,
    /// Its features.
    pub features: Features,
}

/// All models.
pub fn models() -> &'static [Model] {
    static MODELS: LazyLock<Vec<Model>> = LazyLock::new(build);
    &MODELS
}

fn build() -> Vec<Model> {
    let mut all: Vec<Model> = Vec::new();
    for entry in table::MODELS {
        let base = entry.base.and_then(|base| all.iter().find(|model| model.name == base));
        let mut features = base.map(|base| base.features.clone()).unwrap_or_default();
        let listed = |names: &'static str| names.split(' ').filter_map(named);
        listed(entry.more).for_each(|feature| features.insert(feature));
        listed(entry.less).for_each(|feature| features.remove(feature));
        let (vendor, signature, generic) = (entry.vendor, entry.signature, entry.generic);
        all.push(Model { name: entry.name, vendor, signature, generic, features });
    }
    all
}

/// The model with a name.
pub fn model(name: &str) -> Result<&'static Model, CpuError> {
    models().iter().find(|model| model.name == name).ok_or_else(|| CpuError::Model(name.to_owned()))
}

/// The model that describes most of these features and nothing else.
pub fn closest(features: &Features, vendor: Option<&str>) -> Option<&'static Model> {
    let fits = |model: &&Model| {
        let vendor = model.vendor.is_none() || model.vendor == vendor;
        !model.generic && vendor && model.features.is_subset(features)
    };
    models().iter().filter(fits).max_by_key(|model| model.features.count())
}

/// A CPU that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCpu {
    /// `Intel` or `AMD`, or the twelve letters of another one.
    pub vendor: String,
    /// What it can do.
    pub features: Features,
}

impl HostCpu {
    /// Reads a CPU: `cpuid` answers leaf and subleaf with EAX, EBX, ECX and EDX.
    pub fn read(cpuid: impl Fn(u32, u32) -> [u32; 4]) -> Self {
        let [basic, ebx, ecx, edx] = cpuid(0, 0);
        let letters: Vec<u8> = [ebx, edx, ecx].into_iter().flat_map(u32::to_le_bytes).collect();
        let letters = String::from_utf8_lossy(&letters).into_owned();
        let vendor = match letters.as_str() {
            "GenuineIntel" => "Intel".to_owned(),
            "AuthenticAMD" => "AMD".to_owned(),
            _ => letters,
        };
        let [extended, ..] = cpuid(0x8000_0000, 0);
        let mut features = Features::default();
        for feature in FEATURES {
            let Word { leaf, subleaf, register } = feature.word;
            let last = if leaf < 0x8000_0000 { basic } else { extended };
            let there = leaf <= last && cpuid(leaf, subleaf)[register as usize] >> feature.bit & 1 == 1;
            if there && !PASSING.contains(&feature.name) {
                features.insert(feature);
            }
        }
        Self { vendor, features }
    }

    /// Its description: the closest model and what it can do beyond.
    pub fn describe(&self) -> Result<CpuConfig, CpuError> {
        describe(&self.features, Some(&self.vendor))
    }

    /// How a description stands to it.
    pub fn compare(&self, cpu: &CpuConfig) -> Result<CpuComparison, CpuError> {
        let described = features_of(cpu)?;
        let missing: Vec<String> =
            described.names_beyond(&self.features).into_iter().map(str::to_owned).collect();
        let foreign = cpu.vendor.as_ref().is_some_and(|vendor| *vendor != self.vendor);
        let relation = match missing.is_empty() && !foreign {
            false => CpuRelation::Incompatible,
            true if self.features.is_subset(&described) => CpuRelation::Identical,
            true => CpuRelation::Superset,
        };
        Ok(CpuComparison { relation, missing })
    }
}

/// The bits that a description stands for.
pub fn features_of(cpu: &CpuConfig) -> Result<Features, CpuError> {
    let name = cpu.model.as_deref().ok_or(CpuError::NoModel)?;
    let mut features = model(name)?.features.clone();
    for CpuFeature { policy, name } in &cpu.features {
        let feature = named(name).ok_or_else(|| CpuError::Feature(name.clone()))?;
        match policy.as_str() {
            "disable" | "forbid" => features.remove(feature),
            _ => features.insert(feature),
        }
    }
    Ok(features)
}

/// The description that all of these CPUs can be.
pub fn baseline(cpus: &[CpuConfig]) -> Result<CpuConfig, CpuError> {
    let (first, rest) = cpus.split_first().ok_or(CpuError::Nothing)?;
    let mut features = features_of(first)?;
    for cpu in rest {
        features = features.intersection(&features_of(cpu)?);
    }
    let vendor = |cpu: &CpuConfig| {
        let of_model = || model(cpu.model.as_deref()?).ok()?.vendor.map(str::to_owned);
        cpu.vendor.clone().or_else(of_model)
    };
    let mut vendors: Vec<String> = cpus.iter().filter_map(vendor).collect();
    vendors.dedup();
    let common = vendors.first().filter(|_| vendors.len() == 1);
    describe(&features, common.map(String::as_str))
}

fn describe(features: &Features, vendor: Option<&str>) -> Result<CpuConfig, CpuError> {
    let model = closest(features, vendor).ok_or(CpuError::NoBaseline)?;
    let names = features.names_beyond(&model.features).into_iter();
    let required = |name: &str| CpuFeature { policy: "require".to_owned(), name: name.to_owned() };
    Ok(CpuConfig {
        matching: Some("exact".to_owned()),
        model: Some(model.name.to_owned()),
        features: names.map(required).collect(),
        ..CpuConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(model: &str, features: &str) -> CpuConfig {
        let required = |name: &str| CpuFeature { policy: "require".to_owned(), name: name.to_owned() };
        CpuConfig {
            model: Some(model.to_owned()),
            features: features.split_whitespace().map(required).collect(),
            ..CpuConfig::default()
        }
    }

    /// The workstation and the server of the guide.
    const WORKSTATION: &str =
        "lahf_lm lm xtpr cx16 ssse3 tm2 est vmx ds_cpl monitor pni pbe tm ht ss sse2 acpi ds clflush apic";
    const SERVER: &str = "osvw 3dnowprefetch misalignsse sse4a abm cr8legacy extapic cmp_legacy lahf_lm rdtscp \
                          pdpe1gb popcnt cx16 ht vme";

    #[test]
    fn the_table_names_what_there_is() {
        for entry in table::MODELS {
            let words = entry.more.split_whitespace().chain(entry.less.split_whitespace());
            words.for_each(|name| assert!(named(name).is_some(), "{name} of {}", entry.name));
            if let Some(base) = entry.base {
                let position = |name| models().iter().position(|model| model.name == name);
                assert!(position(base).is_some() && position(base) < position(entry.name), "{}", entry.name);
            }
        }
        let count = |name: &str| model(name).unwrap().features.count();
        assert!(count("Conroe") < count("Nehalem") && count("Nehalem") < count("Haswell"));
        assert_eq!(model("Opteron").unwrap_err(), CpuError::Model("Opteron".to_owned()));
    }

    #[test]
    fn models_of_the_guide_are_known() {
        for name in [
            "Opteron_G5",
            "Opteron_G4",
            "Opteron_G3",
            "Opteron_G2",
            "Opteron_G1",
            "Westmere",
            "Haswell",
            "SandyBridge",
            "Nehalem",
            "Penryn",
            "Conroe",
            "cpu64-rhel5",
            "cpu64-rhel6",
            "qemu32",
            "qemu64",
            "pentium3",
            "phenom",
            "core2duo",
        ] {
            assert!(model(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_baseline_of_the_guide() {
        let found = baseline(&[cpu("pentium3", WORKSTATION), cpu("phenom", SERVER)]).unwrap();
        assert_eq!((found.matching.as_deref(), found.model.as_deref()), (Some("exact"), Some("pentium3")));
        let names: Vec<&str> = found.features.iter().map(|feature| feature.name.as_str()).collect();
        assert_eq!(names.join(" "), "lahf_lm lm cx16 monitor pni ht sse2 clflush apic");
        assert_eq!(baseline(&[]).unwrap_err(), CpuError::Nothing);
        assert_eq!(baseline(&[CpuConfig::default()]).unwrap_err(), CpuError::NoModel);
        assert_eq!(baseline(&[cpu("486", "warp")]).unwrap_err(), CpuError::Feature("warp".to_owned()));
    }

    /// A host that has what a description says.
    fn host(cpu: &CpuConfig, vendor: &str) -> HostCpu {
        HostCpu { vendor: vendor.to_owned(), features: features_of(cpu).unwrap() }
    }

    #[test]
    fn a_host_is_described_and_compared() {
        let westmere = host(&cpu("Westmere", "vmx pcid"), "Intel");
        let described = westmere.describe().unwrap();
        assert_eq!(described.model.as_deref(), Some("Westmere"));
        let names: Vec<&str> = described.features.iter().map(|feature| feature.name.as_str()).collect();
        assert_eq!(names, ["pcid", "vmx"]);
        let relation = |cpu: &CpuConfig| westmere.compare(cpu).unwrap().relation;
        assert_eq!(relation(&described), CpuRelation::Identical);
        assert_eq!(relation(&cpu("Nehalem", "")), CpuRelation::Superset);
        assert_eq!(westmere.compare(&cpu("Nehalem", "avx")).unwrap().missing, ["avx"]);
        let amd = CpuConfig { vendor: Some("AMD".to_owned()), ..cpu("pentium3", "") };
        assert_eq!(relation(&amd), CpuRelation::Incompatible);
        let less = CpuFeature { policy: "disable".to_owned(), name: "avx".to_owned() };
        let mut sandy = cpu("SandyBridge", "");
        sandy.features.push(less);
        assert!(!westmere.compare(&sandy).unwrap().missing.contains(&"avx".to_owned()));
    }

    #[test]
    fn cpuid_is_read() {
        let words = |leaf: u32, _subleaf: u32| match leaf {
            0 => {
                [1, u32::from_le_bytes(*b"Genu"), u32::from_le_bytes(*b"ntel"), u32::from_le_bytes(*b"ineI")]
            }
            // SSE3, and a bit that only says that something runs below.
            1 => [0, 0, 1 | 1 << 31, 1 << 25],
            // Beyond the last leaf anything may stand.
            _ => [0, u32::MAX, u32::MAX, u32::MAX],
        };
        let host = HostCpu::read(words);
        assert_eq!(host.vendor, "Intel");
        assert_eq!(host.features.names_beyond(&Features::default()), ["pni", "sse"]);
    }
}
