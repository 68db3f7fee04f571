use reeve_model::domain::{CpuFeature, CpuTopology, Extra};

use super::*;

/// A host that is a Westmere, and can virtualize.
fn westmere() -> HostCpu {
    let mut features = cpu::model("Westmere").unwrap().features.clone();
    features.insert(cpu::named("vmx").unwrap());
    HostCpu { vendor: "Intel".to_owned(), features }
}

fn custom_cpu(model: &str, features: &[(&str, &str)]) -> CpuConfig {
    let feature =
        |(policy, name): &(&str, &str)| CpuFeature { policy: (*policy).to_owned(), name: (*name).to_owned() };
    CpuConfig {
        model: Some(model.to_owned()),
        features: features.iter().map(feature).collect(),
        ..CpuConfig::default()
    }
}

fn vcpus(max: u32) -> VcpuConfig {
    VcpuConfig { max, current: None, placement: None, cpuset: None, extra: Extra::default() }
}

/// What is planned, or the first refusal.
fn planned(cpu: &CpuConfig) -> Result<vm::CpuConfig, String> {
    let mut refusals = Vec::new();
    let plan = plan(Some(cpu), &vcpus(4), &westmere(), &mut |sentence| refusals.push(sentence));
    refusals.into_iter().next().map_or(Ok(plan), Err)
}

/// Whether the guest sees a feature that KVM has, and one that it has not.
fn seen(plan: &vm::CpuConfig, name: &str) -> (bool, bool) {
    let feature = cpu::named(name).unwrap();
    let Word { leaf, subleaf, register } = feature.word;
    let word = plan
        .words
        .iter()
        .find(|word| (word.leaf, word.subleaf, word.register) == (leaf, subleaf, register as u8));
    let bit = |bits: u32| bits >> feature.bit & 1 == 1;
    word.map_or((true, false), |word| (bit(word.keep), bit(word.set)))
}

/// The table of the guide: match by policy.
#[test]
fn policies_and_matches() {
    let with = |policy, name| custom_cpu("Nehalem", &[(policy, name)]);
    let exact = planned(&custom_cpu("Nehalem", &[])).unwrap();
    assert_eq!((seen(&exact, "sse4.2"), seen(&exact, "aes")), ((true, false), (false, false)));
    assert!(seen(&exact, "apic").0, "the machine's own stay");
    assert_eq!(exact.signature, Some((6, 26, 3)));
    let minimum = CpuConfig { matching: Some("minimum".to_owned()), ..with("disable", "vmx") };
    let minimum = planned(&minimum).unwrap();
    assert_eq!((seen(&minimum, "aes"), seen(&minimum, "vmx")), ((true, false), (false, false)));
    let strict = |model| CpuConfig { matching: Some("strict".to_owned()), ..custom_cpu(model, &[]) };
    assert!(planned(&strict("Westmere")).unwrap_err().contains("which has more: vmx"));
    let whole =
        CpuConfig { matching: Some("strict".to_owned()), ..custom_cpu("Westmere", &[("require", "vmx")]) };
    planned(&whole).unwrap();
    assert_eq!(seen(&planned(&with("force", "avx")).unwrap(), "avx"), (true, true));
    assert_eq!(seen(&planned(&with("require", "aes")).unwrap(), "aes"), (true, false));
    assert!(planned(&with("require", "avx")).unwrap_err().contains("'avx' is required"));
    assert_eq!(seen(&planned(&with("optional", "avx")).unwrap(), "avx"), (false, false));
    assert_eq!(seen(&planned(&with("optional", "aes")).unwrap(), "aes"), (true, false));
    assert_eq!(seen(&planned(&with("disable", "sse4.2")).unwrap(), "sse4.2"), (false, false));
    assert!(planned(&with("forbid", "aes")).unwrap_err().contains("'aes' is forbidden"));
    planned(&with("forbid", "avx")).unwrap();
    assert!(planned(&with("maybe", "avx")).unwrap_err().contains("not one of force"));
    assert!(planned(&with("require", "warp")).unwrap_err().contains("'warp' is not known"));
}

#[test]
fn a_model_that_the_host_lacks_falls_back_or_not() {
    let haswell = custom_cpu("Haswell", &[]);
    let chosen = planned(&haswell).unwrap();
    assert_eq!(chosen.signature, Some((6, 44, 1)), "Westmere is the closest");
    let note = notes(Some(&haswell), &westmere()).unwrap();
    assert!(note.contains("'Westmere' instead of 'Haswell'") && note.contains("avx2"), "{note}");
    let forbid = CpuConfig { fallback: Some("forbid".to_owned()), ..haswell };
    let refused = planned(&forbid).unwrap_err();
    assert!(
        refused.contains("lacks features of CPU model 'Haswell'") && refused.contains("avx2"),
        "{refused}"
    );
    assert!(planned(&custom_cpu("Hal9000", &[])).unwrap_err().contains("'Hal9000' is not known"));
    assert_eq!(notes(Some(&custom_cpu("Nehalem", &[])), &westmere()), None);
    let old = HostCpu { features: cpu::model("pentium3").unwrap().features.clone(), ..westmere() };
    let mut refusals = Vec::new();
    plan(Some(&custom_cpu("Conroe", &[])), &vcpus(4), &old, &mut |sentence| refusals.push(sentence));
    assert!(refusals[0].contains("ssse3") && refusals[0].contains("lm"), "no model of 32 bits: {refusals:?}");
    let amd = CpuConfig { vendor: Some("AMD".to_owned()), ..custom_cpu("Nehalem", &[]) };
    assert!(planned(&amd).unwrap_err().contains("made by AMD"));
}

#[test]
fn modes_of_the_host() {
    let mode = |mode: &str| CpuConfig { mode: Some(mode.to_owned()), ..CpuConfig::default() };
    assert_eq!(planned(&mode("host-passthrough")).unwrap(), vm::CpuConfig::default());
    let model = planned(&mode("host-model")).unwrap();
    assert_eq!((seen(&model, "vmx"), seen(&model, "avx")), ((true, false), (false, false)));
    for word in ["host-passthrough", "host-model"] {
        let named = CpuConfig { mode: Some(word.to_owned()), ..custom_cpu("Nehalem", &[]) };
        assert!(planned(&named).unwrap_err().contains("neither <model> nor <feature>"));
    }
    assert!(planned(&mode("dream")).unwrap_err().contains("not one of custom"));
}

#[test]
fn a_topology_has_room_for_all_vcpus() {
    let with = |sockets, cores, threads| CpuConfig {
        topology: Some(CpuTopology { sockets, cores, threads }),
        ..CpuConfig::default()
    };
    let plan = planned(&with(2, 1, 2)).unwrap();
    assert_eq!(plan.topology, Some(vm::CpuTopology { cores: 1, threads: 2, sockets: 2 }));
    assert!(planned(&with(2, 4, 1)).unwrap_err().contains("room for 8 vCPUs, and it has 4"));
}
