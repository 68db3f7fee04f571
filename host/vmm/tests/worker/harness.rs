//! A worker process with a daemon's view of it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use reeve_vmm::config::{
    BootConfig, ClockConfig, ConsoleEnd, CpuConfig, FdIndex, LifecycleAction, MemoryConfig, SandboxConfig,
    SeccompMode, SerialConfig, SmbiosConfig, VmConfig,
};
use reeve_vmm::protocol::{
    Answer, Call, Event, Failure, Hello, Message, Request, Stats, Status, VERSION, decode, receive, send,
};

/// Longest wait for anything; the machines that run this are slow at times.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The user that workers become.
pub const NOBODY: u32 = 65534;

/// A worker process and the connection to it.
pub struct Worker {
    pub process: Child,
    folder: tempfile::TempDir,
    pub link: Link,
}

/// A connection to a worker.
pub struct Link {
    pub stream: UnixStream,
    next_id: u64,
    events: VecDeque<(u64, Event)>,
    pub last_event: u64,
}

impl Worker {
    /// Starts a worker and says Hello.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("control")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_reeve-worker"));
        let fd = listener.as_raw_fd();
        // SAFETY: dup2 and fcntl are async-signal-safe, and the listener is open in the child as it is here.
        unsafe {
            command.pre_exec(move || {
                let moved = if fd == 3 { libc::fcntl(3, libc::F_SETFD, 0) } else { libc::dup2(fd, 3) };
                if moved < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
            });
        }
        let process = command.spawn().unwrap();
        let link = Link::connect(&folder, 0).0;
        Self { process, folder, link }
    }

    /// Starts a worker with a machine in it.
    pub fn launch(config: &VmConfig, fds: &[BorrowedFd<'_>]) -> Self {
        let mut worker = Self::start();
        let launched = worker.link.call_with(Call::Launch { config: Box::new(config.clone()) }, fds);
        launched.unwrap();
        worker
    }

    /// Starts a worker with the test guest.
    pub fn boot(change: impl FnOnce(&mut VmConfig)) -> Self {
        let (kvm, kernel) = (kvm(), guest());
        let mut config = config();
        change(&mut config);
        Self::launch(&config, &[kvm.as_fd(), kernel.as_fd()])
    }

    /// Output and exit status of a process that locks itself in and then tries to open a file.
    pub fn attempt(mode: SeccompMode) -> String {
        let mode = if mode == SeccompMode::Kill { "kill" } else { "off" };
        let output = Command::new(example("attempt")).arg(mode).output().unwrap();
        format!("{} {}", String::from_utf8_lossy(&output.stdout).trim(), output.status)
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Drops the connection and connects again, as a daemon that was restarted.
    pub fn reconnect(&mut self, events_after: u64) -> Hello {
        let (link, hello) = {
            // The old connection must be gone first: a worker has one daemon at a time.
            let (one, _) = UnixStream::pair().unwrap();
            self.link.stream = one;
            Link::connect(&self.folder, events_after)
        };
        self.link = link;
        hello
    }

    /// A second connection, without Hello.
    pub fn raw_connection(&mut self) -> UnixStream {
        let (one, _) = UnixStream::pair().unwrap();
        self.link.stream = one;
        let raw = UnixStream::connect(self.folder.path().join("control")).unwrap();
        raw.set_read_timeout(Some(PATIENCE)).unwrap();
        raw
    }

    pub fn console(&mut self, alias: &str) -> Terminal {
        let id = self.link.request(Call::OpenConsole { alias: alias.to_owned(), exclusive: false }, &[]);
        let (result, fds) = self.link.answer_to(id);
        result.unwrap();
        let stream = UnixStream::from(fds.into_iter().next().expect("the answer carries the console"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Terminal { stream, seen: String::new() }
    }

    pub fn status(&mut self) -> Status {
        match self.link.call(Call::Status).unwrap() {
            Answer::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    pub fn stats(&mut self) -> Stats {
        match self.link.call(Call::Stats).unwrap() {
            Answer::Stats(stats) => *stats,
            other => panic!("{other:?}"),
        }
    }

    /// A line of /proc/PID/status.
    pub fn proc_status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line[field.len() + 1..].trim().to_owned()
    }

    /// Ends machine and process.
    pub fn finish(mut self) {
        if !matches!(self.status(), Status::Empty | Status::Ended { .. }) {
            self.link.call(Call::Quit).unwrap();
        }
        self.link.call(Call::Release).unwrap();
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "the worker does not end");
            std::thread::sleep(Duration::from_millis(2));
        };
        assert!(status.success(), "{status}");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A test that failed leaves its worker behind.
        let _ = self.process.kill();
        let ended = self.process.wait();
        if std::thread::panicking() {
            // By signal 9 when it went on until now; by something else when that is why the test failed.
            println!("its worker: {ended:?}");
        }
    }
}

impl Link {
    fn connect(folder: &tempfile::TempDir, events_after: u64) -> (Self, Hello) {
        let stream = UnixStream::connect(folder.path().join("control")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut link = Self { stream, next_id: 1, events: VecDeque::new(), last_event: 0 };
        match link.call(Call::Hello { version: VERSION, events_after }).unwrap() {
            Answer::Hello(hello) => (link, *hello),
            other => panic!("{other:?}"),
        }
    }

    pub fn request(&mut self, call: Call, fds: &[BorrowedFd<'_>]) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        send(&self.stream, &Request { id, call }, fds).unwrap();
        id
    }

    fn next_message(&mut self) -> (Message, Vec<OwnedFd>) {
        let frame = receive(&self.stream).unwrap().expect("the worker goes on");
        (decode(&frame.body).unwrap(), frame.fds)
    }

    pub fn answer_to(&mut self, wanted: u64) -> (Result<Answer, Failure>, Vec<OwnedFd>) {
        loop {
            match self.next_message() {
                (Message::Answer { id, result }, fds) => {
                    assert_eq!(id, wanted);
                    return (result, fds);
                }
                (Message::Event { seq, event }, _) => self.keep(seq, event),
            }
        }
    }

    fn keep(&mut self, seq: u64, event: Event) {
        assert!(seq > self.last_event, "event {seq} after {}", self.last_event);
        self.last_event = seq;
        self.events.push_back((seq, event));
    }

    pub fn call(&mut self, call: Call) -> Result<Answer, Failure> {
        self.call_with(call, &[])
    }

    pub fn call_with(&mut self, call: Call, fds: &[BorrowedFd<'_>]) -> Result<Answer, Failure> {
        let id = self.request(call, fds);
        self.answer_to(id).0
    }

    /// Waits for an event that `wanted` takes, skipping others.
    pub fn event<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            while let Some((_, event)) = self.events.pop_front() {
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
            assert!(start.elapsed() < PATIENCE, "the event did not come");
            match self.next_message() {
                (Message::Event { seq, event }, _) => self.keep(seq, event),
                (other, _) => panic!("{other:?}"),
            }
        }
    }

    /// Waits for exactly this event, skipping others.
    pub fn wait_for(&mut self, event: &Event) {
        self.event(|other| (other == event).then_some(()));
    }
}

/// The client's end of a console.
pub struct Terminal {
    pub stream: UnixStream,
    seen: String,
}

impl Terminal {
    /// Reads until the guest has said `text`, and returns everything up to its end of line.
    pub fn expect(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(at) = self.seen.find(text)
                && let Some(end) = self.seen[at..].find('\n')
            {
                let rest = self.seen.split_off(at + end + 1);
                let line = std::mem::replace(&mut self.seen, rest);
                return line[at..].trim_end().to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "'{text}' did not come, but: {}", self.seen);
            let mut buffer = [0; 4096];
            let count = match self.stream.read(&mut buffer) {
                Ok(0) => panic!("the console was closed before '{text}' came, after: {}", self.seen),
                Ok(count) => count,
                Err(error) => panic!("{error} before '{text}' came, after: {}", self.seen),
            };
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    /// Sends a command and returns its answer.
    pub fn run(&mut self, command: &str) -> String {
        self.tell(command);
        self.expect("ok")
    }

    pub fn tell(&mut self, command: &str) {
        self.stream.write_all(format!("{command}\n").as_bytes()).unwrap();
    }
}

fn target_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

fn example(name: &str) -> PathBuf {
    let path = target_folder().join("examples").join(name);
    assert!(path.exists(), "{} is missing: cargo build -p reeve-vmm --examples", path.display());
    path
}

/// The test guest.
pub fn guest() -> File {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guest/reeve-guest.elf");
    File::open(path).unwrap_or_else(|error| panic!("{path} is missing ({error}): cargo xtask guest"))
}

pub fn kvm() -> File {
    File::options().read(true).write(true).open("/dev/kvm").unwrap()
}

/// As the daemon locks workers in. With REEVE_SECCOMP_LOG set, what is forbidden goes to the kernel log instead: how to find what a
/// filter lacks.
pub fn locked_in() -> SandboxConfig {
    let log = std::env::var_os("REEVE_SECCOMP_LOG").is_some();
    let seccomp = if log { SeccompMode::Log } else { SeccompMode::Kill };
    SandboxConfig { uid: Some(NOBODY), gid: Some(NOBODY), seccomp, landlock: true }
}

/// A file with some bytes in it.
pub fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// 64 MiB, one vCPU, COM1; descriptor 0 is KVM, 1 the kernel.
pub fn config() -> VmConfig {
    VmConfig {
        name: "test".to_owned(),
        kvm: FdIndex(0),
        memory: MemoryConfig {
            bytes: 64 << 20,
            mergeable: false,
            hugepages: None,
            locked: false,
            numa: None,
            shared: false,
            cells: Vec::new(),
        },
        cpu: CpuConfig::default(),
        clock: ClockConfig::default(),
        vcpus: 1,
        max_vcpus: None,
        vcpu_pinning: Vec::new(),
        emulator_pinning: Vec::new(),
        iothreads: Vec::new(),
        boot: BootConfig { kernel: FdIndex(1), initrd: None, cmdline: "console=ttyS0".to_owned() },
        smbios: SmbiosConfig::default(),
        serials: vec![SerialConfig { alias: "serial0".to_owned(), log: None, end: ConsoleEnd::Nobody }],
        devices: Vec::new(),
        suspend_to_mem: true,
        suspend_to_disk: true,
        on_poweroff: LifecycleAction::Destroy,
        on_reboot: LifecycleAction::Restart,
        on_crash: LifecycleAction::Destroy,
        start_paused: false,
        sandbox: SandboxConfig::default(),
    }
}
