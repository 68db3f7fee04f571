//! How fast a disk is.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use virtio_drivers::device::blk::{BlkReq, BlkResp, SECTOR_SIZE};

use super::Answer;
use crate::clock;
use crate::text::Words;
use crate::virtio::Disk;

/// Most requests at once: the driver has room for 16, each in one descriptor where the device takes tables of them.
const MOST: u64 = 16;
const LARGEST: u64 = 1 << 20;

/// Where the next request goes.
enum Order {
    Sequential(u64),
    Random(u64),
}

impl Order {
    /// The next block of `blocks`.
    fn next(&mut self, blocks: u64) -> u64 {
        match self {
            Self::Sequential(at) => {
                *at += 1;
                (*at - 1) % blocks
            }
            // xorshift64: spread well enough over a disk, and the same blocks on every host.
            Self::Random(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *state % blocks
            }
        }
    }
}

/// A request with its buffers, which stay where they are while the device has them.
pub(super) struct Request {
    head: Box<BlkReq>,
    status: Box<BlkResp>,
    pub(super) data: Vec<u8>,
    pub(super) token: Option<u16>,
}

/// `read|write seq|rand BYTES DEPTH MS`: requests of BYTES, DEPTH of them at once, for MS milliseconds.
pub fn run((disk, capacity): (&mut Disk, u64), words: &mut Words<'_>) -> Answer {
    let write = match words.next("read or write")? {
        "read" => false,
        "write" => true,
        other => return Err(format!("'{other}' is neither read nor write")),
    };
    let mut order = match words.next("seq or rand")? {
        "seq" => Order::Sequential(0),
        "rand" => Order::Random(0x9e37_79b9_7f4a_7c15),
        other => return Err(format!("'{other}' is neither seq nor rand")),
    };
    let bytes = words.number("BYTES")?;
    let (depth, ms) = (words.number("DEPTH")?.clamp(1, MOST), words.number("MS")?);
    let sectors = bytes / SECTOR_SIZE as u64;
    if sectors == 0 || !bytes.is_multiple_of(SECTOR_SIZE as u64) || bytes > LARGEST || sectors > capacity {
        return Err(format!("BYTES must be whole sectors, at most {LARGEST} and no more than the disk has"));
    }
    let mut requests: Vec<Request> = (0..depth).map(|_| Request::new(bytes as usize)).collect();
    let start = clock::now();
    let end = start + ms * 1_000_000;
    let place = |order: &mut Order| order.next(capacity / sectors) * sectors;
    let done = keep_busy(disk, &mut requests, write, end, || place(&mut order));
    if done.is_err() {
        // The device may have some of them still.
        core::mem::forget(requests);
    }
    let us = (clock::now() - start) / 1000;
    done.map(|done| format!("requests={done} bytes={} us={us}", done * bytes))
}

/// Has all of the requests at work until the time is up, and waits for the last. How many were done.
fn keep_busy(
    disk: &mut Disk,
    requests: &mut [Request],
    write: bool,
    end: u64,
    mut place: impl FnMut() -> u64,
) -> Result<u64, String> {
    let (mut done, mut busy) = (0, 0);
    loop {
        let open = clock::now() < end;
        if open {
            for request in requests.iter_mut().filter(|request| request.token.is_none()) {
                request.begin(disk, write, place())?;
                busy += 1;
            }
        }
        while let Some(token) = disk.peek_used() {
            let request = requests.iter_mut().find(|request| request.token == Some(token));
            request.ok_or("the device returned what it was not given")?.end(disk, write)?;
            done += 1;
            busy -= 1;
        }
        if !open && busy == 0 {
            return Ok(done);
        }
        core::hint::spin_loop();
    }
}

impl Request {
    pub(super) fn new(bytes: usize) -> Self {
        Self { head: Box::default(), status: Box::default(), data: vec![0x5a; bytes], token: None }
    }

    pub(super) fn begin(&mut self, disk: &mut Disk, write: bool, sector: u64) -> Result<(), String> {
        let (head, status, sector) = (&mut *self.head, &mut *self.status, sector as usize);
        // SAFETY: the buffers are on the heap and untouched until `end`; where that does not come they are never freed.
        let token = unsafe {
            if write {
                disk.write_blocks_nb(sector, head, &self.data, status)
            } else {
                disk.read_blocks_nb(sector, head, &mut self.data, status)
            }
        };
        self.token = Some(token.map_err(|error| format!("sector {sector}: {error}"))?);
        Ok(())
    }

    pub(super) fn end(&mut self, disk: &mut Disk, write: bool) -> Result<(), String> {
        let Some(token) = self.token.take() else { return Ok(()) };
        let (head, status) = (&*self.head, &mut *self.status);
        // SAFETY: these are what was passed when the token was made.
        let ended = unsafe {
            if write {
                disk.complete_write_blocks(token, head, &self.data, status)
            } else {
                disk.complete_read_blocks(token, head, &mut self.data, status)
            }
        };
        ended.map_err(|error| error.to_string())
    }
}
