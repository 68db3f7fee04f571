//! The start of a core: ELF header, program headers, notes.

/// What memory is aligned to in the file, so that it can bypass the page cache.
pub(super) const PAGE: u64 = 4096;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const ET_CORE: u16 = 4;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    length: u64,
}

/// Everything before the memory of `ranges` (start, length), filled up to a whole page.
pub(super) fn head(ranges: &[(u64, u64)], notes: &[u8]) -> Vec<u8> {
    let count = 1 + ranges.len();
    let notes_at = HEADER + count * PROGRAM_HEADER;
    let end = ((notes_at + notes.len()) as u64).next_multiple_of(PAGE);
    let mut bytes = Vec::with_capacity(end as usize);
    bytes.extend(b"\x7fELF\x02\x01\x01");
    bytes.resize(16, 0);
    bytes.extend(ET_CORE.to_le_bytes());
    bytes.extend(EM_X86_64.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    // No entry point, and no section headers.
    for offset in [0, HEADER as u64, 0] {
        bytes.extend(offset.to_le_bytes());
    }
    bytes.extend(0u32.to_le_bytes());
    for half in [HEADER, PROGRAM_HEADER, count, 0, 0, 0] {
        bytes.extend((half as u16).to_le_bytes());
    }
    put(
        &mut bytes,
        &Segment { kind: PT_NOTE, offset: notes_at as u64, address: 0, length: notes.len() as u64 },
    );
    let mut offset = end;
    for (address, length) in ranges.iter().copied() {
        put(&mut bytes, &Segment { kind: PT_LOAD, offset, address, length });
        offset += length;
    }
    bytes.extend(notes);
    bytes.resize(end as usize, 0);
    bytes
}

fn put(bytes: &mut Vec<u8>, segment: &Segment) {
    let Segment { kind, offset, address, length } = *segment;
    bytes.extend(kind.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    // Virtual addresses are the guest's own; a reader finds them by CR3 of the notes.
    for value in [offset, address, address, length, length, 0] {
        bytes.extend(value.to_le_bytes());
    }
}
