//! Guests that move between two workers, and what is left when one of them goes in the middle.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use reeve_migrate::{Plan, Step, StrategyAnswer, StrategyQuestion};
use reeve_vmm::config::{DeviceKind, PluggableConfig, SeccompMode, VmConfig, WatchdogAction};
use reeve_vmm::protocol::{
    Call, ErrorCode, Event, MigratingPhase, MigrationLimits, MigrationNews, MigrationOrder, PauseReason,
    Status,
};
use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

use crate::harness::{Terminal, Worker, config, guest, kvm};
use crate::machine::{full_config, image, launch};
use crate::save::guarded;
use crate::virtio::device;

pub const LIMITS: MigrationLimits = MigrationLimits {
    max_downtime_us: 300_000,
    bandwidth: None,
    max_throttle: 0,
    max_rounds: 50,
    compress: false,
    post_copy: false,
    post_copy_after: None,
    post_copy_bandwidth: None,
};

pub fn full() -> VmConfig {
    let mut config = full_config();
    config.sandbox.seccomp = SeccompMode::Kill;
    config
}

pub fn order(worker: &mut Worker, order: MigrationOrder) {
    worker.link.call(Call::Migrate { order }).unwrap();
}

/// The next news of a migration that `wanted` takes.
pub fn news<T>(worker: &mut Worker, wanted: impl Fn(&MigrationNews) -> Option<T>) -> T {
    worker.link.event(|event| match event {
        Event::Migration { news } => wanted(news),
        _ => None,
    })
}

/// A worker that waits for a guest with this configuration, and the source's end of the stream.
pub fn expect(migration: Uuid, source: &mut Worker, image: &File, paused: bool) -> (Worker, UnixStream) {
    let hello = source.reconnect(u64::MAX);
    let config = hello.config.unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let (kvm, kernel, random) = (kvm(), guest(), File::open("/dev/urandom").unwrap());
    let mut target = Worker::start();
    // As the destination's daemon has it: opened for itself, and not locked.
    let again = reopen(image);
    let shared = Vec::new();
    let order = MigrationOrder::Receive {
        migration,
        config: Box::new(config),
        shared,
        paused,
        late: true,
        witness: false,
        disks: Vec::new(),
        streams: 4,
    };
    let faults = File::options().read(true).write(true).open("/dev/userfaultfd").unwrap();
    let mut fds = vec![kvm.as_fd(), kernel.as_fd()];
    if !source_has_disk(source) {
        fds.extend([faults.as_fd(), far.as_fd()]);
    } else {
        fds.extend([again.as_fd(), random.as_fd(), faults.as_fd(), far.as_fd()]);
    }
    target.link.call_with(Call::Migrate { order }, &fds).unwrap();
    assert_eq!(target.status(), Status::Incoming { whole: false });
    (target, near)
}

fn reopen(image: &File) -> File {
    let path = format!("/proc/self/fd/{}", image.as_raw_fd());
    File::options().read(true).write(true).open(path).unwrap()
}

/// Whether somebody has the disk locked for writing.
fn locked(image: &File) -> bool {
    flock(reopen(image), FlockOperation::NonBlockingLockExclusive).is_err()
}

fn source_has_disk(source: &mut Worker) -> bool {
    !source.stats().disks.is_empty()
}

pub fn send(source: &mut Worker, migration: Uuid, stream: &UnixStream, limits: MigrationLimits) {
    let order = MigrationOrder::Send { migration, limits, steered: false, disks: Vec::new(), streams: 1 };
    source.link.call_with(Call::Migrate { order }, &[stream.as_fd()]).unwrap();
}

/// The next question to the daemon's strategy.
fn asked(source: &mut Worker) -> (u32, StrategyQuestion) {
    news(source, |news| match news {
        MigrationNews::Asks { number, question } => Some((*number, *question)),
        MigrationNews::Kept { reason } => panic!("{reason}"),
        _ => None,
    })
}

pub fn ready(source: &mut Worker) -> u64 {
    news(source, |news| match news {
        MigrationNews::Ready { stopped_us, .. } => Some(*stopped_us),
        MigrationNews::Kept { reason } => panic!("{reason}"),
        _ => None,
    })
}

/// Moves a guest to a worker of its own; microseconds that it stood still.
fn relocate(source: &mut Worker, image: &File, limits: MigrationLimits) -> (Worker, u64) {
    let migration = Uuid::new_v4();
    let (mut target, stream) = expect(migration, source, image, false);
    send(source, migration, &stream, limits);
    drop(stream);
    ready(source);
    order(source, MigrationOrder::Decide { given_up: true });
    let downtime = news(source, |news| match news {
        MigrationNews::Moved { downtime_us } => Some(*downtime_us),
        MigrationNews::Unconfirmed { reason } => panic!("{reason}"),
        _ => None,
    });
    news(&mut target, |news| (*news == MigrationNews::Arrived).then_some(()));
    assert_eq!(target.status(), Status::Running);
    (target, downtime)
}

pub fn console(worker: &mut Worker) -> Terminal {
    worker.console("serial0")
}

/// A running guest with memory full of a pattern, and something on its disk.
pub fn filled(image: &File) -> (Worker, Terminal) {
    filled_with(&full(), image)
}

pub fn filled_with(config: &VmConfig, image: &File) -> (Worker, Terminal) {
    let locked = reopen(image);
    flock(&locked, FlockOperation::NonBlockingLockExclusive).unwrap();
    let mut source = launch(config, &locked);
    drop(locked);
    let mut terminal = console(&mut source);
    terminal.expect("reeve-guest: ready");
    terminal.run("mem write 77 24");
    terminal.run("disk put 0 3 before-the-move");
    (source, terminal)
}

#[test]
fn a_guest_moves_there_and_back_with_memory_disk_and_devices() {
    let image = image();
    let (mut source, mut terminal) = filled(&image);
    let mut downtimes = Vec::new();
    for round in 0..4 {
        let (target, downtime) = relocate(&mut source, &image, LIMITS);
        downtimes.push(downtime);
        assert_eq!(
            source.status(),
            Status::Paused { reason: PauseReason::Migrating { phase: MigratingPhase::GivenUp } }
        );
        source.finish();
        source = target;
        terminal = console(&mut source);
        assert!(terminal.run("mem verify 77 24").starts_with("ok verify"), "memory is what it was");
        assert!(terminal.run("disk read 0 3").contains("text=before-the-move"));
        terminal.run(&format!("disk put 0 9 round-{round}"));
        assert!(terminal.run("disk read 0 9").contains(&format!("text=round-{round}")));
        terminal.run("rng 8");
    }
    println!("downtimes {downtimes:?} us");
    let mut virtio = source.console("virtio-console0.0");
    assert_eq!(virtio.run("ping"), "ok pong");
    terminal.tell("poweroff");
    source.link.wait_for(&Event::GuestPowerOff);
    source.finish();
}

#[test]
fn an_armed_watchdog_moves_with_its_guest() {
    let image = image();
    let mut source = launch(&guarded(), &image);
    let mut terminal = console(&mut source);
    terminal.expect("reeve-guest: ready");
    assert_eq!(terminal.run("watchdog start 5000"), "ok");
    let (mut target, _) = relocate(&mut source, &image, LIMITS);
    source.finish();
    let mut terminal = console(&mut target);
    assert_eq!(terminal.run("watchdog status"), "ok on=true expired=false");
    assert_eq!(terminal.run("watchdog ping"), "ok");
    let expired = Event::WatchdogExpired { action: WatchdogAction::Pause };
    target.link.wait_for(&expired);
    assert_eq!(target.status(), Status::Paused { reason: PauseReason::Watchdog });
    target.link.call(Call::Resume).unwrap();
    terminal.tell("panic");
    target.link.wait_for(&Event::GuestCrash { reason: "the guest has panicked".to_owned() });
    target.finish();
}

#[test]
fn a_guest_moves_with_the_vcpus_and_the_memory_that_were_plugged() {
    let image = image();
    let mut config = full();
    let boot = config.vcpus;
    config.max_vcpus = Some(boot + 2);
    let memory = PluggableConfig { bytes: 32 << 20, block: 2 << 20, requested: 8 << 20, node: None };
    config.devices.push(device("virtiomem0", None, DeviceKind::Memory(memory)));
    let (mut source, mut terminal) = filled_with(&config, &image);
    source.link.call(Call::SetVcpus { count: boot + 1 }).unwrap();
    terminal.expect(&format!("cpu {boot} has come"));
    assert_eq!(terminal.run("plugged write 9"), "ok bytes=8388608");
    let (mut target, _) = relocate(&mut source, &image, LIMITS);
    source.finish();
    let mut terminal = console(&mut target);
    assert_eq!(terminal.run("plugged verify 9"), "ok bytes=8388608");
    let counted = format!("ok awake={0} expected={0} possible=2", boot + 1);
    assert_eq!(terminal.run("cpus"), counted);
    target.link.call(Call::SetVcpus { count: boot + 2 }).unwrap();
    target.link.wait_for(&Event::VcpusChanged { count: boot + 2 });
    terminal.expect(&format!("cpu {} has come", boot + 1));
    let bytes = 16 << 20;
    target.link.call(Call::RequestMemory { alias: "virtiomem0".to_owned(), bytes }).unwrap();
    terminal.expect("16777216 bytes are plugged");
    target.finish();
}

#[test]
fn a_guest_that_writes_moves_and_goes_on_writing() {
    let image = image();
    let (mut source, mut terminal) = filled(&image);
    terminal.tell("dirty 100 16 3");
    let limits = MigrationLimits { max_downtime_us: 30_000, max_throttle: 80, ..LIMITS };
    let (mut target, downtime) = relocate(&mut source, &image, limits);
    source.finish();
    println!("downtime {downtime} us");
    let mut terminal = console(&mut target);
    assert!(terminal.expect("ok pages=").len() > 9);
    terminal.run("mem write 78 24");
    assert!(terminal.run("mem verify 78 24").starts_with("ok verify"));
    target.finish();
}

#[test]
fn a_guest_that_stood_still_stands_still_at_its_destination() {
    let image = image();
    let (mut source, _terminal) = filled(&image);
    source.link.call(Call::Pause).unwrap();
    let migration = Uuid::new_v4();
    let (mut target, stream) = expect(migration, &mut source, &image, true);
    send(&mut source, migration, &stream, LIMITS);
    ready(&mut source);
    order(&mut source, MigrationOrder::Decide { given_up: true });
    news(&mut target, |news| (*news == MigrationNews::Arrived).then_some(()));
    assert_eq!(target.status(), Status::Paused { reason: PauseReason::Asked });
    target.link.call(Call::Resume).unwrap();
    assert!(console(&mut target).run("mem verify 77 24").starts_with("ok verify"));
    target.finish();
    source.finish();
}

#[test]
fn the_daemon_steers_until_it_is_silent() {
    let image = image();
    let (mut source, _terminal) = filled(&image);
    let migration = Uuid::new_v4();
    let (mut target, stream) = expect(migration, &mut source, &image, false);
    let send =
        MigrationOrder::Send { migration, limits: LIMITS, steered: true, disks: Vec::new(), streams: 3 };
    source.link.call_with(Call::Migrate { order: send }, &[stream.as_fd()]).unwrap();
    let (first, question) = asked(&mut source);
    assert!(
        matches!(question, StrategyQuestion::Plan(capabilities) if capabilities.streams == 3),
        "{question:?}"
    );
    let plan = Plan { max_downtime: Duration::from_secs(100), compress: true, streams: 60 };
    let late = MigrationOrder::Advise { number: first + 1, answer: StrategyAnswer::Nothing };
    assert_eq!(source.link.call(Call::Migrate { order: late }).unwrap_err().code, ErrorCode::State);
    // With it come the streams that it asks for, as far as there may be some.
    let (near, far) = UnixStream::pair().unwrap();
    target.link.call_with(Call::Migrate { order: MigrationOrder::AddStreams }, &[far.as_fd()]).unwrap();
    let advice = MigrationOrder::Advise { number: first, answer: StrategyAnswer::Plan(plan) };
    source.link.call_with(Call::Migrate { order: advice }, &[near.as_fd()]).unwrap();
    drop((near, far));
    let (second, question) = asked(&mut source);
    let StrategyQuestion::Step(round) = question else { panic!("{question:?}") };
    assert_eq!((round.round, round.compressed, round.streams), (1, true, 2));
    assert_eq!(round.max_downtime, Duration::from_micros(LIMITS.max_downtime_us), "the operator's");
    let again = StrategyAnswer::Step(Step::Throttle(99));
    order(&mut source, MigrationOrder::Advise { number: second, answer: again });
    let (_, question) = asked(&mut source);
    assert!(matches!(question, StrategyQuestion::Step(round) if round.round == 2 && round.throttle == 0));
    // Nobody answers any more: the worker's own strategy ends it.
    ready(&mut source);
    order(&mut source, MigrationOrder::Decide { given_up: true });
    news(&mut target, |news| (*news == MigrationNews::Arrived).then_some(()));
    assert!(console(&mut target).run("mem verify 77 24").starts_with("ok verify"));
    source.finish();
    target.finish();
}

#[test]
fn nothing_changes_a_machine_that_is_being_moved() {
    let image = image();
    let (mut source, mut terminal) = filled(&image);
    let migration = Uuid::new_v4();
    let (mut target, stream) = expect(migration, &mut source, &image, false);
    send(&mut source, migration, &stream, LIMITS);
    ready(&mut source);
    for call in
        [Call::Pause, Call::Resume, Call::Reset, Call::DetachDevice { alias: "rng0".into(), force: true }]
    {
        assert_eq!(source.link.call(call).unwrap_err().code, ErrorCode::State);
    }
    // The daemon may have written down that it gives the guest up, so it must say itself that it does not.
    let abort = MigrationOrder::Abort { reason: "changed my mind".to_owned() };
    let refused = source.link.call(Call::Migrate { order: abort }).unwrap_err();
    assert_eq!(refused.code, ErrorCode::State, "{refused:?}");
    order(&mut source, MigrationOrder::Decide { given_up: false });
    let kept = |news: &MigrationNews| match news {
        MigrationNews::Kept { reason } => Some(reason.clone()),
        _ => None,
    };
    assert!(news(&mut source, kept).contains("did not give the guest up"));
    let discarded = |news: &MigrationNews| match news {
        MigrationNews::Discarded { reason } => Some(reason.clone()),
        _ => None,
    };
    assert!(news(&mut target, discarded).contains("did not give the guest up"));
    assert_eq!(source.status(), Status::Running);
    assert!(terminal.run("mem verify 77 24").starts_with("ok verify"));
    target.finish();
    source.finish();
}

#[test]
fn a_source_whose_destination_dies_keeps_its_guest() {
    let image = image();
    let (mut source, mut terminal) = filled(&image);
    // In the middle of the first round: one MiB a second.
    let slow = MigrationLimits { bandwidth: Some(1 << 20), ..LIMITS };
    let migration = Uuid::new_v4();
    let (mut target, stream) = expect(migration, &mut source, &image, false);
    send(&mut source, migration, &stream, slow);
    drop(stream);
    target.process.kill().unwrap();
    news(&mut source, |news| matches!(news, MigrationNews::Kept { .. }).then_some(()));
    assert_eq!(source.status(), Status::Running);
    assert!(terminal.run("mem verify 77 24").starts_with("ok verify"));
    // And it can still move.
    let (target, _) = relocate(&mut source, &image, LIMITS);
    target.finish();
    source.finish();
}

#[test]
fn a_destination_whose_source_dies_discards_what_it_has() {
    let image = image();
    let (mut source, _terminal) = filled(&image);
    let slow = MigrationLimits { bandwidth: Some(1 << 20), ..LIMITS };
    let migration = Uuid::new_v4();
    let (mut target, stream) = expect(migration, &mut source, &image, false);
    send(&mut source, migration, &stream, slow);
    drop(stream);
    source.process.kill().unwrap();
    news(&mut target, |news| matches!(news, MigrationNews::Discarded { .. }).then_some(()));
    assert!(matches!(target.status(), Status::Ended { .. }));
    target.finish();
}

#[test]
fn a_whole_guest_whose_source_dies_waits_and_runs_only_when_it_was_given_up() {
    let image = image();
    for given_up in [true, false] {
        let (mut source, _terminal) = filled(&image);
        let migration = Uuid::new_v4();
        let (mut target, stream) = expect(migration, &mut source, &image, false);
        send(&mut source, migration, &stream, LIMITS);
        drop(stream);
        ready(&mut source);
        source.process.kill().unwrap();
        news(&mut target, |news| matches!(news, MigrationNews::Undecided { .. }).then_some(()));
        assert_eq!(target.status(), Status::Incoming { whole: true });
        source.process.wait().unwrap();
        assert!(!locked(&image), "a guest that waits has no disks");
        assert_eq!(target.link.call(Call::Resume).unwrap_err().code, ErrorCode::State);
        order(&mut target, MigrationOrder::Settle { given_up });
        if given_up {
            assert_eq!(target.status(), Status::Running);
            assert!(locked(&image));
            assert!(console(&mut target).run("mem verify 77 24").starts_with("ok verify"));
        } else {
            assert!(matches!(target.status(), Status::Ended { .. }));
        }
        target.finish();
    }
}

#[test]
fn a_guest_that_was_given_up_is_taken_back_when_its_destination_never_ran_it() {
    let image = image();
    let (mut source, mut terminal) = filled(&image);
    let migration = Uuid::new_v4();
    let (mut target, stream) = expect(migration, &mut source, &image, false);
    send(&mut source, migration, &stream, LIMITS);
    drop(stream);
    ready(&mut source);
    assert_eq!(
        source
            .link
            .call(Call::Migrate { order: MigrationOrder::TakeBack { shared: Vec::new() } })
            .unwrap_err()
            .code,
        ErrorCode::State,
        "it was not given up"
    );
    target.process.kill().unwrap();
    target.process.wait().unwrap();
    order(&mut source, MigrationOrder::Decide { given_up: true });
    news(&mut source, |news| matches!(news, MigrationNews::Unconfirmed { .. }).then_some(()));
    assert!(!locked(&image));
    order(&mut source, MigrationOrder::TakeBack { shared: Vec::new() });
    assert!(locked(&image));
    assert_eq!(source.status(), Status::Running);
    assert!(terminal.run("mem verify 77 24").starts_with("ok verify"));
    assert!(terminal.run("disk read 0 3").contains("text=before-the-move"));
    source.finish();
}

#[test]
fn an_empty_guest_of_256_mib_moves_within_milliseconds() {
    let (kvm, kernel) = (kvm(), guest());
    let mut config = config();
    config.memory.bytes = 256 << 20;
    let mut source = Worker::launch(&config, &[kvm.as_fd(), kernel.as_fd()]);
    console(&mut source).expect("reeve-guest: ready");
    let image = image();
    let begun = std::time::Instant::now();
    let (target, downtime) = relocate(&mut source, &image, LIMITS);
    println!("idle 256 MiB: downtime {downtime} us, total {:?}", begun.elapsed());
    source.finish();
    target.finish();
}
