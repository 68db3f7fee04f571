//! Sockets between programs of the host and those of a real guest.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use reeve_vmm::config::{DeviceKind, FdIndex, VsockConfig};
use reeve_vmm::protocol::{Call, ErrorCode, Event};

use crate::harness::{PATIENCE, Terminal, Worker};
use crate::virtio::{boot, device};

struct Host {
    worker: Worker,
    terminal: Terminal,
    folder: tempfile::TempDir,
}

fn host() -> Host {
    let folder = tempfile::tempdir().unwrap();
    let listener = File::from(OwnedFd::from(UnixListener::bind(folder.path().join("vsock")).unwrap()));
    let vsock = VsockConfig { cid: 42, fd: FdIndex(2) };
    let (worker, terminal) =
        boot(vec![device("vsock0", None, DeviceKind::Vsock(vsock))], &[&listener], |_| {});
    Host { worker, terminal, folder }
}

impl Host {
    /// A connection to a port of the guest, and the answer.
    fn connect(&self, port: u32) -> (UnixStream, String) {
        let mut program = UnixStream::connect(self.folder.path().join("vsock")).unwrap();
        program.set_read_timeout(Some(PATIENCE)).unwrap();
        program.write_all(format!("CONNECT {port}\n").as_bytes()).unwrap();
        let answer = line(&mut program);
        (program, answer)
    }

    /// Answers the guest's next dial as a daemon does.
    fn answer(&mut self, wanted: u32) -> UnixStream {
        let (alias, number) = self.worker.link.event(|event| match event {
            Event::SocketDialed { alias, number, port } if *port == wanted => Some((alias.clone(), *number)),
            _ => None,
        });
        let (ours, program) = UnixStream::pair().unwrap();
        program.set_read_timeout(Some(PATIENCE)).unwrap();
        self.worker.link.call_with(Call::AnswerDial { alias, number }, &[ours.as_fd()]).unwrap();
        program
    }
}

fn line(program: &mut UnixStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while program.read(&mut byte).is_ok_and(|count| count == 1) && byte != *b"\n" {
        line.extend(byte);
    }
    String::from_utf8(line).unwrap()
}

#[test]
fn programs_of_the_host_talk_to_programs_of_the_guest() {
    let mut host = host();
    assert!(host.terminal.run("vsock info").contains("cid=42 open=0"));
    assert_eq!(host.connect(1000).1, "", "nobody listens");
    host.terminal.run("vsock listen 1000");
    let (mut one, answer) = host.connect(1000);
    assert!(answer.starts_with("OK "), "{answer}");
    let (mut two, answer) = host.connect(1000);
    assert!(answer.starts_with("OK "), "{answer}");
    two.write_all(b"two\n").unwrap();
    one.write_all(b"one\n").unwrap();
    assert_eq!((line(&mut one), line(&mut two)), ("one".to_owned(), "two".to_owned()));
    // Much more than either side has room for at once, and all of it comes back in order.
    let sent: Vec<u8> = (0..600_000u32).map(|number| (number % 251) as u8).collect();
    let mut writer = one.try_clone().unwrap();
    let copy = sent.clone();
    let writing = std::thread::spawn(move || writer.write_all(&copy).unwrap());
    let mut got = vec![0; sent.len()];
    one.read_exact(&mut got).unwrap();
    writing.join().unwrap();
    assert!(got == sent, "what came back is not what was sent");
    drop((one, two));
    let start = std::time::Instant::now();
    while !host.terminal.run("vsock info").contains("open=0") {
        assert!(start.elapsed() < PATIENCE, "the guest does not hear of the end");
    }
    host.worker.finish();
}

#[test]
fn programs_of_the_guest_talk_to_programs_of_the_host() {
    let mut host = host();
    host.terminal.tell("vsock call 80 hello");
    let mut program = host.answer(80);
    assert_eq!(line(&mut program), "hello");
    program.write_all(b"good-day\n").unwrap();
    assert_eq!(host.terminal.expect("ok"), "ok good-day");
    // A slow reader gets all of it.
    host.terminal.tell("vsock pour 81 500000");
    let mut program = host.answer(81);
    let mut got = vec![0; 500_000];
    program.read_exact(&mut got).unwrap();
    assert_eq!(host.terminal.expect("ok"), "ok bytes=500000");
    assert!(got.iter().enumerate().all(|(number, byte)| *byte == (number % 251) as u8));
    assert_eq!(program.read(&mut [0]).unwrap(), 0, "and the end");
    // Nobody there.
    host.terminal.tell("vsock call 82 hello");
    let (alias, number) = host.worker.link.event(|event| match event {
        Event::SocketDialed { alias, number, port: 82 } => Some((alias.clone(), *number)),
        _ => None,
    });
    host.worker.link.call(Call::AnswerDial { alias, number }).unwrap();
    assert_eq!(host.terminal.expect("error"), "error nobody is there");
    let wrong = Call::AnswerDial { alias: "nothing".to_owned(), number: 1 };
    assert_eq!(host.worker.link.call(wrong).unwrap_err().code, ErrorCode::NotFound);
    host.worker.finish();
}

#[test]
fn a_call_waits_for_the_next_daemon() {
    let mut host = host();
    let nobody = host.worker.raw_connection();
    host.terminal.tell("vsock call 80 hello");
    // Should the guest take longer, it just calls the next one.
    std::thread::sleep(std::time::Duration::from_millis(200));
    drop(nobody);
    host.worker.reconnect(u64::MAX);
    let mut program = host.answer(80);
    assert_eq!(line(&mut program), "hello");
    program.write_all(b"late\n").unwrap();
    assert_eq!(host.terminal.expect("ok"), "ok late");
    host.worker.finish();
}

#[test]
fn sockets_outlive_a_pause_and_not_a_reset() {
    let mut host = host();
    host.terminal.run("vsock listen 7");
    let (mut program, _) = host.connect(7);
    host.worker.link.call(Call::Pause).unwrap();
    program.write_all(b"later\n").unwrap();
    host.worker.link.call(Call::Resume).unwrap();
    assert_eq!(line(&mut program), "later");
    host.worker.link.call(Call::Reset).unwrap();
    assert_eq!(program.read(&mut [0]).unwrap(), 0, "it ends");
    host.terminal.expect("reeve-guest: ready");
    host.terminal.run("vsock listen 7");
    let (mut program, _) = host.connect(7);
    program.write_all(b"again\n").unwrap();
    assert_eq!(line(&mut program), "again");
    host.worker.finish();
}
