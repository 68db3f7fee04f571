//! Disks that are copied while their driver writes them.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;

use proptest::prelude::*;
use reeve_image::{Access, BackingReference, Compat, CreateOptions, Format, create, open_chain};
use reeve_migrate::Piece;

use super::image_tests::{MOST, Op, assert_sound, carry_out, content, disk, named, op, overlay};
use super::tests::{DISK_SIZE, Disked, image};
use super::*;
use crate::config::{BlockConfig, CacheMode};
use crate::machine::FdTable;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Raw,
    /// Past the page cache, at both ends.
    Direct,
    /// All of an overlay, into one image.
    Whole,
    /// What the overlay has itself.
    Shallow,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Raw), Just(Kind::Direct), Just(Kind::Whole), Just(Kind::Shallow)]
}

/// Brings ranges over, and carries out some of the driver's requests in between.
fn bring(
    ranges: &[Range<u64>],
    leaving: &LeavingDisk,
    arriving: &mut ArrivingDisk,
    mut between: impl FnMut(),
) -> u64 {
    let mut moved = 0;
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let length = match leaving.piece(at..range.end).unwrap() {
                Piece::Data(bytes) => {
                    arriving.write(&bytes, at).unwrap();
                    moved += bytes.len() as u64;
                    bytes.len() as u64
                }
                Piece::Zero(length) => {
                    arriving.zero(at..at + length).unwrap();
                    length
                }
                Piece::Absent(length) => length,
            };
            assert!(length > 0 && length.is_multiple_of(512) && at + length <= range.end);
            at += length;
            between();
        }
    }
    moved
}

fn reopened(file: &File, flags: i32) -> File {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    File::options().read(true).write(true).custom_flags(flags).open(path).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "a list of one range")]
    fn what_comes_is_what_the_disk_is_at_the_end(
        kind in kind(),
        ops in proptest::collection::vec(op(), 1..60),
        ring in any::<bool>(),
    ) {
        let direct = if kind == Kind::Direct { libc::O_DIRECT } else { 0 };
        let cache = if kind == Kind::Direct { CacheMode::None } else { CacheMode::Writeback };
        let options = DiskOptions { discard: true, cache, ..DiskOptions::default() };
        let base = image(direct);
        let (source, top) = match kind {
            Kind::Raw | Kind::Direct => (Disk::new(base.try_clone().unwrap(), options).unwrap(), None),
            Kind::Whole | Kind::Shallow => {
                let top = overlay(&base, Compat::V1_1);
                (disk(&top, &base, options), Some(top))
            }
        };
        let mut source = Disked::start(source, base.try_clone().unwrap(), ring);
        let buffer = source.driver.buffer(&[0; MOST as usize * 512]);
        let mut ops = ops.into_iter();
        // Some of them come before anybody looks.
        for op in ops.by_ref().take(5) {
            carry_out(&mut source, &op, buffer);
        }
        // Where it goes there is something else.
        let directory = env!("CARGO_MANIFEST_DIR").to_owned() + "/../../target";
        let target = tempfile::tempfile_in(directory).unwrap();
        let format = if top.is_some() { Format::Qcow2 } else { Format::Raw };
        let mut create_options = CreateOptions::new(format, DISK_SIZE);
        if kind == Kind::Shallow {
            create_options.qcow2.backing = Some(BackingReference::new("base", Format::Raw));
        }
        create(named(&target, "target"), &create_options).unwrap();
        let backing = if kind == Kind::Shallow { r#","backing":[{"fd":1,"format":"raw"}]"# } else { "" };
        let block = format!(r#"{{"fd":0,"format":"{}"{backing}}}"#, format.name());
        let block: BlockConfig = serde_json::from_str(&block).unwrap();
        let fds = FdTable::new(vec![reopened(&target, direct).into(), base.try_clone().unwrap().into()]);
        let mut arriving = ArrivingDisk::open("vda", &block, &fds).unwrap();
        if kind != Kind::Shallow {
            arriving.write(&[0xdd; DISK_SIZE as usize], 0).unwrap();
        }

        let mut leaving = LeavingDisk::new(&source.control, "vda", kind == Kind::Shallow);
        leaving.track();
        prop_assert_eq!(leaving.shape(), arriving.shape());
        let mut next = || {
            if let Some(op) = ops.next() {
                carry_out(&mut source, &op, buffer);
            }
        };
        bring(&[0..DISK_SIZE], &leaving, &mut arriving, &mut next);
        bring(&leaving.take_written(), &leaving, &mut arriving, &mut next);
        for op in ops {
            carry_out(&mut source, &op, buffer);
        }
        source.driver.transport.pause();
        let rest = leaving.take_written();
        bring(&rest, &leaving, &mut arriving, || {});
        prop_assert!(leaving.take_written().is_empty());
        arriving.settle().unwrap();
        prop_assert!(arriving.sync().is_err(), "it is closed");

        let shown = |top: &File| {
            let mut chain = vec![(named(top, "top"), Format::Qcow2)];
            chain.push((named(&base, "base"), Format::Raw));
            let mut whole = vec![0; DISK_SIZE as usize];
            open_chain(chain, Access::Read).unwrap().read(&mut whole, 0).unwrap();
            whole
        };
        match (&top, kind) {
            (None, _) => prop_assert!(content(&reopened(&base, 0)) == content(&target)),
            (Some(top), Kind::Shallow) => prop_assert!(shown(top) == shown(&target)),
            (Some(top), _) => {
                let mut whole = vec![0; DISK_SIZE as usize];
                let chain = vec![(named(&target, "target"), Format::Qcow2)];
                open_chain(chain, Access::Read).unwrap().read(&mut whole, 0).unwrap();
                prop_assert!(shown(top) == whole);
            }
        }
        if format == Format::Qcow2 {
            assert_sound(&target);
        }
        drop(leaving);
        source.driver.transport.resume();
        carry_out(&mut source, &Op::Write(0, 1, 1), buffer);
        prop_assert!(source.control.disk().written().take().is_empty(), "nobody looks any more");
    }
}
