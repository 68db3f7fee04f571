//! From the first byte to the end of a machine.

use std::io::Read;
use std::os::fd::AsFd;

use reeve_vmm::config::LifecycleAction;
use reeve_vmm::protocol::{Call, End, ErrorCode, Event, PauseReason, Status};

use crate::harness::{Worker, config, file, guest, kvm};

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
    let after = worker.stats().vcpus[0].clone();
    assert_eq!(after.exits, before.exits);
    // The thread may still be on its way to sleep when the pause is announced.
    assert!(after.time_ns - before.time_ns < 20_000_000, "{before:?} {after:?}");
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

#[test]
fn a_64_bit_elf_without_a_pvh_note_boots_by_the_linux_protocol() {
    let mut elf = Vec::new();
    guest().read_to_end(&mut elf).unwrap();
    let (headers, size, count) = (u64::from_le_bytes(elf[32..40].try_into().unwrap()) as usize, 56, elf[56]);
    for header in (0..usize::from(count)).map(|index| headers + index * size) {
        const NULL: u8 = 0;
        const NOTE: u8 = 4;
        if elf[header] == NOTE {
            elf[header] = NULL;
        }
    }
    let (kvm, kernel) = (kvm(), file(&elf));
    let mut worker = Worker::launch(&config(), &[kvm.as_fd(), kernel.as_fd()]);
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: entered by linux64");
    terminal.expect("reeve-guest: ready");
    assert_eq!(terminal.run("cmdline"), "ok console=ttyS0");
    worker.finish();
}

#[test]
fn a_bzimage_is_entered_at_its_64_bit_entry_point() {
    const LOADED_AT: u32 = 0x10_0000;
    let mut image = vec![0; 0x400];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x020fu16.to_le_bytes());
    image[0x211] = 1;
    image[0x214..0x218].copy_from_slice(&LOADED_AT.to_le_bytes());
    image[0x22c..0x230].copy_from_slice(&u32::MAX.to_le_bytes());
    image[0x238..0x23c].copy_from_slice(&255u32.to_le_bytes());
    image.resize(0x400 + 0x200, 0);
    image.extend([
        0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xb0, b'B', 0xee, // mov al, 'B'; out dx, al
        0xb0, b'\n', 0xee, // mov al, '\n'; out dx, al
        0x66, 0xba, 0x04, 0x06, // mov dx, 0x604: ACPI PM1a control
        0x66, 0xb8, 0x00, 0x34, // mov ax, SLP_EN | SLP_TYP 5
        0x66, 0xef, // out dx, ax
        0xf4, // hlt
    ]);
    let (kvm, kernel) = (kvm(), file(&image));
    let mut config = config();
    config.start_paused = true;
    let mut worker = Worker::launch(&config, &[kvm.as_fd(), kernel.as_fd()]);
    let mut terminal = worker.console("serial0");
    worker.link.call(Call::Resume).unwrap();
    terminal.expect("B");
    worker.link.wait_for(&Event::Ended { end: End::PowerOff });
    worker.finish();
}
