//! NUMA nodes as ACPI tells of them: which processors and which memory is near what (SRAT), and how far nodes are from each other (SLIT).

use acpi_tables::sdt::Sdt;

use super::{OEM, REVISION, TABLE};
use crate::config::Numa;

const SRAT_REVISION: u8 = 3;
const ENABLED: u32 = 1;
/// Memory that may come later.
const HOT_PLUGGABLE: u32 = 2;

/// Which node each processor that there can be, and each range of memory, is of (ACPI 6.5, 5.2.16).
pub(super) fn srat(numa: &Numa, max_vcpus: u32) -> Sdt {
    let mut body = Vec::new();
    body.extend(1u32.to_le_bytes());
    body.extend(0u64.to_le_bytes());
    for id in 0..max_vcpus {
        let node = numa.node_of(id).unwrap_or(0).to_le_bytes();
        // Local APIC: type, length, the node's low byte, APIC id, flags, SAPIC, the node's other bytes, clock domain.
        body.extend([0, 16, node[0], id as u8]);
        body.extend(ENABLED.to_le_bytes());
        body.extend([0, node[1], node[2], node[3], 0, 0, 0, 0]);
    }
    for range in &numa.ranges {
        let flags = if range.pluggable { ENABLED | HOT_PLUGGABLE } else { ENABLED };
        body.extend([1, 40]);
        body.extend(range.node.to_le_bytes());
        body.extend([0; 2]);
        body.extend(range.start.to_le_bytes());
        body.extend(range.bytes.to_le_bytes());
        body.extend([0; 4]);
        body.extend(flags.to_le_bytes());
        body.extend([0; 8]);
    }
    table(*b"SRAT", SRAT_REVISION, &body)
}

/// Distances from each node to each (ACPI 6.5, 5.2.17).
pub(super) fn slit(numa: &Numa) -> Sdt {
    let mut body = (numa.cells.len() as u64).to_le_bytes().to_vec();
    numa.cells.iter().for_each(|cell| body.extend(&cell.distances));
    table(*b"SLIT", 1, &body)
}

fn table(signature: [u8; 4], revision: u8, body: &[u8]) -> Sdt {
    let mut table = Sdt::new(signature, 36, revision, OEM, TABLE, REVISION);
    table.append_slice(body);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CellConfig, NodeRange};

    fn numa() -> Numa {
        let cell = |vcpus: &[u32], distances: [u8; 2]| CellConfig {
            bytes: 4 << 30,
            vcpus: vcpus.to_vec(),
            distances: distances.to_vec(),
            numa: None,
        };
        let range = |node, start, bytes, pluggable| NodeRange { node, start, bytes, pluggable };
        Numa {
            cells: vec![cell(&[0, 2], [10, 31]), cell(&[1], [32, 10])],
            ranges: vec![
                range(0, 0, 3 << 30, false),
                range(0, 4 << 30, 1 << 30, false),
                range(1, 5 << 30, 4 << 30, false),
                range(1, 9 << 30, 1 << 30, true),
            ],
        }
    }

    #[test]
    fn processors_and_memory_are_of_their_nodes() {
        let srat = srat(&numa(), 4);
        let bytes = srat.as_slice();
        assert_eq!((&bytes[..4], bytes[8], bytes.len()), (b"SRAT".as_slice(), 3, 48 + 4 * 16 + 4 * 40));
        assert_eq!(bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        let processors: Vec<_> =
            bytes[48..112].chunks(16).map(|entry| (entry[3], entry[2], entry[4])).collect();
        // The last is of no node by its document, and so of the first.
        assert_eq!(processors, [(0, 0, 1), (1, 1, 1), (2, 0, 1), (3, 0, 1)]);
        let word = |entry: &[u8], at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().unwrap());
        let memory: Vec<_> = bytes[112..]
            .chunks(40)
            .map(|entry| (entry[2], word(entry, 8) >> 30, word(entry, 16) >> 30, entry[28]))
            .collect();
        assert_eq!(memory, [(0, 0, 3, 1), (0, 4, 1, 1), (1, 5, 4, 1), (1, 9, 1, 3)]);
    }

    #[test]
    fn distances_are_those_from_each_to_each() {
        let slit = slit(&numa());
        assert_eq!(&slit.as_slice()[36..], [2, 0, 0, 0, 0, 0, 0, 0, 10, 31, 32, 10]);
    }

    #[test]
    fn no_nodes_are_no_word_about_a_processor() {
        assert_eq!(Numa::default().node_of(0), None);
        assert_eq!(numa().node_of(1), Some(1));
    }
}
