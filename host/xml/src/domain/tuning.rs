//! `<cputune>`, `<memtune>`, `<numatune>` and `<blkiotune>` (guide 20.5, 20.7 - 20.9).

use reeve_model::domain::{
    BlkioDevice, BlkioTune, CpuTune, MemNode, MemTune, NumaTune, ScheduledThreads, ThreadScheduling, VcpuPin,
};

use super::cpu::required;
use super::iothread;
use super::memory::{read_size, write_size};
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
        iothreadpin: tune.each("iothreadpin", iothread::read_pin)?,
        emulatorpin: tune.one("emulatorpin", |pin| pin.cpu_set("cpuset"))?.flatten(),
        shares: tune.one("shares", Reader::text_number)?,
        period: tune.one("period", Reader::text_number)?,
        quota: tune.one("quota", Reader::text_number)?,
        emulator_period: tune.one("emulator_period", Reader::text_number)?,
        emulator_quota: tune.one("emulator_quota", Reader::text_number)?,
        iothread_period: tune.one("iothread_period", Reader::text_number)?,
        iothread_quota: tune.one("iothread_quota", Reader::text_number)?,
        scheduling: read_scheduling(tune)?,
        extra: tune.extra(),
    })
}

fn read_scheduling(tune: &mut Reader<'_, '_>) -> Result<Vec<ThreadScheduling>, Fault> {
    let how = |element: &mut Reader<'_, '_>, threads: ScheduledThreads| {
        let scheduler = element.required("scheduler", "fifo")?;
        Ok(ThreadScheduling { threads, scheduler, priority: element.number("priority")? })
    };
    let set = |element: &mut Reader<'_, '_>, name: &str| {
        let set = element.cpu_set(name)?;
        set.ok_or_else(|| {
            let element_name = &element.element.name;
            element.fault(format!("<{element_name}> needs the attribute {name}, e.g. {name}='0-3'"))
        })
    };
    let mut all = tune.each("vcpusched", |element| {
        let vcpus = set(element, "vcpus")?;
        how(element, ScheduledThreads::Vcpus(vcpus))
    })?;
    all.extend(tune.each("iothreadsched", |element| {
        let iothreads = set(element, "iothreads")?;
        how(element, ScheduledThreads::Iothreads(iothreads))
    })?);
    all.extend(tune.one("emulatorsched", |element| how(element, ScheduledThreads::Emulator))?);
    Ok(all)
}

fn write_scheduling(scheduling: &ThreadScheduling) -> Element<'_> {
    let element = match &scheduling.threads {
        ScheduledThreads::Vcpus(set) => Element::new("vcpusched").with("vcpus", set.to_string()),
        ScheduledThreads::Iothreads(set) => Element::new("iothreadsched").with("iothreads", set.to_string()),
        ScheduledThreads::Emulator => Element::new("emulatorsched"),
    };
    element.with("scheduler", &scheduling.scheduler).with_some("priority", scheduling.priority.as_ref())
}

pub(super) fn write_cputune(tune: &CpuTune) -> Element<'_> {
    let element = Element::new("cputune")
        .one_text("shares", tune.shares.as_ref())
        .one_text("period", tune.period.as_ref())
        .one_text("quota", tune.quota.as_ref())
        .one_text("emulator_period", tune.emulator_period.as_ref())
        .one_text("emulator_quota", tune.emulator_quota.as_ref())
        .one_text("iothread_period", tune.iothread_period.as_ref())
        .one_text("iothread_quota", tune.iothread_quota.as_ref())
        .each(tune.vcpupin.iter().map(write_pin));
    let pin =
        tune.emulatorpin.as_ref().map(|set| Element::new("emulatorpin").with("cpuset", set.to_string()));
    let element = match pin {
        Some(pin) => element.one(pin),
        None => element,
    };
    element
        .each(tune.iothreadpin.iter().map(iothread::write_pin))
        .each(tune.scheduling.iter().map(write_scheduling))
        .extra(&tune.extra)
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
    let memnodes = tune.each("memnode", |node| {
        let (cell, nodeset) = (required(node, "cellid")?, node.cpu_set("nodeset")?);
        let nodeset =
            nodeset.ok_or_else(|| node.fault("<memnode> needs the attribute nodeset, e.g. nodeset='0'"))?;
        Ok(MemNode { cell, mode: node.word("mode"), nodeset })
    })?;
    Ok(NumaTune { memnodes, extra: tune.extra(), ..memory.unwrap_or_default() })
}

pub(super) fn write_numatune(tune: &NumaTune) -> Element<'_> {
    let memory = Element::new("memory")
        .with_some("mode", tune.mode.as_ref())
        .with_some("nodeset", tune.nodeset.as_ref())
        .with_some("placement", tune.placement.as_ref());
    let memnode = |node: &MemNode| {
        let element = Element::new("memnode").with("cellid", node.cell.to_string());
        let element = match &node.mode {
            Some(mode) => element.with("mode", mode.clone()),
            None => element,
        };
        element.with("nodeset", node.nodeset.to_string())
    };
    Element::new("numatune")
        .one_unless_empty(memory)
        .each(tune.memnodes.iter().map(memnode))
        .extra(&tune.extra)
}

pub(super) fn read_memtune(tune: &mut Reader<'_, '_>) -> Result<MemTune, Fault> {
    Ok(MemTune {
        hard_limit: tune.one("hard_limit", read_size)?,
        soft_limit: tune.one("soft_limit", read_size)?,
        swap_hard_limit: tune.one("swap_hard_limit", read_size)?,
        min_guarantee: tune.one("min_guarantee", read_size)?,
        extra: tune.extra(),
    })
}

pub(super) fn write_memtune(tune: &MemTune) -> Element<'_> {
    Element::new("memtune")
        .one_some(tune.hard_limit.map(|size| write_size("hard_limit", size)))
        .one_some(tune.soft_limit.map(|size| write_size("soft_limit", size)))
        .one_some(tune.min_guarantee.map(|size| write_size("min_guarantee", size)))
        .one_some(tune.swap_hard_limit.map(|size| write_size("swap_hard_limit", size)))
        .extra(&tune.extra)
}

pub(super) fn read_blkiotune(tune: &mut Reader<'_, '_>) -> Result<BlkioTune, Fault> {
    Ok(BlkioTune {
        weight: tune.one("weight", Reader::text_number)?,
        devices: tune.each("device", |device| {
            let path = device.one("path", |path| Ok(path.trimmed()))?.ok_or_else(|| {
                device.fault("<device> of <blkiotune> needs a <path>, e.g. <path>/dev/sda</path>")
            })?;
            Ok(BlkioDevice {
                path,
                weight: device.one("weight", Reader::text_number)?,
                read_bytes_sec: device.one("read_bytes_sec", Reader::text_number)?,
                write_bytes_sec: device.one("write_bytes_sec", Reader::text_number)?,
                read_iops_sec: device.one("read_iops_sec", Reader::text_number)?,
                write_iops_sec: device.one("write_iops_sec", Reader::text_number)?,
            })
        })?,
        extra: tune.extra(),
    })
}

pub(super) fn write_blkiotune(tune: &BlkioTune) -> Element<'_> {
    let device = |device: &'_ BlkioDevice| {
        let number = |name: &'static str, value: Option<u64>| {
            value.map(|value| Element::new(name).with_text(value.to_string()))
        };
        Element::new("device")
            .one(Element::new("path").with_text(device.path.clone()))
            .one_some(number("weight", device.weight))
            .one_some(number("read_bytes_sec", device.read_bytes_sec))
            .one_some(number("write_bytes_sec", device.write_bytes_sec))
            .one_some(number("read_iops_sec", device.read_iops_sec))
            .one_some(number("write_iops_sec", device.write_iops_sec))
    };
    Element::new("blkiotune")
        .one_text("weight", tune.weight.as_ref())
        .each(tune.devices.iter().map(device))
        .extra(&tune.extra)
}
