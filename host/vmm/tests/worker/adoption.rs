//! The worker outlives the daemon.

use std::time::{Duration, Instant};

use reeve_vmm::protocol::{Call, End, Event, Status};

use crate::harness::{PATIENCE, Worker};
use crate::machine::{full_config, image, launch};

#[test]
fn a_new_daemon_finds_the_guest_running_and_learns_what_it_missed() {
    let mut worker = Worker::boot(|_| {});
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    worker.link.event(|event| matches!(event, Event::FirstOutput { .. }).then_some(()));
    let seen = worker.link.last_event;

    let hello = worker.reconnect(seen);
    assert_eq!((hello.pid, &hello.status), (worker.pid(), &Status::Running));
    assert_eq!(hello.config.unwrap().name, "test");
    assert_eq!(terminal.run("ping"), "ok pong");

    // The daemon is gone while the guest ends: the socket has nobody at the other end.
    let raw = worker.raw_connection();
    drop(raw);
    terminal.tell("poweroff");
    terminal.expect("ok powering off");
    let start = Instant::now();
    let hello = loop {
        std::thread::sleep(Duration::from_millis(300));
        let hello = worker.reconnect(seen);
        if hello.status != Status::Running {
            break hello;
        }
        assert!(start.elapsed() < PATIENCE, "the machine does not end");
        drop(worker.raw_connection());
    };
    assert_eq!(hello.status, Status::Ended { end: End::PowerOff });
    worker.link.wait_for(&Event::GuestPowerOff);
    worker.link.wait_for(&Event::Ended { end: End::PowerOff });
    worker.finish();
}

#[test]
fn the_memory_of_a_machine_that_ended_is_free() {
    let mut worker = launch(&full_config(), &image());
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    terminal.run("mem fill 0xabcdef 48");
    let resident = |worker: &Worker| -> u64 {
        worker.proc_status("VmRSS").split_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(resident(&worker) > 48 << 10);
    worker.link.call(Call::Quit).unwrap();
    let left = resident(&worker);
    assert!(left < 24 << 10, "{left} KiB");
    worker.finish();
}
