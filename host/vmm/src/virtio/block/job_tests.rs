//! Jobs on the images of a disk while its driver reads and writes.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use reeve_image::{Access, BackingReference, Compat, CreateOptions, Format, create, open_alone, open_chain};

use super::image_tests::{MOST, Op, assert_sound, carry_out, content, disk, named, op, overlay};
use super::tests::{DISK_SIZE, Disked, image};
use super::*;
use crate::protocol::BlockJobState;
use crate::virtio::testing::wait_until;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Pull,
    ActiveCommit,
    Copy(Format),
    RawCopy,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Pull),
        Just(Kind::ActiveCommit),
        Just(Kind::Copy(Format::Raw)),
        Just(Kind::Copy(Format::Qcow2)),
        Just(Kind::RawCopy),
    ]
}

struct Lab {
    kind: Kind,
    disk: Disked,
    top: File,
    base: File,
    target: File,
}

impl Lab {
    fn new(kind: Kind, ring: bool) -> Self {
        let (base, target) = (image(0), tempfile::tempfile().unwrap());
        let top = overlay(&base, Compat::V1_1);
        let options = DiskOptions { discard: true, ..DiskOptions::default() };
        let disk = match kind {
            Kind::RawCopy => Disk::new(base.try_clone().unwrap(), options).unwrap(),
            _ => disk(&top, &base, options),
        };
        Self { kind, disk: Disked::start(disk, top.try_clone().unwrap(), ring), top, base, target }
    }

    fn task(&self) -> Task {
        match self.kind {
            Kind::Pull => Task::Pull { base: None, reference: None },
            Kind::ActiveCommit => Task::Commit {
                top: 0,
                base: 1,
                reference: Some(BackingReference::new("base", Format::Raw)),
                writable: vec![named(&self.base, "base")],
            },
            Kind::RawCopy | Kind::Copy(_) => {
                let format = self.target_format();
                create(named(&self.target, "copy"), &CreateOptions::new(format, DISK_SIZE)).unwrap();
                let target = open_alone(named(&self.target, "copy"), format, Access::Write).unwrap();
                Task::Copy { target: Box::new(target), shallow: false, blank: true }
            }
        }
    }

    fn target_format(&self) -> Format {
        if let Kind::Copy(format) = self.kind { format } else { Format::Qcow2 }
    }

    /// Does something while the device is stopped.
    fn still<T>(&mut self, act: impl FnOnce(&BlockControl) -> T) -> T {
        self.disk.driver.transport.pause();
        let done = act(&self.disk.control);
        self.disk.driver.transport.resume();
        done
    }

    /// What is on the disk that the job has left.
    fn whole(&self, pivoted: bool) -> Vec<u8> {
        let old = || vec![(named(&self.top, "top"), Format::Qcow2), (named(&self.base, "base"), Format::Raw)];
        let chain = match self.kind {
            Kind::Pull => vec![(named(&self.top, "top"), Format::Qcow2)],
            Kind::ActiveCommit if pivoted => vec![(named(&self.base, "base"), Format::Raw)],
            Kind::Copy(_) | Kind::RawCopy if pivoted => {
                vec![(named(&self.target, "copy"), self.target_format())]
            }
            Kind::RawCopy => vec![(named(&self.base, "base"), Format::Raw)],
            Kind::ActiveCommit | Kind::Copy(_) => old(),
        };
        let mut whole = vec![0; DISK_SIZE as usize];
        open_chain(chain, Access::Read).unwrap().read(&mut whole, 0).unwrap();
        whole
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_disk_with_a_job_does_what_a_raw_twin_does(
        kind in kind(),
        ops in proptest::collection::vec(op(), 3..60),
        pivot in any::<bool>(),
        ring in any::<bool>(),
        bandwidth in 1u64 << 20..32 << 20,
    ) {
        let mut lab = Lab::new(kind, ring);
        let twin = image(0);
        let options = DiskOptions { discard: true, ..DiskOptions::default() };
        let raw = Disk::new(twin.try_clone().unwrap(), options).unwrap();
        let mut other = Disked::start(raw, twin.try_clone().unwrap(), ring);
        let buffers = [&mut lab.disk, &mut other].map(|disk| disk.driver.buffer(&[0; MOST as usize * 512]));
        let mut carry_out = |lab: &mut Lab, ops: &[Op]| {
            for op in ops {
                let first = carry_out(&mut lab.disk, op, buffers[0]);
                let second = carry_out(&mut other, op, buffers[1]);
                assert!(first == second, "{op:?}: {} and {}", first.0, second.0);
            }
        };
        let (before, rest) = ops.split_at(ops.len() / 3);
        let (during, after) = rest.split_at(rest.len() / 2);
        carry_out(&mut lab, before);
        let task = lab.task();
        let mut job =
            lab.still(|control| control.begin_job("vda", task, bandwidth, Arc::new(|| {}))).unwrap();
        carry_out(&mut lab, during);
        job.limit(0);
        wait_until("the job has moved all", || job.progress().state != BlockJobState::Running);
        carry_out(&mut lab, &during[..during.len() / 2]);
        let ready = job.progress().state == BlockJobState::Ready;
        prop_assert_eq!(ready, !matches!(kind, Kind::Pull), "{:?}", job.progress());
        lab.still(|control| {
            match (ready, pivot) {
                (true, true) => job.pivot().unwrap(),
                (true, false) => job.cancel(),
                (false, _) => {}
            }
            job.put_away().unwrap();
            control.end_job().unwrap();
        });
        carry_out(&mut lab, after);
        lab.still(|_| ());
        prop_assert!(lab.whole(ready && pivot) == content(&twin), "the disks are the same");
        if !matches!(kind, Kind::RawCopy) {
            assert_sound(&lab.top);
        }
    }
}

#[test]
fn a_job_keeps_to_its_bandwidth_and_ends_when_it_is_given_up() {
    let mut lab = Lab::new(Kind::Pull, true);
    let task = lab.task();
    let mut job = lab.still(|control| control.begin_job("vda", task, 1, Arc::new(|| {}))).unwrap();
    wait_until("one step is made", || job.progress().done > 0);
    let done = job.progress().done;
    std::thread::park_timeout(Duration::from_millis(50));
    assert_eq!(job.progress().done, done, "the next one is hours away");
    job.cancel();
    assert_eq!(job.progress().state, BlockJobState::Cancelled);
    lab.still(|control| {
        job.put_away().unwrap();
        control.end_job().unwrap();
    });
    let before = content(&lab.base);
    let chain = vec![(named(&lab.top, "top"), Format::Qcow2), (named(&lab.base, "base"), Format::Raw)];
    let mut whole = vec![0; DISK_SIZE as usize];
    open_chain(chain, Access::Read).unwrap().read(&mut whole, 0).unwrap();
    assert!(whole == before);
}

#[test]
fn what_makes_no_sense_is_refused_and_the_disk_goes_on() {
    let mut lab = Lab::new(Kind::Copy(Format::Raw), true);
    let small = tempfile::tempfile().unwrap();
    small.set_len(4096).unwrap();
    let target = Box::new(open_alone(named(&small, "small"), Format::Raw, Access::Write).unwrap());
    let commit = |top, base, writable| Task::Commit { top, base, reference: None, writable };
    for task in [
        Task::Copy { target, shallow: false, blank: true },
        Task::Pull { base: Some(2), reference: None },
        Task::Pull { base: Some(0), reference: None },
        commit(1, 1, Vec::new()),
        commit(0, 2, Vec::new()),
        commit(0, 1, vec![named(&small, "small")]),
    ] {
        let begun = lab.still(|control| control.begin_job("vda", task, 0, Arc::new(|| {})).map(drop));
        assert!(begun.is_err());
    }
    let buffer = lab.disk.driver.buffer(&[0; MOST as usize * 512]);
    assert_eq!(carry_out(&mut lab.disk, &Op::Write(0, 8, 7), buffer).0, 0);
    lab.still(|_| ());
    assert!(lab.whole(false)[..4096] == [7; 4096]);
}
