//! A worker that was started as root gives everything up before its guest runs.

use reeve_vmm::config::{SeccompMode, VmConfig};
use reeve_vmm::protocol::{Call, Event};

use crate::harness::{NOBODY, Worker, locked_in};
use crate::machine::{full_config, image, launch};

fn locked_in_config() -> VmConfig {
    VmConfig { sandbox: locked_in(), ..full_config() }
}

#[test]
fn a_locked_in_worker_does_everything_a_machine_needs() {
    let image = image();
    let mut config = locked_in_config();
    config.vcpus = 2;
    let mut worker = launch(&config, &image);
    let mut terminal = worker.console("virtio-console0.0");
    let mut serial = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    terminal.run("disk write 0 0 64 0x55");
    terminal.run("disk flush 0");
    terminal.run("rng 32");
    assert_eq!(serial.run("ping"), "ok pong");
    worker.link.call(Call::Pause).unwrap();
    worker.link.call(Call::Resume).unwrap();
    let bytes = 48 << 20;
    worker.link.call(Call::SetBalloon { bytes }).unwrap();
    worker.link.wait_for(&Event::BalloonChanged { bytes });
    worker.stats();
    worker.link.call(Call::PowerButton).unwrap();
    worker.link.wait_for(&Event::GuestPowerOff);
    worker.finish();
}

#[test]
fn a_locked_in_worker_survives_resets_crashes_and_daemons() {
    let image = image();
    let mut config = locked_in_config();
    config.on_crash = reeve_vmm::config::LifecycleAction::Restart;
    let mut worker = launch(&config, &image);
    let mut serial = worker.console("serial0");
    serial.expect("reeve-guest: ready");
    serial.run("disk write 0 0 64 0x55");
    worker.link.call(Call::Reset).unwrap();
    serial.expect("reeve-guest: ready");
    serial.tell("crash triple");
    serial.expect("reeve-guest: ready");
    worker.reconnect(0);
    let mut serial = worker.console("serial0");
    serial.tell("reboot");
    worker.link.wait_for(&Event::GuestReboot);
    worker.link.wait_for(&Event::Reset);
    worker.finish();
}

#[test]
fn nothing_is_left_to_a_worker_but_its_descriptors() {
    let image = image();
    let mut worker = launch(&locked_in_config(), &image);
    let mut serial = worker.console("serial0");
    serial.expect("reeve-guest: ready");
    serial.run("disk read 0 0");
    assert_eq!(worker.proc_status("Uid"), format!("{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}"));
    assert_eq!(worker.proc_status("Gid"), format!("{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}"));
    assert_eq!(worker.proc_status("Groups"), "");
    assert_eq!(worker.proc_status("NoNewPrivs"), "1");
    assert_eq!(worker.proc_status("CapEff"), "0000000000000000");
    for thread in std::fs::read_dir(format!("/proc/{}/task", worker.pid())).unwrap() {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let name = status.lines().next().unwrap().to_owned();
        // The kernel's own threads (io_uring, vhost) run no code of the process.
        if !name.contains("iou-") {
            assert!(status.contains("Seccomp:\t2"), "{name} has no filter");
        }
    }
    worker.finish();
}

#[test]
fn a_locked_in_process_cannot_open_files_and_dies_when_it_tries() {
    for (mode, survives) in [(SeccompMode::Off, true), (SeccompMode::Kill, false)] {
        let outcome = Worker::attempt(mode);
        assert_eq!(outcome.contains("refused"), survives, "{mode:?}: {outcome}");
        assert!(!outcome.contains("opened"), "{mode:?}: {outcome}");
    }
}
