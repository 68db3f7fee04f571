//! Guests that run before all of their memory has come.

use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use reeve_vmm::config::{DeviceKind, ErrorAction};
use reeve_vmm::protocol::{
    Call, ErrorCode, Event, MigrationLimits, MigrationNews, MigrationOrder, PauseReason, Status,
};
use uuid::Uuid;

use crate::harness::{Terminal, Worker};
use crate::machine::image;
use crate::migration::{LIMITS, console, expect, filled, filled_with, full, news, order, ready, send};

/// The first round takes for ever, and the rest long enough to look at it.
const SLOW: MigrationLimits = MigrationLimits {
    bandwidth: Some(1 << 20),
    post_copy: true,
    post_copy_bandwidth: Some(4 << 20),
    ..LIMITS
};

fn resume(worker: &mut Worker, migration: Uuid, stream: &UnixStream) {
    let order = MigrationOrder::Resume { migration };
    worker.link.call_with(Call::Migrate { order }, &[stream.as_fd()]).unwrap();
}

/// A guest whose memory is to come: it runs at the second worker.
fn switched(image: &std::fs::File, limits: MigrationLimits) -> (Worker, Worker, Uuid) {
    let (source, _terminal) = filled(image);
    switched_from(source, image, limits)
}

fn switched_from(
    mut source: Worker,
    image: &std::fs::File,
    limits: MigrationLimits,
) -> (Worker, Worker, Uuid) {
    let migration = Uuid::new_v4();
    let (target, stream) = expect(migration, &mut source, image, false);
    send(&mut source, migration, &stream, limits);
    drop(stream);
    order(&mut source, MigrationOrder::SwitchNow);
    ready(&mut source);
    order(&mut source, MigrationOrder::Decide { given_up: true });
    (source, target, migration)
}

fn wait_for(worker: &mut Worker, wanted: &Status) {
    let begun = Instant::now();
    while worker.status() != *wanted {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?} instead of {wanted:?}", worker.status());
        thread::sleep(Duration::from_millis(5));
    }
}

fn moved(source: &mut Worker, target: &mut Worker) -> u64 {
    let downtime = news(source, |news| match news {
        MigrationNews::Moved { downtime_us } => Some(*downtime_us),
        MigrationNews::Interrupted { reason } => panic!("{reason}"),
        _ => None,
    });
    news(target, |news| (*news == MigrationNews::Arrived).then_some(()));
    downtime
}

fn interrupted(worker: &mut Worker) {
    news(worker, |news| matches!(news, MigrationNews::Interrupted { .. }).then_some(()));
}

fn verify(terminal: &mut Terminal) {
    assert!(terminal.run("mem verify 77 24").starts_with("ok verify"), "memory is what it was");
    assert!(terminal.run("disk read 0 3").contains("text=before-the-move"));
}

#[test]
fn a_guest_runs_before_its_memory_is_there_and_finds_all_of_it() {
    let image = image();
    let (mut source, mut target, _) = switched(&image, SLOW);
    wait_for(&mut target, &Status::Late { interrupted: false });
    let abort = MigrationOrder::Abort { reason: "changed my mind".to_owned() };
    let refused = target.link.call(Call::Migrate { order: abort }).unwrap_err();
    assert_eq!(refused.code, ErrorCode::State, "it runs here, and its stream stands: {refused:?}");
    let mut terminal = console(&mut target);
    verify(&mut terminal);
    let downtime = moved(&mut source, &mut target);
    println!("downtime {downtime} us");
    assert_eq!(target.status(), Status::Running);
    verify(&mut terminal);
    terminal.run("rng 8");
    source.finish();
    target.finish();
}

#[test]
fn a_guest_that_writes_all_it_can_moves_at_once() {
    let image = image();
    let (mut source, mut terminal) = filled(&image);
    terminal.tell("dirty 0 16 3");
    let migration = Uuid::new_v4();
    let (mut target, stream) = expect(migration, &mut source, &image, false);
    let limits = MigrationLimits { post_copy: true, post_copy_after: Some(1), max_downtime_us: 1, ..LIMITS };
    send(&mut source, migration, &stream, limits);
    drop(stream);
    ready(&mut source);
    order(&mut source, MigrationOrder::Decide { given_up: true });
    println!("downtime {} us", moved(&mut source, &mut target));
    source.finish();
    let mut terminal = console(&mut target);
    // It looks at what it wrote the round before.
    assert!(terminal.expect("ok pages=").len() > 9);
    terminal.run("mem write 77 24");
    verify(&mut terminal);
    target.finish();
}

#[test]
fn what_was_cut_goes_on_over_another_stream() {
    let image = image();
    let (mut source, mut target, migration) = switched(&image, SLOW);
    wait_for(&mut target, &Status::Late { interrupted: false });
    for by_source in [true, false] {
        order(if by_source { &mut source } else { &mut target }, MigrationOrder::Interrupt);
        interrupted(&mut source);
        interrupted(&mut target);
        assert_eq!(target.status(), Status::Late { interrupted: true });
        for call in [Call::Pause, Call::Reset, Call::Quit] {
            let refused = target.link.call(call).unwrap_err();
            assert_eq!(refused.code, ErrorCode::State);
            assert!(
                refused.message.contains("memory is") && !refused.message.contains("abort"),
                "{refused:?}"
            );
        }
        let refused = source.link.call(Call::Resume).unwrap_err();
        assert!(refused.message.contains("is another host's"), "{refused:?}");
        let (near, far) = UnixStream::pair().unwrap();
        resume(&mut target, migration, &far);
        resume(&mut source, migration, &near);
        assert_eq!(target.status(), Status::Late { interrupted: false });
    }
    moved(&mut source, &mut target);
    verify(&mut console(&mut target));
    source.finish();
    target.finish();
}

#[test]
fn a_guest_stands_where_it_needs_what_is_missing_and_goes_on_when_it_comes() {
    let image = image();
    let (mut source, mut target, migration) = switched(&image, SLOW);
    wait_for(&mut target, &Status::Late { interrupted: false });
    order(&mut source, MigrationOrder::Interrupt);
    interrupted(&mut source);
    interrupted(&mut target);
    let mut terminal = console(&mut target);
    terminal.tell("mem verify 77 24");
    thread::sleep(Duration::from_millis(300));
    // Its vCPU stands in a fault, and the worker answers all the same.
    assert_eq!(target.status(), Status::Late { interrupted: true });
    let (near, far) = UnixStream::pair().unwrap();
    resume(&mut target, migration, &far);
    resume(&mut source, migration, &near);
    terminal.expect("ok verify");
    moved(&mut source, &mut target);
    verify(&mut terminal);
    source.finish();
    target.finish();
}

/// A disk that can be made to refuse what is written from some time on.
fn sealable() -> std::fs::File {
    // SAFETY: the name is a string that ends, and the call makes a descriptor.
    let fd = unsafe { libc::memfd_create(c"disk".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: it was made a moment ago, and nobody else has it.
    let image = unsafe { std::fs::File::from_raw_fd(fd) };
    image.set_len(1 << 20).unwrap();
    image
}

#[test]
fn a_disk_that_stops_meanwhile_stops_the_guest_when_it_is_whole() {
    let image = sealable();
    let mut config = full();
    for device in &mut config.devices {
        if let DeviceKind::Block(block) = &mut device.kind {
            block.errors.write = ErrorAction::Stop;
        }
    }
    let (source, _terminal) = filled_with(&config, &image);
    let (mut source, mut target, migration) = switched_from(source, &image, SLOW);
    wait_for(&mut target, &Status::Late { interrupted: false });
    let mut terminal = console(&mut target);
    terminal.run("ping");
    // SAFETY: the call looks at nothing but its numbers.
    let sealed = unsafe { libc::fcntl(image.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_WRITE) };
    assert_eq!(sealed, 0, "{}", std::io::Error::last_os_error());
    terminal.tell("disk put 0 5 refused");
    let begun = Instant::now();
    while target.stats().disks[0].error.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the disk does not stop");
        thread::sleep(Duration::from_millis(5));
    }
    // Nobody waits for vCPUs that wait for pages: it can be cut and mended.
    order(&mut source, MigrationOrder::Interrupt);
    interrupted(&mut source);
    interrupted(&mut target);
    let (near, far) = UnixStream::pair().unwrap();
    resume(&mut target, migration, &far);
    resume(&mut source, migration, &near);
    let first = target.link.event(|event| match event {
        Event::Paused | Event::DiskError { .. } => Some(event.clone()),
        Event::Migration { news: MigrationNews::Arrived } => Some(event.clone()),
        _ => None,
    });
    assert_eq!(first, Event::Migration { news: MigrationNews::Arrived });
    target.link.event(|event| matches!(event, Event::DiskError { .. }).then_some(()));
    assert_eq!(target.status(), Status::Paused { reason: PauseReason::IoError });
    source.finish();
    target.finish();
}

#[test]
fn a_guest_that_powers_off_meanwhile_ends_when_it_is_whole() {
    let image = image();
    let (mut source, mut target, _) = switched(&image, SLOW);
    wait_for(&mut target, &Status::Late { interrupted: false });
    console(&mut target).tell("poweroff");
    moved(&mut source, &mut target);
    target.link.wait_for(&Event::GuestPowerOff);
    assert!(matches!(target.status(), Status::Ended { .. }));
    source.finish();
    target.finish();
}

#[test]
fn post_copy_that_was_not_allowed_does_not_happen() {
    let image = image();
    let (mut source, mut terminal) = filled(&image);
    let migration = Uuid::new_v4();
    let (mut target, stream) = expect(migration, &mut source, &image, false);
    send(&mut source, migration, &stream, MigrationLimits { post_copy: false, ..SLOW });
    drop(stream);
    for order in [MigrationOrder::SwitchNow, MigrationOrder::Interrupt, MigrationOrder::Resume { migration }]
    {
        let refused = source.link.call(Call::Migrate { order }).unwrap_err();
        assert!(matches!(refused.code, ErrorCode::State | ErrorCode::BadRequest), "{refused:?}");
    }
    order(&mut source, MigrationOrder::Abort { reason: "enough".to_owned() });
    news(&mut source, |news| matches!(news, MigrationNews::Kept { .. }).then_some(()));
    verify(&mut terminal);
    // It ends by itself, and can't be quit while it does.
    news(&mut target, |news| matches!(news, MigrationNews::Discarded { .. }).then_some(()));
    target.finish();
    source.finish();
}
