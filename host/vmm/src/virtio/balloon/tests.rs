use std::sync::{Arc, Mutex};

use vm_memory::{GuestAddress, GuestMemoryBackend};

use super::*;
use crate::virtio::VirtioDevice;
use crate::virtio::testing::{Driver, EVENT_IDX, MEMORY_SIZE, wait_until};

const SIZE: u16 = 16;
const STATS: u64 = 1 << 1;
const REPORTING: u64 = 1 << 5;
const MIB: u64 = 1 << 20;

struct Ballooned {
    driver: Driver,
    control: BalloonControl,
    changes: Arc<Mutex<Vec<u64>>>,
}

fn balloon(target: u64, features: u64) -> Ballooned {
    let changes = Arc::<Mutex<Vec<u64>>>::default();
    let seen = Arc::clone(&changes);
    let on_change = Box::new(move |bytes| seen.lock().unwrap().push(bytes));
    let balloon = Balloon::new(MEMORY_SIZE as u64, target, true, on_change).unwrap();
    let control = balloon.control();
    let mut driver = Driver::new(Box::new(balloon));
    driver.start(features | EVENT_IDX, SIZE);
    Ballooned { driver, control, changes }
}

/// Pages of a range of guest memory that the host holds.
fn resident(driver: &Driver, start: u64, length: usize) -> usize {
    let host = driver.memory.get_host_address(GuestAddress(start)).unwrap();
    let mut pages = vec![0u8; length / 4096];
    // SAFETY: the range is mapped and `pages` has a byte for each of its pages.
    assert_eq!(unsafe { libc::mincore(host.cast(), length, pages.as_mut_ptr()) }, 0);
    pages.iter().filter(|page| *page & 1 != 0).count()
}

#[test]
fn inflating_gives_pages_back_to_the_host() {
    let Ballooned { mut driver, control, changes } = balloon(MEMORY_SIZE as u64 - MIB, 0);
    assert_eq!(driver.read(0x2000, 4), 256, "pages the guest shall give");
    let pages = driver.buffer(&vec![0xaa; MIB as usize]);
    assert_eq!(resident(&driver, pages, MIB as usize), 256);
    let numbers: Vec<u8> =
        (0..256).rev().flat_map(|page| ((pages / 4096) as u32 + page).to_le_bytes()).collect();
    let list = driver.buffer(&numbers);
    driver.submit(0, SIZE, &[(list, 1024, false)]);
    driver.wait_used(0, SIZE);
    assert_eq!(resident(&driver, pages, MIB as usize), 0);
    driver.write(0x2004, &256u32.to_le_bytes());
    assert_eq!((control.actual(), control.target()), (31 * MIB, 31 * MIB));
    assert_eq!(*changes.lock().unwrap(), [31 * MIB]);
    driver.submit(1, SIZE, &[(list, 1024, false)]);
    driver.wait_used(1, SIZE);
    assert_eq!(driver.bytes(pages, 4096), [0; 4096]);
    control.set_target(0);
    assert_eq!(driver.read(0x2000, 4), 8192);
    assert_eq!(driver.lines.raised(0), 1, "the driver hears of the new target");
    driver.write(0x14, &[0]);
    assert_eq!(control.actual(), 32 * MIB, "a driver that starts again has all its memory");
}

#[test]
fn pages_that_do_not_exist_are_ignored() {
    let Ballooned { mut driver, .. } = balloon(MEMORY_SIZE as u64, 0);
    let kept = driver.buffer(&[0xaa; 4096]);
    let numbers: Vec<u8> = [u32::MAX, 8192, 1 << 31].iter().flat_map(|page| page.to_le_bytes()).collect();
    let list = driver.buffer(&numbers);
    driver.submit(0, SIZE, &[(list, 12, false)]);
    driver.wait_used(0, SIZE);
    driver.submit(0, SIZE, &[(list, 3, false)]);
    driver.wait_used(0, SIZE);
    assert_eq!(driver.bytes(kept, 4096), [0xaa; 4096]);
}

#[test]
fn statistics_are_taken_and_asked_for_again() {
    let Ballooned { mut driver, control, .. } = balloon(MEMORY_SIZE as u64, STATS);
    let raw = [&4u16.to_le_bytes()[..], &12345u64.to_le_bytes(), &5u16.to_le_bytes(), &99u64.to_le_bytes()]
        .concat();
    let stats = driver.buffer(&raw);
    driver.submit(2, SIZE, &[(stats, 20, false)]);
    wait_until("statistics", || !control.statistics().is_empty());
    assert_eq!(control.statistics(), [(4, 12345), (5, 99)]);
    driver.wait_used(2, SIZE);
    driver.submit(2, SIZE, &[(stats, 10, false)]);
    wait_until("newer statistics", || control.statistics() == [(4, 12345)]);
}

#[test]
fn reported_pages_are_freed_on_the_queue_the_driver_counts() {
    for (features, queue) in [(REPORTING, 2), (REPORTING | STATS, 3)] {
        let Ballooned { mut driver, .. } = balloon(MEMORY_SIZE as u64, features);
        let pages = driver.buffer(&vec![0xaa; MIB as usize]);
        driver.submit(queue, SIZE, &[(pages + 100, MIB as u32 - 200, true)]);
        driver.wait_used(queue, SIZE);
        assert_eq!(resident(&driver, pages, MIB as usize), 2, "only whole pages are freed");
    }
}

#[test]
fn what_is_not_to_be_is_not_offered() {
    let features = |deflate_on_oom, reporting| {
        let balloon = Balloon::new(MEMORY_SIZE as u64, 0, false, Box::new(|_| {})).unwrap();
        VirtioDevice::features(&balloon.offering(deflate_on_oom, reporting))
    };
    assert_eq!((features(true, true), features(false, true)), (1 << 2 | REPORTING, REPORTING));
    assert_eq!((features(true, false), features(false, false)), (1 << 2, 0));
}
