//! SMBIOS 3.0 of a machine: an entry point where guests search for it, and the structures behind it.
//!
//! | type | what | from |
//! |---|---|---|
//! | 0, 1, 2, 3 | BIOS, system, base board, chassis | the configuration |
//! | 4 | one processor a socket | the topology |
//! | 16, 17, 19 | memory array, its one device, where it is mapped | the memory size |
//! | 32, 127 | boot status, end | |

use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

use crate::config::{BiosInfo, BoardInfo, ChassisInfo, SmbiosConfig, SystemInfo};
use crate::layout;
use crate::memory::Memory;

/// Bytes of the entry point, and where the structures begin after it.
const ENTRY: usize = 24;
const STRUCTURES: u64 = 32;
/// Most processors that are described.
const MAX_PROCESSORS: u32 = 32;
const UNKNOWN: u8 = 2;
const SAFE: u8 = 3;

/// Handles of structures that others point to.
const CHASSIS: u16 = 0x300;
const MEMORY_ARRAY: u16 = 0x1000;

/// What a machine has besides its words.
#[derive(Debug, Clone, Copy)]
pub struct Hardware {
    /// Sockets.
    pub sockets: u32,
    /// Cores of one.
    pub cores: u32,
    /// Threads of one socket.
    pub threads: u32,
    /// Bytes of memory.
    pub memory: u64,
}

/// Writes entry point and structures.
pub fn write(memory: &Memory, config: &SmbiosConfig, hardware: Hardware) -> Result<(), GuestMemoryError> {
    let start = layout::SMBIOS.start;
    let structures = structures(config, hardware);
    let room = layout::SMBIOS.end - start - STRUCTURES;
    assert!(structures.len() as u64 <= room, "bounded strings and processors fit");
    memory.write_slice(&entry(start + STRUCTURES, structures.len() as u32), GuestAddress(start))?;
    memory.write_slice(&structures, GuestAddress(start + STRUCTURES))
}

fn entry(structures: u64, length: u32) -> Vec<u8> {
    let mut bytes = b"_SM3_".to_vec();
    // Checksum, length; version 3.0, revision of the entry point.
    bytes.extend([0, ENTRY as u8, 3, 0, 0, 1, 0]);
    bytes.extend(length.to_le_bytes());
    bytes.extend(structures.to_le_bytes());
    bytes[5] = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    bytes
}

/// One structure and its strings.
struct Structure {
    bytes: Vec<u8>,
    strings: Vec<u8>,
    count: u8,
}

impl Structure {
    fn new(kind: u8, handle: u16) -> Self {
        let mut bytes = vec![kind, 0];
        bytes.extend(handle.to_le_bytes());
        Self { bytes, strings: Vec::new(), count: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    /// The number of a string, 0 for none.
    fn text(&mut self, text: &str) -> &mut Self {
        if text.is_empty() {
            self.bytes.push(0);
            return self;
        }
        self.strings.extend(text.bytes());
        self.strings.push(0);
        self.count += 1;
        self.bytes.push(self.count);
        self
    }

    fn given(&mut self, text: Option<&String>, otherwise: &str) -> &mut Self {
        self.text(text.map_or(otherwise, String::as_str))
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.bytes[1] = self.bytes.len() as u8;
        out.append(&mut self.bytes);
        out.append(&mut self.strings);
        out.extend(if self.count == 0 { &[0, 0][..] } else { &[0] });
    }
}

fn structures(config: &SmbiosConfig, hardware: Hardware) -> Vec<u8> {
    let SmbiosConfig { uuid, bios, system, board, chassis } = config;
    let mut out = Vec::new();
    bios_structure(bios, &mut out);
    system_structure(uuid, system, &mut out);
    board_structure(board, &mut out);
    chassis_structure(chassis, &mut out);
    processors(hardware, &mut out);
    memory_structures(hardware.memory, &mut out);
    // No errors were seen at boot.
    Structure::new(32, 0x2000).put(&[0; 7]).end(&mut out);
    Structure::new(127, 0x7f00).end(&mut out);
    out
}

fn bios_structure(bios: &BiosInfo, out: &mut Vec<u8>) {
    // Characteristics are not told; that it is a virtual machine is.
    const NOT_TOLD: u64 = 1 << 3;
    const VIRTUAL: u8 = 1 << 4;
    let (major, minor) = bios.release.unwrap_or((0xff, 0xff));
    Structure::new(0, 0)
        .given(bios.vendor.as_ref(), "Reeve")
        .given(bios.version.as_ref(), env!("CARGO_PKG_VERSION"))
        .put(&[0, 0])
        .given(bios.date.as_ref(), "01/01/2026")
        .put(&[0])
        .put(&NOT_TOLD.to_le_bytes())
        .put(&[0, VIRTUAL, major, minor, 0xff, 0xff])
        .end(out);
}

fn system_structure(uuid: &[u8; 16], system: &SystemInfo, out: &mut Vec<u8>) {
    const POWER_SWITCH: u8 = 6;
    // The first three fields are little-endian.
    let mut wire = *uuid;
    wire[..4].reverse();
    wire[4..6].reverse();
    wire[6..8].reverse();
    Structure::new(1, 0x100)
        .given(system.manufacturer.as_ref(), "Reeve")
        .given(system.product.as_ref(), "KVM guest")
        .given(system.version.as_ref(), "")
        .given(system.serial.as_ref(), "")
        .put(&wire)
        .put(&[POWER_SWITCH])
        .given(system.sku.as_ref(), "")
        .given(system.family.as_ref(), "")
        .end(out);
}

fn board_structure(board: &BoardInfo, out: &mut Vec<u8>) {
    if *board == BoardInfo::default() {
        return;
    }
    const HOSTING: u8 = 1;
    const MOTHERBOARD: u8 = 10;
    Structure::new(2, 0x200)
        .given(board.manufacturer.as_ref(), "Reeve")
        .given(board.product.as_ref(), "")
        .given(board.version.as_ref(), "")
        .given(board.serial.as_ref(), "")
        .given(board.asset.as_ref(), "")
        .put(&[HOSTING])
        .given(board.location.as_ref(), "")
        .put(&CHASSIS.to_le_bytes())
        .put(&[MOTHERBOARD, 0])
        .end(out);
}

fn chassis_structure(chassis: &ChassisInfo, out: &mut Vec<u8>) {
    const OTHER: u8 = 1;
    Structure::new(3, CHASSIS)
        .given(chassis.manufacturer.as_ref(), "Reeve")
        .put(&[OTHER])
        .given(chassis.version.as_ref(), "")
        .given(chassis.serial.as_ref(), "")
        .given(chassis.asset.as_ref(), "")
        .put(&[SAFE, SAFE, SAFE, UNKNOWN])
        .put(&[0; 8])
        .given(chassis.sku.as_ref(), "")
        .end(out);
}

fn processors(hardware: Hardware, out: &mut Vec<u8>) {
    const CENTRAL: u8 = 3;
    const OTHER: u8 = 1;
    const ENABLED: u8 = 0x41;
    const NO_CACHE: [u8; 2] = [0xff, 0xff];
    let (cores, threads) = (hardware.cores, hardware.threads);
    let byte = |count: u32| u8::try_from(count).unwrap_or(0xff);
    for socket in 0..hardware.sockets.clamp(1, MAX_PROCESSORS) {
        let mut structure = Structure::new(4, 0x400 + socket as u16);
        structure
            .text(&format!("CPU {socket}"))
            .put(&[CENTRAL, OTHER])
            .text("Reeve")
            .put(&[0; 8])
            .text("virtual")
            .put(&[0])
            // Clocks are not told.
            .put(&[0; 6])
            .put(&[ENABLED, OTHER]);
        (0..3).for_each(|_| {
            structure.put(&NO_CACHE);
        });
        structure.put(&[0, 0, 0, byte(cores), byte(cores), byte(threads)]).put(&[4, 0]).put(&[OTHER, 0]);
        for count in [cores, cores, threads] {
            structure.put(&(count as u16).to_le_bytes());
        }
        structure.end(out);
    }
}

fn memory_structures(bytes: u64, out: &mut Vec<u8>) {
    const OTHER: u8 = 1;
    const SYSTEM_MEMORY: u8 = 3;
    const NO_CORRECTION: u8 = 3;
    const NO_ERROR: [u8; 2] = [0xfe, 0xff];
    const EXTENDED: u32 = 0x8000_0000;
    const DIMM: u8 = 9;
    const RAM: u8 = 7;
    let kib = bytes >> 10;
    let mut array = Structure::new(16, MEMORY_ARRAY);
    array.put(&[OTHER, SYSTEM_MEMORY, NO_CORRECTION]);
    match u32::try_from(kib).ok().filter(|kib| *kib < EXTENDED) {
        Some(kib) => array.put(&kib.to_le_bytes()).put(&NO_ERROR).put(&[1, 0]).put(&[0; 8]),
        None => array.put(&EXTENDED.to_le_bytes()).put(&NO_ERROR).put(&[1, 0]).put(&bytes.to_le_bytes()),
    };
    array.end(out);
    let mib = (bytes >> 20) as u32;
    let (size, extended) = match u16::try_from(mib).ok().filter(|mib| *mib < 0x7fff) {
        Some(mib) => (mib, 0),
        None => (0x7fff, mib),
    };
    Structure::new(17, 0x1100)
        .put(&MEMORY_ARRAY.to_le_bytes())
        .put(&NO_ERROR)
        .put(&[0xff, 0xff, 0xff, 0xff])
        .put(&size.to_le_bytes())
        .put(&[DIMM, 0])
        .text("DIMM 0")
        .put(&[0])
        .put(&[RAM, 2, 0, 0, 0])
        .text("Reeve")
        .put(&[0, 0, 0, 0])
        .put(&extended.to_le_bytes())
        .put(&[0; 8])
        .end(out);
    for (number, (start, length)) in (0..).zip(layout::ram_ranges(bytes)) {
        Structure::new(19, 0x1300 + number)
            // Addresses in KiB do not reach beyond 4 TiB, and no guest does.
            .put(&((start >> 10) as u32).to_le_bytes())
            .put(&(((start + length) >> 10) as u32 - 1).to_le_bytes())
            .put(&MEMORY_ARRAY.to_le_bytes())
            .put(&[1])
            .put(&[0; 16])
            .end(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MemoryConfig;

    /// Structures as type, bytes and strings.
    fn parse(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>, Vec<String>)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = usize::from(bytes[1]);
            let (structure, rest) = bytes.split_at(length);
            let end = rest.windows(2).position(|pair| pair == [0, 0]).expect("strings end");
            let strings = rest[..end].split(|byte| *byte == 0).filter(|text| !text.is_empty());
            let strings = strings.map(|text| String::from_utf8(text.to_vec()).unwrap()).collect();
            found.push((structure[0], structure.to_vec(), strings));
            bytes = &rest[end + 2..];
        }
        found
    }

    fn written(config: &SmbiosConfig, hardware: Hardware) -> Vec<(u8, Vec<u8>, Vec<String>)> {
        let memory = MemoryConfig {
            bytes: 4 << 20,
            mergeable: false,
            hugepages: None,
            locked: false,
            numa: None,
            shared: false,
            cells: Vec::new(),
        };
        let memory = crate::memory::allocate(&memory).unwrap();
        write(&memory, config, hardware).unwrap();
        let mut entry = [0; ENTRY];
        memory.read_slice(&mut entry, GuestAddress(layout::SMBIOS.start)).unwrap();
        assert_eq!((&entry[..5], entry[6], entry[7]), (&b"_SM3_"[..], 24, 3));
        assert_eq!(entry.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        assert!(layout::SMBIOS.start >= 0xf_0000 && layout::SMBIOS.start.is_multiple_of(16));
        let length = u32::from_le_bytes(entry[12..16].try_into().unwrap()) as usize;
        let mut bytes = vec![0; length];
        let address = u64::from_le_bytes(entry[16..].try_into().unwrap());
        memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
        parse(&bytes)
    }

    #[test]
    fn the_words_of_the_configuration_are_there_and_the_uuid_is_in_wire_order() {
        let given = |text: &str| Some(text.to_owned());
        let config = SmbiosConfig {
            uuid: std::array::from_fn(|at| at as u8),
            bios: BiosInfo { vendor: given("LENOVO"), release: Some((4, 2)), ..BiosInfo::default() },
            system: SystemInfo { manufacturer: given("Fedora"), family: given("f"), ..SystemInfo::default() },
            board: BoardInfo { product: given("b"), ..BoardInfo::default() },
            chassis: ChassisInfo { asset: given("c"), ..ChassisInfo::default() },
        };
        let hardware = Hardware { sockets: 2, cores: 4, threads: 8, memory: 6 << 30 };
        let found = written(&config, hardware);
        let kinds: Vec<u8> = found.iter().map(|(kind, ..)| *kind).collect();
        assert_eq!(kinds, [0, 1, 2, 3, 4, 4, 16, 17, 19, 19, 32, 127]);
        let lengths: Vec<usize> = found.iter().map(|(_, bytes, _)| bytes.len()).collect();
        assert_eq!(lengths, [24, 27, 15, 22, 48, 48, 23, 40, 31, 31, 11, 4]);
        assert_eq!(found[0].2[0], "LENOVO");
        assert_eq!(found[0].1[20..22], [4, 2]);
        assert_eq!(found[1].2, ["Fedora", "KVM guest", "f"]);
        assert_eq!(found[1].1[8..24], [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(
            (found[2].2.as_slice(), found[3].2.last()),
            (&["Reeve".into(), "b".into()][..], Some(&"c".into()))
        );
        assert_eq!(found[4].1[35..38], [4, 4, 8]);
        assert_eq!(u16::from_le_bytes([found[7].1[12], found[7].1[13]]), 6 << 10);
        assert_eq!(found[9].1[4..8], (4u32 << 20).to_le_bytes(), "above the hole");
    }

    #[test]
    fn the_longest_words_and_the_largest_machine_fit() {
        let word = || Some("w".repeat(64));
        let config = SmbiosConfig {
            uuid: [0xff; 16],
            bios: BiosInfo { vendor: word(), version: word(), date: word(), release: None },
            system: SystemInfo {
                manufacturer: word(),
                product: word(),
                version: word(),
                serial: word(),
                sku: word(),
                family: word(),
            },
            board: BoardInfo {
                manufacturer: word(),
                product: word(),
                version: word(),
                serial: word(),
                asset: word(),
                location: word(),
            },
            chassis: ChassisInfo {
                manufacturer: word(),
                version: word(),
                serial: word(),
                asset: word(),
                sku: word(),
            },
        };
        let hardware = Hardware { sockets: 254, cores: 300, threads: 600, memory: 1 << 40 };
        let found = written(&config, hardware);
        assert_eq!(found.iter().filter(|(kind, ..)| *kind == 4).count(), 32);
        assert_eq!(found[36..40].iter().map(|(kind, ..)| *kind).collect::<Vec<_>>(), [16, 17, 19, 19]);
        let plain = written(
            &SmbiosConfig::default(),
            Hardware { sockets: 1, cores: 1, threads: 1, memory: 64 << 20 },
        );
        assert!(plain.iter().all(|(kind, ..)| *kind != 2), "nobody asked for a board");
    }
}
