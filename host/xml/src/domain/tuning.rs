//! `<cputune>` and `<numatune>` (guide 20.5, 20.8).

use reeve_model::domain::{CpuTune, NumaTune, VcpuPin};

use super::cpu::required;
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(super) fn read_cputune(tune: &mut Reader<'_, '_>) -> Result<CpuTune, Fault> {
    Ok(CpuTune {
        vcpupin: tune.each("vcpupin", |pin| {
            let vcpu = required(pin, "vcpu")?;
            let cpuset = pin.cpu_set("cpuset")?;
            let cpuset =
                cpuset.ok_or_else(|| pin.fault("<vcpupin> needs the attribute cpuset, e.g. cpuset='0-3'"))?;
            Ok(VcpuPin { vcpu, cpuset })
        })?,
        emulatorpin: tune.one("emulatorpin", |pin| pin.cpu_set("cpuset"))?.flatten(),
        shares: tune.one("shares", Reader::text_number)?,
        period: tune.one("period", Reader::text_number)?,
        quota: tune.one("quota", Reader::text_number)?,
        emulator_period: tune.one("emulator_period", Reader::text_number)?,
        emulator_quota: tune.one("emulator_quota", Reader::text_number)?,
        extra: tune.extra(),
    })
}

pub(super) fn write_cputune(tune: &CpuTune) -> Element<'_> {
    let element = Element::new("cputune")
        .one_text("shares", tune.shares.as_ref())
        .one_text("period", tune.period.as_ref())
        .one_text("quota", tune.quota.as_ref())
        .one_text("emulator_period", tune.emulator_period.as_ref())
        .one_text("emulator_quota", tune.emulator_quota.as_ref())
        .each(tune.vcpupin.iter().map(write_pin));
    let pin =
        tune.emulatorpin.as_ref().map(|set| Element::new("emulatorpin").with("cpuset", set.to_string()));
    let element = match pin {
        Some(pin) => element.one(pin),
        None => element,
    };
    element.extra(&tune.extra)
}

fn write_pin(pin: &VcpuPin) -> Element<'_> {
    Element::new("vcpupin").with("vcpu", pin.vcpu.to_string()).with("cpuset", pin.cpuset.to_string())
}

pub(super) fn read_numatune(tune: &mut Reader<'_, '_>) -> Result<NumaTune, Fault> {
    let memory = tune.one("memory", |memory| {
        let nodeset = memory.cpu_set("nodeset")?;
        Ok(NumaTune {
            mode: memory.word("mode"),
            nodeset,
            placement: memory.word("placement"),
            ..NumaTune::default()
        })
    })?;
    Ok(NumaTune { extra: tune.extra(), ..memory.unwrap_or_default() })
}

pub(super) fn write_numatune(tune: &NumaTune) -> Element<'_> {
    let memory = Element::new("memory")
        .with_some("mode", tune.mode.as_ref())
        .with_some("nodeset", tune.nodeset.as_ref())
        .with_some("placement", tune.placement.as_ref());
    Element::new("numatune").one_unless_empty(memory).extra(&tune.extra)
}
