//! From the first byte to the end of a machine.

use reeve_vmm::config::LifecycleAction;
use reeve_vmm::protocol::{Call, End, ErrorCode, Event, PauseReason, Status};

use crate::harness::Worker;

#[test]
fn a_guest_boots_talks_and_powers_off() {
    let mut worker = Worker::boot(|_| {});
    let after_us = worker.link.event(|event| match event {
        Event::FirstOutput { after_us } => Some(*after_us),
        _ => None,
    });
    println!("first output {after_us} us after launch");
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: entered by pvh");
    terminal.expect("reeve-guest: ready");
    assert_eq!(terminal.run("ping"), "ok pong");
    assert_eq!(terminal.run("cmdline"), "ok console=ttyS0");
    terminal.tell("poweroff");
    worker.link.wait_for(&Event::GuestPowerOff);
    worker.link.wait_for(&Event::Ended { end: End::PowerOff });
    assert_eq!(worker.status(), Status::Ended { end: End::PowerOff });
    let refused = worker.link.call(Call::Pause).unwrap_err();
    assert_eq!(refused.code, ErrorCode::State);
    worker.finish();
}

#[test]
fn the_power_button_is_an_acpi_event() {
    let mut worker = Worker::boot(|_| {});
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    terminal.run("ignore-button on");
    worker.link.call(Call::PowerButton).unwrap();
    while !terminal.run("powerbutton").contains("presses=1") {}
    terminal.run("ignore-button off");
    worker.link.call(Call::PowerButton).unwrap();
    worker.link.wait_for(&Event::Ended { end: End::PowerOff });
    worker.finish();
}

#[test]
fn a_triple_fault_is_a_crash_with_a_reason() {
    let mut worker = Worker::boot(|_| {});
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    terminal.tell("crash triple");
    let reason = worker.link.event(|event| match event {
        Event::GuestCrash { reason } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.starts_with("vCPU 0: "), "{reason}");
    assert_eq!(worker.status(), Status::Ended { end: End::Crash { reason } });
    worker.finish();
}

#[test]
fn a_crashed_guest_is_preserved_or_restarted_as_asked() {
    let mut worker = Worker::boot(|config| config.on_crash = LifecycleAction::Preserve);
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    terminal.tell("crash triple");
    worker.link.wait_for(&Event::Paused);
    assert!(matches!(
        worker.status(),
        Status::Paused { reason: PauseReason::Preserved { end: End::Crash { .. } } }
    ));
    assert_eq!(worker.link.call(Call::Resume).unwrap_err().code, ErrorCode::State);
    worker.link.call(Call::Reset).unwrap();
    terminal.expect("reeve-guest: ready");
    assert_eq!(terminal.run("ping"), "ok pong");
    worker.finish();

    let mut worker = Worker::boot(|config| config.on_crash = LifecycleAction::Restart);
    let mut terminal = worker.console("serial0");
    for _ in 0..3 {
        terminal.expect("reeve-guest: ready");
        terminal.tell("crash triple");
        worker.link.wait_for(&Event::Reset);
    }
    terminal.expect("reeve-guest: ready");
    worker.finish();
}

#[test]
fn a_reboot_starts_the_kernel_again_or_ends_as_asked() {
    let mut worker = Worker::boot(|_| {});
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    terminal.run("mem fill 0x1234 16");
    terminal.tell("reboot");
    worker.link.wait_for(&Event::GuestReboot);
    worker.link.wait_for(&Event::Reset);
    terminal.expect("reeve-guest: ready");
    assert_eq!(terminal.run("ping"), "ok pong");
    assert_eq!(worker.status(), Status::Running);
    worker.finish();

    let mut worker = Worker::boot(|config| config.on_reboot = LifecycleAction::Destroy);
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    terminal.tell("reboot");
    worker.link.wait_for(&Event::Ended { end: End::Reboot });
    worker.finish();
}

#[test]
fn a_paused_guest_makes_no_progress() {
    let mut worker = Worker::boot(|config| config.start_paused = true);
    assert_eq!(worker.status(), Status::Paused { reason: PauseReason::Asked });
    assert_eq!(worker.stats().vcpus[0].exits, 0);
    worker.link.call(Call::Resume).unwrap();
    worker.link.wait_for(&Event::Resumed);
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    terminal.tell("spin 2");
    worker.link.call(Call::Pause).unwrap();
    worker.link.wait_for(&Event::Paused);
    let before = worker.stats().vcpus[0].clone();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(worker.stats().vcpus[0], before);
    worker.link.call(Call::Pause).unwrap();
    worker.link.call(Call::Resume).unwrap();
    terminal.expect("ok cpus=1");
    assert_eq!(terminal.run("ping"), "ok pong");
    assert!(worker.stats().vcpus[0].time_ns > before.time_ns);
    worker.finish();
}

#[test]
fn four_vcpus_wake_up_and_a_reset_wakes_them_again() {
    let mut worker = Worker::boot(|config| config.vcpus = 4);
    let mut terminal = worker.console("serial0");
    for _ in 0..2 {
        terminal.expect("reeve-guest: ready");
        assert_eq!(terminal.run("cpus"), "ok awake=4 expected=4");
        worker.link.call(Call::Reset).unwrap();
    }
    worker.finish();
}

#[test]
fn machines_do_not_see_each_other() {
    let mut workers: Vec<_> =
        (0..4).map(|index| Worker::boot(|config| config.boot.cmdline = format!("number={index}"))).collect();
    for (index, worker) in workers.iter_mut().enumerate() {
        let mut terminal = worker.console("serial0");
        terminal.expect("reeve-guest: ready");
        assert_eq!(terminal.run("cmdline"), format!("ok number={index}"));
        terminal.run(&format!("mem write {index} 8"));
        terminal.run(&format!("mem verify {index} 8"));
    }
    workers.into_iter().for_each(Worker::finish);
}
