//! Channels and the sockets that consoles have of their own.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Instant;

use reeve_vmm::config::{
    ConsoleConfig, ConsoleEnd, ConsolePort, DeviceConfig, DeviceKind, FdIndex, SandboxConfig, SeccompMode,
    VmConfig,
};
use reeve_vmm::protocol::{Answer, Call, ErrorCode};

use crate::harness::{PATIENCE, Worker, config, guest, kvm};

const AGENT: &str = "org.qemu.guest_agent.0";

fn port(alias: &str, name: Option<&str>, end: ConsoleEnd) -> ConsolePort {
    ConsolePort { alias: alias.to_owned(), name: name.map(str::to_owned), log: None, end }
}

/// A guest with a virtio console, the channel of its agent and another; it is locked in as a daemon would have it.
fn launch(ends: [ConsoleEnd; 2], sockets: &[BorrowedFd<'_>], change: impl FnOnce(&mut VmConfig)) -> Worker {
    let (kvm, kernel) = (kvm(), guest());
    let [agent, other] = ends;
    let ports = vec![
        port("console0", None, ConsoleEnd::Nobody),
        port("channel0", Some(AGENT), agent),
        port("channel1", Some("org.example.0"), other),
    ];
    let kind = DeviceKind::Console(ConsoleConfig { ports });
    let mut config = config();
    config.sandbox = SandboxConfig { seccomp: SeccompMode::Kill, landlock: true, ..SandboxConfig::default() };
    config.devices.push(DeviceConfig {
        alias: "virtio-serial0".to_owned(),
        slot: None,
        event_idx: true,
        kind,
    });
    change(&mut config);
    let fds: Vec<_> = [kvm.as_fd(), kernel.as_fd()].into_iter().chain(sockets.iter().copied()).collect();
    let mut worker = Worker::launch(&config, &fds);
    worker.console("serial0").expect("reeve-guest: ready");
    worker
}

fn open_channel(worker: &mut Worker) -> Result<UnixStream, ErrorCode> {
    let id = worker.link.request(Call::OpenChannel { alias: "channel0".to_owned() }, &[]);
    match worker.link.answer_to(id) {
        (Ok(Answer::Done), fds) => {
            let stream = UnixStream::from(fds.into_iter().next().expect("the answer carries the channel"));
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Ok(stream)
        }
        (Ok(other), _) => panic!("{other:?}"),
        (Err(failure), _) => Err(failure.code),
    }
}

/// The agent is asked, and answers.
fn ping(stream: &mut UnixStream) {
    stream.write_all(b"{\"execute\":\"guest-ping\"}\n").unwrap();
    let expected = b"{\"return\": {}}\n";
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, expected, "{}", String::from_utf8_lossy(&answer));
}

/// A channel to the guest, as soon as it has one that nobody else uses.
fn opened(worker: &mut Worker) -> UnixStream {
    let start = Instant::now();
    loop {
        match open_channel(worker) {
            Ok(stream) => return stream,
            Err(code) => assert!(start.elapsed() < PATIENCE, "{code:?}"),
        }
    }
}

#[test]
fn the_agent_of_a_guest_answers_through_its_channel() {
    let mut worker = launch([ConsoleEnd::Nobody; 2], &[], |_| {});
    let mut console = worker.console("console0");
    console.expect("reeve-guest: ready");
    assert_eq!(console.run("ping"), "ok pong", "the console is port 0");
    let mut channel = opened(&mut worker);
    (0..50).for_each(|_| ping(&mut channel));
    // What is asked by who then goes away is answered to nobody.
    channel.write_all(b"{\"execute\":\"guest-info\"}\n").unwrap();
    drop(channel);
    let start = Instant::now();
    while !console.run("agent").starts_with("ok asked=51 ") {
        assert!(start.elapsed() < PATIENCE, "the guest does not hear of it");
    }
    let mut again = open_channel(&mut worker).unwrap();
    ping(&mut again);
    // More than what is kept for a slow client: the guest waits for it, and nothing is lost.
    for _ in 0..200 {
        again.write_all(b"{\"execute\":\"guest-info\"}\n").unwrap();
    }
    let mut answers = 0;
    let mut text = String::new();
    let mut buffer = [0; 512];
    while answers < 200 {
        let count = again.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        while let Some((line, rest)) = text.split_once('\n') {
            assert!(line.starts_with("{\"return\": {\"version\"") && line.ends_with("}]}}"), "{line}");
            answers += 1;
            text = rest.to_owned();
        }
    }
    ping(&mut again);
    worker.link.call(Call::Reset).unwrap();
    console.expect("reeve-guest: ready");
    ping(&mut again);
    worker.finish();
}

#[test]
fn nobody_in_the_guest_is_found_out_at_once() {
    let mut worker = launch([ConsoleEnd::Nobody; 2], &[], |_| {});
    let mut console = worker.console("console0");
    console.expect("reeve-guest: ready");
    // The guest finds its channel a moment after its console.
    ping(&mut opened(&mut worker));
    console.run("agent off");
    assert_eq!(open_channel(&mut worker).unwrap_err(), ErrorCode::State);
    console.run("agent on");
    ping(&mut opened(&mut worker));
    worker.finish();
}

#[test]
fn clients_of_a_channels_own_socket_take_turns_and_outlive_the_daemon() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("agent");
    let listener = UnixListener::bind(&path).unwrap();
    let end = ConsoleEnd::Listener { fd: FdIndex(2) };
    let mut worker = launch([end, ConsoleEnd::Nobody], &[listener.as_fd()], |_| {});
    drop(listener);
    let connect = || {
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let mut first = connect();
    ping(&mut first);
    assert_eq!(open_channel(&mut worker).unwrap_err(), ErrorCode::State, "it is in use");
    let mut second = connect();
    second.write_all(b"{\"execute\":\"guest-ping\"}\n").unwrap();
    (0..10).for_each(|_| ping(&mut first));
    let last = worker.link.last_event;
    worker.reconnect(last);
    ping(&mut first);
    drop(first);
    let mut answer = [0; 15];
    second.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"{\"return\": {}}\n");
    drop(second);
    let mut daemon = opened(&mut worker);
    ping(&mut daemon);
    let mut third = connect();
    third.write_all(b"{\"execute\":\"guest-ping\"}\n").unwrap();
    ping(&mut daemon);
    drop(daemon);
    third.read_exact(&mut answer).unwrap();
    worker.finish();
    assert!(UnixStream::connect(&path).is_err(), "nobody listens any more");
}

#[test]
fn a_peer_is_there_from_the_first_byte_and_may_hang_up() {
    let (mut peer, theirs) = UnixStream::pair().unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let end = ConsoleEnd::Peer { fd: FdIndex(2) };
    let mut worker = launch([end, ConsoleEnd::Nobody], &[theirs.as_fd()], |_| {});
    drop(theirs);
    ping(&mut peer);
    drop(peer);
    let mut console = worker.console("console0");
    assert_eq!(console.run("ping"), "ok pong");
    let start = Instant::now();
    while open_channel(&mut worker).is_err() {
        assert!(start.elapsed() < PATIENCE, "the peer has hung up");
    }
    worker.finish();
}

#[test]
fn a_channel_has_a_name_that_a_guest_can_use() {
    for name in ["", "two words", "back\\n\n", &"x".repeat(256)] {
        let ports = vec![port("channel0", Some(name), ConsoleEnd::Nobody)];
        let kind = DeviceKind::Console(ConsoleConfig { ports });
        let mut config = config();
        config.devices.push(DeviceConfig {
            alias: "virtio-serial0".to_owned(),
            slot: None,
            event_idx: true,
            kind,
        });
        assert!(config.validate().unwrap_err().to_string().contains("name of a port"), "{name:?}");
    }
}
