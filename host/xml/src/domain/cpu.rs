//! `<vcpu>` and `<cpu>` (guide 20.4, 20.11).

use std::str::FromStr;

use reeve_model::domain::{CpuConfig, CpuFeature, CpuTopology, Extra, NumaCell, VcpuConfig};

use super::memory::{scaled, too_large};
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

/// What a document without `<vcpu>` means.
pub(super) fn one_vcpu() -> VcpuConfig {
    VcpuConfig { max: 1, current: None, placement: None, cpuset: None, extra: Extra::default() }
}

pub(super) fn read_vcpu(vcpu: &mut Reader<'_, '_>) -> Result<VcpuConfig, Fault> {
    Ok(VcpuConfig {
        max: vcpu.text_number()?,
        current: vcpu.number("current")?,
        placement: vcpu.word("placement"),
        cpuset: vcpu.cpu_set("cpuset")?,
        extra: vcpu.extra(),
    })
}

pub(super) fn write_vcpu(vcpu: &VcpuConfig) -> Element<'_> {
    Element::new("vcpu")
        .with_some("placement", vcpu.placement.as_ref())
        .with_some("cpuset", vcpu.cpuset.as_ref())
        .with_some("current", vcpu.current.as_ref())
        .with_text(vcpu.max.to_string())
        .extra(&vcpu.extra)
}

pub(crate) fn read(cpu: &mut Reader<'_, '_>) -> Result<CpuConfig, Fault> {
    let (mut fallback, mut vendor_id) = (None, None);
    let model = cpu.one("model", |model| {
        (fallback, vendor_id) = (model.word("fallback"), model.word("vendor_id"));
        Ok(model.trimmed())
    })?;
    Ok(CpuConfig {
        mode: cpu.word("mode"),
        matching: cpu.word("match"),
        model: model.filter(|model| !model.is_empty()),
        fallback,
        vendor_id,
        vendor: cpu.one("vendor", |vendor| Ok(vendor.trimmed()))?.filter(|vendor| !vendor.is_empty()),
        topology: cpu.one("topology", read_topology)?,
        features: cpu.each("feature", |feature| {
            Ok(CpuFeature {
                policy: feature.word("policy").unwrap_or_else(|| "require".to_owned()),
                name: feature.required("name", "aes")?,
            })
        })?,
        numa: cpu.one("numa", read_cells)?.unwrap_or_default(),
        extra: cpu.extra(),
    })
}

/// NUMA nodes by their numbers. Those without one are numbered as they stand (guide 20.11).
fn read_cells(numa: &mut Reader<'_, '_>) -> Result<Vec<NumaCell>, Fault> {
    let mut next = 0;
    let mut cells = numa.each("cell", |cell| {
        let id: u32 = cell.number("id")?.unwrap_or(next);
        next = id.saturating_add(1);
        let memory: u64 = required(cell, "memory")?;
        let memory = scaled(cell, memory)?.round_up_to_kib().ok_or_else(|| too_large(cell, memory))?;
        let sibling =
            |sibling: &mut Reader<'_, '_>| Ok((required(sibling, "id")?, required(sibling, "value")?));
        let distances = cell.one("distances", |distances| distances.each("sibling", sibling))?;
        Ok(NumaCell {
            id,
            cpus: cell.cpu_set("cpus")?,
            memory,
            distances: distances.unwrap_or_default(),
            extra: cell.extra(),
        })
    })?;
    cells.sort_by_key(|cell| cell.id);
    Ok(cells)
}

fn write_cell(cell: &NumaCell) -> Element<'_> {
    let sibling = |(id, value): &(u32, u32)| {
        Element::new("sibling").with("id", id.to_string()).with("value", value.to_string())
    };
    Element::new("cell")
        .with("id", cell.id.to_string())
        .with_some("cpus", cell.cpus.as_ref())
        .with("memory", cell.memory.as_kib().to_string())
        .with("unit", "KiB")
        .one_unless_empty(Element::new("distances").each(cell.distances.iter().map(sibling)))
        .extra(&cell.extra)
}

fn read_topology(topology: &mut Reader<'_, '_>) -> Result<CpuTopology, Fault> {
    Ok(CpuTopology {
        sockets: required(topology, "sockets")?,
        cores: required(topology, "cores")?,
        threads: required(topology, "threads")?,
    })
}

/// A number that must be written.
pub(super) fn required<T: FromStr>(element: &mut Reader<'_, '_>, name: &str) -> Result<T, Fault> {
    let number = element.number(name)?;
    number.ok_or_else(|| {
        element.fault(format!("<{}> needs the attribute {name}, a number", element.element.name))
    })
}

pub(crate) fn write(cpu: &CpuConfig) -> Element<'_> {
    let topology = cpu.topology.map(|topology| {
        Element::new("topology")
            .with("sockets", topology.sockets.to_string())
            .with("cores", topology.cores.to_string())
            .with("threads", topology.threads.to_string())
    });
    let named = cpu.model.is_some() || cpu.fallback.is_some() || cpu.vendor_id.is_some();
    let model = named.then(|| {
        Element::new("model")
            .with_some("fallback", cpu.fallback.as_ref())
            .with_some("vendor_id", cpu.vendor_id.as_ref())
            .with_text(cpu.model.clone().unwrap_or_default())
    });
    let element = Element::new("cpu")
        .with_some("mode", cpu.mode.as_ref())
        .with_some("match", cpu.matching.as_ref())
        .one_some(model)
        .one_text("vendor", cpu.vendor.as_ref());
    let element = match topology {
        Some(topology) => element.one(topology),
        None => element,
    };
    element
        .each(cpu.features.iter().map(write_feature))
        .one_unless_empty(Element::new("numa").each(cpu.numa.iter().map(write_cell)))
        .extra(&cpu.extra)
}

fn write_feature(feature: &CpuFeature) -> Element<'_> {
    Element::new("feature").with("policy", &feature.policy).with("name", &feature.name)
}
