//! What looks after a guest: its watchdog, the device that is told of panics, interrupts that it can't mask.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::time::Instant;

use reeve_vmm::config::{
    BalloonConfig, DeviceConfig, DeviceKind, LifecycleAction, SandboxConfig, SeccompMode, WatchdogAction,
    WatchdogConfig,
};
use reeve_vmm::protocol::{Call, ErrorCode, Event, PauseReason, Status};

use crate::harness::{PATIENCE, Terminal, Worker, config, guest, kvm};

fn boot(kinds: Vec<DeviceKind>, on_crash: LifecycleAction) -> (Worker, Terminal) {
    let (kvm, kernel) = (kvm(), guest());
    let mut config = config();
    config.sandbox = SandboxConfig { seccomp: SeccompMode::Kill, landlock: true, ..SandboxConfig::default() };
    config.on_crash = on_crash;
    config.vcpus = 2;
    let devices = kinds.into_iter().enumerate();
    config.devices = devices
        .map(|(number, kind)| DeviceConfig {
            alias: format!("device{number}"),
            slot: None,
            event_idx: true,
            kind,
        })
        .collect();
    let mut worker = Worker::launch(&config, &[kvm.as_fd(), kernel.as_fd()]);
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    (worker, terminal)
}

fn watchdog(action: WatchdogAction) -> (Worker, Terminal) {
    boot(vec![DeviceKind::Watchdog(WatchdogConfig { action })], LifecycleAction::Destroy)
}

#[test]
fn a_watchdog_expires_once_and_does_what_it_is_for() {
    let (mut worker, mut terminal) = watchdog(WatchdogAction::Reset);
    assert_eq!(terminal.run("watchdog start 50"), "ok");
    worker.link.wait_for(&Event::WatchdogExpired { action: WatchdogAction::Reset });
    worker.link.wait_for(&Event::Reset);
    terminal.expect("reeve-guest: ready");
    assert_eq!(terminal.run("watchdog status"), "ok on=false expired=true");
    worker.finish();

    let (mut worker, mut terminal) = watchdog(WatchdogAction::Pause);
    terminal.run("watchdog start 50");
    worker.link.wait_for(&Event::Paused);
    assert_eq!(worker.status(), Status::Paused { reason: PauseReason::Watchdog });
    worker.link.call(Call::Resume).unwrap();
    assert_eq!(terminal.run("ping"), "ok pong");
    worker.finish();
}

#[test]
fn a_watchdog_stands_still_with_its_machine() {
    let (mut worker, mut terminal) = watchdog(WatchdogAction::Poweroff);
    terminal.run("watchdog start 1000");
    worker.link.call(Call::Pause).unwrap();
    let (paused, longer) = (Instant::now(), std::time::Duration::from_secs(3));
    while paused.elapsed() < longer {
        std::thread::sleep(longer.saturating_sub(paused.elapsed()));
    }
    assert_eq!(worker.status(), Status::Paused { reason: PauseReason::Asked });
    worker.link.call(Call::Resume).unwrap();
    assert_eq!(terminal.run("watchdog ping"), "ok");
    worker.link.wait_for(&Event::GuestPowerOff);
    worker.finish();
}

#[test]
fn a_panic_is_a_crash_unless_the_guest_looks_after_it() {
    let (mut worker, mut terminal) = boot(vec![DeviceKind::Panic], LifecycleAction::Preserve);
    assert_eq!(terminal.run("panic handled"), "ok");
    worker.link.wait_for(&Event::GuestPanicHandled);
    assert_eq!(worker.status(), Status::Running);
    terminal.tell("panic");
    worker.link.wait_for(&Event::GuestCrash { reason: "the guest has panicked".to_owned() });
    assert!(matches!(worker.status(), Status::Paused { reason: PauseReason::Preserved { .. } }));
    worker.finish();
}

/// How often an event came before another one.
fn count(worker: &mut Worker, event: &Event, last: &Event) -> u64 {
    let seen = Cell::new(0);
    worker.link.event(|other| {
        seen.set(seen.get() + u64::from(other == event));
        (other == last).then_some(())
    });
    seen.get()
}

#[test]
fn a_guest_that_panics_over_and_over_is_told_of_once_a_boot() {
    let (mut worker, mut terminal) = boot(vec![DeviceKind::Panic], LifecycleAction::Preserve);
    for _ in 0..2 {
        (0..20).for_each(|_| assert_eq!(terminal.run("panic handled"), "ok"));
        terminal.tell("panic");
        let crash = Event::GuestCrash { reason: "the guest has panicked".to_owned() };
        assert_eq!(count(&mut worker, &Event::GuestPanicHandled, &crash), 1);
        worker.link.call(Call::Reset).unwrap();
        terminal.expect("reeve-guest: ready");
    }
    worker.finish();
}

#[test]
fn a_watchdog_that_expires_over_and_over_is_told_of_once_a_second() {
    let (mut worker, mut terminal) = watchdog(WatchdogAction::None);
    let expired = Event::WatchdogExpired { action: WatchdogAction::None };
    let start = Instant::now();
    terminal.run("watchdog start 1");
    worker.link.wait_for(&expired);
    for _ in 0..50 {
        terminal.run("watchdog stop");
        terminal.run("watchdog start 1");
        // Twice as long as it takes to expire.
        terminal.run("ticks 4");
    }
    let most = start.elapsed().as_secs();
    terminal.tell("poweroff");
    let more = count(&mut worker, &expired, &Event::GuestPowerOff);
    assert!(more <= most, "{more} times more in {most} s");
    worker.finish();
}

#[test]
fn every_vcpu_gets_its_nmi() {
    let (mut worker, mut terminal) = boot(Vec::new(), LifecycleAction::Destroy);
    for round in 1..=3 {
        worker.link.call(Call::InjectNmi).unwrap();
        let (start, expected) = (Instant::now(), format!("ok {}", 2 * round));
        while terminal.run("nmi") != expected {
            assert!(start.elapsed() < PATIENCE, "{expected} did not come");
        }
    }
    worker.finish();
}

#[test]
fn statistics_come_by_themselves() {
    let balloon = BalloonConfig {
        target: 64 << 20,
        stats: true,
        stats_period: Some(1),
        deflate_on_oom: true,
        reporting: true,
    };
    let (mut worker, _terminal) = boot(vec![DeviceKind::Balloon(balloon)], LifecycleAction::Destroy);
    let start = Instant::now();
    while worker.stats().balloon.is_none_or(|balloon| balloon.guest.is_empty()) {
        assert!(start.elapsed() < PATIENCE, "the guest does not answer");
    }
    worker.link.call(Call::SetStatsPeriod { seconds: 0 }).unwrap();
    worker.finish();
    let (mut worker, _terminal) = boot(Vec::new(), LifecycleAction::Destroy);
    assert_eq!(worker.link.call(Call::SetStatsPeriod { seconds: 1 }).unwrap_err().code, ErrorCode::NotFound);
    worker.finish();
}

#[test]
fn one_watchdog_is_enough() {
    let mut config = config();
    for (number, kind) in [DeviceKind::Panic, DeviceKind::Panic].into_iter().enumerate() {
        config.devices.push(DeviceConfig {
            alias: format!("panic{number}"),
            slot: None,
            event_idx: true,
            kind,
        });
    }
    assert!(config.validate().unwrap_err().to_string().contains("one panic device at most"));
}
