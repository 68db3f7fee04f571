//! /proc/meminfo.

use reeve_model::Bytes;
use reeve_model::node::NodeMemory;
use reeve_sys::files::{FileError, Tree};
use reeve_sys::procfs::field;

pub(crate) fn read(proc: &Tree) -> Result<NodeMemory, FileError> {
    let text = proc.text("meminfo")?;
    let kib = |key| Bytes::kib(field(&text, key).unwrap_or(0));
    Ok(NodeMemory {
        total: kib("MemTotal"),
        free: kib("MemFree"),
        available: kib("MemAvailable"),
        cached: kib("Cached"),
        buffers: kib("Buffers"),
        swap_total: kib("SwapTotal"),
        swap_free: kib("SwapFree"),
    })
}
