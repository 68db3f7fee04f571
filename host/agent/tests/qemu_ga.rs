//! A conversation with the real agent (Debian's qemu-guest-agent), in a directory of its own. What would change this machine
//! is blocked in the agent, or not asked.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panic, and starts the peer as a guest does"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reeve_agent::{Agent, AgentError, FileMode, Program, ShutdownMode};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::UnixStream;

const PATIENCE: Duration = Duration::from_secs(20);
const BLOCKED: &str = "guest-shutdown,guest-suspend-disk,guest-suspend-ram,guest-suspend-hybrid,guest-set-time,\
    guest-set-vcpus,guest-set-user-password,guest-set-memory-blocks,guest-ssh-add-authorized-keys,\
    guest-ssh-remove-authorized-keys,guest-fstrim,guest-fsfreeze-freeze,guest-fsfreeze-freeze-list,guest-fsfreeze-thaw";

/// A running agent.
struct Peer {
    place: TempDir,
    process: Child,
}

impl Peer {
    fn start() -> Self {
        let place = tempfile::tempdir().unwrap();
        let program =
            ["/usr/sbin/qemu-ga", "/usr/bin/qemu-ga"].into_iter().find(|path| Path::new(path).exists());
        let program = program.expect("qemu-ga is missing: 'cargo xtask setup' installs it");
        let process = Command::new(program)
            .args(["--method", "unix-listen", "--block-rpcs", BLOCKED])
            .arg("--path")
            .arg(place.path().join("socket"))
            .arg("--statedir")
            .arg(place.path())
            .arg("--pidfile")
            .arg(place.path().join("pid"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { place, process }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    async fn connect(&self) -> UnixStream {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match UnixStream::connect(self.file("socket")).await {
                Ok(stream) => return stream,
                Err(error) => assert!(Instant::now() < deadline, "the agent does not listen: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn begin(&self) -> Agent<UnixStream> {
        Agent::begin(self.connect().await).await.unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn what_a_guest_is_is_told() {
    let peer = Peer::start();
    let mut agent = peer.begin().await;
    agent.ping().await.unwrap();
    let info = agent.info().await.unwrap();
    assert!(!info.version.is_empty() && info.commands.contains(&"guest-ping".to_owned()), "{info:?}");
    assert!(!info.commands.contains(&"guest-shutdown".to_owned()), "what is blocked is not offered");
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(agent.hostname().await.unwrap(), name.trim());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(agent.os().await.unwrap().kernel.as_deref(), Some(kernel.trim()));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64;
    assert!((agent.time().await.unwrap() - now).abs() < 60_000_000_000);
    let loopback =
        agent.addresses().await.unwrap().into_iter().find(|address| address.interface == "lo").unwrap();
    assert_eq!((loopback.ip.to_string().as_str(), loopback.prefix), ("127.0.0.1", 8));
    let vcpus = agent.vcpus().await.unwrap();
    let online = vcpus.iter().filter(|vcpu| vcpu.online).count();
    assert!(online >= std::thread::available_parallelism().unwrap().get(), "{vcpus:?}");
    let filesystems = agent.filesystems().await.unwrap();
    assert!(
        filesystems.iter().all(|one| one.mountpoint.starts_with('/') && !one.kind.is_empty()),
        "{filesystems:?}"
    );
    assert!(!agent.is_frozen().await.unwrap());
}

#[tokio::test]
async fn programs_are_run_and_files_carried() {
    let peer = Peer::start();
    let mut agent = peer.begin().await;
    let program = Program {
        path: "/bin/sh".to_owned(),
        arguments: vec!["-c".to_owned(), "cat; echo wrong >&2; exit 7".to_owned()],
        input: Some(b"read and written\n".to_vec()),
        capture: true,
    };
    let pid = agent.execute(&program).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let ended = loop {
        let status = agent.executed(pid).await.unwrap();
        if status.exited {
            break status;
        }
        assert!(Instant::now() < deadline, "{status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((ended.code, ended.output.as_slice()), (Some(7), b"read and written\n".as_slice()));
    assert_eq!((ended.errors.as_slice(), ended.truncated), (b"wrong\n".as_slice(), false));
    assert!(agent.executed(pid).await.is_err(), "it is told once");

    let path = peer.file("file").to_str().unwrap().to_owned();
    let content: Vec<u8> = (0..3 << 20).map(|byte: u32| (byte % 251) as u8).collect();
    let file = agent.open_file(&path, FileMode::Write).await.unwrap();
    agent.write_file(&file, &content).await.unwrap();
    agent.close_file(file).await.unwrap();
    let file = agent.open_file(&path, FileMode::Append).await.unwrap();
    agent.write_file(&file, b"more").await.unwrap();
    agent.close_file(file).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == [&content[..], b"more"].concat(), "the file is what was sent");
    let file = agent.open_file(&path, FileMode::Read).await.unwrap();
    let mut read = Vec::new();
    loop {
        let piece = agent.read_file(&file).await.unwrap();
        read.extend(piece.bytes);
        if piece.is_last {
            break;
        }
    }
    agent.close_file(file).await.unwrap();
    assert!(read == [&content[..], b"more"].concat(), "what was read is the file");
    let error = agent.open_file("/nowhere/at-all", FileMode::Read).await.unwrap_err();
    assert!(matches!(error, AgentError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn what_an_agent_will_not_do_is_said() {
    let peer = Peer::start();
    let mut agent = peer.begin().await;
    for error in [
        agent.shut_down(ShutdownMode::PowerDown).await.unwrap_err(),
        agent.freeze(&[]).await.unwrap_err(),
        agent.thaw().await.unwrap_err(),
        agent.trim(None).await.unwrap_err(),
        agent.set_time(None).await.unwrap_err(),
        agent.set_vcpus(&[0], true).await.unwrap_err(),
        agent.ask("guest-nonsense", json!({}), PATIENCE).await.unwrap_err(),
    ] {
        assert!(matches!(error, AgentError::Unknown { .. }), "{error}");
    }
    let object = json!({ "execute": "guest-get-timezone" });
    assert!(agent.ask_verbatim(&object, PATIENCE).await.unwrap()["offset"].is_i64());
    let object = json!({ "execute": "guest-ping", "arguments": { "no": "such" } });
    assert!(matches!(agent.ask_verbatim(&object, PATIENCE).await, Err(AgentError::Refused { .. })));
}

/// Who talked before left half a question, and did not wait for the answer to another.
#[tokio::test]
async fn a_conversation_begins_whatever_was_left_of_another() {
    use tokio::io::AsyncWriteExt;
    let peer = Peer::start();
    for left in [&b"{\"execute\":\"guest-info\"}\n{\"execute\":\"guest-"[..], b"\xff\xff{{{\n", b""] {
        let mut stream = peer.connect().await;
        stream.write_all(left).await.unwrap();
        let mut agent = Agent::begin(stream).await.unwrap();
        agent.ping().await.unwrap();
    }
}
