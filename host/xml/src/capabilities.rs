//! What a host is and what it can run, as libvirt's document of its capabilities (guide 14.16.2). It is written only: of another host's
//! document the CPU alone is read ([`crate::cpu::parse_all`]).

use reeve_model::domain::CpuConfig;
use reeve_model::node::{NodeCell, NodeInfo};

use crate::print;
use crate::tree::Element;

/// What guests come and go by.
const MIGRATION: [&str; 2] = ["qemu+tls", "reeve+unix"];

/// A host.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities<'a> {
    /// What it is.
    pub info: &'a NodeInfo,
    /// The model that is closest to its CPU, and what that can do beyond; without a model where none is close.
    pub cpu: &'a CpuConfig,
    /// Its NUMA cells.
    pub cells: &'a [NodeCell],
}

/// Writes the document, with a newline at the end.
pub fn format(host: &Capabilities<'_>) -> String {
    let Capabilities { info, cpu, cells } = *host;
    let transports = MIGRATION.map(|transport| Element::new("uri_transport").with_text(transport));
    let migration = Element::new("migration_features")
        .one(Element::new("live"))
        .one(Element::new("uri_transports").each(transports));
    let count = cells.len().to_string();
    let cells = Element::new("cells").with("num", count).each(cells.iter().map(cell));
    let element =
        Element::new("host").one(host_cpu(info, cpu)).one(migration).one(Element::new("topology").one(cells));
    let root = Element::new("capabilities").one(element);
    print::document(&if info.kvm { root.one(guest(info)) } else { root })
}

/// Features have no policies here: the host has them all.
fn host_cpu<'a>(info: &'a NodeInfo, cpu: &'a CpuConfig) -> Element<'a> {
    let topology = cpu.topology.map(|topology| {
        Element::new("topology")
            .with("sockets", topology.sockets.to_string())
            .with("cores", topology.cores.to_string())
            .with("threads", topology.threads.to_string())
    });
    let feature = |name: &'a str| Element::new("feature").with("name", name);
    Element::new("cpu")
        .one(Element::new("arch").with_text(info.arch.as_str()))
        .one_text("model", cpu.model.as_ref())
        .one_text("vendor", cpu.vendor.as_ref())
        .one_some(topology)
        .each(cpu.features.iter().map(|found| feature(&found.name)))
}

fn cell(cell: &NodeCell) -> Element<'_> {
    let numbers: Vec<u32> = cell.cpus.iter().flat_map(|cpus| cpus.iter()).collect();
    let cpu = |number: &u32| Element::new("cpu").with("id", number.to_string());
    let cpus = Element::new("cpus").with("num", numbers.len().to_string()).each(numbers.iter().map(cpu));
    Element::new("cell")
        .with("id", cell.cell.to_string())
        .one(Element::new("memory").with("unit", "KiB").with_text(cell.memory.as_kib().to_string()))
        .one(cpus)
}

/// Machines that the host runs.
fn guest(info: &NodeInfo) -> Element<'_> {
    let arch = Element::new("arch")
        .with("name", info.arch.as_str())
        .one(Element::new("wordsize").with_text("64"))
        .one(Element::new("domain").with("type", "kvm"));
    let features =
        Element::new("features").one(Element::new("acpi").with("default", "on").with("toggle", "yes"));
    Element::new("guest").one(Element::new("os_type").with_text("hvm")).one(arch).one(features)
}

#[cfg(test)]
mod tests {
    use reeve_model::domain::{CpuFeature, CpuTopology};
    use reeve_model::{Bytes, CpuSet};

    use super::*;

    /// The workstation of the guide, figure 14.3.
    #[test]
    fn the_guide_s_workstation() {
        let names = "lahf_lm lm xtpr cx16 ssse3 tm2 est vmx ds_cpl monitor pni pbe tm ht ss sse2 acpi ds clflush apic";
        let feature = |name: &str| CpuFeature { policy: "require".to_owned(), name: name.to_owned() };
        let cpu = CpuConfig {
            matching: Some("exact".to_owned()),
            model: Some("pentium3".to_owned()),
            topology: Some(CpuTopology { sockets: 1, cores: 2, threads: 1 }),
            features: names.split(' ').map(feature).collect(),
            ..CpuConfig::default()
        };
        let info = NodeInfo {
            hostname: "workstation".to_owned(),
            arch: "i686".to_owned(),
            cpu_model: String::new(),
            cpus: 2,
            mhz: 1199,
            sockets: 1,
            cores_per_socket: 2,
            threads_per_core: 1,
            numa_cells: 1,
            memory: Bytes::gib(2),
            kvm: true,
        };
        let cells = [
            NodeCell { cell: 0, cpus: CpuSet::new([0, 1]), memory: Bytes::gib(2), free: Bytes::gib(1) },
            NodeCell { cell: 1, cpus: None, memory: Bytes::mib(1), free: Bytes(0) },
        ];
        let text = format(&Capabilities { info: &info, cpu: &cpu, cells: &cells });
        let squeezed: String = text.split_whitespace().collect();
        let features: String = names.split(' ').map(|name| format!("<featurename='{name}'/>")).collect();
        let printed = format!(
            "<capabilities><host><cpu><arch>i686</arch><model>pentium3</model>\
             <topologysockets='1'cores='2'threads='1'/>{features}</cpu>"
        );
        assert!(squeezed.starts_with(&printed), "{text}");
        assert!(squeezed.contains("<cellid='0'><memoryunit='KiB'>2097152</memory><cpusnum='2'><cpuid='0'/><cpuid='1'/></cpus></cell>"));
        assert!(
            squeezed.contains("<cellid='1'><memoryunit='KiB'>1024</memory><cpusnum='0'/></cell>"),
            "{text}"
        );
        // What another host reads of it.
        let read = crate::cpu::parse_all(&text).unwrap();
        assert_eq!((read.len(), read[0].features.len()), (1, 20));
        assert!(text.contains("<domain type='kvm'/>"));
        let without = NodeInfo { kvm: false, ..info };
        assert!(!format(&Capabilities { info: &without, cpu: &cpu, cells: &cells }).contains("<guest>"));
    }
}
