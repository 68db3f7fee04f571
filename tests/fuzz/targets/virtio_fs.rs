//! A shared directory whose server means harm: any answer, any bytes that nobody asked for, descriptors with them, calls out of turn, and rings that say
//! anything. The device starts and stops without a wait, is lost at most once, and keeps no descriptor that it was sent.
#![no_main]

use std::fs::File;
use std::io::Write;
use std::mem::size_of;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use reeve_fuzz::machine::{MEMORY, Machine};
use reeve_vmm::config::MemoryConfig;
use reeve_vmm::memory::allocate;
use reeve_vmm::virtio::fs::{Filesystem, Options};
use vmm_sys_util::sock_ctrl_msg::ScmSocket;

/// Request, flags and size of the body, 4 bytes each.
const HEADER: usize = 12;
/// Of the front-end, whose messages are right: a table of 32 regions of memory is the longest.
const LONGEST: usize = 8 + 32 * 32;
/// Most descriptors that come with a message.
const DESCRIPTORS: usize = 32;
const VERSION: u32 = 1;
const REPLY: u32 = 4;
const GET_FEATURES: u32 = 1;
const SET_MEM_TABLE: u32 = 5;
const GET_VRING_BASE: u32 = 11;
const SET_VRING_CALL: u32 = 13;
const GET_PROTOCOL_FEATURES: u32 = 15;

#[derive(Debug, Arbitrary)]
struct Scene {
    /// What the server does, one a message that it gets; all is as it should be afterwards.
    deeds: Vec<Deed>,
    /// What the guest does with its device.
    moves: Vec<Move>,
}

#[derive(Debug, Arbitrary)]
enum Deed {
    /// Answers where that is due, with something in the answer.
    Answer(u64),
    /// Bytes in the place of an answer, or unasked, and so many descriptors.
    Bytes([u8; HEADER + 8], u8),
    /// Bytes, and not one more.
    Last(Vec<u8>),
    /// Says that requests are done.
    Call,
    /// Writes to guest memory, which rings are in.
    Scribble(u16, [u8; 8]),
    Leave,
}

#[derive(Debug, Arbitrary)]
enum Move {
    Start(u32),
    Notify(u8),
    Reset,
}

/// The server's end.
struct Server {
    socket: UnixStream,
    /// What it sends that nobody wants.
    nothing: File,
    /// Guest memory and what calls the guest, as far as they have come.
    memory: Vec<File>,
    calls: Vec<File>,
}

impl Server {
    fn serve(mut self, deeds: Vec<Deed>) {
        let mut deeds = deeds.into_iter();
        while let Some((request, queue)) = self.hear() {
            let proper = match request {
                GET_FEATURES | GET_PROTOCOL_FEATURES => Some(u64::MAX),
                // Its number is the lower half, and the position the upper one.
                GET_VRING_BASE => Some(queue),
                _ => None,
            };
            match deeds.next() {
                Some(Deed::Answer(value)) => self.answer(request, proper.map(|_| value)),
                Some(Deed::Bytes(bytes, descriptors)) => {
                    let descriptors = usize::from(descriptors) % (DESCRIPTORS + 1);
                    let sent = vec![self.nothing.as_raw_fd(); descriptors];
                    let _ = self.socket.send_with_fds(&[&bytes[..]], &sent);
                }
                Some(Deed::Last(bytes)) => {
                    let _ = self.socket.write_all(&bytes);
                    let _ = self.socket.shutdown(Shutdown::Write);
                }
                Some(Deed::Call) => {
                    for call in &mut self.calls {
                        let _ = call.write_all(&1u64.to_le_bytes());
                    }
                    self.answer(request, proper);
                }
                Some(Deed::Scribble(offset, bytes)) => {
                    for file in &self.memory {
                        file.write_at(&bytes, u64::from(offset) * 4).expect("guest memory can be written");
                    }
                    self.answer(request, proper);
                }
                Some(Deed::Leave) => return,
                None => self.answer(request, proper),
            }
        }
    }

    fn answer(&self, request: u32, value: Option<u64>) {
        let Some(value) = value else { return };
        let header = [request, VERSION | REPLY, 8].map(u32::to_le_bytes);
        let _ = (&self.socket).write_all(&[header.as_flattened(), &value.to_le_bytes()].concat());
    }

    /// The next message: its kind, and how its body begins.
    fn hear(&mut self) -> Option<(u32, u64)> {
        let mut header = [0; HEADER];
        let files = self.take(&mut header)?;
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (request, size) = (word(0), word(8) as usize);
        assert!(size <= LONGEST, "message {request} has a body of {size} bytes");
        let mut body = [0; LONGEST];
        if size > 0 {
            self.take(&mut body[..size])?;
        }
        match request {
            SET_MEM_TABLE => (self.memory, self.calls) = (files, Vec::new()),
            SET_VRING_CALL => self.calls.extend(files),
            _ => {}
        }
        let begin = <[u8; size_of::<u64>()]>::try_from(&body[..8]).expect("there is room for eight bytes");
        Some((request, u64::from_le_bytes(begin)))
    }

    /// All of these bytes, and the descriptors that came with them; none at the end.
    fn take(&self, bytes: &mut [u8]) -> Option<Vec<File>> {
        let mut files = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &mut bytes[at..];
            let mut parts = [libc::iovec { iov_base: rest.as_mut_ptr().cast(), iov_len: rest.len() }];
            let mut descriptors: [RawFd; DESCRIPTORS] = [-1; DESCRIPTORS];
            // SAFETY: the part is all of `rest`, which is borrowed and takes any bytes.
            let (count, sent) = unsafe { self.socket.recv_with_fds(&mut parts, &mut descriptors) }.ok()?;
            // SAFETY: the kernel has just made these descriptors for whoever receives them.
            files.extend(
                descriptors[..sent].iter().map(|descriptor| unsafe { File::from_raw_fd(*descriptor) }),
            );
            if count == 0 {
                return None;
            }
            at += count;
        }
        Some(files)
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("there is /proc").count()
}

fn play(Scene { deeds, moves }: Scene) {
    let config = MemoryConfig {
        bytes: MEMORY,
        mergeable: false,
        hugepages: None,
        locked: false,
        numa: None,
        shared: true,
        cells: Vec::new(),
    };
    let memory = allocate(&config).expect("there is memory");
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let nothing = File::open("/dev/null").expect("there is /dev/null");
    let server = Server { socket: theirs, nothing, memory: Vec::new(), calls: Vec::new() };
    let serving = std::thread::spawn(move || server.serve(deeds));
    let losses = Arc::new(AtomicU32::new(0));
    let lost = Arc::clone(&losses);
    let told = Box::new(move || {
        lost.fetch_add(1, Ordering::SeqCst);
    });
    let options = Options { tag: "shared".to_owned(), queue_size: 1024 };
    if let Ok(filesystem) = Filesystem::new(&options, OwnedFd::from(ours), told) {
        let control = filesystem.control();
        let mut machine = Machine::with(Box::new(filesystem), memory);
        for step in moves {
            match step {
                Move::Start(features) => drop(machine.try_start(features.into())),
                Move::Notify(queue) => machine.notify(u16::from(queue) % machine.queues),
                Move::Reset => machine.reset(),
            }
        }
        machine.reset();
        assert_eq!(u32::from(control.is_lost()), losses.load(Ordering::SeqCst));
        assert_eq!(control.take_loss(), control.is_lost());
    }
    serving.join().expect("the server does not panic");
}

fuzz_target!(|scene: Scene| {
    let before = descriptors();
    play(scene);
    assert_eq!(descriptors(), before, "descriptors are left open");
});
