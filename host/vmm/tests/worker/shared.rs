//! Directories of the host in a real guest, served by a real virtiofsd, and by one that means ill.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reeve_vmm::config::{DeviceConfig, DeviceKind, FdIndex, FilesystemConfig, VmConfig};
use reeve_vmm::protocol::{Call, ErrorCode, Event, Failure, Status};

use crate::harness::{PATIENCE, Terminal, Worker, config, guest, kvm, locked_in};
use crate::virtio::{boot, device, field, number};

/// Where distributions have it.
const PROGRAMS: [&str; 3] = ["/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd"];

/// A virtiofsd and the directory that it serves.
struct Served {
    process: Child,
    folder: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        let program = PROGRAMS.iter().map(Path::new).find(|path| path.exists());
        let program = program.expect("a virtiofsd is there: cargo xtask setup");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("shared")).unwrap();
        let shared = folder.path().join("shared").display().to_string();
        let mut command = Command::new(program);
        command.arg(format!("--socket-path={}", folder.path().join("socket").display()));
        match program.starts_with("/usr/lib/qemu") {
            true => command.args(["-f", "-o", &format!("source={shared},log_level=warn")]),
            false => command.args(["--shared-dir", &shared]),
        };
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        Self { process, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("shared").join(name)
    }

    fn connect(&mut self) -> File {
        let start = Instant::now();
        loop {
            match UnixStream::connect(self.folder.path().join("socket")) {
                Ok(stream) => return OwnedFd::from(stream).into(),
                Err(error) => {
                    assert!(self.process.try_wait().unwrap().is_none(), "virtiofsd has ended");
                    assert!(start.elapsed() < PATIENCE, "virtiofsd does not listen: {error}");
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }

    /// The process that serves, and the one that waits for it.
    fn kill(&mut self) {
        let children = format!("/proc/{0}/task/{0}/children", self.process.id());
        for pid in std::fs::read_to_string(children).unwrap().split_whitespace() {
            // SAFETY: kill takes numbers; the process is a child of ours that nobody has waited for.
            unsafe { libc::kill(pid.parse().unwrap(), libc::SIGKILL) };
        }
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends with its connection; a test that failed may have none.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn filesystem(fd: u32) -> DeviceConfig {
    let kind = FilesystemConfig { tag: "projects".to_owned(), queue_size: 64, fd: FdIndex(fd) };
    device("fs0", None, DeviceKind::Filesystem(kind))
}

fn shared(config: &mut VmConfig) {
    config.memory.shared = true;
    config.sandbox = locked_in();
}

fn launch(served: &mut Served) -> (Worker, Terminal) {
    let socket = served.connect();
    boot(vec![filesystem(2)], &[&socket], shared)
}

#[test]
fn a_guest_has_the_files_of_the_host_and_the_host_those_of_the_guest() {
    let mut served = Served::start();
    std::fs::write(served.file("hello"), "written-on-the-host").unwrap();
    let large: Vec<u8> = (0..600_000u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(served.file("large"), &large).unwrap();
    let (mut worker, mut terminal) = launch(&mut served);
    assert_eq!(terminal.run("shared info"), "ok tag=projects queues=1");
    for round in 0..3 {
        assert_eq!(terminal.run("shared read hello"), "ok text=written-on-the-host");
        let read = terminal.run("shared sum large");
        assert_eq!(number(&read, "bytes"), 600_000);
        let poured = terminal.run(&format!("shared pour copy{round} 600000"));
        assert_eq!(field(&poured, "sum"), field(&read, "sum"));
        assert!(
            std::fs::read(served.file(&format!("copy{round}"))).unwrap() == large,
            "copy {round} differs"
        );
        terminal.tell("shared read nothing");
        assert_eq!(terminal.expect("error"), "error errno=2");
        match round {
            // The device stands still for a moment, and goes on where it was.
            0 => {
                let call = Call::SnapshotDisks { aliases: vec![], name: "s".to_owned(), taken: 0 };
                worker.link.call(call).unwrap();
                worker.link.call(Call::Pause).unwrap();
                worker.link.call(Call::Resume).unwrap();
                terminal.run("shared write more written-after-a-stop");
                assert_eq!(std::fs::read_to_string(served.file("more")).unwrap(), "written-after-a-stop");
                terminal.tell("reboot");
                terminal.expect("reeve-guest: ready");
            }
            1 => {
                worker.link.call(Call::Reset).unwrap();
                terminal.expect("reeve-guest: ready");
            }
            _ => {}
        }
    }
    worker.finish();
    let start = Instant::now();
    while served.process.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "virtiofsd goes on without a worker");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_guest_goes_on_when_nobody_serves_the_directory_any_more() {
    let mut served = Served::start();
    std::fs::write(served.file("hello"), "written-on-the-host").unwrap();
    let (mut worker, mut terminal) = launch(&mut served);
    assert_eq!(terminal.run("shared read hello"), "ok text=written-on-the-host");
    served.kill();
    worker.link.wait_for(&Event::FilesystemLost { alias: "fs0".to_owned() });
    assert_eq!(terminal.run("ping"), "ok pong");
    // There is a device, but nobody answers.
    worker.link.call(Call::Reset).unwrap();
    terminal.expect("reeve-guest: ready");
    assert_eq!(terminal.run("shared info"), "ok tag=projects queues=1");
    assert_eq!(worker.status(), Status::Running);
    // A daemon that comes later hears it too.
    assert_eq!(worker.reconnect(u64::MAX).lost, ["fs0"]);
    worker.finish();
}

#[test]
fn such_a_machine_is_neither_saved_nor_migrated() {
    let mut served = Served::start();
    std::fs::write(served.file("hello"), "written-on-the-host").unwrap();
    let (mut worker, mut terminal) = launch(&mut served);
    let saved = tempfile::tempfile().unwrap();
    let refused = worker.link.call_with(Call::Save, &[std::os::fd::AsFd::as_fd(&saved)]).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unsupported, "{refused}");
    assert!(refused.message.contains("device 'fs0' shares a directory"), "{refused}");
    assert_eq!(worker.status(), Status::Running);
    assert_eq!(terminal.run("shared read hello"), "ok text=written-on-the-host");
    worker.finish();
}

/// Speaks as a back-end should until it is told where a queue is; then it says nothing more, but hears all.
fn fall_silent(mut socket: UnixStream) {
    const GET_FEATURES: u32 = 1;
    const GET_PROTOCOL_FEATURES: u32 = 15;
    let features: u64 = 1 << 32 | 1 << 30 | 1 << 29 | 1 << 28;
    let mut header = [0; 12];
    while socket.read_exact(&mut header).is_ok() {
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let mut body = vec![0; word(8) as usize];
        socket.read_exact(&mut body).unwrap();
        let answer = match word(0) {
            GET_FEATURES => features,
            GET_PROTOCOL_FEATURES => 0,
            _ => continue,
        };
        let mut reply = [word(0).to_le_bytes(), 5u32.to_le_bytes(), 8u32.to_le_bytes()].concat();
        reply.extend(answer.to_le_bytes());
        socket.write_all(&reply).unwrap();
    }
}

fn try_launch(socket: UnixStream, change: impl FnOnce(&mut VmConfig)) -> Result<(), Failure> {
    use std::os::fd::AsFd;
    let mut config = VmConfig { devices: vec![filesystem(2)], ..config() };
    shared(&mut config);
    change(&mut config);
    let (kvm, kernel) = (kvm(), guest());
    let mut worker = Worker::start();
    let launch = Call::Launch { config: Box::new(config) };
    worker.link.call_with(launch, &[kvm.as_fd(), kernel.as_fd(), socket.as_fd()]).map(drop)
}

#[test]
fn who_serves_a_directory_does_not_keep_a_worker_waiting() {
    // One that stops to answer when the guest is reset.
    let (ours, theirs) = UnixStream::pair().unwrap();
    let silent = std::thread::spawn(move || fall_silent(theirs));
    let socket = File::from(OwnedFd::from(ours));
    let (mut worker, mut terminal) = boot(vec![filesystem(2)], &[&socket], shared);
    drop(socket);
    worker.link.call(Call::Reset).unwrap();
    worker.link.wait_for(&Event::FilesystemLost { alias: "fs0".to_owned() });
    terminal.expect("reeve-guest: ready");
    assert_eq!(terminal.run("ping"), "ok pong");
    worker.finish();
    silent.join().unwrap();
    // One that says nothing at all, one that is gone, and one that says something else.
    let (ours, mute) = UnixStream::pair().unwrap();
    let refused = try_launch(ours, |_| {}).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Host, "{refused}");
    assert!(refused.message.contains("does not answer as it should"), "{refused}");
    drop(mute);
    let (ours, _) = UnixStream::pair().unwrap();
    assert_eq!(try_launch(ours, |_| {}).unwrap_err().code, ErrorCode::Host);
    let (ours, mut babbler) = UnixStream::pair().unwrap();
    babbler.write_all(&[0xff; 4096]).unwrap();
    assert_eq!(try_launch(ours, |_| {}).unwrap_err().code, ErrorCode::Host);
}

#[test]
fn who_serves_a_directory_says_nothing_unasked() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut other = theirs.try_clone().unwrap();
    let silent = std::thread::spawn(move || fall_silent(theirs));
    let socket = File::from(OwnedFd::from(ours));
    let (mut worker, mut terminal) = boot(vec![filesystem(2)], &[&socket], shared);
    drop(socket);
    other.write_all(&[7; 12]).unwrap();
    worker.link.wait_for(&Event::FilesystemLost { alias: "fs0".to_owned() });
    assert_eq!(terminal.run("ping"), "ok pong");
    worker.finish();
    drop(other);
    silent.join().unwrap();
}

#[test]
fn a_configuration_says_what_it_can_share() {
    let refused = |change: fn(&mut VmConfig)| {
        let (ours, _) = UnixStream::pair().unwrap();
        let refused = try_launch(ours, change).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Config, "{refused}");
        refused.message
    };
    assert!(refused(|config| config.memory.shared = false).contains("needs guest memory that is shared"));
    fn named(config: &mut VmConfig, tag: &str, queue_size: u16) {
        let kind = FilesystemConfig { tag: tag.to_owned(), queue_size, fd: FdIndex(2) };
        config.devices = vec![device("fs0", None, DeviceKind::Filesystem(kind))];
    }
    assert!(refused(|config| named(config, "", 64)).contains("can't be mounted"));
    assert!(refused(|config| named(config, &"t".repeat(37), 64)).contains("can't be mounted"));
    assert!(refused(|config| named(config, "t", 100)).contains("power of two"));
}
