//! A machine that goes on in another worker, from what was saved.

use std::fs::File;
use std::io::Seek;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use reeve_vmm::config::{
    CacheMode, DeviceConfig, DeviceKind, FdIndex, LifecycleAction, VmConfig, WatchdogAction, WatchdogConfig,
};
use reeve_vmm::protocol::{Answer, Call, ErrorCode, Event, Failure, PauseReason, Status};

use crate::harness::{Terminal, Worker, config, file, guest, kvm, locked_in};
use crate::machine::{disk, full_config, image};
use crate::plug::plug;
use crate::virtio::field;

/// Where a machine is saved to, and the disk that goes on with it.
struct Shelf {
    saved: File,
    disk: File,
}

impl Shelf {
    fn new() -> Self {
        Self { saved: tempfile::tempfile().unwrap(), disk: image() }
    }

    fn launch(&self, config: &VmConfig) -> (Worker, Terminal) {
        let mut worker = crate::machine::launch(config, &self.disk);
        let mut terminal = worker.console("serial0");
        terminal.expect("reeve-guest: ready");
        (worker, terminal)
    }

    /// Saves and ends a machine; how many bytes were written.
    fn save(&mut self, mut worker: Worker) -> u64 {
        self.saved.rewind().unwrap();
        worker.link.call_with(Call::Save, &[self.saved.as_fd()]).unwrap();
        let bytes = ended(&mut worker).unwrap();
        assert_eq!(worker.status(), Status::Paused { reason: PauseReason::Saved });
        worker.finish();
        bytes
    }

    fn try_restore(&mut self, config: &VmConfig) -> Result<Worker, Failure> {
        self.saved.rewind().unwrap();
        let mut worker = Worker::start();
        let (kvm, kernel, random) = (kvm(), guest(), File::open("/dev/urandom").unwrap());
        let call = Call::Restore { config: Box::new(config.clone()), state: FdIndex(4) };
        let fds = [kvm.as_fd(), kernel.as_fd(), self.disk.as_fd(), random.as_fd(), self.saved.as_fd()];
        worker.link.call_with(call, &fds).map(|_| worker)
    }

    fn restore(&mut self, config: &VmConfig) -> (Worker, Terminal) {
        let mut worker = self.try_restore(config).unwrap();
        let terminal = worker.console("serial0");
        (worker, terminal)
    }
}

/// Waits for the end of a save.
fn ended(worker: &mut Worker) -> Result<u64, Failure> {
    worker.link.event(|event| match event {
        Event::SaveEnded { bytes, failure } => Some(failure.clone().map_or(Ok(*bytes), Err)),
        _ => None,
    })
}

#[test]
fn memory_disk_clocks_and_devices_go_on() {
    let mut shelf = Shelf::new();
    let mut config = full_config();
    config.sandbox = locked_in();
    let (worker, mut terminal) = shelf.launch(&config);
    terminal.run("mem write 0x5151 32");
    let before = terminal.run("disk write 0 0 64 0x7777");
    let time = number(&terminal.run("ticks 50"), "since_boot_ms");
    let bytes = shelf.save(worker);
    assert!((32 << 20..64 << 20).contains(&bytes), "{bytes} bytes of 64 MiB");

    let (mut worker, mut terminal) = shelf.restore(&config);
    terminal.run("mem verify 0x5151 32");
    assert_eq!(field(&terminal.run("disk sum 0 0 64"), "sum"), field(&before, "sum"));
    terminal.run("disk write 0 64 64 0x9999");
    let ticks = terminal.run("ticks 200");
    assert!(number(&ticks, "ticks") >= 10, "{ticks}");
    let since = number(&ticks, "since_boot_ms");
    assert!(since >= time && since < time + 60_000, "{since} ms after {time} ms");
    assert!(terminal.run("irq test").contains("disk0="));
    assert_eq!(terminal.run("rng 16").len(), 35);
    worker.link.call(Call::SetBalloon { bytes: 48 << 20 }).unwrap();
    while !terminal.run("balloon").contains("held=4096") {}
    let mut other = worker.console("virtio-console0.0");
    assert_eq!(other.run("ping again"), "ok pong again");
    shelf.save(worker);

    let (worker, mut terminal) = shelf.restore(&config);
    assert!(terminal.run("balloon").contains("held=4096"));
    assert!(terminal.run("disk sum 0 64 64").starts_with("ok"));
    terminal.run("mem verify 0x5151 32");
    terminal.tell("reboot");
    terminal.expect("reeve-guest: ready");
    worker.finish();
}

fn number(answer: &str, name: &str) -> u64 {
    field(answer, name).parse().unwrap()
}

/// A machine that is looked after.
pub fn guarded() -> VmConfig {
    let mut config = full_config();
    config.sandbox = locked_in();
    config.on_crash = LifecycleAction::Preserve;
    let watchdog = WatchdogConfig { action: WatchdogAction::Pause };
    for (alias, kind) in [("watchdog0", DeviceKind::Watchdog(watchdog)), ("panic0", DeviceKind::Panic)] {
        config.devices.push(DeviceConfig { alias: alias.to_owned(), slot: None, event_idx: true, kind });
    }
    config
}

#[test]
fn an_armed_watchdog_waits_for_its_guest_and_goes_on_with_it() {
    let mut shelf = Shelf::new();
    let config = guarded();
    let (worker, mut terminal) = shelf.launch(&config);
    // Six seconds, as this watchdog counts.
    assert_eq!(terminal.run("watchdog start 3000"), "ok");
    shelf.save(worker);
    let (saved, longer) = (Instant::now(), Duration::from_secs(7));
    while saved.elapsed() < longer {
        std::thread::sleep(longer.saturating_sub(saved.elapsed()));
    }
    let (mut worker, mut terminal) = shelf.restore(&config);
    assert_eq!(worker.status(), Status::Running, "no time passed for it");
    assert_eq!(terminal.run("watchdog status"), "ok on=true expired=false");
    assert_eq!(terminal.run("watchdog ping"), "ok");
    worker.link.wait_for(&Event::WatchdogExpired { action: WatchdogAction::Pause });
    worker.link.wait_for(&Event::Paused);
    worker.link.call(Call::Resume).unwrap();
    assert!(terminal.run("watchdog status").contains("expired=true"));
    shelf.save(worker);

    let (mut worker, mut terminal) = shelf.restore(&config);
    assert!(terminal.run("watchdog status").contains("expired=true"), "it remembers");
    terminal.tell("panic");
    worker.link.wait_for(&Event::GuestCrash { reason: "the guest has panicked".to_owned() });
    worker.finish();
}

#[test]
fn vector_registers_and_several_cpus_go_on() {
    let mut shelf = Shelf::new();
    let mut config = full_config();
    config.vcpus = 2;
    let (worker, mut terminal) = shelf.launch(&config);
    terminal.run("cpus");
    terminal.tell("vectors 0x123456789abcdef1 1500");
    terminal.expect("reeve-guest: holding");
    shelf.save(worker);
    let (worker, mut terminal) = shelf.restore(&config);
    let said = terminal.expect("ok");
    assert!(said.starts_with("ok intact"), "{said}");
    assert_eq!(terminal.run("cpus"), "ok awake=2 expected=2");
    terminal.run("spin 1 2");
    worker.finish();
}

#[test]
fn what_was_plugged_and_unplugged_stays_so() {
    let mut shelf = Shelf::new();
    let mut config = full_config();
    let (mut worker, mut terminal) = shelf.launch(&config);
    let extra = file(&vec![0; 1 << 20]);
    for round in 0..2 {
        plug(&mut worker, crate::virtio::disk("vdx", 0, CacheMode::Writeback), &[&extra]).unwrap();
        terminal.expect("reeve-guest: disk 1 is in slot");
        if round == 0 {
            worker.link.call(Call::DetachDevice { alias: "vdx".to_owned(), force: false }).unwrap();
            worker.link.wait_for(&Event::DeviceRemoved { alias: "vdx".to_owned() });
            terminal.expect("is empty");
        }
    }
    terminal.run("disk put 1 5 plugged");
    shelf.save(worker);
    // The new disk is the image that was plugged; its slot comes from what was saved.
    config.devices.insert(0, disk("vdx", 5));
    let mut worker = Worker::start();
    let (kvm, kernel, random) = (kvm(), guest(), File::open("/dev/urandom").unwrap());
    let call = Call::Restore { config: Box::new(config), state: FdIndex(4) };
    shelf.saved.rewind().unwrap();
    let fds = [&kvm, &kernel, &shelf.disk, &random, &shelf.saved, &extra].map(|file| file.as_fd());
    worker.link.call_with(call, &fds).unwrap();
    let mut terminal = worker.console("serial0");
    assert!(terminal.run("disk read 1 5").contains("plugged"));
    worker.link.call(Call::DetachDevice { alias: "vdx".to_owned(), force: false }).unwrap();
    worker.link.wait_for(&Event::DeviceRemoved { alias: "vdx".to_owned() });
    worker.finish();
}

#[test]
fn a_paused_machine_is_saved_as_such_and_a_save_that_is_not_wanted_changes_nothing() {
    let shelf = Shelf::new();
    let config = full_config();
    let (mut worker, mut terminal) = shelf.launch(&config);
    terminal.run("mem write 0x77 16");
    worker.link.call_with(Call::Save, &[shelf.saved.as_fd()]).unwrap();
    ended(&mut worker).unwrap();
    assert_eq!(worker.link.call(Call::SaveStatus).unwrap_err().code, ErrorCode::State);
    worker.link.call(Call::Resume).unwrap();
    terminal.run("disk put 0 1 still-here");
    terminal.run("mem verify 0x77 16");
    worker.link.call(Call::Pause).unwrap();
    worker.link.call_with(Call::Save, &[File::open("/dev/zero").unwrap().as_fd()]).unwrap();
    let failure = ended(&mut worker).unwrap_err();
    assert!(failure.message.contains("can't be written"), "{failure}");
    assert_eq!(worker.status(), Status::Paused { reason: PauseReason::Asked });
    worker.link.call(Call::Resume).unwrap();
    assert_eq!(terminal.run("ping"), "ok pong");
    worker.finish();
}

#[test]
fn a_full_disk_and_a_cancelled_save_let_the_guest_run_on() {
    let config = full_config();
    let (mut worker, mut terminal) = Shelf::new().launch(&config);
    terminal.run("mem write 0x77 48");
    let full = File::options().write(true).open("/dev/full").unwrap();
    worker.link.call_with(Call::Save, &[full.as_fd()]).unwrap();
    let failure = ended(&mut worker).unwrap_err();
    assert!(failure.message.contains("No space left"), "{failure}");
    assert_eq!((worker.status(), terminal.run("ping")), (Status::Running, "ok pong".to_owned()));

    // Nobody reads the other end, so the save stands still until it is cancelled and its next write fails.
    let (ours, theirs) = UnixStream::pair().unwrap();
    worker.link.call_with(Call::Save, &[ours.as_fd()]).unwrap();
    assert_eq!(worker.status(), Status::Paused { reason: PauseReason::Saving });
    let Answer::Save(status) = worker.link.call(Call::SaveStatus).unwrap() else { panic!("its progress") };
    assert_eq!(status.total, 64 << 20);
    let refused = worker.link.call(Call::Reset).unwrap_err();
    assert_eq!(refused.code, ErrorCode::State);
    worker.link.call(Call::CancelSave).unwrap();
    drop((ours, theirs));
    assert!(ended(&mut worker).is_err());
    assert_eq!(terminal.run("mem verify 0x77 48").split(' ').next(), Some("ok"));
    worker.finish();
}

#[test]
fn a_damaged_image_is_refused_and_the_whole_one_still_good() {
    let mut shelf = Shelf::new();
    let config = full_config();
    let (worker, mut terminal) = shelf.launch(&config);
    terminal.run("mem write 0x42 16");
    shelf.save(worker);
    let whole = shelf.saved.try_clone().unwrap();
    let length = whole.metadata().unwrap().len();
    for at in [3, 5000, length / 2, length - 30] {
        let mut damaged = whole.try_clone().unwrap();
        let mut bytes = Vec::new();
        damaged.rewind().unwrap();
        std::io::Read::read_to_end(&mut damaged, &mut bytes).unwrap();
        bytes[at as usize] ^= 0x20;
        shelf.saved = file(&bytes);
        let failure = shelf.try_restore(&config).err().expect("it is damaged");
        assert_eq!(failure.code, ErrorCode::Image, "byte {at}: {failure}");
        shelf.saved = file(&bytes[..at as usize]);
        assert_eq!(shelf.try_restore(&config).err().expect("it is cut").code, ErrorCode::Image);
    }
    shelf.saved = whole;
    let (worker, mut terminal) = shelf.restore(&config);
    terminal.run("mem verify 0x42 16");
    worker.finish();
}

#[test]
fn saving_and_restoring_256_mib_is_measured() {
    let mut shelf = Shelf::new();
    let mut config = config();
    config.memory.bytes = 256 << 20;
    let (kvm, kernel) = (kvm(), guest());
    let mut worker = Worker::launch(&config, &[kvm.as_fd(), kernel.as_fd()]);
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    terminal.run("mem write 0x1 200");
    let start = Instant::now();
    let bytes = shelf.save(worker);
    let saved = start.elapsed();
    shelf.saved.rewind().unwrap();
    let mut worker = Worker::start();
    let start = Instant::now();
    let call = Call::Restore { config: Box::new(config), state: FdIndex(2) };
    worker.link.call_with(call, &[kvm.as_fd(), kernel.as_fd(), shelf.saved.as_fd()]).unwrap();
    let restored = start.elapsed();
    println!("256 MiB, {} MiB of it written: saved in {saved:?}, restored in {restored:?}", bytes >> 20);
    let mut terminal = worker.console("serial0");
    terminal.run("mem verify 0x1 200");
    worker.finish();
}
