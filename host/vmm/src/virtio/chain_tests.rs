use proptest::prelude::*;
use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress};

use super::*;

const SIZE: u16 = 16;
const MEMORY: usize = 0x10_0000;
const DESC: u64 = 0x1000;
const AVAIL: u64 = 0x2000;
const TABLE: u64 = 0x4000;
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

type Raw = (u64, u32, u16, u16);

/// Parses chain 0 of a ring with these descriptors and this indirect table.
fn parse(descriptors: &[Raw], table: &[Raw]) -> Result<Chain, ChainError> {
    let memory = Memory::from_ranges(&[(GuestAddress(0), MEMORY)]).unwrap();
    for (base, list) in [(DESC, descriptors), (TABLE, table)] {
        for (index, (address, length, flags, next)) in (0u64..).zip(list) {
            let at = base + index * 16;
            memory.write_obj(*address, GuestAddress(at)).unwrap();
            memory.write_obj(*length, GuestAddress(at + 8)).unwrap();
            memory.write_obj(*flags, GuestAddress(at + 12)).unwrap();
            memory.write_obj(*next, GuestAddress(at + 14)).unwrap();
        }
    }
    memory.write_obj(1u16, GuestAddress(AVAIL + 2)).unwrap();
    let mut queue = Queue::new(SIZE).unwrap();
    queue.set_desc_table_address(Some(DESC as u32), None);
    queue.set_avail_ring_address(Some(AVAIL as u32), None);
    queue.set_used_ring_address(Some(0x3000), None);
    queue.set_ready(true);
    let raw = queue.iter(&memory).unwrap().next().unwrap();
    Chain::parse(raw, &memory)
}

#[test]
fn good_chains_keep_their_order() {
    let chain =
        parse(&[(0x8000, 16, NEXT, 1), (0x9000, 512, NEXT | WRITE, 2), (0xa000, 1, WRITE, 0)], &[]).unwrap();
    assert_eq!(chain.readable.parts(), [(GuestAddress(0x8000), 16)]);
    assert_eq!(chain.writable.parts(), [(GuestAddress(0x9000), 512), (GuestAddress(0xa000), 1)]);
    let indirect =
        parse(&[(TABLE, 32, INDIRECT, 0)], &[(0x8000, 8, NEXT, 1), (0x9000, 4, WRITE, 0)]).unwrap();
    assert_eq!((indirect.readable.len(), indirect.writable.len()), (8, 4));
}

#[test]
fn broken_chains_are_refused() {
    let end = MEMORY as u64;
    let out = |address, length| ChainError::OutOfRange { head: 0, address, length };
    let cases: [(&str, &[Raw], &[Raw], ChainError); 13] = [
        ("to itself", &[(0x8000, 1, NEXT, 0)], &[], ChainError::Unterminated(0)),
        ("in a circle", &[(0x8000, 1, NEXT, 1), (0x8000, 1, NEXT, 0)], &[], ChainError::Unterminated(0)),
        ("past the table", &[(0x8000, 1, NEXT, SIZE)], &[], ChainError::Unterminated(0)),
        ("empty", &[(0x8000, 0, 0, 0)], &[], ChainError::Empty(0)),
        ("outside", &[(end, 1, 0, 0)], &[], out(end, 1)),
        ("over the end", &[(end - 1, 2, 0, 0)], &[], out(end - 1, 2)),
        ("wrapping", &[(u64::MAX, 2, WRITE, 0)], &[], out(u64::MAX, 2)),
        ("huge", &[(0, u32::MAX, 0, 0)], &[], ChainError::TooLong(0)),
        ("read after write", &[(0x8000, 1, NEXT | WRITE, 1), (0x8000, 1, 0, 0)], &[], ChainError::Order(0)),
        ("table outside", &[(end, 16, INDIRECT, 0)], &[], ChainError::Unterminated(0)),
        ("table of odd size", &[(TABLE, 17, INDIRECT, 0)], &[], ChainError::Unterminated(0)),
        (
            "table in a table",
            &[(TABLE, 16, INDIRECT, 0)],
            &[(TABLE, 16, INDIRECT, 0)],
            ChainError::Unterminated(0),
        ),
        (
            "loop in a table",
            &[(TABLE, 16, INDIRECT, 0)],
            &[(0x8000, 1, NEXT, 0)],
            ChainError::Unterminated(0),
        ),
    ];
    for (name, descriptors, table, expected) in cases {
        assert_eq!(parse(descriptors, table), Err(expected), "{name}");
    }
}

#[test]
fn segments_are_taken_from_both_ends() {
    let memory = Memory::from_ranges(&[(GuestAddress(0), MEMORY)]).unwrap();
    let mut chain = parse(&[(0x8000, 3, NEXT, 1), (0x9000, 3, 0, 0)], &[]).unwrap();
    memory.write_slice(b"abc", GuestAddress(0x8000)).unwrap();
    memory.write_slice(b"def", GuestAddress(0x9000)).unwrap();
    let segments = &mut chain.readable;
    assert_eq!(segments.take_last_byte(), Some(GuestAddress(0x9002)));
    let mut first = [0; 2];
    assert_eq!((segments.read(&memory, &mut first), &first), (2, b"ab"));
    assert_eq!(segments.iovecs(&memory).iter().map(|buffer| buffer.iov_len).collect::<Vec<_>>(), [1, 2]);
    let mut rest = [0; 8];
    assert_eq!((segments.read(&memory, &mut rest), &rest[..3]), (3, b"cde".as_slice()));
    assert_eq!((segments.len(), segments.read(&memory, &mut rest), segments.take_last_byte()), (0, 0, None));
}

proptest! {
    /// Whatever the rings hold, a chain that is accepted lies within memory, and taking it apart stays within it.
    #[test]
    fn accepted_chains_are_guest_memory(
        descriptors in prop::collection::vec(
            (prop_oneof![0..MEMORY as u64, any::<u64>()], prop_oneof![0u32..5000, any::<u32>()], 0u16..8, 0u16..20),
            1..16,
        ),
        table in prop::collection::vec((0..MEMORY as u64, 0u32..9000, 0u16..8, 0u16..20), 1..16),
        takes in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let memory = Memory::from_ranges(&[(GuestAddress(0), MEMORY)]).unwrap();
        if let Ok(chain) = parse(&descriptors, &table) {
            for mut segments in [chain.readable, chain.writable] {
                let total: u64 = segments.parts().iter().map(|(_, length)| u64::from(*length)).sum();
                prop_assert_eq!(total, u64::from(segments.len()));
                for (address, length) in segments.parts() {
                    prop_assert!(address.0 + u64::from(*length) <= MEMORY as u64);
                }
                for take in &takes {
                    let before = segments.len();
                    let taken = segments.take(u32::from(*take));
                    prop_assert_eq!(taken.len() + segments.len(), before);
                    segments.take_last_byte();
                }
                segments.iovecs(&memory);
            }
        }
    }
}
