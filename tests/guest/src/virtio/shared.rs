//! Directories of the host (5.11 of the specification): a client of FUSE, as far as files of the top directory need it.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport as _};

use super::dma::Identity;
use super::transport::Transport;
use crate::clock;

/// Requests that others must not wait for; there are none here.
const URGENT: u16 = 0;
const REQUESTS: u16 = 1;
const QUEUE: usize = 16;
const EVENT_IDX: u64 = 1 << 29;
const VERSION_1: u64 = 1 << 32;
const TAG: usize = 36;

const LOOKUP: u32 = 1;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const RELEASE: u32 = 18;
const INIT: u32 = 26;
const CREATE: u32 = 35;
const ROOT: u64 = 1;
const PROTOCOL: (u32, u32) = (7, 31);
const IN_HEADER: usize = 40;
const OUT_HEADER: usize = 16;
/// What an entry has: node, times, attributes.
const ENTRY: usize = 128;
const O_RDWR: u32 = 2;
const O_CREAT: u32 = 0o100;
const O_TRUNC: u32 = 0o1000;
/// What is said where there is no file of a name.
const NO_FILE: &str = "errno=2";
const MODE: u32 = 0o100_644;
/// Most bytes of a read or a write.
const PIECE: usize = 64 << 10;
const PATIENCE: u64 = 15_000_000_000;
const MS: u64 = 1_000_000;

/// A directory of the host.
pub struct Shared {
    transport: Transport,
    /// It stays, so that its memory does.
    _urgent: VirtQueue<Identity, QUEUE>,
    queue: VirtQueue<Identity, QUEUE>,
    unique: u64,
    greeted: bool,
    /// A request was not answered, and its buffers may still be written.
    stuck: bool,
}

/// A file that is open.
struct Open {
    node: u64,
    handle: u64,
    bytes: u64,
}

impl Shared {
    /// Starts the device; who serves it is greeted with the first request.
    pub fn new(mut transport: Transport) -> virtio_drivers::Result<Self> {
        transport.set_status(DeviceStatus::empty());
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER);
        let features = transport.read_device_features() & (EVENT_IDX | VERSION_1);
        transport.write_driver_features(features);
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER | DeviceStatus::FEATURES_OK);
        let events = features & EVENT_IDX != 0;
        let urgent = VirtQueue::new(&mut transport, URGENT, false, events)?;
        let queue = VirtQueue::new(&mut transport, REQUESTS, false, events)?;
        transport.finish_init();
        Ok(Self { transport, _urgent: urgent, queue, unique: 0, greeted: false, stuck: false })
    }

    /// What it is mounted by, and how many queues it has for requests.
    pub fn place(&self) -> (String, u32) {
        let bytes = (0..TAG).map(|offset| self.transport.read_config_space::<u8>(offset).unwrap_or(0));
        let tag: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
        let queues = self.transport.read_config_space::<u32>(TAG).unwrap_or(0);
        (String::from_utf8_lossy(&tag).into_owned(), queues)
    }

    /// All bytes of a file.
    pub fn read(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let entry = self.request(LOOKUP, ROOT, &[name.as_bytes(), &[0]], ENTRY)?;
        let (node, bytes) = (number(&entry, 0), number(&entry, 48));
        let opened = self.request(OPEN, node, &[&[0; 8]], 16)?;
        let file = Open { node, handle: number(&opened, 0), bytes };
        let mut all = Vec::new();
        while (all.len() as u64) < file.bytes {
            let mut arguments = [0; 40];
            arguments[..8].copy_from_slice(&file.handle.to_le_bytes());
            arguments[8..16].copy_from_slice(&(all.len() as u64).to_le_bytes());
            arguments[16..20].copy_from_slice(&(PIECE as u32).to_le_bytes());
            let piece = self.request(READ, file.node, &[&arguments], PIECE)?;
            if piece.is_empty() {
                break;
            }
            all.extend(piece);
        }
        self.release(&file)?;
        Ok(all)
    }

    /// Makes a file of these bytes, in the place of what it had.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), String> {
        // As Linux does: only what is not there is created.
        let file = match self.request(LOOKUP, ROOT, &[name.as_bytes(), &[0]], ENTRY) {
            Ok(entry) => {
                let (node, mut arguments) = (number(&entry, 0), [0; 8]);
                arguments[..4].copy_from_slice(&(O_RDWR | O_TRUNC).to_le_bytes());
                let opened = self.request(OPEN, node, &[&arguments], 16)?;
                Open { node, handle: number(&opened, 0), bytes: 0 }
            }
            Err(error) if error == NO_FILE => {
                let mut arguments = [0; 16];
                arguments[..4].copy_from_slice(&(O_RDWR | O_CREAT).to_le_bytes());
                arguments[4..8].copy_from_slice(&MODE.to_le_bytes());
                let made = self.request(CREATE, ROOT, &[&arguments, name.as_bytes(), &[0]], ENTRY + 16)?;
                Open { node: number(&made, 0), handle: number(&made, ENTRY), bytes: 0 }
            }
            Err(error) => return Err(error),
        };
        for (at, piece) in (0u64..).step_by(PIECE).zip(bytes.chunks(PIECE)) {
            let mut arguments = [0; 40];
            arguments[..8].copy_from_slice(&file.handle.to_le_bytes());
            arguments[8..16].copy_from_slice(&at.to_le_bytes());
            arguments[16..20].copy_from_slice(&(piece.len() as u32).to_le_bytes());
            let answer = self.request(WRITE, file.node, &[&arguments, piece], 8)?;
            let written = number(&answer, 0) as u32;
            if written as usize != piece.len() {
                return Err(format!("{written} bytes of {} were written", piece.len()));
            }
        }
        self.release(&file)
    }

    fn release(&mut self, file: &Open) -> Result<(), String> {
        let mut arguments = [0; 24];
        arguments[..8].copy_from_slice(&file.handle.to_le_bytes());
        self.request(RELEASE, file.node, &[&arguments], 0).map(drop)
    }

    fn request(&mut self, code: u32, node: u64, arguments: &[&[u8]], most: usize) -> Result<Vec<u8>, String> {
        if !self.greeted {
            let mut greeting = [0; 16];
            greeting[..4].copy_from_slice(&PROTOCOL.0.to_le_bytes());
            greeting[4..8].copy_from_slice(&PROTOCOL.1.to_le_bytes());
            self.ask(INIT, 0, &[&greeting], 64)?;
            self.greeted = true;
        }
        self.ask(code, node, arguments, most)
    }

    /// One request and its answer without the header.
    fn ask(&mut self, code: u32, node: u64, arguments: &[&[u8]], most: usize) -> Result<Vec<u8>, String> {
        if self.stuck {
            return Err("nobody serves it".to_string());
        }
        self.unique += 2;
        let length = IN_HEADER + arguments.iter().map(|part| part.len()).sum::<usize>();
        let mut header = vec![0; IN_HEADER];
        header[..4].copy_from_slice(&(length as u32).to_le_bytes());
        header[4..8].copy_from_slice(&code.to_le_bytes());
        header[8..16].copy_from_slice(&self.unique.to_le_bytes());
        header[16..24].copy_from_slice(&node.to_le_bytes());
        // A name is one part with its end; the bytes of a file are a part of their own.
        let parts: Vec<Vec<u8>> = match code {
            WRITE => arguments.iter().map(|part| part.to_vec()).collect(),
            _ => vec![arguments.concat()],
        };
        let (mut answer, mut body) = (vec![0; OUT_HEADER], vec![0; most]);
        let inputs: Vec<&[u8]> = core::iter::once(&header).chain(&parts).map(Vec::as_slice).collect();
        // SAFETY: all of it stays here until the token comes back, or for good.
        let added = unsafe { self.queue.add(&inputs, &mut writable(&mut answer, &mut body)) };
        let token = added.map_err(|error| error.to_string())?;
        if self.queue.should_notify() {
            self.transport.notify(REQUESTS);
        }
        let deadline = clock::now() + PATIENCE;
        while !self.queue.can_pop() {
            if clock::now() >= deadline {
                self.stuck = true;
                for bytes in [header, answer, body].into_iter().chain(parts) {
                    Box::leak(bytes.into_boxed_slice());
                }
                return Err("nobody serves it".to_string());
            }
            clock::doze_until(deadline.min(clock::now() + MS));
        }
        // SAFETY: these are what was passed when the token was made.
        let popped = unsafe { self.queue.pop_used(token, &inputs, &mut writable(&mut answer, &mut body)) };
        let written = popped.map_err(|error| error.to_string())? as usize;
        let (length, error) = (number(&answer, 0) as u32 as usize, (number(&answer, 0) >> 32) as u32 as i32);
        if number(&answer, 8) != self.unique || written < OUT_HEADER || length < OUT_HEADER {
            return Err("it answers something else".to_string());
        }
        if error != 0 {
            return Err(format!("errno={}", -error));
        }
        body.truncate(length - OUT_HEADER);
        Ok(body)
    }
}

/// What the device writes of an answer: its header, and the rest where there is one.
fn writable<'a>(answer: &'a mut [u8], body: &'a mut [u8]) -> Vec<&'a mut [u8]> {
    [answer, body].into_iter().filter(|part| !part.is_empty()).collect()
}

/// Eight bytes at an offset; zero where there are none.
fn number(bytes: &[u8], offset: usize) -> u64 {
    let found = bytes.get(offset..offset + 8).and_then(|found| found.try_into().ok());
    found.map_or(0, u64::from_le_bytes)
}
