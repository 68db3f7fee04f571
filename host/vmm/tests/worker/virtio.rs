//! Virtio devices with a real driver at the other end.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use reeve_image::Format;
use reeve_vmm::config::{
    BalloonConfig, BlockConfig, CacheMode, ConsoleConfig, ConsoleEnd, ConsolePort, DeviceConfig, DeviceKind,
    DiskLimits, ErrorPolicy, FdIndex, IoEngine, NetBackend, NetConfig, Offloads, RngConfig, RngRate,
    SeccompMode, VmConfig,
};
use reeve_vmm::protocol::{Call, Event};

use crate::cable::{self, ETHERTYPE, cable};
use crate::harness::{Terminal, Worker, config, guest, kvm};

const MIB: u64 = 1 << 20;

pub fn device(alias: &str, slot: Option<u8>, kind: DeviceKind) -> DeviceConfig {
    DeviceConfig { alias: alias.to_owned(), slot, event_idx: true, kind }
}

/// Boots the guest with these devices; their descriptors start at index 2.
pub fn boot(
    devices: Vec<DeviceConfig>,
    fds: &[&File],
    change: impl FnOnce(&mut VmConfig),
) -> (Worker, Terminal) {
    let (kvm, kernel) = (kvm(), guest());
    let mut config = VmConfig { devices, ..config() };
    config.sandbox.seccomp = SeccompMode::Kill;
    change(&mut config);
    let mut all: Vec<BorrowedFd<'_>> = vec![kvm.as_fd(), kernel.as_fd()];
    all.extend(fds.iter().map(|file| file.as_fd()));
    let mut worker = Worker::launch(&config, &all);
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    (worker, terminal)
}

pub fn disk(alias: &str, fd: u32, cache: CacheMode) -> DeviceConfig {
    let serial = Some(alias.to_uppercase());
    let (format, backing) = (Format::Raw, Vec::new());
    let (fd, limits) = (FdIndex(fd), DiskLimits::default());
    let block = BlockConfig {
        fd,
        format,
        backing,
        readonly: false,
        removable: false,
        serial,
        cache,
        discard: true,
        limits,
        errors: ErrorPolicy::default(),
        io: IoEngine::Ring,
        iothread: None,
        shape: None,
        copy_on_read: false,
        encryption: None,
    };
    device(alias, None, DeviceKind::Block(block))
}

/// An 8 MiB image whose sectors hold their number.
pub fn image(flags: i32) -> File {
    let dir = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")).unwrap();
    let path = dir.path().join("disk.raw");
    let bytes: Vec<u8> = (0..8 * MIB / 512).flat_map(|sector| [sector as u8; 512]).collect();
    std::fs::write(&path, bytes).unwrap();
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).unwrap()
}

/// A buffer that O_DIRECT takes.
#[repr(align(4096))]
struct Page([u8; 4096]);

/// The value of `name=` in an answer of the guest.
pub fn field(answer: &str, name: &str) -> String {
    let word = answer.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    word.unwrap_or_else(|| panic!("{name} in '{answer}'")).to_owned()
}

pub fn number(answer: &str, name: &str) -> u64 {
    field(answer, name).parse().unwrap()
}

#[test]
fn a_guest_reads_writes_and_flushes_disks() {
    let (cached, direct) = (image(0), image(libc::O_DIRECT));
    let devices = vec![disk("disk0", 2, CacheMode::Writeback), disk("disk1", 3, CacheMode::None)];
    let (mut worker, mut terminal) = boot(devices, &[&cached, &direct], |_| {});
    for (index, file) in [&cached, &direct].into_iter().enumerate() {
        let info = terminal.run(&format!("disk info {index}"));
        assert_eq!((number(&info, "sectors"), field(&info, "id")), (16384, format!("DISK{index}")));
        terminal.run(&format!("disk put {index} 77 written-by-the-guest"));
        let written = terminal.run(&format!("disk write {index} 1024 2048 0x1111"));
        terminal.run(&format!("disk flush {index}"));
        let read = terminal.run(&format!("disk sum {index} 1024 2048"));
        assert_eq!(field(&written, "sum"), field(&read, "sum"));
        println!(
            "disk {index}: 1 MiB written in {} us, read in {} us",
            field(&written, "us"),
            field(&read, "us")
        );
        let mut page = Page([0; 4096]);
        file.read_exact_at(&mut page.0, 72 * 512).unwrap();
        assert!(page.0[5 * 512..].starts_with(b"written-by-the-guest\0"));
        assert_eq!(page.0[..512], [72; 512], "the neighbours are untouched");
        assert_eq!(page.0[6 * 512..7 * 512], [78; 512]);
        file.read_exact_at(&mut page.0, 1024 * 512).unwrap();
        assert_eq!(page.0[512..520], (0x1111u64 ^ 1025).to_le_bytes());
    }
    let counters = &worker.stats().disks[1];
    assert_eq!((counters.alias.as_str(), counters.errors), ("disk1", 0));
    assert_eq!((counters.write_requests, counters.write_bytes), (9, 2049 * 512));
    assert!(counters.read_bytes >= 2048 * 512 && counters.flush_requests >= 1);
    worker.finish();
}

#[test]
fn disks_survive_pauses_and_resets() {
    let file = image(0);
    let (mut worker, mut terminal) = boot(vec![disk("disk0", 2, CacheMode::Writeback)], &[&file], |_| {});
    let sum = field(&terminal.run("disk sum 0"), "sum");
    for _ in 0..5 {
        worker.link.call(Call::Pause).unwrap();
        worker.link.call(Call::Resume).unwrap();
        assert_eq!(field(&terminal.run("disk sum 0"), "sum"), sum);
    }
    for _ in 0..3 {
        terminal.tell("disk sum 0");
        worker.link.call(Call::Reset).unwrap();
        terminal.expect("reeve-guest: ready");
        assert_eq!(field(&terminal.run("disk sum 0"), "sum"), sum);
    }
    terminal.tell("reboot");
    terminal.expect("reeve-guest: ready");
    assert_eq!(field(&terminal.run("disk sum 0"), "sum"), sum);
    worker.finish();
}

#[test]
fn disk_and_entropy_interrupt_by_msix() {
    let (file, random) = (image(0), File::open("/dev/urandom").unwrap());
    let rng = RngConfig { fd: FdIndex(3), rate: Some(RngRate { bytes: 1000, period_ms: 20 }) };
    let devices = vec![disk("disk0", 2, CacheMode::Writeback), device("rng0", Some(9), DeviceKind::Rng(rng))];
    let (worker, mut terminal) = boot(devices, &[&file, &random], |config| config.vcpus = 2);
    let report = terminal.run("irq test");
    for source in ["disk0=", "rng="] {
        assert!(report.contains(source), "{report}");
    }
    let (first, second) = (terminal.run("rng 32"), terminal.run("rng 32"));
    assert!(first.len() >= 64 && first != second, "{first} {second}");
    worker.finish();
}

#[test]
fn frames_travel_between_guest_and_tap() {
    let Some((tap, mut host)) = cable("frames_travel_between_guest_and_tap") else { return };
    let mac = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
    let backend = NetBackend::Tap { fd: FdIndex(2), more: Vec::new() };
    let net = NetConfig { backend, mac, mtu: 1500, link_up: true, offloads: Offloads::ALL };
    let (mut worker, mut terminal) = boot(vec![device("net0", None, DeviceKind::Net(net))], &[&tap], |_| {});
    assert_eq!(terminal.run("net mac"), "ok 52:54:00:aa:bb:cc");
    assert_eq!(number(&terminal.run("net send 50 600"), "frames"), 50);
    for index in 0..50u64 {
        let frame = cable::next_on_host(&mut host);
        assert_eq!((frame.len(), &frame[6..12], &frame[12..14]), (600, &mac[..], &ETHERTYPE[..]));
        assert_eq!(frame[14..22], index.to_be_bytes());
    }
    terminal.tell("net recv 20 15000");
    for round in 0..20u8 {
        host.write_all(&cable::frame(&[round])).unwrap();
    }
    let received = terminal.expect("ok");
    assert_eq!((number(&received, "frames"), number(&received, "bytes")), (20, 20 * 64));
    // A frame that waits while nobody takes frames is not forgotten, and does not keep later ones from being heard.
    let early = cable::frame(b"early");
    host.write_all(&early).unwrap();
    assert_eq!(terminal.run("ping"), "ok pong");
    terminal.run("net echo on");
    assert_eq!(cable::next_on_host(&mut host)[14..], early[14..]);
    let start = std::time::Instant::now();
    for round in 0..100u8 {
        let ping = cable::frame(&[b'#', round]);
        host.write_all(&ping).unwrap();
        let pong = cable::next_on_host(&mut host);
        assert_eq!((&pong[6..12], &pong[14..]), (&mac[..], &ping[14..]), "round {round}");
    }
    println!("round trip of a frame: {:?}", start.elapsed() / 100);
    // The guest is back from sending the last frame, so that frame was counted.
    assert_eq!(terminal.run("ping"), "ok pong");
    let counters = &worker.stats().interfaces[0];
    assert_eq!((counters.tx_packets, counters.tx_bytes), (151, 50 * 600 + 101 * 64));
    assert!(counters.rx_packets >= 121);
    worker.finish();
}

#[test]
fn a_virtio_console_takes_commands_and_outlives_its_clients() {
    let ports =
        vec![ConsolePort { alias: "console0".to_owned(), name: None, log: None, end: ConsoleEnd::Nobody }];
    let console = device("virtio-serial0", None, DeviceKind::Console(ConsoleConfig { ports }));
    let (mut worker, mut serial) = boot(vec![console], &[], |_| {});
    let mut terminal = worker.console("console0");
    terminal.expect("reeve-guest: ready");
    for _ in 0..50 {
        assert_eq!(terminal.run("ping"), "ok pong");
    }
    drop(terminal);
    assert_eq!(serial.run("ping"), "ok pong", "nobody looks at the virtio console");
    let mut again = worker.console("console0");
    for _ in 0..50 {
        again.expect("ok pong");
    }
    assert_eq!(again.run("cmdline"), "ok console=ttyS0");
    worker.link.call(Call::Reset).unwrap();
    again.expect("reeve-guest: ready");
    assert_eq!(again.run("ping"), "ok pong");
    worker.finish();
}

#[test]
fn an_inflated_balloon_lowers_the_memory_of_the_worker() {
    let balloon = BalloonConfig {
        target: 256 * MIB,
        stats: false,
        stats_period: None,
        deflate_on_oom: true,
        reporting: true,
    };
    let devices = vec![device("balloon0", None, DeviceKind::Balloon(balloon))];
    let (mut worker, mut terminal) = boot(devices, &[], |config| config.memory.bytes = 256 * MIB);
    terminal.run("mem write 7 192");
    let resident = |worker: &Worker| -> u64 {
        worker.proc_status("VmRSS").trim_end_matches("kB").trim().parse::<u64>().unwrap() / 1024
    };
    let wait_for = |worker: &mut Worker, target: u64| {
        worker.link.call(Call::SetBalloon { bytes: target }).unwrap();
        worker.link.event(|event| {
            matches!(event, Event::BalloonChanged { bytes } if *bytes == target).then_some(())
        });
    };
    let full = resident(&worker);
    assert!(full >= 192, "{full} MiB resident");
    wait_for(&mut worker, 128 * MIB);
    let inflated = resident(&worker);
    println!("{full} MiB resident before, {inflated} MiB after");
    assert!(inflated + 60 <= full, "{full} MiB before, {inflated} MiB after");
    let stats = worker.stats().balloon.unwrap();
    assert_eq!((stats.target, stats.actual), (128 * MIB, 128 * MIB));
    wait_for(&mut worker, 256 * MIB);
    terminal.run("mem write 9 192");
    terminal.run("mem verify 9 192");
    assert!(resident(&worker) + 10 >= full);
    worker.finish();
}

#[test]
fn a_disk_that_fails_is_an_error_in_the_guest_and_nowhere_else() {
    let file = image(0);
    let (mut worker, mut terminal) = boot(vec![disk("disk0", 2, CacheMode::Writeback)], &[&file], |_| {});
    file.set_len(4096).unwrap();
    terminal.tell("disk read 0 8000");
    terminal.expect("error");
    assert!(worker.stats().disks[0].errors > 0);
    terminal.run("disk read 0 3");
    worker.finish();
}
