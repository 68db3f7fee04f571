//! What a worker refuses, and that its guest does not notice.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use reeve_vmm::config::{DeviceKind, FdIndex, IothreadConfig};
use reeve_vmm::protocol::{Call, ErrorCode, MAX_FRAME, Message, Status, VERSION, decode, receive};

use crate::harness::{Worker, config, file, guest, kvm};
use crate::machine::{console, disk};

fn frame(body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
    bytes.extend(body);
    bytes
}

#[test]
fn malformed_requests_are_answered_and_the_guest_goes_on() {
    let mut worker = Worker::boot(|_| {});
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    let mut raw = worker.raw_connection();
    let requests: [&[u8]; 9] = [
        b"",
        b"not json",
        b"{\"id\":7}",
        b"{\"id\":8,\"call\":{\"call\":\"explode\"}}",
        b"{\"id\":9,\"call\":{\"call\":\"status\"}}",
        b"{\"id\":10,\"call\":{\"call\":\"hello\",\"version\":99}}",
        b"{\"id\":11,\"call\":{\"call\":\"attach-device\",\"device\":{\"alias\":\"a\",\"kind\":{\"type\":\"sound\"}}}}",
        b"{\"id\":12,\"call\":{\"call\":\"attach-device\",\"device\":{\"alias\":\"a\",\"slot\":-1,\"kind\":{\"type\":\"block\",\"fd\":0}}}}",
        b"{\"id\":13,\"call\":{\"call\":\"detach-device\",\"force\":true}}",
    ];
    let mut outcomes = Vec::new();
    for request in requests {
        raw.write_all(&frame(request)).unwrap();
        let answer = receive(&raw).unwrap().unwrap();
        match decode::<Message>(&answer.body).unwrap() {
            Message::Answer { id, result } => outcomes.push((id, result.unwrap_err().code)),
            other => panic!("{other:?}"),
        }
    }
    let bad = ErrorCode::BadRequest;
    assert_eq!(
        outcomes,
        [
            (0, bad),
            (0, bad),
            (7, bad),
            (8, bad),
            (9, bad),
            (10, ErrorCode::Version),
            (11, bad),
            (12, bad),
            (13, bad)
        ]
    );
    drop(raw);

    for header in [(MAX_FRAME as u32 + 1).to_le_bytes(), u32::MAX.to_le_bytes()] {
        let mut raw = worker.raw_connection();
        raw.write_all(&header).unwrap();
        let closed = match raw.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        };
        assert!(closed, "the connection stays open");
    }
    worker.reconnect(0);
    assert_eq!(worker.status(), Status::Running);
    assert_eq!(terminal.run("ping"), "ok pong");
    worker.finish();
}

#[test]
fn requests_in_pieces_and_in_bulk_are_understood() {
    let mut worker = Worker::start();
    let mut raw = worker.raw_connection();
    let hello = format!("{{\"id\":1,\"call\":{{\"call\":\"hello\",\"version\":{VERSION}}}}}");
    for byte in frame(hello.as_bytes()) {
        raw.write_all(&[byte]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    receive(&raw).unwrap().unwrap();
    let status = frame(b"{\"id\":2,\"call\":{\"call\":\"status\"}}");
    raw.write_all(&status.repeat(1000)).unwrap();
    for _ in 0..1000 {
        receive(&raw).unwrap().unwrap();
    }
    drop(raw);
    worker.reconnect(0);
    worker.finish();
}

#[test]
fn machines_that_cannot_be_built_are_refused_with_a_sentence() {
    let mut worker = Worker::start();
    let (kvm, kernel, text, null) =
        (kvm(), guest(), file(b"#!/bin/sh\n"), std::fs::File::open("/dev/null").unwrap());
    let fds = [kvm.as_fd(), kernel.as_fd(), text.as_fd(), null.as_fd()];
    let mut refuse = |change: &dyn Fn(&mut reeve_vmm::config::VmConfig), code, sentence: &str| {
        let mut config = config();
        change(&mut config);
        let refused = worker.link.call_with(Call::Launch { config: Box::new(config) }, &fds).unwrap_err();
        assert_eq!(refused.code, code, "{refused}");
        assert!(refused.message.contains(sentence), "{refused}");
    };
    refuse(&|c| c.boot.kernel = FdIndex(2), ErrorCode::Kernel, "neither a bzImage nor a 64-bit x86 ELF");
    refuse(
        &|c| c.boot.kernel = FdIndex(9),
        ErrorCode::BadRequest,
        "descriptor 9 is used by the configuration, but only 4",
    );
    refuse(&|c| c.kvm = FdIndex(3), ErrorCode::Host, "/dev/kvm");
    refuse(&|c| c.vcpus = 0, ErrorCode::Config, "0 vCPUs are not possible");
    refuse(&|c| c.memory.bytes = 12345, ErrorCode::Config, "guest memory of 12345 bytes");
    refuse(&|c| c.devices = vec![console("a"), console("a")], ErrorCode::Config, "alias 'a'");
    refuse(&|c| c.devices = vec![disk("vda", 3)], ErrorCode::Host, "device 'vda'");
    refuse(&|c| c.vcpu_pinning = vec![vec![1000]], ErrorCode::Host, "vCPU 0");
    let iothread = |id, cpus| IothreadConfig { id, cpus };
    let twice = vec![iothread(2, Vec::new()), iothread(2, Vec::new())];
    refuse(&|c| c.iothreads.clone_from(&twice), ErrorCode::Config, "number 2 is used twice");
    refuse(&|c| c.iothreads = vec![iothread(0, Vec::new())], ErrorCode::Config, "numbers go from 1");
    refuse(
        &|c| c.iothreads = vec![iothread(4, vec![1000])],
        ErrorCode::Host,
        "no I/O thread 4: host CPUs [1000]",
    );
    let on_iothread = || {
        let mut disk = disk("vda", 3);
        if let DeviceKind::Block(block) = &mut disk.kind {
            block.iothread = Some(7);
        }
        disk
    };
    refuse(&|c| c.devices = vec![on_iothread()], ErrorCode::Config, "'vda': there is no I/O thread 7");
    // None of this has used the worker up.
    let launched = worker.link.call_with(Call::Launch { config: Box::new(config()) }, &fds);
    launched.unwrap();
    let twice = worker.link.call_with(Call::Launch { config: Box::new(config()) }, &fds).unwrap_err();
    assert_eq!(twice.code, ErrorCode::State);
    let busy = worker.link.call(Call::Release).unwrap_err();
    assert_eq!(busy.code, ErrorCode::State);
    worker.finish();
}
