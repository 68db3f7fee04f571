//! Disks.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use virtio_drivers::device::blk::SECTOR_SIZE;

use super::{Answer, disk_bench, disk_churn};
use crate::clock;
use crate::console::Origin;
use crate::machine::Machine;
use crate::text::{FNV_START, Words, fnv1a};
use crate::virtio::Disk;

/// Sectors in one request.
const CHUNK: u64 = 256;

/// `disk VERB N …` on disk N: `info`, `blocks` (their sizes, geometry, and how it is notified), `read N SECTOR [COUNT]` (checksum and first bytes), `write N SECTOR COUNT
/// PATTERN`, `put N SECTOR TEXT`, `sum N [SECTOR COUNT]` (checksum of a part or all), `flush N`, `bench N …` (how fast it is), and
/// `churn …` on all of them.
pub fn execute(machine: &mut Machine, origin: Origin, words: &mut Words<'_>) -> Answer {
    let verb = words.next("info, blocks, read, write, put, sum, flush, bench or churn")?;
    if verb == "churn" {
        return disk_churn::run(machine, origin, words);
    }
    let index = words.number("N")?;
    let count = machine.disks.len();
    let slot =
        machine.disks.get_mut(index as usize).ok_or_else(|| format!("there are only {count} disks"))?;
    if verb == "blocks" {
        let blocks = slot.blocks().ok_or("it does not say")?;
        let geometry = blocks.geometry.map_or_else(
            || "none".to_string(),
            |(cylinders, heads, sectors)| format!("{cylinders}/{heads}/{sectors}"),
        );
        let event_idx = if blocks.event_idx { "yes" } else { "no" };
        return Ok(format!(
            "logical={} physical={} discard={} geometry={geometry} event_idx={event_idx}",
            blocks.logical, blocks.physical, blocks.discard
        ));
    }
    let (capacity, disk) = (slot.capacity(), &mut slot.device);
    match verb {
        "info" => info(disk, slot.slot, capacity),
        "read" => {
            let (sector, count) = (words.number("SECTOR")?, words.number_or("COUNT", 1)?);
            let mut head = Vec::new();
            let (sum, us) = read((disk, capacity), sector, count, |bytes| {
                if head.is_empty() {
                    head.extend_from_slice(&bytes[..32]);
                }
            })?;
            Ok(format!("sum={sum:016x} us={us} text={}", printable(&head)))
        }
        "sum" => {
            let sector = words.number_or("SECTOR", 0)?;
            let rest = capacity.saturating_sub(sector);
            let (sum, us) = read((disk, capacity), sector, words.number_or("COUNT", rest)?, |_| {})?;
            Ok(format!("sum={sum:016x} us={us}"))
        }
        "write" => {
            let (sector, count) = (words.number("SECTOR")?, words.number("COUNT")?);
            write((disk, capacity), sector, count, words.number("PATTERN")?)
        }
        "put" => {
            let sector = words.number("SECTOR")?;
            let text = words.next("TEXT")?.as_bytes();
            let mut block = [0u8; SECTOR_SIZE];
            let length = text.len().min(SECTOR_SIZE);
            block[..length].copy_from_slice(&text[..length]);
            check(capacity, sector, 1)?;
            disk.write_blocks(sector as usize, &block).map_err(|error| error.to_string())?;
            Ok(String::new())
        }
        "flush" => disk.flush().map(|()| String::new()).map_err(|error| error.to_string()),
        "bench" => disk_bench::run((disk, capacity), words),
        other => Err(format!("there is no 'disk {other}'")),
    }
}

fn info(disk: &mut Disk, slot: u8, capacity: u64) -> Answer {
    let mut id = [0u8; 20];
    let length = disk.device_id(&mut id).unwrap_or(0);
    let access = if disk.readonly() { "ro" } else { "rw" };
    Ok(format!("sectors={capacity} access={access} slot={slot} id={}", printable(&id[..length])))
}

/// Reads in chunks; checksum and microseconds.
fn read(
    (disk, capacity): (&mut Disk, u64),
    sector: u64,
    count: u64,
    mut look: impl FnMut(&[u8]),
) -> Result<(u64, u64), String> {
    check(capacity, sector, count)?;
    let mut buffer = vec![0u8; CHUNK as usize * SECTOR_SIZE];
    let (mut sum, mut us) = (FNV_START, 0);
    for (at, sectors) in chunks(sector, count) {
        let part = &mut buffer[..sectors * SECTOR_SIZE];
        let start = clock::now();
        disk.read_blocks(at as usize, part).map_err(|error| format!("sector {at}: {error}"))?;
        us += (clock::now() - start) / 1000;
        sum = fnv1a(sum, part);
        look(part);
    }
    Ok((sum, us))
}

/// Fills sectors with a word mixed with each sector's number.
fn write((disk, capacity): (&mut Disk, u64), sector: u64, count: u64, pattern: u64) -> Answer {
    check(capacity, sector, count)?;
    let mut buffer = vec![0u8; CHUNK as usize * SECTOR_SIZE];
    let (mut sum, mut us) = (FNV_START, 0);
    for (at, sectors) in chunks(sector, count) {
        let part = &mut buffer[..sectors * SECTOR_SIZE];
        for (number, block) in (at..).zip(part.chunks_exact_mut(SECTOR_SIZE)) {
            block
                .chunks_exact_mut(8)
                .for_each(|word| word.copy_from_slice(&(pattern ^ number).to_le_bytes()));
        }
        let start = clock::now();
        disk.write_blocks(at as usize, part).map_err(|error| format!("sector {at}: {error}"))?;
        us += (clock::now() - start) / 1000;
        sum = fnv1a(sum, part);
    }
    Ok(format!("sum={sum:016x} us={us}"))
}

fn check(capacity: u64, sector: u64, count: u64) -> Result<(), String> {
    match sector.checked_add(count) {
        Some(end) if end <= capacity && count > 0 => Ok(()),
        _ => Err(format!("the disk has {capacity} sectors")),
    }
}

fn chunks(sector: u64, count: u64) -> impl Iterator<Item = (u64, usize)> {
    let end = sector + count;
    (sector..end).step_by(CHUNK as usize).map(move |at| (at, (end - at).min(CHUNK) as usize))
}

fn printable(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes[..end].iter().map(|&byte| if byte.is_ascii_graphic() { byte.into() } else { '.' }).collect()
}
