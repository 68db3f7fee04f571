//! A request of the driver, taken apart.

use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
    VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP,
};
use vm_memory::GuestAddress;

use super::disk::SECTOR;
use crate::virtio::Memory;
use crate::virtio::chain::{Chain, Segments};
use crate::virtio::queue::QueueError;

/// Most ranges in one DISCARD or WRITE_ZEROES request.
pub(super) const MAX_RANGES: u32 = 16;
/// Most sectors of one range.
pub(super) const MAX_RANGE_SECTORS: u32 = 1 << 17;
const RANGE_SIZE: u32 = 16;
const HEADER_SIZE: usize = 16;

/// What the driver wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
    Flush,
    Id,
    Discard,
    WriteZeroes,
    Unknown,
}

/// A request with its data buffers.
#[derive(Debug)]
pub(super) struct Request {
    /// Names the request in the used ring.
    pub head: u16,
    pub operation: Operation,
    /// Where on the disk, in sectors; only for reads and writes.
    pub sector: u64,
    /// Data to read from or to write to guest memory.
    pub data: Segments,
    /// Where the status byte goes.
    pub status: GuestAddress,
}

/// One range of a DISCARD or WRITE_ZEROES request, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub offset: u64,
    pub length: u64,
    /// The blocks may be freed.
    pub unmap: bool,
}

impl Request {
    /// Takes a chain apart. A chain without header or status byte cannot be answered and breaks the queue.
    pub(super) fn parse(mut chain: Chain, memory: &Memory, queue: u16) -> Result<Self, QueueError> {
        let mut header = [0; HEADER_SIZE];
        if chain.readable.read(memory, &mut header) < HEADER_SIZE {
            return Err(QueueError::Incomplete { index: queue, part: "header" });
        }
        let status = chain.writable.take_last_byte();
        let status = status.ok_or(QueueError::Incomplete { index: queue, part: "status byte" })?;
        let [kind, _, low, high] = words(&header);
        let operation = match kind {
            VIRTIO_BLK_T_IN => Operation::Read,
            VIRTIO_BLK_T_OUT => Operation::Write,
            VIRTIO_BLK_T_FLUSH => Operation::Flush,
            VIRTIO_BLK_T_GET_ID => Operation::Id,
            VIRTIO_BLK_T_DISCARD => Operation::Discard,
            VIRTIO_BLK_T_WRITE_ZEROES => Operation::WriteZeroes,
            _ => Operation::Unknown,
        };
        let data = match operation {
            Operation::Read | Operation::Id => chain.writable,
            _ => chain.readable,
        };
        let sector = u64::from(low) | u64::from(high) << 32;
        Ok(Self { head: chain.head, operation, sector, data, status })
    }

    /// The ranges of a DISCARD or WRITE_ZEROES request. None when their number, size or flags are not allowed.
    pub(super) fn ranges(&mut self, memory: &Memory) -> Option<Vec<Range>> {
        let length = self.data.len();
        if length == 0 || !length.is_multiple_of(RANGE_SIZE) || length / RANGE_SIZE > MAX_RANGES {
            return None;
        }
        let mut ranges = Vec::with_capacity((length / RANGE_SIZE) as usize);
        let mut raw = [0; RANGE_SIZE as usize];
        while self.data.read(memory, &mut raw) == raw.len() {
            let [low, high, sectors, flags] = words(&raw);
            let unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP != 0;
            let known = flags & !VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP == 0;
            if sectors > MAX_RANGE_SECTORS || !known || unmap && self.operation == Operation::Discard {
                return None;
            }
            let sector = u64::from(low) | u64::from(high) << 32;
            let offset = sector.checked_mul(SECTOR)?;
            ranges.push(Range { offset, length: u64::from(sectors) * SECTOR, unmap });
        }
        Some(ranges)
    }
}

fn words(bytes: &[u8; 16]) -> [u32; 4] {
    let (words, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|word| u32::from_le_bytes(words[word]))
}
