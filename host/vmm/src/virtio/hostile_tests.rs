//! Every device against rings full of anything. It must neither panic nor hang, and a reset must bring it back.

use std::fs::File;
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;

use proptest::prelude::*;
use vm_memory::{Bytes, GuestAddress};

use super::VirtioDevice;
use super::balloon::Balloon;
use super::block::{Block, Disk, DiskOptions};
use super::console::{ConsoleDevice, ConsolePort};
use super::rng::Rng;
use super::testing::{Driver, EVENT_IDX, INDIRECT, MEMORY_SIZE, NEXT, WRITE, ring};
use crate::config::DiskLimits;
use crate::console::Console;

const SIZE: u16 = 16;
/// Where indirect tables and headers are found often enough.
const TABLE: u64 = 8 << 20;

#[derive(Debug, Clone)]
struct Raw {
    address: u64,
    length: u32,
    flags: u16,
    next: u16,
}

/// What the driver does to one queue.
#[derive(Debug, Clone)]
struct Assault {
    queue: u16,
    descriptors: Vec<Raw>,
    heads: Vec<u16>,
    /// How far the available ring claims to be filled.
    claimed: u16,
}

fn raw() -> impl Strategy<Value = Raw> {
    let end = MEMORY_SIZE as u64;
    let address = prop_oneof![
        4 => TABLE..TABLE + 0x1000,
        2 => (0..end / 4096).prop_map(|page| page * 4096),
        1 => 0..end,
        1 => end - 32..end + 32,
        1 => any::<u64>(),
    ];
    let length = prop_oneof![
        4 => prop::sample::select(vec![1u32, 8, 12, 16, 20, 32, 512, 4096]),
        2 => 0u32..70000,
        1 => any::<u32>(),
    ];
    let flags = prop_oneof![
        6 => prop::sample::select(vec![0, NEXT, WRITE, NEXT | WRITE, INDIRECT]),
        1 => any::<u16>(),
    ];
    (address, length, flags, prop_oneof![0..SIZE, any::<u16>()])
        .prop_map(|(address, length, flags, next)| Raw { address, length, flags, next })
}

fn assault() -> impl Strategy<Value = Assault> {
    let descriptors = prop::collection::vec(raw(), usize::from(SIZE));
    let heads = prop::collection::vec(prop_oneof![4 => 0..SIZE, 1 => any::<u16>()], usize::from(SIZE));
    let claimed = prop_oneof![4 => 0..=SIZE, 1 => any::<u16>()];
    (0u16..6, descriptors, heads, claimed).prop_map(|(queue, descriptors, heads, claimed)| Assault {
        queue,
        descriptors,
        heads,
        claimed,
    })
}

fn attack(driver: &mut Driver, features: u64, assaults: &[Assault], table: &[u8]) {
    driver.start(features, SIZE);
    let queues = driver.read(0x12, 2) as u16;
    driver.memory.write_slice(table, GuestAddress(TABLE)).unwrap();
    for assault in assaults {
        let queue = assault.queue % queues;
        for (index, raw) in (0..).zip(&assault.descriptors) {
            driver.descriptor(queue, index, raw.address, raw.length, raw.flags, raw.next);
        }
        for (index, head) in (0u64..).zip(&assault.heads) {
            driver.memory.write_obj(*head, GuestAddress(ring(queue) + 0x4000 + 4 + 2 * index)).unwrap();
        }
        driver.set_available(queue, assault.claimed);
        driver.notify(queue);
    }
    // A device that hangs would keep the reset waiting, and one that panicked fails the assertion in the worker.
    driver.write(0x14, &[0]);
    driver.start(features, SIZE);
    assert_eq!(driver.status(), 15);
}

fn block() -> Box<dyn VirtioDevice> {
    // SAFETY: the name is a C string; the descriptor is new and checked by what follows.
    let file = unsafe { File::from_raw_fd(libc::memfd_create(c"disk".as_ptr(), libc::MFD_CLOEXEC)) };
    file.set_len(1 << 20).unwrap();
    let disk = Disk::new(file, DiskOptions { discard: true, ..Default::default() }).unwrap();
    Box::new(Block::new(disk, &DiskLimits::default()).unwrap())
}

fn console() -> Box<dyn VirtioDevice> {
    let screen = Console::new("console", None, Box::new(|| {}));
    let channel = Console::channel("agent", None, Box::new(|| {}));
    // Somebody listens and takes nothing.
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    channel.open(ours);
    std::mem::forget(theirs);
    let ports = vec![
        ConsolePort { console: screen, name: None },
        ConsolePort { console: channel, name: Some("agent".to_owned()) },
    ];
    Box::new(ConsoleDevice::new(ports).unwrap())
}

fn rng() -> Box<dyn VirtioDevice> {
    Box::new(Rng::new(File::open("/dev/urandom").unwrap(), None))
}

fn balloon() -> Box<dyn VirtioDevice> {
    Box::new(Balloon::new(MEMORY_SIZE as u64, 1 << 20, true, Box::new(|_| {})).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_ring_breaks_a_device(
        rounds in prop::collection::vec(prop::collection::vec(assault(), 1..4), 1..4),
        table in prop::collection::vec(prop_oneof![3 => 0u8..16, 1 => any::<u8>()], 0..4096),
        event_idx in any::<bool>(),
    ) {
        let common = if event_idx { EVENT_IDX } else { 0 };
        let devices = [(block(), 0), (console(), 1 << 1), (rng(), 0), (balloon(), 1 << 1 | 1 << 5)];
        for (device, features) in devices {
            let mut driver = Driver::new(device);
            for assaults in &rounds {
                attack(&mut driver, common | features, assaults, &table);
            }
        }
    }
}
