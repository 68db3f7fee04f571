//! Images that take the place of others, and snapshots within images, while the guest runs.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use reeve_image::{
    Access, BackingReference, CreateOptions, Format, ImageFile, Repair, check, create, open_chain,
};
use reeve_vmm::config::{BackingConfig, CacheMode, DeviceConfig, DeviceKind, FdIndex};
use reeve_vmm::protocol::{Call, DiskSwitch, ErrorCode, Failure, Status};
use rustix::fs::{FlockOperation, flock};

use crate::harness::Worker;
use crate::virtio::{boot, disk, field, image};

const SIZE: u64 = 8 << 20;

/// The file again, as another open file.
fn again(file: &File, write: bool) -> File {
    OpenOptions::new().read(true).write(write).open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
}

fn named(file: &File) -> ImageFile {
    ImageFile::new(file.try_clone().unwrap(), "image").unwrap()
}

/// A new image on another.
fn overlay(backing: Option<Format>) -> File {
    let file = tempfile::tempfile().unwrap();
    let mut options = CreateOptions::new(Format::Qcow2, SIZE);
    options.qcow2.backing = backing.map(|format| BackingReference::new("base", format));
    create(named(&file), &options).unwrap();
    file
}

fn qcow2(alias: &str, fd: u32) -> DeviceConfig {
    let mut device = disk(alias, fd, CacheMode::Writeback);
    if let DeviceKind::Block(block) = &mut device.kind {
        block.format = Format::Qcow2;
    }
    device
}

fn to(alias: &str, fd: u32, format: Format, backing: &[(u32, Format)]) -> DiskSwitch {
    let backing = backing.iter().map(|(fd, format)| BackingConfig { fd: FdIndex(*fd), format: *format });
    DiskSwitch { alias: alias.to_owned(), fd: FdIndex(fd), format, backing: backing.collect() }
}

fn switch(worker: &mut Worker, disks: Vec<DiskSwitch>, fds: &[&File]) -> Result<(), Failure> {
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(|file| file.as_fd()).collect();
    worker.link.call_with(Call::SwitchDisks { disks }, &fds).map(drop)
}

fn is_free(file: &File, write: bool) -> bool {
    let how =
        if write { FlockOperation::NonBlockingLockExclusive } else { FlockOperation::NonBlockingLockShared };
    flock(again(file, false), how).is_ok()
}

#[test]
fn disks_change_over_to_overlays_and_back_and_lose_nothing() {
    let bases = [image(0), image(libc::O_DIRECT)];
    // What the worker gets is locked, and nobody else has these open files.
    let handed = [again(&bases[0], true), {
        let path = format!("/proc/self/fd/{}", bases[1].as_raw_fd());
        use std::os::unix::fs::OpenOptionsExt;
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(path).unwrap()
    }];
    handed.iter().for_each(|file| flock(file, FlockOperation::NonBlockingLockExclusive).unwrap());
    let devices = vec![disk("vda", 2, CacheMode::Writeback), disk("vdb", 3, CacheMode::None)];
    let (mut worker, mut terminal) = boot(devices, &[&handed[0], &handed[1]], |_| {});
    drop(handed);
    let before: Vec<_> = (0..2)
        .map(|number| {
            let said = terminal.run(&format!("disk write {number} 0 256 0x1{number}"));
            field(&said, "sum")
        })
        .collect();

    let tops = [overlay(Some(Format::Raw)), overlay(Some(Format::Raw))];
    let below = [again(&bases[0], false), again(&bases[1], false)];
    tops.iter().for_each(|file| flock(file, FlockOperation::NonBlockingLockExclusive).unwrap());
    let both = |last: Format| {
        vec![to("vda", 0, Format::Qcow2, &[(1, Format::Raw)]), to("vdb", 2, Format::Qcow2, &[(3, last)])]
    };
    // The second can't be opened: both stay.
    let refused = switch(&mut worker, both(Format::Qcow2), &[&tops[0], &below[0], &tops[1], &below[1]]);
    assert!(refused.unwrap_err().message.contains("vdb"));
    assert!(!is_free(&bases[0], false) && !is_free(&bases[1], false), "they are still written");
    switch(&mut worker, both(Format::Raw), &[&tops[0], &below[0], &tops[1], &below[1]]).unwrap();
    assert_eq!(worker.status(), Status::Running);
    for (number, before) in before.iter().enumerate() {
        assert_eq!(field(&terminal.run(&format!("disk sum {number} 0 256")), "sum"), *before);
    }
    assert!(is_free(&bases[0], false) && !is_free(&bases[0], true), "others may read it now, none write it");
    let frozen: Vec<_> = bases.iter().map(|base| content(&again(base, false))).collect();
    let after = field(&terminal.run("disk write 0 128 256 0x2222"), "sum");
    terminal.run("disk write 1 128 256 0x3333");
    terminal.run("disk flush 0");
    assert_eq!(field(&terminal.run("disk sum 0 128 256"), "sum"), after);
    for (base, frozen) in bases.iter().zip(&frozen) {
        assert!(content(&again(base, false)) == *frozen, "what is below is not written");
    }

    // One of them merges and goes back.
    let (mut top, base) = (named(&tops[0]), again(&bases[0], true));
    let merged = {
        let chain = vec![(top, Format::Qcow2), (named(&bases[0]), Format::Raw)];
        let whole = open_chain(chain, Access::Read).unwrap();
        let mut bytes = vec![0; SIZE as usize];
        whole.read(&mut bytes, 0).unwrap();
        top = named(&tops[0]);
        bytes
    };
    base.write_all_at(&merged, 0).unwrap();
    switch(&mut worker, vec![to("vda", 0, Format::Raw, &[])], &[&base]).unwrap();
    drop(base);
    assert_eq!(field(&terminal.run("disk sum 0 128 256"), "sum"), after);
    assert!(!is_free(&bases[0], false), "it is written again");
    drop(tops);
    assert!(check(top, Format::Qcow2, Repair::Nothing).unwrap().is_clean());
    terminal.run("disk write 0 0 8 0x9");
    let config = worker.reconnect(0).config.unwrap();
    let depth = |device: &DeviceConfig| match &device.kind {
        DeviceKind::Block(block) => Some((block.format, block.backing.len())),
        _ => None,
    };
    let depths: Vec<_> = config.devices.iter().filter_map(depth).collect();
    assert_eq!(depths, [(Format::Raw, 0), (Format::Qcow2, 1)]);
    worker.finish();
}

fn content(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; SIZE as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn what_can_t_take_its_place_is_refused_and_the_guest_goes_on() {
    let base = image(0);
    let (mut worker, mut terminal) =
        boot(vec![disk("vda", 2, CacheMode::Writeback)], &[&again(&base, true)], |_| {});
    let short = tempfile::tempfile().unwrap();
    short.set_len(SIZE / 2).unwrap();
    let failure = switch(&mut worker, vec![to("vda", 0, Format::Raw, &[])], &[&short]).unwrap_err();
    assert!(failure.message.contains("can't take the place"), "{failure}");
    let failure = switch(&mut worker, vec![to("vdz", 0, Format::Raw, &[])], &[&short]).unwrap_err();
    assert_eq!(failure.code, ErrorCode::NotFound);
    let (other, taken) = (image(0), image(0));
    flock(again(&taken, false), FlockOperation::NonBlockingLockExclusive).unwrap();
    let locked = again(&other, true);
    flock(&locked, FlockOperation::NonBlockingLockExclusive).unwrap();
    let failure =
        switch(&mut worker, vec![to("vda", 0, Format::Raw, &[])], &[&again(&other, true)]).unwrap_err();
    assert_eq!(failure.code, ErrorCode::Host);
    assert!(failure.message.contains("locked"), "{failure}");
    assert!(!is_free(&base, false), "its lock is held again");
    assert!(terminal.run("disk write 0 0 16 0x1").starts_with("ok"));
    worker.finish();
}

#[test]
fn snapshots_hold_what_all_disks_were_at_one_moment() {
    let (one, two, raw) = (overlay(None), overlay(None), image(0));
    let devices = vec![qcow2("vda", 2), qcow2("vdb", 3), disk("vdc", 4, CacheMode::Writeback)];
    let (mut worker, mut terminal) = boot(devices, &[&one, &two, &raw], |_| {});
    let sums: Vec<_> =
        (0..2).map(|n| field(&terminal.run(&format!("disk write {n} 0 128 0x5{n}")), "sum")).collect();
    let take = |worker: &mut Worker, aliases: &[&str], name: &str| {
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        worker.link.call(Call::SnapshotDisks { aliases, name: name.to_owned(), taken: 1_700_000_000 })
    };
    let failure = take(&mut worker, &["vda", "vdc"], "first").unwrap_err();
    assert!(failure.message.contains("only a qcow2 image"), "{failure}");
    take(&mut worker, &["vda", "vdb"], "first").unwrap();
    assert!(take(&mut worker, &["vda"], "first").is_err(), "the name is taken");
    for number in 0..2 {
        terminal.run(&format!("disk write {number} 64 128 0x77"));
    }
    take(&mut worker, &["vda", "vdb"], "second").unwrap();
    let aliases = vec!["vda".to_owned(), "vdb".to_owned()];
    for _ in 0..2 {
        for (name, taken) in [("second", 1_700_000_000), ("first", 1)] {
            let (aliases, name) = (aliases.clone(), name.to_owned());
            worker.link.call(Call::DropDiskSnapshots { aliases, name, taken }).unwrap();
        }
    }
    worker.finish();

    for file in [&one, &two] {
        assert!(check(named(file), Format::Qcow2, Repair::Nothing).unwrap().is_clean());
        let mut image = open_chain(vec![(named(file), Format::Qcow2)], Access::Write).unwrap();
        let names: Vec<_> = image.snapshots().unwrap().into_iter().map(|snapshot| snapshot.name).collect();
        assert_eq!(names, ["first"]);
        image.apply_snapshot("first").unwrap();
    }
    let (worker, mut terminal) = boot(vec![qcow2("vda", 2), qcow2("vdb", 3)], &[&one, &two], |_| {});
    for (number, sum) in sums.iter().enumerate() {
        assert_eq!(field(&terminal.run(&format!("disk sum {number} 0 128")), "sum"), *sum);
    }
    worker.finish();
}

#[test]
fn a_drive_has_one_medium_after_the_other_and_none_in_between() {
    let drive = |alias: &str, fd: u32| {
        let mut device = disk(alias, fd, CacheMode::Writeback);
        if let DeviceKind::Block(block) = &mut device.kind {
            (block.readonly, block.removable) = (true, true);
        }
        device
    };
    let (fixed, first) = (image(0), image(0));
    let handed = again(&first, false);
    flock(&handed, FlockOperation::NonBlockingLockShared).unwrap();
    let devices = vec![drive("vda", 2), disk("vdb", 3, CacheMode::Writeback)];
    let (mut worker, mut terminal) = boot(devices, &[&handed, &fixed], |_| {});
    drop(handed);
    let change = |worker: &mut Worker, medium: DiskSwitch, fds: &[&File]| {
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(|file| file.as_fd()).collect();
        worker.link.call_with(Call::ChangeMedium { medium }, &fds).map(drop)
    };
    assert!(terminal.run("disk info 0").contains("sectors=16384 access=ro"));
    assert!(is_free(&first, false) && !is_free(&first, true));
    let empty = tempfile::tempfile().unwrap();
    change(&mut worker, to("vda", 0, Format::Raw, &[]), &[&again(&empty, false)]).unwrap();
    assert!(is_free(&first, true), "the lock goes with the medium");
    assert!(terminal.run("disk info 0").contains("sectors=0 access=ro"));
    terminal.tell("disk read 0 0");
    terminal.expect("error the disk has 0 sectors");

    // Another one of another size and format, with what is below it.
    let (top, below) = (overlay(Some(Format::Raw)), image(0));
    let parts: [&File; 2] = [&again(&top, false), &again(&below, false)];
    parts.iter().for_each(|file| flock(file, FlockOperation::NonBlockingLockShared).unwrap());
    change(&mut worker, to("vda", 0, Format::Qcow2, &[(1, Format::Raw)]), &parts).unwrap();
    assert!(terminal.run("disk info 0").contains("sectors=16384 access=ro"));
    let (sum, same) = (terminal.run("disk sum 0 8 64"), terminal.run("disk sum 1 8 64"));
    assert_eq!(field(&sum, "sum"), field(&same, "sum"));
    let config = worker.reconnect(0).config.unwrap();
    let DeviceKind::Block(block) = &config.devices[0].kind else { panic!("{config:?}") };
    assert_eq!((block.format, block.backing.len(), block.removable), (Format::Qcow2, 1, true));

    // What is no drive, no medium, or not there changes nothing.
    let short = tempfile::tempfile().unwrap();
    short.set_len(100).unwrap();
    for (alias, file, why) in
        [("vdb", &empty, "no drive"), ("vda", &short, "smaller than one block"), ("vdz", &empty, "vdz")]
    {
        let refused = change(&mut worker, to(alias, 0, Format::Raw, &[]), &[file]).unwrap_err();
        assert!(refused.message.contains(why), "{refused}");
    }
    assert_eq!(field(&terminal.run("disk sum 0 8 64"), "sum"), field(&same, "sum"));
    assert!(!is_free(&below, true));
    assert_eq!(worker.status(), Status::Running);
    worker.finish();
}
