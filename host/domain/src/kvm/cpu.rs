//! From `<cpu>` to what vCPUs say they are (guide 14.17, 20.11).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use reeve_model::domain::{CpuConfig, VcpuConfig};
use reeve_node::cpu::{self, Features, HostCpu, Model, Word};
use reeve_sys::open;
use reeve_vmm::config as vm;
use reeve_vmm::hypervisor::Hypervisor;

/// Features that belong to the machine and not to a model.
const MACHINE: [&str; 3] = ["apic", "hypervisor", "ht"];
/// AMD tells some bits of leaf 1 again here.
const AGAIN: Word = Word { leaf: 0x8000_0001, subleaf: 0, register: cpu::Register::Edx };
const AGAIN_BITS: u32 = 0x0183_ffff;

/// What vCPUs of this host can be: what KVM offers, or what the CPU says where there is no KVM.
pub(super) fn host() -> &'static HostCpu {
    static HOST: LazyLock<HostCpu> = LazyLock::new(|| {
        let offered = open::character_device(Path::new("/dev/kvm"), true)
            .ok()
            .and_then(|device| Hypervisor::new(device).ok()?.cpuid().ok());
        match offered {
            Some(entries) => HostCpu::read(|leaf, subleaf| {
                let found = entries.iter().find(|(one, other, _)| (*one, *other) == (leaf, subleaf));
                found.map_or([0; 4], |(.., registers)| *registers)
            }),
            None => HostCpu::read(reeve_sys::cpuid::read),
        }
    });
    &HOST
}

/// What the vCPUs are told to be; reasons why they can't be go to `refuse`.
pub(super) fn plan(
    cpu: Option<&CpuConfig>,
    vcpu: &VcpuConfig,
    host: &HostCpu,
    refuse: &mut impl FnMut(String),
) -> vm::CpuConfig {
    let Some(cpu) = cpu else { return vm::CpuConfig::default() };
    let topology = topology(cpu, vcpu, refuse);
    let model = match mode(cpu) {
        "host-passthrough" | "host-model" if cpu.model.is_some() || !cpu.features.is_empty() => {
            refuse(format!("<cpu mode='{}'> takes neither <model> nor <feature>", mode(cpu)));
            None
        }
        "host-model" => Some(host_model(host)),
        "custom" if cpu.model.is_some() => custom(cpu, host).map_err(refuse).ok(),
        "custom" if !cpu.features.is_empty() => {
            refuse("<cpu> names features and no <model>; add one, e.g. <model>Westmere</model>".to_owned());
            None
        }
        "host-passthrough" | "custom" => None,
        other => {
            refuse(format!("<cpu mode='{other}'> is not one of custom, host-model, host-passthrough"));
            None
        }
    };
    vm::CpuConfig { topology, vendor: cpu.vendor_id.clone(), ..model.unwrap_or_default() }
}

/// The word of a document, `custom` where it has none.
fn mode(cpu: &CpuConfig) -> &str {
    cpu.mode.as_deref().unwrap_or("custom")
}

fn topology(cpu: &CpuConfig, vcpu: &VcpuConfig, refuse: &mut impl FnMut(String)) -> Option<vm::CpuTopology> {
    let topology = cpu.topology?;
    let (sockets, cores, threads) = (topology.sockets, topology.cores, topology.threads);
    let room = u64::from(sockets) * u64::from(cores) * u64::from(threads);
    if room != u64::from(vcpu.max) {
        refuse(format!(
            "its topology of {sockets} sockets, {cores} cores and {threads} threads has room for {room} vCPUs, and it has {}",
            vcpu.max
        ));
        return None;
    }
    Some(vm::CpuTopology { cores, threads, sockets })
}

fn host_model(host: &HostCpu) -> vm::CpuConfig {
    vm::CpuConfig { words: words(&host.features, &Features::default(), true), ..vm::CpuConfig::default() }
}

/// A model by name, with features more or less.
fn custom(cpu: &CpuConfig, host: &HostCpu) -> Result<vm::CpuConfig, String> {
    if let Some(vendor) = cpu.vendor.as_ref().filter(|vendor| **vendor != host.vendor) {
        return Err(format!("its CPU must be made by {vendor}, and this host's is made by {}", host.vendor));
    }
    let asked = asked_model(cpu)?;
    let usable = usable_model(cpu, asked, host)?;
    let mut features = usable.features.intersection(&host.features);
    let mut forced = Features::default();
    for each in &cpu.features {
        let name = &each.name;
        let feature = cpu::named(name).ok_or_else(|| format!("CPU feature '{name}' is not known"))?;
        let there = host.features.contains(feature);
        match each.policy.as_str() {
            "force" => forced.insert(feature),
            "require" if !there => {
                return Err(format!("CPU feature '{name}' is required, and this host lacks it"));
            }
            "optional" if !there => {}
            "require" | "optional" => features.insert(feature),
            "disable" => features.remove(feature),
            "forbid" if there => {
                return Err(format!("CPU feature '{name}' is forbidden, and this host has it"));
            }
            "forbid" => {}
            other => {
                return Err(format!(
                    "policy '{other}' of CPU feature '{name}' is not one of force, require, optional, disable, forbid"
                ));
            }
        }
    }
    let beyond = host.features.names_beyond(&features);
    match cpu.matching.as_deref().unwrap_or("exact") {
        "strict" if !beyond.is_empty() => {
            Err(format!("its CPU must be exactly this host's, which has more: {}", beyond.join(", ")))
        }
        "strict" | "exact" => Ok(vm::CpuConfig {
            words: words(&features, &forced, true),
            signature: Some(usable.signature),
            ..vm::CpuConfig::default()
        }),
        "minimum" => {
            let mut all = host.features.clone();
            let disabled = cpu.features.iter().filter(|feature| feature.policy == "disable");
            disabled.filter_map(|feature| cpu::named(&feature.name)).for_each(|feature| all.remove(feature));
            Ok(vm::CpuConfig {
                words: words(&all, &forced, false),
                signature: Some(usable.signature),
                ..vm::CpuConfig::default()
            })
        }
        other => Err(format!("<cpu match='{other}'> is not one of minimum, exact, strict")),
    }
}

fn asked_model(cpu: &CpuConfig) -> Result<&'static Model, String> {
    cpu::model(cpu.model.as_deref().unwrap_or_default()).map_err(|error| error.to_string())
}

/// The model itself where the host has all of it, else the closest one where that is allowed.
fn usable_model(cpu: &CpuConfig, asked: &'static Model, host: &HostCpu) -> Result<&'static Model, String> {
    let mut wanted = asked.features.clone();
    let less = cpu.features.iter().filter(|feature| feature.policy == "disable");
    less.filter_map(|feature| cpu::named(&feature.name)).for_each(|feature| wanted.remove(feature));
    let missing = wanted.names_beyond(&host.features);
    if missing.is_empty() || asked.generic {
        return Ok(asked);
    }
    let closest = match cpu.fallback.as_deref() {
        Some("forbid") => None,
        _ => cpu::closest(&asked.features.intersection(&host.features), asked.vendor),
    };
    // A guest of 64 bits can't boot on a CPU of 32.
    let long = cpu::named("lm").filter(|long| asked.features.contains(long));
    let closest = closest.filter(|model| long.is_none_or(|long| model.features.contains(long)));
    closest.ok_or_else(|| {
        format!("this host lacks features of CPU model '{}': {}", asked.name, missing.join(", "))
    })
}

/// What the guest will see in another way than its document says.
pub(super) fn notes(cpu: Option<&CpuConfig>, host: &HostCpu) -> Option<String> {
    let cpu = cpu.filter(|cpu| mode(cpu) == "custom" && cpu.model.is_some())?;
    let asked = asked_model(cpu).ok()?;
    let usable = usable_model(cpu, asked, host).ok()?;
    (asked.name != usable.name).then(|| {
        let missing = asked.features.names_beyond(&host.features).join(", ");
        format!(
            "its CPU model is '{}' instead of '{}', of which this host lacks: {missing}; fallback='forbid' would refuse that",
            usable.name, asked.name
        )
    })
}

/// Masks that leave these features, and of bits without a name all or none.
fn words(features: &Features, forced: &Features, exact: bool) -> Vec<vm::CpuidWord> {
    let mut named: BTreeMap<Word, u32> = BTreeMap::new();
    for feature in cpu::FEATURES {
        *named.entry(feature.word).or_default() |= 1 << feature.bit;
    }
    let mut machine = Features::default();
    MACHINE.into_iter().filter_map(cpu::named).for_each(|feature| machine.insert(feature));
    let again = |word: Word| if word == AGAIN { AGAIN_BITS } else { 0 };
    let word = |(word, named): (Word, u32)| {
        let unnamed = if exact { again(word) } else { !named };
        vm::CpuidWord {
            leaf: word.leaf,
            subleaf: word.subleaf,
            register: word.register as u8,
            keep: features.bits(word) | machine.bits(word) | forced.bits(word) | unnamed,
            set: forced.bits(word),
        }
    };
    named.into_iter().map(word).collect()
}

#[cfg(test)]
#[path = "cpu_tests.rs"]
mod tests;
