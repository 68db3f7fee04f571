//! All disks at work at once, and whether they hold what was written.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use virtio_drivers::device::blk::SECTOR_SIZE;

use super::Answer;
use super::disk_bench::Request;
use crate::console::Origin;
use crate::machine::Machine;
use crate::text::Words;
use crate::virtio::Disk;

/// Requests of a disk at once.
const DEPTH: usize = 8;
const BLOCK: usize = 4096;
const SECTORS: u64 = (BLOCK / SECTOR_SIZE) as u64;
/// Most blocks of a disk that are used.
const MOST_BLOCKS: u64 = 256;
/// Larger than any number of blocks, and a prime: multiples of it come by all of them.
const STRIDE: u64 = 7919;

/// One disk with its requests, which stay where they are while the device has them.
struct Churned<'a> {
    number: usize,
    disk: &'a mut Disk,
    blocks: u64,
    begun: u64,
    requests: Vec<(Request, u64)>,
}

/// `churn ROUNDS PATTERN`: writes other words to the first blocks of every disk in every round, DEPTH requests at once on each, and reads all of
/// it again.
pub fn run(machine: &mut Machine, origin: Origin, words: &mut Words<'_>) -> Answer {
    let (rounds, pattern) = (words.number("ROUNDS")?, words.number("PATTERN")?);
    machine.consoles.say(origin, "reeve-guest: churning");
    let slots = machine.disks.iter_mut().enumerate();
    let mut disks: Vec<Churned<'_>> = slots
        .filter_map(|(number, slot)| {
            let blocks = (slot.capacity() / SECTORS).min(MOST_BLOCKS);
            let writable = blocks > 0 && !slot.device.readonly();
            let requests = (0..DEPTH).map(|_| (Request::new(BLOCK), 0)).collect();
            writable.then_some(Churned { number, disk: &mut slot.device, blocks, begun: 0, requests })
        })
        .collect();
    let mut verified = 0;
    for round in 0..rounds {
        let words = pattern.wrapping_add(round);
        let done = pass(&mut disks, words, true).and_then(|_| pass(&mut disks, words, false));
        match done {
            Ok(blocks) => verified += blocks,
            Err(error) => {
                // The devices may have some of the requests still.
                core::mem::forget(disks);
                return Err(error);
            }
        }
    }
    Ok(format!("verified={verified} disks={}", disks.len()))
}

/// Writes or reads all blocks of all disks; how many there are.
fn pass(disks: &mut [Churned<'_>], pattern: u64, write: bool) -> Result<u64, String> {
    disks.iter_mut().for_each(|disk| disk.begun = 0);
    loop {
        let mut busy = false;
        for disk in disks.iter_mut() {
            busy |= disk.go_on(pattern, write).map_err(|error| format!("disk {}: {error}", disk.number))?;
        }
        if !busy {
            return Ok(disks.iter().map(|disk| disk.blocks).sum());
        }
        core::hint::spin_loop();
    }
}

impl Churned<'_> {
    /// Takes what is done and begins more; whether there is something left to do.
    fn go_on(&mut self, pattern: u64, write: bool) -> Result<bool, String> {
        let Self { number, disk, blocks, begun, requests } = self;
        let words = |sector: u64| pattern ^ sector ^ (*number as u64) << 56;
        while let Some(token) = disk.peek_used() {
            let found = requests.iter_mut().find(|(request, _)| request.token == Some(token));
            let (request, sector) = found.ok_or("the device returned what it was not given")?;
            request.end(disk, write)?;
            if !write {
                let expected = words(*sector).to_le_bytes();
                if let Some(at) = request.data.chunks_exact(8).position(|word| word != expected) {
                    return Err(format!("sector {sector}: word {at} is not what was written"));
                }
            }
        }
        for (request, sector) in requests.iter_mut().filter(|(request, _)| request.token.is_none()) {
            if begun == blocks {
                break;
            }
            *sector = *begun * STRIDE % *blocks * SECTORS;
            let word = if write { words(*sector) } else { 0 };
            request.data.chunks_exact_mut(8).for_each(|place| place.copy_from_slice(&word.to_le_bytes()));
            request.begin(disk, write, *sector)?;
            *begun += 1;
        }
        Ok(requests.iter().any(|(request, _)| request.token.is_some()))
    }
}
