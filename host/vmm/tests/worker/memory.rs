//! Memory that comes and goes while the guest runs.

use std::os::fd::AsFd;
use std::time::Instant;

use reeve_vmm::config::{DeviceKind, FdIndex, PluggableConfig, VmConfig};
use reeve_vmm::protocol::{Call, ErrorCode, Event, Failure};

use crate::harness::{PATIENCE, Terminal, Worker, config, file, guest, kvm, locked_in};
use crate::virtio::device;

const MIB: u64 = 1 << 20;
const ADDRESS: u64 = 1 << 32;

/// 64 MiB of which the guest shall have 16, locked in as the daemon does it.
fn pluggable(config: &mut VmConfig) {
    let memory = PluggableConfig { bytes: 64 * MIB, block: 2 * MIB, requested: 16 * MIB, node: None };
    config.devices.push(device("virtiomem0", None, DeviceKind::Memory(memory)));
    config.sandbox = locked_in();
}

fn boot() -> (Worker, Terminal) {
    let mut worker = Worker::boot(pluggable);
    let mut terminal = worker.console("serial0");
    terminal.expect("16777216 bytes are plugged");
    (worker, terminal)
}

fn request(worker: &mut Worker, bytes: u64) -> Result<(), Failure> {
    worker.link.call(Call::RequestMemory { alias: "virtiomem0".to_owned(), bytes }).map(drop)
}

fn plugged(worker: &mut Worker) -> u64 {
    worker.stats().memory[0].plugged
}

/// Bytes of the worker that are in RAM.
fn resident(worker: &Worker) -> u64 {
    let kib = worker.proc_status("VmRSS");
    kib.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn memory_is_plugged_written_and_given_back() {
    let (mut worker, mut terminal) = boot();
    assert_eq!(terminal.run("plugged write 0x1234"), "ok bytes=16777216");
    request(&mut worker, 48 * MIB).unwrap();
    terminal.expect("50331648 bytes are plugged");
    assert_eq!(plugged(&mut worker), 48 * MIB);
    let before = resident(&worker);
    assert_eq!(terminal.run("plugged write 0x77"), "ok bytes=50331648");
    assert!(resident(&worker) > before + 24 * MIB, "{before}");
    assert_eq!(terminal.run("plugged verify 0x77"), "ok bytes=50331648");
    request(&mut worker, 2 * MIB).unwrap();
    terminal.expect("2097152 bytes are plugged");
    assert!(resident(&worker) < before, "the host has its memory back");
    assert_eq!(terminal.run("plugged verify 0x77"), "ok bytes=2097152");
    let wanted = worker.stats().memory.remove(0);
    assert_eq!((wanted.requested, wanted.plugged), (2 * MIB, 2 * MIB));
    for (bytes, words) in [(66 * MIB, "there are 67108864 in blocks of 2097152"), (MIB, "can't have 1048576")]
    {
        let refused = request(&mut worker, bytes).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Config);
        assert!(refused.message.contains(words), "{refused}");
    }
    // A guest that starts again takes it again.
    request(&mut worker, 8 * MIB).unwrap();
    terminal.expect("8388608 bytes are plugged");
    worker.link.call(Call::Reset).unwrap();
    terminal.expect("8388608 bytes are plugged");
    terminal.run("plugged write 1");
    worker.finish();
}

#[test]
fn a_guest_has_no_more_than_it_may_whatever_it_asks_for() {
    let (mut worker, mut terminal) = boot();
    terminal.run("plugged auto off");
    let beyond = ADDRESS + 16 * MIB;
    assert_eq!(terminal.run(&format!("plugged plug {beyond:#x} 1")), "ok refused");
    assert_eq!(terminal.run(&format!("plugged plug {:#x} 1", beyond + 1)), "ok wrong");
    assert_eq!(terminal.run("plugged plug 0x100000 1"), "ok wrong");
    assert_eq!(terminal.run("plugged plug 0xffffffffffe00000 2"), "ok wrong");
    assert_eq!(terminal.run(&format!("plugged plug {ADDRESS:#x} 1")), "ok wrong");
    // What it has not is no memory.
    assert_eq!(terminal.run(&format!("plugged read {beyond:#x}")), "ok 0xffffffffffffffff");
    assert_eq!(plugged(&mut worker), 16 * MIB);
    assert_eq!(terminal.run(&format!("plugged unplug {ADDRESS:#x} 8")), "ok done");
    assert_eq!(terminal.run(&format!("plugged read {ADDRESS:#x}")), "ok 0xffffffffffffffff");
    assert_eq!(plugged(&mut worker), 0);
    worker.finish();
}

#[test]
fn a_saved_machine_has_what_was_plugged() {
    let (mut worker, mut terminal) = boot();
    assert_eq!(terminal.run("plugged write 0x51"), "ok bytes=16777216");
    let saved = file(b"");
    worker.link.call_with(Call::Save, &[saved.as_fd()]).unwrap();
    worker.link.event(|event| matches!(event, Event::SaveEnded { failure: None, .. }).then_some(()));
    worker.finish();
    std::io::Seek::rewind(&mut &saved).unwrap();
    let mut config = config();
    pluggable(&mut config);
    let restore = |config: &VmConfig| {
        std::io::Seek::rewind(&mut &saved).unwrap();
        let mut worker = Worker::start();
        let (kvm, kernel) = (kvm(), guest());
        let call = Call::Restore { config: Box::new(config.clone()), state: FdIndex(2) };
        worker.link.call_with(call, &[kvm.as_fd(), kernel.as_fd(), saved.as_fd()]).map(|_| worker)
    };
    let mut other = config.clone();
    if let DeviceKind::Memory(memory) = &mut other.devices[0].kind {
        memory.bytes = 128 * MIB;
    }
    let refused = restore(&other).err().expect("another machine");
    assert!(refused.message.contains("memory to plug of another size"), "{refused}");
    let mut worker = restore(&config).unwrap();
    let mut terminal = worker.console("serial0");
    assert_eq!(terminal.run("plugged verify 0x51"), "ok bytes=16777216");
    assert_eq!(plugged(&mut worker), 16 * MIB);
    request(&mut worker, 0).unwrap();
    let start = Instant::now();
    while plugged(&mut worker) > 0 {
        assert!(start.elapsed() < PATIENCE, "the guest gives nothing back");
        std::thread::yield_now();
    }
    worker.finish();
}
