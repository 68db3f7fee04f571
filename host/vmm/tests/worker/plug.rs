//! Devices that come and go while the guest runs.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use reeve_vmm::config::{
    CacheMode, DeviceConfig, DeviceKind, FdIndex, NetBackend, NetConfig, Offloads, RngConfig,
};
use reeve_vmm::protocol::{Call, ErrorCode, Event, Failure, Status};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::cable::{self, cable};
use crate::harness::{PATIENCE, Worker, locked_in};
use crate::machine::console;
use crate::virtio::{boot, device, disk, field, image, number};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
const ANSWER: &str = "ok";

pub fn nic(alias: &str, backend: NetBackend) -> DeviceConfig {
    device(
        alias,
        None,
        DeviceKind::Net(NetConfig { backend, mac: MAC, mtu: 1500, link_up: true, offloads: Offloads::ALL }),
    )
}

fn tap_nic(alias: &str) -> DeviceConfig {
    nic(alias, NetBackend::Tap { fd: FdIndex(0), more: Vec::new() })
}

pub fn plug(worker: &mut Worker, device: DeviceConfig, fds: &[&File]) -> Result<(), Failure> {
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(|file| file.as_fd()).collect();
    worker.link.call_with(Call::AttachDevice { device }, &fds).map(drop)
}

fn unplug(worker: &mut Worker, alias: &str, force: bool) -> Result<(), Failure> {
    worker.link.call(Call::DetachDevice { alias: alias.to_owned(), force }).map(drop)
}

fn wait_removed(worker: &mut Worker, alias: &str) {
    worker.link.wait_for(&Event::DeviceRemoved { alias: alias.to_owned() });
}

fn count(worker: &Worker, what: &str) -> usize {
    std::fs::read_dir(format!("/proc/{}/{what}", worker.pid())).unwrap().count()
}

/// Aliases of the devices that the worker says it has.
fn aliases(worker: &mut Worker) -> Vec<String> {
    let config = worker.reconnect(0).config.unwrap();
    config.devices.into_iter().map(|device| device.alias).collect()
}

#[test]
fn a_disk_is_plugged_written_and_unplugged() {
    let file = image(libc::O_DIRECT);
    let (mut worker, mut terminal) = boot(Vec::new(), &[], |_| {});
    plug(&mut worker, disk("vdb", 0, CacheMode::None), &[&file]).unwrap();
    assert_eq!(terminal.expect("reeve-guest: disk 0"), "reeve-guest: disk 0 is in slot 1");
    let written = terminal.run("disk write 0 1024 2048 0x1111");
    terminal.run("disk flush 0");
    assert_eq!(field(&written, "sum"), field(&terminal.run("disk sum 0 1024 2048"), "sum"));
    let mut word = [0; 8];
    image_of(&file).read_exact_at(&mut word, 1025 * 512).unwrap();
    assert_eq!(word, (0x1111u64 ^ 1025).to_le_bytes());
    let counters = worker.stats().disks;
    assert_eq!((counters.len(), counters[0].alias.as_str(), counters[0].write_bytes), (1, "vdb", 2048 * 512));
    assert_eq!(aliases(&mut worker), ["vdb"]);
    unplug(&mut worker, "vdb", false).unwrap();
    terminal.expect("reeve-guest: slot 1 is empty");
    wait_removed(&mut worker, "vdb");
    assert!(worker.stats().disks.is_empty() && aliases(&mut worker).is_empty());
    assert_eq!(terminal.run("pci rescan"), "ok disks=0 nets=0");
    worker.finish();
}

/// The file again, without O_DIRECT.
fn image_of(file: &File) -> File {
    use std::os::fd::AsRawFd;
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
}

/// Waits until so many bytes are counted: a frame may be on the host a moment before it is.
fn wait_sent(worker: &mut Worker, bytes: u64) {
    let deadline = Instant::now() + PATIENCE;
    while worker.stats().interfaces[0].tx_bytes != bytes {
        assert!(Instant::now() < deadline, "{:?}", worker.stats().interfaces[0]);
        std::thread::yield_now();
    }
}

#[test]
fn an_interface_is_plugged_used_and_its_slot_is_used_again() {
    let Some((tap, mut host)) = cable("an_interface_is_plugged_used_and_its_slot_is_used_again") else {
        return;
    };
    let (mut worker, mut terminal) = boot(Vec::new(), &[], |config| config.sandbox = locked_in());
    for round in 0..5u8 {
        let alias = format!("net{round}");
        plug(&mut worker, tap_nic(&alias), &[&tap]).unwrap();
        terminal.expect("reeve-guest: net 0 is in slot 1");
        assert_eq!(terminal.run("net mac"), "ok 52:54:00:aa:bb:cc");
        terminal.run("net send 3 600");
        (0..3).for_each(|_| assert_eq!(cable::next_on_host(&mut host).len(), 600));
        terminal.run("net echo on");
        let ping = cable::frame(&[b'#', round]);
        host.write_all(&ping).unwrap();
        assert_eq!(cable::next_on_host(&mut host)[14..], ping[14..]);
        wait_sent(&mut worker, 3 * 600 + 64);
        unplug(&mut worker, &alias, false).unwrap();
        wait_removed(&mut worker, &alias);
    }
    worker.finish();
}

#[test]
fn fifty_rounds_leak_no_descriptor_and_no_thread() {
    let Some((tap, _host)) = cable("fifty_rounds_leak_no_descriptor_and_no_thread") else { return };
    let file = image(0);
    let (mut worker, mut terminal) = boot(Vec::new(), &[], |config| config.sandbox = locked_in());
    let mut before = (0, 0);
    for round in 0..50 {
        plug(&mut worker, disk("vdb", 0, CacheMode::Writeback), &[&file]).unwrap();
        plug(&mut worker, tap_nic("net0"), &[&tap]).unwrap();
        terminal.expect("reeve-guest: net 0 is in slot");
        terminal.run("disk put 0 1 hello");
        let force = round % 5 == 4;
        unplug(&mut worker, "net0", force).unwrap();
        wait_removed(&mut worker, "net0");
        unplug(&mut worker, "vdb", false).unwrap();
        wait_removed(&mut worker, "vdb");
        terminal.expect("is empty");
        terminal.expect("is empty");
        let now = || (count(&worker, "fd"), count(&worker, "task"));
        if round == 0 {
            before = now();
        }
        // A vCPU in the middle of an access may hold the device a moment longer.
        let start = Instant::now();
        while now() != before {
            assert!(start.elapsed() < PATIENCE, "{:?} after round {round}, {before:?} before", now());
            std::thread::yield_now();
        }
    }
    worker.finish();
}

#[test]
fn a_guest_that_does_not_let_go_keeps_the_device_until_it_is_taken_or_reset() {
    let file = image(0);
    let (mut worker, mut terminal) = boot(vec![disk("vda", 2, CacheMode::Writeback)], &[&file], |_| {});
    terminal.run("pci auto off");
    unplug(&mut worker, "vda", false).unwrap();
    assert_eq!(terminal.run("disk put 0 1 still-mine"), "ok");
    assert_eq!(aliases(&mut worker), ["vda"]);
    // Again and again, and at last by hand.
    unplug(&mut worker, "vda", false).unwrap();
    assert_eq!(terminal.run("pci eject 1"), "ok gone");
    wait_removed(&mut worker, "vda");

    plug(&mut worker, disk("vdb", 0, CacheMode::Writeback), &[&file]).unwrap();
    terminal.run("pci rescan");
    unplug(&mut worker, "vdb", true).unwrap();
    assert!(worker.stats().disks.is_empty(), "it is gone at once");
    assert_eq!(terminal.run("pci rescan"), "ok disks=0 nets=0");

    plug(&mut worker, disk("vdc", 0, CacheMode::Writeback), &[&file]).unwrap();
    terminal.run("pci rescan");
    unplug(&mut worker, "vdc", false).unwrap();
    worker.link.call(Call::Reset).unwrap();
    wait_removed(&mut worker, "vdc");
    assert!(terminal.expect("reeve-guest: ready").contains("disks=0"));
    worker.finish();
}

#[test]
fn a_guest_can_not_give_away_what_it_was_not_asked_for() {
    let file = image(0);
    let devices = vec![disk("vda", 2, CacheMode::Writeback), console("console0")];
    let (mut worker, mut terminal) = boot(devices, &[&file], |_| {});
    for slot in 0..32 {
        let answer = terminal.run(&format!("pci eject {slot}"));
        assert_eq!(answer == "ok still there", slot < 3, "slot {slot}: {answer}");
    }
    assert_eq!(terminal.run("disk put 0 1 mine"), ANSWER);
    assert_eq!(worker.status(), Status::Running);
    worker.finish();
}

#[test]
fn a_device_in_use_is_taken_away_and_the_worker_lives_on() {
    let file = image(0);
    let (mut worker, mut terminal) = boot(vec![disk("vda", 2, CacheMode::Writeback)], &[&file], |_| {});
    for round in 0..5 {
        // The guest waits for a disk that answers no more, until it is reset.
        (0..40).for_each(|_| terminal.tell("disk sum 0"));
        terminal.expect(ANSWER);
        unplug(&mut worker, "vda", true).unwrap();
        wait_removed(&mut worker, "vda");
        assert_eq!(worker.status(), Status::Running);
        plug(&mut worker, disk("vda", 0, CacheMode::Writeback), &[&file]).unwrap();
        worker.link.call(Call::Reset).unwrap();
        assert!(terminal.expect("reeve-guest: ready").contains("disks=1"), "round {round}");
    }
    // A guest that is asked in the middle of its work finishes it first.
    (0..10).for_each(|_| terminal.tell("disk sum 0"));
    unplug(&mut worker, "vda", false).unwrap();
    wait_removed(&mut worker, "vda");
    worker.finish();
}

#[test]
fn what_is_plugged_survives_resets_pauses_and_daemons() {
    let file = image(0);
    let (mut worker, mut terminal) = boot(Vec::new(), &[], |_| {});
    worker.link.call(Call::Pause).unwrap();
    plug(&mut worker, disk("vdb", 0, CacheMode::Writeback), &[&file]).unwrap();
    worker.link.call(Call::Resume).unwrap();
    terminal.expect("reeve-guest: disk 0 is in slot 1");
    let sum = field(&terminal.run("disk sum 0"), "sum");
    for _ in 0..3 {
        terminal.tell("disk sum 0");
        worker.link.call(Call::Reset).unwrap();
        assert!(terminal.expect("reeve-guest: ready").contains("disks=1"));
        assert_eq!(field(&terminal.run("disk sum 0"), "sum"), sum);
    }
    let config = worker.reconnect(0).config.unwrap();
    assert_eq!((config.devices.len(), config.devices[0].slot), (1, Some(1)));
    let mut terminal = worker.console("serial0");
    // A device that is plugged while the guest boots is found in either way.
    for round in 0..10 {
        terminal.tell("reboot");
        worker.link.wait_for(&Event::GuestReboot);
        let alias = format!("more{round}");
        plug(&mut worker, disk(&alias, 0, CacheMode::Writeback), &[&file]).unwrap();
        worker.link.wait_for(&Event::Reset);
    }
    worker.link.call(Call::Reset).unwrap();
    drop(terminal);
    let mut terminal = worker.console("serial0");
    for _ in 0..100 {
        if terminal.expect("reeve-guest: ready").contains("disks=11") {
            worker.finish();
            return;
        }
    }
    panic!("eleven disks are not found");
}

#[test]
fn wrong_requests_leave_nothing_behind() {
    let file = image(0);
    let null = File::open("/dev/null").unwrap();
    let (mut worker, mut terminal) = boot(vec![disk("vda", 2, CacheMode::Writeback)], &[&file], |_| {});
    let before = count(&worker, "fd");
    let random = RngConfig { fd: FdIndex(0), rate: None };
    let multicast_mac = NetConfig {
        backend: NetBackend::Tap { fd: FdIndex(0), more: Vec::new() },
        mac: [1, 0, 0, 0, 0, 1],
        mtu: 1500,
        link_up: true,
        offloads: Offloads::ALL,
    };
    let taken = DeviceConfig { slot: Some(1), ..disk("vdb", 0, CacheMode::Writeback) };
    let beyond = DeviceConfig { slot: Some(32), ..disk("vdb", 0, CacheMode::Writeback) };
    let refused = [
        (disk("vda", 0, CacheMode::Writeback), ErrorCode::Config, "alias 'vda'"),
        (disk("vdb", 7, CacheMode::Writeback), ErrorCode::Host, "descriptor 7"),
        (taken, ErrorCode::Config, "device 'vdb' has no PCI slot"),
        (beyond, ErrorCode::Config, "device 'vdb' has no PCI slot"),
        (console("console0"), ErrorCode::Unsupported, "device 'console0' can't be plugged"),
        (device("rng0", None, DeviceKind::Rng(random)), ErrorCode::Unsupported, "device 'rng0'"),
        (device("net0", None, DeviceKind::Net(multicast_mac)), ErrorCode::Config, "multicast MAC"),
        (nic("net0", NetBackend::Tap { fd: FdIndex(1), more: Vec::new() }), ErrorCode::Host, "not a tap"),
        (nic("net0", NetBackend::Server { fd: FdIndex(0) }), ErrorCode::Host, "not a listening TCP socket"),
        (nic("net0", NetBackend::Client { fd: FdIndex(1) }), ErrorCode::Host, "not a connected TCP socket"),
        (
            nic("net0", NetBackend::Multicast { receive: FdIndex(0), send: FdIndex(1) }),
            ErrorCode::Host,
            "not a UDP socket",
        ),
    ];
    for (device, code, sentence) in refused {
        let failure = plug(&mut worker, device, &[&file, &null]).unwrap_err();
        assert_eq!(failure.code, code, "{failure}");
        assert!(failure.message.contains(sentence), "{failure}");
    }
    for force in [false, true] {
        assert_eq!(unplug(&mut worker, "nobody", force).unwrap_err().code, ErrorCode::NotFound);
    }
    let set = |worker: &mut Worker, alias: &str| {
        worker.link.call(Call::SetLink { alias: alias.to_owned(), up: false }).unwrap_err().code
    };
    assert_eq!(set(&mut worker, "nobody"), ErrorCode::NotFound);
    assert_eq!(set(&mut worker, "vda"), ErrorCode::Unsupported);
    assert_eq!(terminal.run("pci list"), "ok 1=disk0");
    assert_eq!(count(&worker, "fd"), before, "descriptors are left");
    // All slots, and one more.
    for slot in 2..32 {
        plug(&mut worker, disk(&format!("disk{slot}"), 0, CacheMode::Writeback), &[&file]).unwrap();
    }
    let full = plug(&mut worker, disk("one-more", 0, CacheMode::Writeback), &[&file]).unwrap_err();
    assert_eq!(full.code, ErrorCode::Config, "{full}");
    worker.finish();
}

#[test]
fn a_device_for_which_descriptors_are_missing_is_not_there() {
    let file = image(0);
    let (mut worker, mut terminal) = boot(Vec::new(), &[], |_| {});
    let pid = Pid::from_raw(worker.pid().cast_signed());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let maximum = files.split_whitespace().nth(4).unwrap().parse().ok();
    let mut limit = count(&worker, "fd") as u64;
    loop {
        // One more than before: at first for the file that comes along alone.
        limit += 1;
        let few = Rlimit { current: Some(limit), maximum };
        let before = prlimit(pid, Resource::Nofile, few).unwrap();
        let plugged = plug(&mut worker, disk("vdb", 0, CacheMode::Writeback), &[&file]);
        prlimit(pid, Resource::Nofile, before).unwrap();
        let Err(failure) = plugged else { break };
        assert_eq!(failure.code, ErrorCode::Host, "{failure}");
        assert!(worker.stats().disks.is_empty(), "with {limit} descriptors: {failure}");
        assert_eq!(terminal.run("pci list"), "ok", "with {limit} descriptors: {failure}");
    }
    terminal.expect("reeve-guest: disk 0 is in slot 1");
    assert_eq!(aliases(&mut worker), ["vdb"]);
    worker.finish();
}

#[test]
fn an_ended_or_empty_worker_has_nothing_to_plug_into() {
    let file = image(0);
    let mut worker = Worker::start();
    let failure = plug(&mut worker, disk("vdb", 0, CacheMode::Writeback), &[&file]).unwrap_err();
    assert_eq!(failure.code, ErrorCode::State);
    worker.finish();
    let (mut worker, _terminal) = boot(Vec::new(), &[], |_| {});
    worker.link.call(Call::Quit).unwrap();
    let failure = plug(&mut worker, disk("vdb", 0, CacheMode::Writeback), &[&file]).unwrap_err();
    assert_eq!(failure.code, ErrorCode::State);
    assert_eq!(unplug(&mut worker, "vdb", true).unwrap_err().code, ErrorCode::State);
    worker.finish();
}

#[test]
fn no_frame_passes_while_the_link_is_down() {
    let Some((tap, mut host)) = cable("no_frame_passes_while_the_link_is_down") else { return };
    let (mut worker, mut terminal) = boot(Vec::new(), &[], |_| {});
    let mut down = tap_nic("net0");
    if let DeviceKind::Net(net) = &mut down.kind {
        net.link_up = false;
    }
    plug(&mut worker, down, &[&tap]).unwrap();
    terminal.expect("reeve-guest: net 0 is in slot 1");
    let set = |worker: &mut Worker, up| {
        worker.link.call(Call::SetLink { alias: "net0".to_owned(), up }).unwrap();
    };
    for _ in 0..3 {
        assert_eq!(terminal.run("net link"), "ok down");
        assert_eq!(number(&terminal.run("net send 5"), "frames"), 5);
        for round in 0..5u8 {
            host.write_all(&cable::frame(&[b'd', round])).unwrap();
        }
        let received = terminal.run("net recv 1 300");
        assert_eq!(number(&received, "frames"), 0, "{received}");
        set(&mut worker, true);
        terminal.expect("reeve-guest: net 0 is up");
        assert_eq!(terminal.run("net link"), "ok up");
        terminal.run("net send 1 700");
        assert_eq!(cable::next_on_host(&mut host).len(), 700, "a frame from before came through");
        terminal.tell("net recv 1 10000");
        host.write_all(&cable::frame(b"up")).unwrap();
        assert_eq!(number(&terminal.expect(ANSWER), "frames"), 1);
        set(&mut worker, false);
        terminal.expect("reeve-guest: net 0 is down");
    }
    let counters = worker.stats().interfaces[0].clone();
    assert_eq!((counters.tx_packets, counters.tx_dropped), (3, 15));
    assert!(counters.rx_dropped >= 15 && counters.rx_packets >= 3, "{counters:?}");
    worker.finish();
}
