//! Disks in qcow2 images.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use reeve_image::{
    Access, BackingReference, Compat, CreateOptions, Format, ImageFile, Repair, check, create, open_chain,
};

use super::tests::{DISCARD, DISK_SIZE, Disked, FLUSH, IN, IOERR, OK, OUT, SIZE, WRITE_ZEROES, image};
use super::*;
use crate::config::CacheMode;
use vm_memory::{Bytes as _, GuestAddress};

const SECTORS: u64 = DISK_SIZE / 512;
pub(super) const MOST: u64 = 40;

/// An overlay with small clusters on an image whose sectors hold their number.
pub(super) fn overlay(base: &File, compat: Compat) -> File {
    let mut options = CreateOptions::new(Format::Qcow2, DISK_SIZE);
    options.qcow2.compat = compat;
    options.qcow2.cluster_size = Some(4096);
    options.qcow2.backing = Some(BackingReference::new("base", Format::Raw));
    let top = tempfile::tempfile().unwrap();
    create(named(&top, "top"), &options).unwrap();
    assert_eq!(base.metadata().unwrap().len(), DISK_SIZE);
    top
}

pub(super) fn named(file: &File, name: &str) -> ImageFile {
    ImageFile::new(file.try_clone().unwrap(), name).unwrap()
}

pub(super) fn disk(top: &File, base: &File, options: DiskOptions) -> Disk {
    let access = if options.readonly { Access::Read } else { Access::Write };
    let chain = vec![(named(top, "top"), Format::Qcow2), (named(base, "base"), Format::Raw)];
    Disk::in_image(open_chain(chain, access).unwrap(), options).unwrap()
}

pub(super) fn content(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; DISK_SIZE as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

pub(super) fn assert_sound(top: &File) {
    let found = check(named(top, "top"), Format::Qcow2, Repair::Nothing).unwrap();
    assert!(found.is_clean(), "{:?}", found.problems);
}

#[derive(Debug, Clone)]
pub(super) enum Op {
    Read(u64, u64),
    Write(u64, u64, u8),
    Discard(u64, u64),
    Zero(u64, u64, bool),
    Flush,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let range = || (0..SECTORS - MOST, 1..MOST);
    prop_oneof![
        range().prop_map(|(sector, count)| Op::Read(sector, count)),
        (range(), any::<u8>()).prop_map(|((sector, count), byte)| Op::Write(sector, count, byte)),
        range().prop_map(|(sector, count)| Op::Discard(sector, count)),
        (range(), any::<bool>()).prop_map(|((sector, count), unmap)| Op::Zero(sector, count, unmap)),
        Just(Op::Flush),
    ]
}

pub(super) fn carry_out(disk: &mut Disked, op: &Op, buffer: u64) -> (u8, Vec<u8>) {
    match *op {
        Op::Read(sector, count) => {
            let length = count as u32 * 512;
            let (status, _) = disk.request(IN, sector, &[(buffer, length)]);
            (status, disk.driver.bytes(buffer, length as usize))
        }
        Op::Write(sector, count, byte) => {
            let first = disk.driver.buffer(&vec![byte; count as usize * 512]);
            (disk.request(OUT, sector, &[(first, count as u32 * 512)]).0, Vec::new())
        }
        Op::Discard(sector, count) => (disk.ranges(DISCARD, &[(sector, count as u32, 0)]), Vec::new()),
        Op::Zero(sector, count, unmap) => {
            (disk.ranges(WRITE_ZEROES, &[(sector, count as u32, u32::from(unmap))]), Vec::new())
        }
        Op::Flush => (disk.request(FLUSH, 0, &[]).0, Vec::new()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_overlay_does_what_a_raw_twin_does(
        ops in proptest::collection::vec(op(), 1..60),
        old in any::<bool>(),
        ring in any::<bool>(),
    ) {
        let base = image(0);
        let before = content(&base);
        let top = overlay(&base, if old { Compat::V0_10 } else { Compat::V1_1 });
        let twin = image(0);
        let options = DiskOptions { discard: true, ..DiskOptions::default() };
        let raw = Disk::new(twin.try_clone().unwrap(), options.clone()).unwrap();
        let mut disks = [
            Disked::start(disk(&top, &base, options.clone()), top.try_clone().unwrap(), ring),
            Disked::start(raw, twin.try_clone().unwrap(), ring),
        ];
        let buffers = disks.each_mut().map(|disk| disk.driver.buffer(&[0; MOST as usize * 512]));
        for op in &ops {
            let [first, second] = [0, 1].map(|which| carry_out(&mut disks[which], op, buffers[which]));
            prop_assert!(first == second && first.0 == OK, "{op:?}: {} and {}", first.0, second.0);
        }
        drop(disks);
        prop_assert!(content(&base) == before, "the base is as it was");
        assert_sound(&top);
        let chain = vec![(named(&top, "top"), Format::Qcow2), (named(&base, "base"), Format::Raw)];
        let mut whole = vec![0; DISK_SIZE as usize];
        open_chain(chain, Access::Read).unwrap().read(&mut whole, 0).unwrap();
        prop_assert!(whole == content(&twin), "the disks are the same");
    }
}

#[test]
fn every_cache_mode_reads_and_writes_an_image() {
    for cache in [
        CacheMode::None,
        CacheMode::Writeback,
        CacheMode::Writethrough,
        CacheMode::Unsafe,
        CacheMode::Directsync,
    ] {
        let base = image(0);
        let top = overlay(&base, Compat::V1_1);
        let disk = disk(&top, &base, DiskOptions { cache, ..DiskOptions::default() });
        let mut disk = Disked::start(disk, top.try_clone().unwrap(), true);
        let target = disk.driver.buffer(&[0; 2 << 20]);
        assert_eq!(disk.request(IN, 3, &[(target, 512), (target + 512, 1024)]), (OK, 1537), "{cache:?}");
        assert_eq!(disk.driver.bytes(target, 1536), [[3; 512], [4; 512], [5; 512]].concat());
        let source = disk.driver.buffer(&[0xab; DISK_SIZE as usize]);
        assert_eq!(disk.request(OUT, 0, &[(source, DISK_SIZE as u32)]), (OK, 1), "all of it at once");
        assert_eq!(disk.request(FLUSH, 0, &[]).0, OK);
        assert_eq!(disk.request(IN, 0, &[(target, DISK_SIZE as u32)]).0, OK);
        assert!(disk.driver.bytes(target, DISK_SIZE as usize).iter().all(|byte| *byte == 0xab));
        assert_eq!(disk.metrics.write_bytes.load(Ordering::Relaxed), DISK_SIZE);
        drop(disk);
        assert_sound(&top);
    }
}

#[test]
fn an_image_gets_another_size_under_its_driver() {
    let base = image(0);
    let top = overlay(&base, Compat::V1_1);
    let disk = disk(&top, &base, DiskOptions::default());
    let mut disk = Disked::start(disk, top.try_clone().unwrap(), true);
    let buffer = disk.driver.buffer(&[0xab; 512]);
    assert_eq!(disk.request(OUT, SECTORS, &[(buffer, 512)]).0, IOERR);
    disk.control.resize(2 * DISK_SIZE - 1, false).unwrap();
    assert_eq!(disk.driver.lines.raised(0), 1, "the driver is told");
    assert_eq!(disk.request(OUT, 2 * SECTORS - 1, &[(buffer, 512)]).0, OK);
    let refused = disk.control.resize(DISK_SIZE, false).unwrap_err();
    assert!(matches!(refused, ResizeError::Smaller(size) if size == 2 * DISK_SIZE), "{refused}");
    disk.control.resize(DISK_SIZE, true).unwrap();
    assert_eq!(disk.request(OUT, SECTORS, &[(buffer, 512)]).0, IOERR);
    disk.control.resize(2 * DISK_SIZE, false).unwrap();
    assert_eq!(disk.request(IN, 2 * SECTORS - 1, &[(buffer, 512)]).0, OK);
    assert_eq!(disk.driver.bytes(buffer, 512), [0; 512], "what was cut off is gone");
    drop(disk);
    assert_sound(&top);
}

#[test]
fn a_damaged_image_gives_errors_and_no_crash() {
    let base = image(0);
    let mut errors = 0;
    for cluster in 1..8 {
        let top = overlay(&base, Compat::V1_1);
        let chain = vec![(named(&top, "top"), Format::Qcow2), (named(&base, "base"), Format::Raw)];
        open_chain(chain, Access::Write).unwrap().write(&[7; 512], 0).unwrap();
        top.write_all_at(&[0xee; 4096], cluster * 4096).unwrap();
        let chain = vec![(named(&top, "top"), Format::Qcow2), (named(&base, "base"), Format::Raw)];
        let Ok(opened) = open_chain(chain, Access::Write) else {
            errors += 1;
            continue;
        };
        let options = DiskOptions { discard: true, ..DiskOptions::default() };
        let disk = Disk::in_image(opened, options).unwrap();
        let mut disk = Disked::start(disk, top.try_clone().unwrap(), true);
        let buffer = disk.driver.buffer(&[7; 512]);
        for sector in [0, 8, SECTORS / 2, SECTORS - 1] {
            disk.request(IN, sector, &[(buffer, 512)]);
            disk.request(OUT, sector, &[(buffer, 512)]);
            disk.ranges(DISCARD, &[(sector, 1, 0)]);
        }
        assert_eq!(disk.request(FLUSH, 0, &[]).0, OK, "the device goes on");
        errors += disk.metrics.errors.load(Ordering::Relaxed);
    }
    assert!(errors > 1, "{errors}");
}

#[test]
fn a_read_only_disk_leaves_its_image_alone() {
    let base = image(0);
    let top = overlay(&base, Compat::V1_1);
    let disk = disk(&top, &base, DiskOptions { readonly: true, ..DiskOptions::default() });
    let mut disk = Disked::start(disk, top.try_clone().unwrap(), true);
    let buffer = disk.driver.buffer(&[0; 512]);
    assert_eq!(disk.request(OUT, 0, &[(buffer, 512)]).0, IOERR);
    assert_eq!(disk.request(IN, 9, &[(buffer, 512)]).0, OK);
    assert_eq!(disk.driver.bytes(buffer, 512), [9; 512]);
    assert!(matches!(disk.control.resize(2 * DISK_SIZE, false), Err(ResizeError::Readonly)));
}

/// Requests that are in flight together, each on a stretch of its own: as many as there is room for in the ring.
const STRETCHES: u64 = 5;
const STRETCH: u64 = SECTORS / STRETCHES;

/// Where in a stretch, how many sectors, and what is written there. None reads.
fn of_a_stretch() -> impl Strategy<Value = (u64, u64, Option<u8>)> {
    (0..STRETCH - MOST, 1..MOST, any::<Option<u8>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn requests_in_flight_together_do_what_they_do_alone(
        rounds in proptest::collection::vec(proptest::array::uniform5(of_a_stretch()), 1..12),
        ring in any::<bool>(),
    ) {
        let base = image(0);
        let mut expected = content(&base);
        let top = overlay(&base, Compat::V1_1);
        let options = DiskOptions::default();
        let mut disk = Disked::start(disk(&top, &base, options), top.try_clone().unwrap(), ring);
        let buffers: [u64; STRETCHES as usize] =
            std::array::from_fn(|_| disk.driver.buffer(&[0; MOST as usize * 512]));
        for round in rounds {
            for ((stretch, buffer), (sector, count, written)) in (0..).zip(buffers).zip(round) {
                let (at, length) = (stretch * STRETCH + sector, count as usize * 512);
                if let Some(byte) = written {
                    disk.driver.memory.write_slice(&vec![byte; length], GuestAddress(buffer)).unwrap();
                    expected[at as usize * 512..][..length].fill(byte);
                }
                disk.begin(if written.is_some() { OUT } else { IN }, at, &[(buffer, length as u32)]);
            }
            for _ in buffers {
                disk.driver.wait_used(0, SIZE);
            }
            for ((stretch, buffer), (sector, count, _)) in (0..).zip(buffers).zip(round) {
                let (at, length) = ((stretch * STRETCH + sector) as usize * 512, count as usize * 512);
                prop_assert!(disk.driver.bytes(buffer, length) == expected[at..][..length], "at {at}");
            }
        }
        drop(disk);
        assert_sound(&top);
    }

    #[test]
    fn a_read_that_is_in_flight_is_not_overtaken_by_a_write(
        writes in proptest::collection::vec((0..SECTORS - MOST, 1..MOST, any::<u8>()), 1..20),
        ring in any::<bool>(),
    ) {
        let base = image(0);
        let mut expected = content(&base);
        let top = overlay(&base, Compat::V1_1);
        let options = DiskOptions::default();
        let mut disk = Disked::start(disk(&top, &base, options), top.try_clone().unwrap(), ring);
        let target = disk.driver.buffer(&[0; MOST as usize * 512]);
        let source = disk.driver.buffer(&[0; MOST as usize * 512]);
        for (sector, count, byte) in writes {
            let (at, length) = (sector as usize * 512, count as usize * 512);
            disk.driver.memory.write_slice(&vec![byte; length], GuestAddress(source)).unwrap();
            disk.begin(IN, sector, &[(target, length as u32)]);
            disk.begin(OUT, sector, &[(source, length as u32)]);
            for _ in [IN, OUT] {
                disk.driver.wait_used(0, SIZE);
            }
            prop_assert!(disk.driver.bytes(target, length) == expected[at..][..length], "at {at}");
            expected[at..][..length].fill(byte);
        }
    }
}
