//! Devices of a running machine, and what the daemon learns of them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;

use reeve_image::Format;
use reeve_vmm::config::{
    BalloonConfig, BlockConfig, CacheMode, ConsoleConfig, ConsoleEnd, ConsolePort, DeviceConfig, DeviceKind,
    DiskLimits, ErrorPolicy, FdIndex, IoEngine, RngConfig, VmConfig,
};
use reeve_vmm::protocol::{Call, ErrorCode, Event};

use crate::harness::{Worker, config, file, guest, kvm};

fn device(alias: &str, kind: DeviceKind) -> DeviceConfig {
    DeviceConfig { alias: alias.to_owned(), slot: None, event_idx: true, kind }
}

pub fn disk(alias: &str, fd: u32) -> DeviceConfig {
    let config = BlockConfig {
        fd: FdIndex(fd),
        format: Format::Raw,
        backing: Vec::new(),
        readonly: false,
        removable: false,
        serial: Some("reeve-0001".to_owned()),
        cache: CacheMode::Writeback,
        discard: false,
        limits: DiskLimits::default(),
        errors: ErrorPolicy::default(),
        io: IoEngine::Ring,
        iothread: None,
        shape: None,
        copy_on_read: false,
        encryption: None,
    };
    device(alias, DeviceKind::Block(config))
}

pub fn console(alias: &str) -> DeviceConfig {
    let ports =
        vec![ConsolePort { alias: format!("{alias}.0"), name: None, log: None, end: ConsoleEnd::Nobody }];
    device(alias, DeviceKind::Console(ConsoleConfig { ports }))
}

/// A machine with one of everything that needs no network; descriptor 2 is the disk, 3 the random source.
pub fn full_config() -> VmConfig {
    let mut config = config();
    let balloon = BalloonConfig {
        target: config.memory.bytes,
        stats: true,
        stats_period: None,
        deflate_on_oom: true,
        reporting: true,
    };
    config.devices = vec![
        disk("virtio-disk0", 2),
        console("virtio-console0"),
        device("rng0", DeviceKind::Rng(RngConfig { fd: FdIndex(3), rate: None })),
        device("balloon0", DeviceKind::Balloon(balloon)),
    ];
    config
}

pub fn launch(config: &VmConfig, image: &File) -> Worker {
    let (kvm, kernel, random) = (kvm(), guest(), File::open("/dev/urandom").unwrap());
    Worker::launch(config, &[kvm.as_fd(), kernel.as_fd(), image.as_fd(), random.as_fd()])
}

pub fn image() -> File {
    file(&vec![0; 1 << 20])
}

#[test]
fn the_guest_uses_all_devices_and_the_daemon_sees_the_counters() {
    let mut image = image();
    let mut worker = launch(&full_config(), &image);
    let mut terminal = worker.console("virtio-console0.0");
    terminal.expect("reeve-guest: ready");
    assert!(terminal.run("disk info 0").contains("sectors=2048 access=rw slot=1 id=reeve-0001"));
    terminal.run("disk put 0 3 hello-disk");
    terminal.run("disk flush 0");
    let mut sector = [0; 10];
    image.seek(SeekFrom::Start(3 * 512)).unwrap();
    image.read_exact(&mut sector).unwrap();
    assert_eq!(&sector, b"hello-disk");
    let (one, two) = (terminal.run("rng 16"), terminal.run("rng 16"));
    assert!(one.len() == 35 && one != two, "{one} {two}");
    let stats = worker.stats();
    let disk = &stats.disks[0];
    assert_eq!((disk.alias.as_str(), disk.write_requests, disk.write_bytes), ("virtio-disk0", 1, 512));
    assert!(disk.flush_requests >= 1 && disk.errors == 0, "{disk:?}");
    assert!(stats.process_time_ns > stats.vcpus[0].time_ns && stats.vcpus[0].exits > 0);
    worker.finish();
}

#[test]
fn the_balloon_takes_memory_and_gives_it_back() {
    let image = image();
    let config = full_config();
    let mut worker = launch(&config, &image);
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    let (all, less) = (config.memory.bytes, config.memory.bytes - (16 << 20));
    for target in [less, all] {
        worker.link.call(Call::SetBalloon { bytes: target }).unwrap();
        worker.link.event(|event| (*event == Event::BalloonChanged { bytes: target }).then_some(()));
        let balloon = worker.stats().balloon.unwrap();
        assert_eq!((balloon.target, balloon.actual), (target, target));
    }
    let too_much = worker.link.call(Call::SetBalloon { bytes: all + 1 }).unwrap_err();
    assert_eq!(too_much.code, ErrorCode::Config);
    worker.finish();
}

#[test]
fn devices_work_again_after_a_reset() {
    let image = image();
    let mut worker = launch(&full_config(), &image);
    let mut serial = worker.console("serial0");
    for round in 0..3 {
        serial.expect("reeve-guest: ready");
        serial.run(&format!("disk put 0 {round} round-{round}"));
        serial.run("rng 8");
        worker.link.call(Call::Reset).unwrap();
    }
    serial.expect("reeve-guest: ready");
    assert!(serial.run("disk read 0 2").contains("text=round-2"));
    worker.finish();
}

#[test]
fn a_console_is_replayed_to_everyone_who_opens_it_and_logged() {
    let mut log = tempfile::tempfile().unwrap();
    let (kvm, kernel) = (kvm(), guest());
    let mut config = config();
    config.serials[0].log = Some(FdIndex(2));
    let mut worker = Worker::launch(&config, &[kvm.as_fd(), kernel.as_fd(), log.as_fd()]);
    let mut first = worker.console("serial0");
    first.expect("reeve-guest: ready");
    let mut second = worker.console("serial0");
    second.expect("reeve-guest: entered by pvh");
    second.expect("reeve-guest: ready");
    assert_eq!(second.run("ping"), "ok pong");
    let mut end = Vec::new();
    first.stream.read_to_end(&mut end).unwrap();
    assert_eq!(
        worker
            .link
            .call(Call::OpenConsole { alias: "nobody".to_owned(), exclusive: false })
            .unwrap_err()
            .code,
        ErrorCode::NotFound
    );
    let mut text = String::new();
    log.rewind().unwrap();
    log.read_to_string(&mut text).unwrap();
    assert!(text.contains("reeve-guest: ready") && text.contains("ok pong"), "{text}");
    worker.finish();
}

#[test]
fn a_long_paste_reaches_the_guest_whole() {
    let mut worker = Worker::boot(|_| {});
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    let lines = "ping\n".repeat(500);
    terminal.stream.write_all(lines.as_bytes()).unwrap();
    for _ in 0..500 {
        assert_eq!(terminal.expect("ok"), "ok pong");
    }
    worker.finish();
}
