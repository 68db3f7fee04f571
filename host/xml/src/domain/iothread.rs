//! `<iothreads>` and `<iothreadids>`.

use reeve_model::domain::{DomainConfig, Iothread, IothreadPin, Iothreads};

use super::cpu::required;
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

/// Both are one list: a count is at least as many threads, and what has no number gets the lowest that is free.
pub(super) fn read(domain: &mut Reader<'_, '_>) -> Result<Iothreads, Fault> {
    let count: Option<u32> = domain.one("iothreads", |element| {
        let count = element.text_number()?;
        if count as usize > DomainConfig::MAX_IOTHREADS {
            let max = DomainConfig::MAX_IOTHREADS;
            return Err(element.fault(format!("a domain has {max} I/O threads at most, not {count}")));
        }
        Ok(count)
    })?;
    let numbered = domain.one("iothreadids", |ids| {
        let threads = ids
            .each("iothread", |thread| Ok(Iothread { id: required(thread, "id")?, extra: thread.extra() }))?;
        Ok(Iothreads { threads, extra: ids.extra() })
    })?;
    let mut threads = numbered.unwrap_or_default();
    threads.fill(count.unwrap_or(0));
    Ok(threads)
}

/// Numbers are written where a count does not say them.
pub(super) fn write<'c>(root: Element<'c>, threads: &'c Iothreads) -> Element<'c> {
    if threads.is_empty() {
        return root;
    }
    let count = Element::new("iothreads").with_text(threads.threads.len().to_string());
    if threads.is_counted() {
        return root.one(count);
    }
    let each = |thread: &'c Iothread| {
        Element::new("iothread").with("id", thread.id.to_string()).extra(&thread.extra)
    };
    let ids = Element::new("iothreadids").each(threads.threads.iter().map(each)).extra(&threads.extra);
    root.one(count).one(ids)
}

pub(super) fn read_pin(pin: &mut Reader<'_, '_>) -> Result<IothreadPin, Fault> {
    let iothread = required(pin, "iothread")?;
    let cpuset = pin.cpu_set("cpuset")?;
    let cpuset =
        cpuset.ok_or_else(|| pin.fault("<iothreadpin> needs the attribute cpuset, e.g. cpuset='0-3'"))?;
    Ok(IothreadPin { iothread, cpuset })
}

pub(super) fn write_pin(pin: &IothreadPin) -> Element<'_> {
    Element::new("iothreadpin")
        .with("iothread", pin.iothread.to_string())
        .with("cpuset", pin.cpuset.to_string())
}
