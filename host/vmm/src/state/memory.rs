//! Guest memory over a stream: runs of pages that are not zero, in order of addresses.
//!
//! The body of a frame is the address (u64) and the pages. Nothing is copied on this side of the stream: pages are written
//! from where they are and read to where they belong.

use std::io::{Read, Write};
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use vm_memory::mmap::GuestRegionMmap;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

use super::section::{Header, Kind, checksum, read_exact, write_all};
use super::{PAGE, StateError};
use crate::memory::{DeviceWrites, Memory};

/// Most bytes of pages in a frame.
const BLOCK: usize = 1 << 20;
const ADDRESS: u64 = 8;

/// How far a transfer is. Shared with whoever watches it or wants it to end.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of guest memory that were looked at.
    done: AtomicU64,
    /// Bytes of pages that were not zero.
    data: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Bytes of guest memory that are done, zero pages too.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Bytes of guest memory that went over the stream.
    pub fn data(&self) -> u64 {
        self.data.load(Ordering::Relaxed)
    }

    /// Ends it at the next block, with [`StateError::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// So many bytes of pages that are not zero were written.
    pub(crate) fn add_data(&self, bytes: usize) {
        self.data.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// So many bytes of guest memory are done; an error when nobody wants the rest.
    pub(crate) fn advance(&self, bytes: usize) -> Result<(), StateError> {
        self.done.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.cancelled.load(Ordering::Relaxed) { Err(StateError::Cancelled) } else { Ok(()) }
    }
}

/// Writes all of guest memory. The machine stands still, its devices too: nobody writes to it meanwhile.
pub fn write_memory(memory: &Memory, out: &mut impl Write, progress: &Progress) -> Result<(), StateError> {
    for region in memory.iter() {
        let start = region.start_addr().0;
        for (block, bytes) in contents(region).chunks(BLOCK).enumerate() {
            let address = start + (block * BLOCK) as u64;
            for run in runs(bytes) {
                write_pages(out, address + run.start as u64, &bytes[run.clone()])?;
                progress.add_data(run.len());
            }
            progress.advance(bytes.len())?;
        }
    }
    let header = Header { kind: Kind::MemoryEnd, length: 0, checksum: checksum([]) };
    write_all(out, &header.to_bytes())
}

/// Writes one frame of pages.
fn write_pages(out: &mut impl Write, address: u64, pages: &[u8]) -> Result<(), StateError> {
    let place = address.to_le_bytes();
    let checksum = checksum([&place[..], pages]);
    let header = Header { kind: Kind::Pages, length: ADDRESS + pages.len() as u64, checksum };
    let mut head = header.to_bytes().to_vec();
    head.extend(place);
    write_all(out, &head)?;
    write_all(out, pages)
}

/// Fills guest memory, which is all zero, up to the end of what was written. Nobody uses it meanwhile. After an error it has
/// some of both.
pub fn read_memory(memory: &Memory, input: &mut impl Read, progress: &Progress) -> Result<(), StateError> {
    let mut next = 0;
    loop {
        let header = Header::read(input, ADDRESS + BLOCK as u64)?;
        match header.kind {
            Kind::MemoryEnd if header.length == 0 => return Ok(()),
            Kind::Pages if header.length > ADDRESS => {}
            Kind::Pages | Kind::MemoryEnd => {
                return Err(StateError::Length { kind: header.kind as u32, length: header.length });
            }
            other => return Err(StateError::Order { expected: Kind::Pages as u32, found: other as u32 }),
        }
        let mut place = [0; ADDRESS as usize];
        read_exact(input, &mut place)?;
        let (address, length) = (u64::from_le_bytes(place), header.length - ADDRESS);
        let pages = pages_at(memory, address, length).filter(|_| address >= next);
        let pages = pages.ok_or(StateError::Pages { address, length })?;
        read_exact(input, pages)?;
        if checksum([&place[..], pages]) != header.checksum {
            return Err(StateError::Checksum(header.kind as u32));
        }
        next = address + length;
        progress.add_data(length as usize);
        progress.advance(length as usize)?;
    }
}

/// Ranges of pages that are not zero.
pub(crate) fn runs(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (number, page) in bytes.chunks(PAGE).enumerate() {
        if is_zero(page) {
            continue;
        }
        let start = number * PAGE;
        match runs.last_mut() {
            Some(last) if last.end == start => last.end += page.len(),
            _ => runs.push(start..start + page.len()),
        }
    }
    runs
}

fn is_zero(page: &[u8]) -> bool {
    // SAFETY: any bytes are valid as u128.
    let (head, words, tail) = unsafe { page.align_to::<u128>() };
    let none = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    none(head)
        && none(tail)
        && words.chunks(16).all(|words| words.iter().fold(0, |all, word| all | word) == 0)
}

/// The bytes of a region.
fn contents(region: &GuestRegionMmap<DeviceWrites>) -> &[u8] {
    // SAFETY: the mapping lives as long as the region that is borrowed. The machine stands still and its devices are
    // stopped, as `write_memory` demands, so nobody writes to it meanwhile.
    unsafe { slice::from_raw_parts(region.as_ptr(), region.len() as usize) }
}

/// Whole pages of guest memory. None when they are not all of one region.
// One reference at a time: the caller gives it up before it asks for the next.
#[allow(clippy::mut_from_ref)]
fn pages_at(memory: &Memory, address: u64, length: u64) -> Option<&mut [u8]> {
    let whole = |number: u64| number.is_multiple_of(PAGE as u64);
    let region = memory.find_region(GuestAddress(address))?;
    let offset = address - region.start_addr().0;
    let fits = whole(address) && whole(length) && length <= region.len() - offset;
    // SAFETY: the range is within the mapping of a region that is borrowed. Nobody uses guest memory meanwhile, as
    // `read_memory` demands, and the reference ends before the next is made.
    fits.then(|| unsafe { slice::from_raw_parts_mut(region.as_ptr().add(offset as usize), length as usize) })
}
