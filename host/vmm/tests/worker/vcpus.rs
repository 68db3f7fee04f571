//! vCPUs that come and go while the guest runs.

use std::os::fd::AsFd;

use reeve_vmm::config::{FdIndex, VmConfig};
use reeve_vmm::protocol::{Call, ErrorCode, Event, Failure};

use crate::harness::{Terminal, Worker, config, file, guest, kvm, locked_in};

/// One vCPU of three, locked in as the daemon does it.
fn one_of_three(config: &mut VmConfig) {
    config.max_vcpus = Some(3);
    config.sandbox = locked_in();
}

fn boot() -> (Worker, Terminal) {
    let mut worker = Worker::boot(one_of_three);
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    (worker, terminal)
}

fn set(worker: &mut Worker, count: u32) -> Result<(), Failure> {
    worker.link.call(Call::SetVcpus { count }).map(drop)
}

fn wait_for(worker: &mut Worker, count: u32) {
    worker.link.wait_for(&Event::VcpusChanged { count });
}

/// Numbers of the vCPUs that are there, and how many the configuration says.
fn there(worker: &mut Worker) -> (Vec<u32>, u32) {
    let numbers = worker.stats().vcpus.iter().map(|vcpu| vcpu.number).collect();
    (numbers, worker.reconnect(0).config.unwrap().vcpus)
}

#[test]
fn vcpus_come_run_and_go() {
    let (mut worker, mut terminal) = boot();
    assert_eq!(terminal.run("cpus"), "ok awake=1 expected=1 possible=2");
    for _ in 0..3 {
        set(&mut worker, 3).unwrap();
        wait_for(&mut worker, 3);
        terminal.expect("cpu 2 has come");
        assert_eq!(terminal.run("cpus"), "ok awake=3 expected=3 possible=2");
        let before = worker.stats().vcpus[2].time_ns;
        terminal.run("spin 1 3");
        let spun = worker.stats().vcpus[2].time_ns - before;
        // Of a second on a machine with less than a CPU for each.
        assert!(spun > 10_000_000, "the third vCPU ran for {spun} ns");
        set(&mut worker, 1).unwrap();
        wait_for(&mut worker, 1);
        terminal.expect("cpu 2 is gone");
        assert_eq!(terminal.run("cpus"), "ok awake=1 expected=1 possible=2");
    }
    assert_eq!(there(&mut worker), (vec![0], 1));
    worker.finish();
}

#[test]
fn a_vcpu_that_is_not_there_does_not_run_whatever_it_is_told() {
    let (mut worker, mut terminal) = boot();
    // The guest wakes all others when one comes: the one that is not there is among them.
    terminal.run("cpus wake");
    assert_eq!(terminal.run("cpus"), "ok awake=1 expected=1 possible=2");
    set(&mut worker, 2).unwrap();
    terminal.expect("cpu 1 has come");
    assert_eq!(terminal.run("cpus"), "ok awake=2 expected=2 possible=2");
    terminal.run("spin 1 2");
    assert_eq!(there(&mut worker), (vec![0, 1], 2));
    worker.finish();
}

#[test]
fn a_guest_that_does_not_let_go_keeps_its_vcpus_until_it_is_reset() {
    let (mut worker, mut terminal) = boot();
    set(&mut worker, 3).unwrap();
    terminal.expect("cpu 2 has come");
    terminal.run("cpus auto off");
    assert_eq!(terminal.run("cpus eject 2"), "ok still there");
    set(&mut worker, 1).unwrap();
    assert_eq!(there(&mut worker), (vec![0, 1, 2], 3));
    // It lets go of the first of both only.
    assert_eq!(terminal.run("cpus eject 1"), "ok gone");
    wait_for(&mut worker, 2);
    assert_eq!(there(&mut worker), (vec![0, 2], 2));
    // It is not asked any more.
    set(&mut worker, 2).unwrap();
    assert_eq!(terminal.run("cpus eject 2"), "ok still there");
    set(&mut worker, 1).unwrap();
    worker.link.call(Call::Reset).unwrap();
    wait_for(&mut worker, 1);
    terminal.expect("reeve-guest: ready cpus=1");
    assert_eq!(terminal.run("cpus"), "ok awake=1 expected=1 possible=2");
    // What is there when it is reset is there when it boots.
    set(&mut worker, 2).unwrap();
    terminal.expect("cpu 1 has come");
    worker.link.call(Call::Reset).unwrap();
    terminal.expect("reeve-guest: ready cpus=2");
    assert_eq!(terminal.run("cpus"), "ok awake=2 expected=2 possible=1");
    worker.finish();
}

#[test]
fn a_machine_has_as_many_as_it_can_have() {
    let (mut worker, mut terminal) = boot();
    for (count, words) in [(0, "0 vCPUs are not possible"), (4, "this guest can have 3")] {
        let refused = set(&mut worker, count).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Config);
        assert!(refused.message.contains(words), "{refused}");
    }
    assert_eq!(terminal.run("cpus eject 0"), "ok still there");
    worker.link.call(Call::Pause).unwrap();
    set(&mut worker, 2).unwrap();
    worker.link.call(Call::Resume).unwrap();
    terminal.expect("cpu 1 has come");
    assert_eq!(terminal.run("cpus"), "ok awake=2 expected=2 possible=2");
    worker.finish();
}

#[test]
fn a_saved_machine_has_the_vcpus_it_had() {
    let (mut worker, mut terminal) = boot();
    set(&mut worker, 3).unwrap();
    terminal.expect("cpu 2 has come");
    terminal.run("cpus auto off");
    set(&mut worker, 1).unwrap();
    assert_eq!(terminal.run("cpus eject 1"), "ok gone");
    wait_for(&mut worker, 2);
    let saved = file(b"");
    worker.link.call_with(Call::Save, &[saved.as_fd()]).unwrap();
    worker.link.event(|event| matches!(event, Event::SaveEnded { failure: None, .. }).then_some(()));
    worker.finish();
    std::io::Seek::rewind(&mut &saved).unwrap();
    let mut config = config();
    one_of_three(&mut config);
    // As the daemon knew it before the guest let go of one.
    config.vcpus = 3;
    let mut worker = Worker::start();
    let (kvm, kernel) = (kvm(), guest());
    let call = Call::Restore { config: Box::new(config), state: FdIndex(2) };
    worker.link.call_with(call, &[kvm.as_fd(), kernel.as_fd(), saved.as_fd()]).unwrap();
    wait_for(&mut worker, 2);
    let mut terminal = worker.console("serial0");
    assert_eq!(terminal.run("cpus"), "ok awake=2 expected=2 possible=2");
    assert_eq!(there(&mut worker), (vec![0, 2], 2));
    // It is still asked for the other one.
    assert_eq!(terminal.run("cpus eject 2"), "ok gone");
    wait_for(&mut worker, 1);
    set(&mut worker, 3).unwrap();
    terminal.run("cpus auto on");
    worker.finish();
}
