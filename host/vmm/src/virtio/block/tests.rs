use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::atomic::Ordering;

use vm_memory::GuestMemoryBackend as _;

use super::*;
use crate::config::{CacheMode, DiskLimits, RateLimit};
use crate::virtio::testing::{Driver, EVENT_IDX, wait_until};

pub(super) const SIZE: u16 = 16;
pub(super) const IN: u32 = 0;
pub(super) const OUT: u32 = 1;
pub(super) const FLUSH: u32 = 4;
const GET_ID: u32 = 8;
pub(super) const DISCARD: u32 = 11;
pub(super) const WRITE_ZEROES: u32 = 13;
pub(super) const OK: u8 = 0;
pub(super) const IOERR: u8 = 1;
const UNSUPP: u8 = 2;
pub(super) const DISK_SIZE: u64 = 1 << 20;

pub(super) fn image(flags: i32) -> File {
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR").to_owned() + "/../../target").unwrap();
    let path = dir.path().join("disk.raw");
    let content: Vec<u8> = (0..DISK_SIZE).map(|at| (at / 512) as u8).collect();
    std::fs::write(&path, content).unwrap();
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).unwrap()
}

/// A started disk, its image and its counters, with both engines in turn.
fn each_engine(options: &DiskOptions, flags: i32, test: impl Fn(&mut Disked)) {
    for ring in [true, false] {
        let file = image(flags);
        let disk = Disk::new(file.try_clone().unwrap(), options.clone()).unwrap();
        test(&mut Disked::start(disk, file, ring));
    }
}

#[test]
fn requests_wait_for_the_limits_of_their_kind_and_new_limits_hold_at_once() {
    let file = image(0);
    let disk = Disk::new(file.try_clone().unwrap(), DiskOptions::default()).unwrap();
    let mut disked = Disked::start(disk, file, true);
    // A bucket of one request, and then nothing for an hour.
    let slow = RateLimit { rate: 1, max: 0, seconds: 0 };
    let writes = |limit| DiskLimits {
        bytes: [RateLimit::default(), RateLimit::default(), limit],
        ..DiskLimits::default()
    };
    disked.control.limit(&writes(slow));
    let data = disked.driver.buffer(&[7; 4096]);
    assert_eq!(disked.request(OUT, 0, &[(data, 4096)]).0, OK);
    let waiting = disked.begin(OUT, 8, &[(data, 4096)]);
    assert_eq!(disked.request(IN, 0, &[(data, 4096)]).0, OK);
    assert_eq!(disked.driver.bytes(waiting, 1), [0xff]);
    disked.control.limit(&writes(RateLimit::default()));
    disked.driver.wait_used(0, SIZE);
    assert_eq!(disked.driver.bytes(waiting, 1), [OK]);
}

#[test]
fn a_disk_that_stops_waits_for_no_limit() {
    let file = image(0);
    let disk = Disk::new(file.try_clone().unwrap(), DiskOptions::default()).unwrap();
    let mut disked = Disked::start(disk, file, true);
    let slow = RateLimit { rate: 1, max: 0, seconds: 0 };
    disked.control.limit(&DiskLimits { bytes: [slow; 3], ..DiskLimits::default() });
    let data = disked.driver.buffer(&[9; 4096]);
    assert_eq!(disked.request(OUT, 0, &[(data, 4096)]).0, OK);
    let waiting = disked.begin(OUT, 8, &[(data, 4096)]);
    disked.driver.transport.pause();
    assert_eq!(disked.driver.bytes(waiting, 1), [OK]);
    let mut written = [0; 4096];
    disked.file.read_exact_at(&mut written, 4096).unwrap();
    assert_eq!(written, [9; 4096]);
}

pub(super) struct Disked {
    pub(super) driver: Driver,
    pub(super) file: File,
    pub(super) metrics: std::sync::Arc<BlockMetrics>,
    pub(super) control: std::sync::Arc<BlockControl>,
}

impl Disked {
    pub(super) fn start(disk: Disk, file: File, ring: bool) -> Self {
        let limits = DiskLimits::default();
        let device = if ring { Block::new(disk, &limits) } else { Block::without_ring(disk) }.unwrap();
        let (metrics, control) = (device.metrics(), device.control());
        let mut driver = Driver::new(Box::new(device));
        driver.start(EVENT_IDX, SIZE);
        Self { driver, file, metrics, control }
    }

    pub(super) fn request(&mut self, kind: u32, sector: u64, data: &[(u64, u32)]) -> (u8, u32) {
        let status = self.begin(kind, sector, data);
        let (_, written) = self.driver.wait_used(0, SIZE);
        (self.driver.bytes(status, 1)[0], written)
    }

    /// Submits a request; where its status will be.
    pub(super) fn begin(&mut self, kind: u32, sector: u64, data: &[(u64, u32)]) -> u64 {
        let mut header = kind.to_le_bytes().to_vec();
        header.extend([0; 4]);
        header.extend(sector.to_le_bytes());
        let header = self.driver.buffer(&header);
        let status = self.driver.buffer(&[0xff]);
        let mut chain = vec![(header, 16, false)];
        chain.extend(data.iter().map(|(address, length)| (*address, *length, matches!(kind, IN | GET_ID))));
        chain.push((status, 1, true));
        self.driver.submit(0, SIZE, &chain);
        status
    }

    pub(super) fn ranges(&mut self, kind: u32, ranges: &[(u64, u32, u32)]) -> u8 {
        let raw: Vec<u8> = ranges
            .iter()
            .flat_map(|(sector, count, flags)| {
                [&sector.to_le_bytes()[..], &count.to_le_bytes(), &flags.to_le_bytes()].concat()
            })
            .collect();
        let buffer = self.driver.buffer(&raw);
        self.request(kind, 0, &[(buffer, raw.len() as u32)]).0
    }

    fn on_disk(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length.next_multiple_of(4096) + 4096];
        let start = offset / 4096 * 4096;
        let skip = bytes.as_ptr().align_offset(4096);
        let read = self.file.read_at(&mut bytes[skip..][..length.next_multiple_of(4096)], start);
        assert!(read.unwrap() >= length);
        bytes[skip + (offset - start) as usize..][..length].to_vec()
    }
}

#[test]
fn sectors_are_read_and_written_in_every_cache_mode() {
    let direct = libc::O_DIRECT;
    for (cache, flags) in [
        (CacheMode::None, direct),
        (CacheMode::Writeback, 0),
        (CacheMode::Writethrough, 0),
        (CacheMode::Unsafe, 0),
        (CacheMode::Directsync, direct),
    ] {
        each_engine(&DiskOptions { cache, ..Default::default() }, flags, |disk| {
            let target = disk.driver.buffer(&[0; 1536]);
            assert_eq!(disk.request(IN, 3, &[(target, 512), (target + 512, 1024)]), (OK, 1537), "{cache:?}");
            assert_eq!(disk.driver.bytes(target, 1536), [[3; 512], [4; 512], [5; 512]].concat());
            let source = disk.driver.buffer(&[0xab; 1024]);
            assert_eq!(disk.request(OUT, 9, &[(source, 1024)]), (OK, 1), "{cache:?}");
            assert_eq!(disk.request(FLUSH, 0, &[]).0, OK);
            assert_eq!(disk.on_disk(8 * 512, 2048), [[8; 512], [0xab; 512], [0xab; 512], [11; 512]].concat());
            let counters = &disk.metrics;
            assert_eq!(counters.read_bytes.load(Ordering::Relaxed), 1536);
            assert_eq!(counters.write_requests.load(Ordering::Relaxed), 1);
            assert!(disk.driver.lines.raised(1) > 0, "the driver was interrupted");
        });
    }
}

#[test]
fn a_disk_gets_another_size_under_its_driver() {
    each_engine(&DiskOptions::default(), 0, |disk| {
        let buffer = disk.driver.buffer(&[0xab; 512]);
        let (last, beyond) = (DISK_SIZE / 512 - 1, DISK_SIZE / 512);
        assert_eq!(disk.request(OUT, beyond, &[(buffer, 512)]).0, IOERR);
        disk.control.resize(2 * DISK_SIZE - 1, false).unwrap();
        assert_eq!(disk.file.metadata().unwrap().len(), 2 * DISK_SIZE, "whole blocks");
        assert_eq!(disk.driver.lines.raised(0), 1, "the driver is told");
        assert_eq!(disk.request(OUT, beyond, &[(buffer, 512)]).0, OK);
        assert_eq!(disk.on_disk(DISK_SIZE, 512), [0xab; 512]);

        let smaller = disk.control.resize(DISK_SIZE, false).unwrap_err();
        assert!(matches!(smaller, ResizeError::Smaller(size) if size == 2 * DISK_SIZE), "{smaller}");
        assert!(matches!(disk.control.resize(0, true), Err(ResizeError::Size(0))));
        assert!(matches!(disk.control.resize(u64::MAX, false), Err(ResizeError::Size(_))));
        assert_eq!(disk.driver.lines.raised(0), 1, "what is refused changes nothing");
        disk.control.resize(DISK_SIZE, true).unwrap();
        assert_eq!(disk.request(OUT, beyond, &[(buffer, 512)]).0, IOERR);
        assert_eq!(disk.request(OUT, last, &[(buffer, 512)]).0, OK);
        assert_eq!(disk.file.metadata().unwrap().len(), DISK_SIZE);
    });
    each_engine(&DiskOptions { readonly: true, ..Default::default() }, 0, |disk| {
        assert!(matches!(disk.control.resize(2 * DISK_SIZE, false), Err(ResizeError::Readonly)));
    });
}

#[test]
fn pages_that_a_disk_reads_into_are_noted() {
    for flags in [0, libc::O_DIRECT] {
        let cache = if flags == 0 { CacheMode::Writeback } else { CacheMode::None };
        each_engine(&DiskOptions { cache, ..Default::default() }, flags, |disk| {
            let target = disk.driver.buffer(&[0; 16384]);
            let memory = disk.driver.memory.clone();
            let log = std::ops::Deref::deref(memory.iter().next().unwrap()).bitmap();
            log.track(true);
            assert_eq!(disk.request(IN, 0, &[(target, 512), (target + 512, 15872)]).0, OK);
            let mut words = vec![0; 4096];
            log.take_into(&mut words);
            let noted = |address: u64| words[(address >> 18) as usize] >> (address >> 12 & 63) & 1 == 1;
            assert!((target..target + 16384).step_by(512).all(noted), "{cache:?} {target:#x}");
        });
    }
}

#[test]
fn many_requests_at_once_all_come_back() {
    each_engine(&DiskOptions::default(), 0, |disk| {
        let target = disk.driver.buffer(&[0; 4096]);
        for round in 0..100u64 {
            let headers: Vec<u64> = (0..5)
                .map(|index| disk.driver.buffer(&[&[0; 8][..], &(round * 5 + index).to_le_bytes()].concat()))
                .collect();
            for (index, header) in (0..).zip(headers) {
                let status = target + 2560 + index;
                disk.driver.submit(
                    0,
                    SIZE,
                    &[(header, 16, false), (target + index * 512, 512, true), (status, 1, true)],
                );
            }
            for _ in 0..5 {
                assert_eq!(disk.driver.wait_used(0, SIZE).1, 513);
            }
            for index in 0..5 {
                assert_eq!(disk.driver.bytes(target + index * 512, 1), [(round * 5 + index) as u8]);
            }
        }
    });
}

#[test]
fn discard_and_write_zeroes_clear_ranges() {
    let options = DiskOptions { discard: true, ..Default::default() };
    each_engine(&options, 0, |disk| {
        assert_eq!(disk.ranges(DISCARD, &[(8, 8, 0), (32, 16, 0)]), OK);
        assert_eq!(disk.ranges(WRITE_ZEROES, &[(64, 3, 0)]), OK);
        assert_eq!(disk.ranges(WRITE_ZEROES, &[(80, 8, 1)]), OK);
        for (sector, zeroed) in
            [(7, false), (8, true), (15, true), (16, false), (47, true), (64, true), (66, true)]
        {
            let expected = if zeroed { 0 } else { sector as u8 };
            assert_eq!(disk.on_disk(sector * 512, 512), [expected; 512], "sector {sector}");
        }
        assert_eq!(disk.on_disk(67 * 512, 1), [67]);
        assert_eq!(disk.on_disk(80 * 512, 4096), [0; 4096]);
        assert_eq!(disk.ranges(DISCARD, &[(DISK_SIZE / 512 - 1, 2, 0)]), IOERR, "past the end");
        assert_eq!(disk.ranges(DISCARD, &[(u64::MAX, 1, 0)]), UNSUPP, "past what can be");
        assert_eq!(disk.ranges(DISCARD, &[(0, u32::MAX, 0)]), UNSUPP, "too long");
        assert_eq!(disk.ranges(WRITE_ZEROES, &[(0, 1, 2)]), UNSUPP, "unknown flag");
        assert_eq!(disk.request(WRITE_ZEROES, 0, &[]).0, UNSUPP, "no range");
    });
}

#[test]
fn what_is_cleared_lasts_where_the_driver_never_flushes() {
    for (cache, flags, lasts) in [
        (CacheMode::Writethrough, 0, true),
        (CacheMode::Directsync, libc::O_DIRECT, true),
        (CacheMode::Writeback, 0, false),
    ] {
        for (kind, flag) in [(DISCARD, 0), (WRITE_ZEROES, 0), (WRITE_ZEROES, 1)] {
            let file = image(flags);
            let options = DiskOptions { cache, discard: true, ..Default::default() };
            let disk = Disk::new(file.try_clone().unwrap(), options).unwrap();
            let lasted = std::sync::Arc::clone(&disk.lasted);
            let mut disk = Disked::start(disk, file, true);
            for number in 1..3 {
                assert_eq!(disk.ranges(kind, &[(8 * number, 8, flag)]), OK);
                let expected = if lasts { number } else { 0 };
                assert_eq!(lasted.load(Ordering::SeqCst), expected, "{cache:?} {kind} {flag}");
            }
        }
    }
}

#[test]
fn requests_that_cannot_be_done_end_in_a_status() {
    let options = DiskOptions { serial: "WD-1234".into(), ..Default::default() };
    each_engine(&options, 0, |disk| {
        let last = DISK_SIZE / 512;
        let buffer = disk.driver.buffer(&[0; 4096]);
        for (kind, sector, length, expected) in [
            (IN, last, 512, IOERR),
            (IN, last - 1, 1024, IOERR),
            (OUT, u64::MAX, 512, IOERR),
            (OUT, u64::MAX / 512, 512, IOERR),
            (IN, 0, 511, IOERR),
            (DISCARD, 0, 16, UNSUPP),
            (99, 0, 512, UNSUPP),
            (IN, last - 1, 512, OK),
        ] {
            assert_eq!(
                disk.request(kind, sector, &[(buffer, length)]).0,
                expected,
                "{kind} {sector:#x} {length}"
            );
        }
        assert_eq!(disk.metrics.errors.load(Ordering::Relaxed), 7);
        assert_eq!(disk.request(GET_ID, 0, &[(buffer, 20)]), (OK, 21));
        assert_eq!(disk.driver.bytes(buffer, 20), *b"WD-1234\0\0\0\0\0\0\0\0\0\0\0\0\0");
    });
    each_engine(&DiskOptions { readonly: true, ..Default::default() }, 0, |disk| {
        let buffer = disk.driver.buffer(&[0; 512]);
        assert_eq!(disk.request(OUT, 0, &[(buffer, 512)]).0, IOERR, "read-only");
        assert_eq!(disk.ranges(WRITE_ZEROES, &[(0, 1, 0)]), IOERR);
    });
}

#[test]
fn an_image_that_shrinks_gives_errors_and_no_crash() {
    each_engine(&DiskOptions::default(), 0, |disk| {
        disk.file.set_len(4096).unwrap();
        let buffer = disk.driver.buffer(&[0; 4096]);
        assert_eq!(disk.request(IN, 1024, &[(buffer, 512)]).0, IOERR);
        assert_eq!(disk.request(IN, 0, &[(buffer, 512)]).0, OK);
    });
}

#[test]
fn chains_that_cannot_be_answered_ask_for_a_reset_and_a_reset_helps() {
    each_engine(&DiskOptions::default(), 0, |disk| {
        let buffer = disk.driver.buffer(&[0; 64]);
        let cases: [&[(u64, u32, bool)]; 5] = [
            &[(buffer, 15, false), (buffer, 1, true)],
            &[(buffer, 16, false)],
            &[(buffer, 1, true)],
            &[(buffer, 16, false), (u64::MAX - 8, 512, true), (buffer, 1, true)],
            &[(buffer, 16, false), (buffer, 0, true), (buffer, 1, true)],
        ];
        for chain in cases {
            disk.driver.submit(0, SIZE, chain);
            disk.driver.wait_needs_reset();
            wait_until("the configuration interrupt", || disk.driver.lines.raised(0) > 0);
            disk.driver.start(EVENT_IDX, SIZE);
            assert_eq!(disk.request(FLUSH, 0, &[]).0, OK);
        }
        disk.driver.set_available(0, 1000);
        disk.driver.notify(0);
        disk.driver.wait_needs_reset();
    });
}

#[test]
fn a_pause_loses_nothing() {
    each_engine(&DiskOptions::default(), 0, |disk| {
        let target = disk.driver.buffer(&[0; 512]);
        for round in 1..20 {
            disk.driver.transport.pause();
            disk.driver.transport.pause();
            let header = disk.driver.buffer(&[&[0; 8][..], &u64::to_le_bytes(round)].concat());
            disk.driver.submit(0, SIZE, &[(header, 16, false), (target, 513, true)]);
            assert_eq!(disk.driver.used(0), (round - 1) as u16, "a paused device does nothing");
            disk.driver.transport.resume();
            disk.driver.wait_used(0, SIZE);
            assert_eq!(disk.driver.bytes(target, 512), [round as u8; 512]);
        }
    });
}
