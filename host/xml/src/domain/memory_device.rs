//! `<memory>` in `<devices>`: memory that is plugged into a running guest.

use reeve_model::domain::MemoryDevice;

use super::address::{read_common, write_common};
use super::memory::{read_size, write_size};
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(crate) fn read(memory: &mut Reader<'_, '_>) -> Result<MemoryDevice, Fault> {
    let model = memory.required("model", "virtio-mem")?;
    let sizes = memory.one("target", |target| {
        let size = target.one("size", read_size)?;
        let size =
            size.ok_or_else(|| target.fault("memory to plug has no size; add <size unit='MiB'>…</size>"))?;
        let node = target.one("node", Reader::text_number)?;
        Ok((size, target.one("block", read_size)?, target.one("requested", read_size)?, node))
    })?;
    let (size, block, requested, node) = sizes.ok_or_else(|| {
        memory.fault("memory to plug has no <target>; add <target><size unit='MiB'>…</size></target>")
    })?;
    Ok(MemoryDevice { model, size, block, requested, node, common: read_common(memory)? })
}

pub(crate) fn write(memory: &MemoryDevice) -> Element<'_> {
    let size = |name, size| write_size(name, size);
    let target = Element::new("target")
        .one(size("size", memory.size))
        .one_text("node", memory.node.as_ref())
        .each(memory.block.map(|block| size("block", block)))
        .each(memory.requested.map(|requested| size("requested", requested)));
    write_common(Element::new("memory").with("model", &memory.model).one(target), &memory.common)
}
