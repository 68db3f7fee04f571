//! NUMA nodes, as ACPI tells of them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Answer;
use crate::start_info;

/// Where the tables are.
const SEARCHED: core::ops::Range<u64> = 0xe_0000..0x10_0000;
const HEADER: u64 = 36;

/// `numa`: `cpus=NUMBER:NODE,… memory=NODE:START+BYTES[*],… distances=FROM-TO:DISTANCE,…`; a star is memory that may come later.
pub fn numa() -> Answer {
    let srat = table(b"SRAT").ok_or("this machine has no NUMA nodes")?;
    let (mut cpus, mut memory) = (Vec::new(), Vec::new());
    let (mut at, end) = (srat + HEADER + 12, srat + length(srat));
    while at + 2 <= end && peek::<u8>(at + 1) >= 2 {
        match (peek::<u8>(at), peek::<u32>(at + 4), peek::<u32>(at + 28)) {
            (0, flags, _) if flags & 1 != 0 => {
                let node = [peek(at + 2), peek(at + 9), peek(at + 10), peek(at + 11)];
                cpus.push(format!("{}:{}", peek::<u8>(at + 3), u32::from_le_bytes(node)));
            }
            (1, _, flags) if flags & 1 != 0 => {
                let (node, start, bytes) = (peek::<u32>(at + 2), peek::<u64>(at + 8), peek::<u64>(at + 16));
                let star = if flags & 2 != 0 { "*" } else { "" };
                memory.push(format!("{node}:{start:#x}+{bytes:#x}{star}"));
            }
            _ => {}
        }
        at += u64::from(peek::<u8>(at + 1));
    }
    let distances: Vec<String> = table(b"SLIT").map_or_else(Vec::new, |slit| {
        let count = peek::<u64>(slit + HEADER);
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let distance = |from: u64, to: u64| peek::<u8>(slit + HEADER + 8 + from * count + to);
        pairs.map(|(from, to)| format!("{from}-{to}:{}", distance(from, to))).collect()
    });
    Ok(format!("cpus={} memory={} distances={}", cpus.join(","), memory.join(","), distances.join(",")))
}

/// A table by its signature, all bytes of which add up to nothing.
fn table(signature: &[u8; 4]) -> Option<u64> {
    let rsdp =
        SEARCHED.step_by(16).find(|at| (0..8).map(|offset| peek::<u8>(at + offset)).eq(*b"RSD PTR "))?;
    let xsdt = peek::<u64>(rsdp + 24);
    let mut entries = (xsdt + HEADER..xsdt + length(xsdt)).step_by(8).map(peek::<u64>);
    let found = entries.find(|table| &peek::<[u8; 4]>(*table) == signature)?;
    let sum = (found..found + length(found)).fold(0u8, |sum, at| sum.wrapping_add(peek(at)));
    (sum == 0).then_some(found)
}

fn length(table: u64) -> u64 {
    peek::<u32>(table + 4).into()
}

/// Something in the BIOS area, which is memory that nobody writes to.
fn peek<T: Copy>(address: u64) -> T {
    assert!(SEARCHED.contains(&address), "the tables are in the BIOS area");
    // SAFETY: the address is in the BIOS area, which is mapped; any bytes are a number or an array of them.
    unsafe { start_info::peek(address) }
}
