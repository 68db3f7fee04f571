//! `<memory>`, `<currentMemory>`, `<memoryBacking>` (guide 8.4, 20.6).

use reeve_model::Bytes;
use reeve_model::domain::MemoryBacking;

use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

const UNITS: &str = "b, bytes, KB, KiB, MB, MiB, GB, GiB, TB, TiB";

/// A size with a unit, KiB when it has none, rounded up to KiB.
pub(super) fn read_size(size: &mut Reader<'_, '_>) -> Result<Bytes, Fault> {
    let count = size.text_number()?;
    scaled(size, count)?.round_up_to_kib().ok_or_else(|| too_large(size, count))
}

/// A number of the element's unit, KiB when it has none.
pub(super) fn scaled(size: &mut Reader<'_, '_>, count: u64) -> Result<Bytes, Fault> {
    let unit = size.attribute("unit").unwrap_or("KiB");
    if Bytes::of_unit(0, unit).is_none() {
        return Err(size.attribute_fault("unit", format!("unit='{unit}' is not one of {UNITS}")));
    }
    Bytes::of_unit(count, unit).ok_or_else(|| too_large(size, count))
}

pub(super) fn too_large(size: &Reader<'_, '_>, count: u64) -> Fault {
    size.fault(format!("<{}> of {count} units is more than any machine has", size.element.name))
}

pub(super) fn write_size(name: &str, size: Bytes) -> Element<'_> {
    Element::new(name).with("unit", "KiB").with_text(size.as_kib().to_string())
}

pub(super) fn read_backing(backing: &mut Reader<'_, '_>) -> Result<MemoryBacking, Fault> {
    Ok(MemoryBacking {
        hugepages: backing.one("hugepages", |pages| pages.each("page", read_page))?,
        nosharepages: backing.flag("nosharepages")?,
        locked: backing.flag("locked")?,
        shared: backing.one("access", |access| access.either("mode", "shared", "private"))?.flatten(),
        extra: backing.extra(),
    })
}

fn read_page(page: &mut Reader<'_, '_>) -> Result<Bytes, Fault> {
    let size = page
        .number("size")?
        .ok_or_else(|| page.fault("<page> needs the attribute size; write <page size='2048' unit='KiB'/>"))?;
    scaled(page, size)
}

pub(super) fn write_backing(backing: &MemoryBacking) -> Element<'_> {
    let mut element = Element::new("memoryBacking");
    if let Some(sizes) = &backing.hugepages {
        let page =
            |size: &Bytes| Element::new("page").with("size", size.as_kib().to_string()).with("unit", "KiB");
        element = element.one(Element::new("hugepages").each(sizes.iter().map(page)));
    }
    let mut access = Element::new("access");
    if let Some(shared) = backing.shared {
        access.set("mode", if shared { "shared" } else { "private" });
    }
    element
        .one_flag("nosharepages", backing.nosharepages)
        .one_flag("locked", backing.locked)
        .one_unless_empty(access)
        .extra(&backing.extra)
}
