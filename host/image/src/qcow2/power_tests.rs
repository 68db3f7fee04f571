//! What is left of an image when the power goes: of what was written since the last sync of the file, any part is on the disk.

use std::fs::File;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;
use time::OffsetDateTime;

use crate::file::{Done, Log};
use crate::{
    Access, BackingReference, Compat, ConvertOptions, CreateOptions, Format, Image, ImageError, ImageFile,
    Repair, check, convert, create, open_alone, open_chain,
};

const SIZE: u64 = 256 << 10;
const SECTOR: u64 = 512;
const SECTORS: u64 = SIZE / SECTOR;
const MOST: u64 = 40;

#[derive(Debug, Clone)]
enum Op {
    Write(u64, u64),
    Zero(u64, u64),
    Sync,
    Snapshot,
    Forget,
    PutDown,
}

fn op() -> impl Strategy<Value = Op> {
    let range = || (0..SECTORS - MOST, 1..MOST);
    prop_oneof![
        6 => range().prop_map(|(sector, count)| Op::Write(sector, count)),
        3 => range().prop_map(|(sector, count)| Op::Zero(sector, count)),
        2 => Just(Op::Sync),
        1 => Just(Op::Snapshot),
        1 => Just(Op::Forget),
        1 => Just(Op::PutDown),
    ]
}

/// What the image is before anything is written.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// Compressed clusters, and some that are not.
    Compressed,
    /// Nothing of its own, on a base.
    Overlay,
}

struct Lab {
    base: File,
    start: Vec<u8>,
    top: File,
    log: Log,
    is_overlay: bool,
}

fn named(file: &File) -> ImageFile {
    ImageFile::new(file.try_clone().unwrap(), "image").unwrap()
}

fn bytes(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

impl Lab {
    fn new(start: Start, cluster: u64, compat: Compat) -> Self {
        let (base, top) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        // Every second of the larger pieces is noise.
        let mut seed = 1_u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        let content: Vec<u8> =
            (0..SIZE).map(|at| if at / 16384 % 2 == 0 { (at / 300) as u8 | 1 } else { noise() }).collect();
        base.write_all_at(&content, 0).unwrap();
        let mut options = CreateOptions::new(Format::Qcow2, SIZE);
        options.qcow2.compat = compat;
        options.qcow2.cluster_size = Some(cluster);
        let is_overlay = matches!(start, Start::Overlay);
        if is_overlay {
            options.qcow2.backing = Some(BackingReference::new("base", Format::Raw));
            create(named(&top), &options).unwrap();
        } else {
            let mut convert_to = ConvertOptions::new(Format::Qcow2);
            convert_to.create = options;
            convert_to.compress = true;
            let source = open_alone(named(&base), Format::Raw, Access::Read).unwrap();
            convert(&source, named(&top), &convert_to, &|_, _| ()).unwrap();
        }
        Self { base, start: bytes(&top), top, log: Log::default(), is_overlay }
    }

    fn open(&self, top: ImageFile, access: Access) -> Image {
        match self.is_overlay {
            true => open_chain(vec![(top, Format::Qcow2), (named(&self.base), Format::Raw)], access).unwrap(),
            false => open_alone(top, Format::Qcow2, access).unwrap(),
        }
    }

    fn done(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    /// Where the last sync in a range of steps is.
    fn last_sync(&self, steps: (usize, usize)) -> Option<usize> {
        let log = self.log.lock().unwrap();
        let found = log[steps.0..steps.1].iter().rposition(|done| matches!(done, Done::Synced));
        found.map(|at| steps.0 + at)
    }

    /// The file when the power goes after so many steps; `keeps` says what was on the disk already of what no sync that counts has seen.
    fn after(&self, steps: usize, counts: impl Fn(usize) -> bool, mut keeps: impl FnMut() -> bool) -> File {
        let log = self.log.lock().unwrap();
        let synced = (0..steps).rev().find(|at| matches!(log[*at], Done::Synced) && counts(*at));
        let synced = synced.map_or(0, |at| at + 1);
        let mut file = self.start.clone();
        for (number, done) in log[..steps].iter().enumerate() {
            let mut is_there = || number < synced || keeps();
            match done {
                Done::Written(offset, data) => {
                    let mut at = 0;
                    while at < data.len() {
                        // Sectors are written as a whole.
                        let place = *offset as usize + at;
                        let end = (at + 512 - place % 512).min(data.len());
                        if is_there() {
                            file.resize(file.len().max(place + end - at), 0);
                            file[place..place + end - at].copy_from_slice(&data[at..end]);
                        }
                        at = end;
                    }
                }
                Done::Resized(length) if is_there() => file.resize(*length as usize, 0),
                Done::Punched(range) if is_there() => {
                    let end = (range.end as usize).min(file.len());
                    file[(range.start as usize).min(end)..end].fill(0);
                }
                Done::Resized(_) | Done::Punched(_) | Done::Synced => {}
            }
        }
        let left = tempfile::tempfile().unwrap();
        left.write_all_at(&file, 0).unwrap();
        left
    }
}

/// Something that was done to the disk.
struct Change {
    /// Steps of the file before it began and when it had ended.
    steps: (usize, usize),
    /// Where, and what is there then. None for a sync.
    put: Option<(u64, u64, u8)>,
}

/// Every byte is one that was synced or one that was put there since.
fn judge(
    lab: &Lab,
    before: &[u8],
    changes: &[Change],
    steps: usize,
    left: &File,
) -> Result<(), TestCaseError> {
    let broken = |error: ImageError| TestCaseError::fail(error.to_string());
    let found = check(named(left), Format::Qcow2, Repair::Nothing).map_err(broken)?;
    prop_assert_eq!(found.corruptions, 0, "after {} steps: {:?}", steps, found.problems);
    let mut shown = vec![0; SIZE as usize];
    lab.open(named(left), Access::Read).read(&mut shown, 0).map_err(broken)?;
    let last = changes.iter().rposition(|change| change.put.is_none() && change.steps.1 <= steps);
    let (synced, since) = changes.split_at(last.map_or(0, |last| last + 1));
    let mut durable = before.to_vec();
    for (start, end, byte) in synced.iter().filter_map(|change| change.put) {
        durable[start as usize..end as usize].fill(byte);
    }
    let mut fits: Vec<bool> = shown.iter().zip(&durable).map(|(shown, durable)| shown == durable).collect();
    for (start, end, byte) in
        since.iter().filter(|change| change.steps.0 < steps).filter_map(|change| change.put)
    {
        (start as usize..end as usize).for_each(|at| fits[at] |= shown[at] == byte);
    }
    let lost = fits.iter().position(|fits| !fits);
    prop_assert!(lost.is_none(), "after {steps} steps of {}: lost byte {lost:?}", lab.done());
    Ok(())
}

fn lose_power(
    start: Start,
    cluster: u64,
    compat: Compat,
    ops: &[Op],
    mut seed: u64,
    ordered: bool,
) -> Result<(), TestCaseError> {
    let lab = Lab::new(start, cluster, compat);
    let before = bytes(&lab.base);
    let mut image = lab.open(named(&lab.top).with_log(&lab.log), Access::Write);
    let mut changes = Vec::new();
    let mut snapshots = Vec::new();
    for (number, op) in ops.iter().enumerate() {
        let began = lab.done();
        let byte = (number % 251 + 1) as u8;
        let range = |sector: u64, count: u64| (sector * SECTOR, (sector + count) * SECTOR);
        let put = match *op {
            Op::Write(sector, count) => {
                let (start, end) = range(sector, count);
                image.write(&vec![byte; (end - start) as usize], start).unwrap();
                Some((start, end, byte))
            }
            Op::Zero(sector, count) => {
                let (start, end) = range(sector, count);
                image.zero(start, end - start).unwrap();
                Some((start, end, 0))
            }
            Op::Sync => {
                image.sync().unwrap();
                None
            }
            Op::PutDown => {
                image.put_down(true).unwrap();
                None
            }
            Op::Snapshot => {
                snapshots.push(format!("{number}"));
                image.create_snapshot(&format!("{number}"), OffsetDateTime::UNIX_EPOCH).unwrap();
                None
            }
            Op::Forget => {
                snapshots.pop().map_or(Ok(()), |name| image.delete_snapshot(&name)).unwrap();
                image.sync().unwrap();
                None
            }
        };
        changes.push(Change { steps: (began, lab.done()), put });
    }
    // Whoever closes it is promised nothing.
    drop(image);
    let ends: Vec<Option<usize>> = (changes.iter().filter(|change| change.put.is_none()))
        .map(|change| lab.last_sync(change.steps))
        .collect();
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for round in 0..6 {
        let steps = if round == 0 { lab.done() } else { random(lab.done() as u64 + 1) as usize };
        // Nothing of it, a little, most or all.
        for share in [0, 2, 6, 8] {
            let left = lab.after(steps, |at| ordered || ends.contains(&Some(at)), || random(8) < share);
            judge(&lab, &before, &changes, steps, &left)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn who_loses_power_has_what_was_synced(
        ops in prop::collection::vec(op(), 1..40),
        start in prop_oneof![Just(Start::Compressed), Just(Start::Overlay)],
        cluster in prop_oneof![Just(512_u64), Just(4096)],
        old in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let compat = if old { Compat::V0_10 } else { Compat::V1_1 };
        lose_power(start, cluster, compat, &ops, seed, true)?;
    }
}

/// Writes into compressed clusters, and then what would take their places.
fn overwrites() -> Vec<Op> {
    let pieces = || 0..SECTORS / 16;
    let first = pieces().map(|piece| Op::Write(piece * 16 + 3, 2));
    let second = pieces().map(|piece| Op::Zero(piece * 15, 24));
    let third = (0..8).map(|piece| Op::Write(piece * 32 + 1, 20));
    first.chain([Op::Sync]).chain(second).chain(third).collect()
}

#[test]
fn a_compressed_cluster_that_is_overwritten_is_there_until_the_new_one_is() {
    for seed in 0..4 {
        lose_power(Start::Compressed, 4096, Compat::V1_1, &overwrites(), seed, true).unwrap();
    }
}

#[test]
fn without_the_syncs_in_between_it_would_be_lost() {
    let lost = |seed| lose_power(Start::Compressed, 4096, Compat::V1_1, &overwrites(), seed, false).is_err();
    assert!((0..32).any(lost), "a file that is written in any order loses nothing");
}

#[test]
fn what_is_let_go_of_is_kept_apart_and_then_used_again() {
    let lab = Lab::new(Start::Compressed, 4096, Compat::V1_1);
    let mut image = lab.open(named(&lab.top), Access::Write);
    let held = |image: &Image| image.qcow2("asked").unwrap().released.len();
    image.write(&vec![7; SIZE as usize], 0).unwrap();
    let length = lab.top.metadata().unwrap().len();
    assert!(held(&image) > 0 && !image.is_settled(), "the compressed clusters are there still");
    image.sync().unwrap();
    assert!(held(&image) == 0 && image.is_settled());
    image.zero(0, SIZE).unwrap();
    image.sync().unwrap();
    image.write(&vec![8; SIZE as usize], 0).unwrap();
    drop(image);
    assert_eq!(lab.top.metadata().unwrap().len(), length, "nothing new was taken");
    assert!(check(named(&lab.top), Format::Qcow2, Repair::Nothing).unwrap().is_clean());
}
