//! The memory of a guest and the registers of its vCPUs as an ELF core.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsFd;

use reeve_vmm::config::LifecycleAction;
use reeve_vmm::protocol::{Answer, Call, ErrorCode, Event, Failure, PauseReason, Status};

use crate::harness::{Terminal, Worker, config, guest, kvm, locked_in};

const PAGE: usize = 4096;
const PATTERN: u64 = 0x5a5a_1234_0000_0000;

fn boot(on_crash: LifecycleAction) -> (Worker, Terminal) {
    let (kvm, kernel) = (kvm(), guest());
    let mut config = config();
    config.sandbox = locked_in();
    config.vcpus = 2;
    config.on_crash = on_crash;
    let mut worker = Worker::launch(&config, &[kvm.as_fd(), kernel.as_fd()]);
    let mut terminal = worker.console("serial0");
    terminal.expect("reeve-guest: ready");
    (worker, terminal)
}

fn dump(worker: &mut Worker, live: bool) -> (File, Result<u64, Failure>) {
    let core = tempfile::tempfile().unwrap();
    worker.link.call_with(Call::Dump { live }, &[core.as_fd()]).unwrap();
    let ended = worker.link.event(|event| match event {
        Event::SaveEnded { bytes, failure } => Some(failure.clone().map_or(Ok(*bytes), Err)),
        _ => None,
    });
    (core, ended)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// A core, read by its headers alone: its notes, and its memory with the address of each range.
struct Core {
    notes: Vec<u8>,
    memory: Vec<(u64, Vec<u8>)>,
}

impl Core {
    fn read(mut file: &File) -> Self {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!((&bytes[..7], bytes[16], bytes[18]), (&b"\x7fELF\x02\x01\x01"[..], 4, 62));
        let mut core = Self { notes: Vec::new(), memory: Vec::new() };
        for number in 0..usize::from(bytes[56]) {
            let header = &bytes[word(&bytes, 32) as usize + number * 56..];
            let (at, length) = (word(header, 8) as usize, word(header, 32) as usize);
            let contents = bytes[at..at + length].to_vec();
            match header[0] {
                4 => core.notes = contents,
                1 => core.memory.push((word(header, 24), contents)),
                other => panic!("program header of type {other}"),
            }
        }
        core
    }

    /// Pages that `mem write` filled.
    fn patterned(&self) -> usize {
        let is_pattern = |address: u64, page: &[u8]| {
            (0..PAGE).step_by(8).all(|at| word(page, at) == PATTERN ^ (address + at as u64))
        };
        let count = |(start, bytes): &(u64, Vec<u8>)| {
            let pages = bytes.chunks(PAGE).enumerate();
            pages.filter(|(number, page)| is_pattern(start + (number * PAGE) as u64, page)).count()
        };
        self.memory.iter().map(count).sum()
    }

    /// Instruction pointers by the notes of the vCPUs.
    fn instruction_pointers(&self) -> Vec<u64> {
        let mut pointers = Vec::new();
        let mut rest = self.notes.as_slice();
        while rest.len() >= 12 {
            let size = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
            let (name, body, kind) = (size(0), size(4), size(8));
            let start = 12 + name.next_multiple_of(4);
            if &rest[12..12 + name] == b"CORE\0" {
                assert_eq!((kind, body), (1, 336));
                pointers.push(word(rest, start + 112 + 16 * 8));
            }
            rest = &rest[start + body.next_multiple_of(4)..];
        }
        pointers
    }
}

#[test]
fn a_core_has_the_memory_and_the_vcpus_of_its_guest() {
    let (mut worker, mut terminal) = boot(LifecycleAction::Destroy);
    terminal.run(&format!("mem write {PATTERN:#x} 24"));
    let (file, bytes) = dump(&mut worker, false);
    let bytes = bytes.unwrap();
    assert!((24 << 20..64 << 20).contains(&bytes), "{bytes} bytes");
    assert_eq!(worker.status(), Status::Paused { reason: PauseReason::Asked });
    let core = Core::read(&file);
    assert_eq!(core.memory.iter().map(|(_, bytes)| bytes.len()).sum::<usize>(), 64 << 20);
    assert!(core.patterned() >= 24 << 8, "{} pages", core.patterned());
    let pointers = core.instruction_pointers();
    assert!(pointers.len() == 2 && pointers.iter().all(|pointer| *pointer != 0), "{pointers:x?}");
    // The command line is where it was put.
    assert_eq!(core.memory[0].0, 0);
    worker.link.call(Call::Resume).unwrap();
    assert!(terminal.run(&format!("mem verify {PATTERN:#x} 24")).starts_with("ok verify"));
    worker.finish();
}

#[test]
fn a_guest_that_runs_goes_on_while_it_is_dumped() {
    let (mut worker, mut terminal) = boot(LifecycleAction::Destroy);
    terminal.run(&format!("mem write {PATTERN:#x} 24"));
    terminal.tell("dirty 100 16 1");
    let (file, bytes) = dump(&mut worker, true);
    bytes.unwrap();
    assert_eq!(worker.status(), Status::Running);
    assert_eq!(Core::read(&file).instruction_pointers().len(), 2);
    terminal.expect("ok pages=");
    worker.finish();
}

#[test]
fn a_dump_that_cant_be_written_changes_nothing() {
    let (mut worker, mut terminal) = boot(LifecycleAction::Destroy);
    let full = File::options().write(true).open("/dev/full").unwrap();
    worker.link.call_with(Call::Dump { live: false }, &[full.as_fd()]).unwrap();
    let failure = worker.link.event(|event| match event {
        Event::SaveEnded { failure, .. } => Some(failure.clone().expect("it is full")),
        _ => None,
    });
    assert_eq!(failure.code, ErrorCode::Host, "{failure}");
    assert_eq!((terminal.run("ping"), worker.status()), ("ok pong".to_owned(), Status::Running));
    assert_eq!(worker.link.call(Call::Dump { live: false }).unwrap_err().code, ErrorCode::BadRequest);
    let core = tempfile::tempfile().unwrap();
    worker.link.call_with(Call::Dump { live: false }, &[core.as_fd()]).unwrap();
    match worker.link.call(Call::SaveStatus) {
        Ok(Answer::Save(status)) => assert!(status.dump && status.total == 64 << 20, "{status:?}"),
        // It was faster.
        other => assert_eq!(other.unwrap_err().code, ErrorCode::State),
    }
    worker.finish();
}

#[test]
fn a_guest_that_crashed_is_dumped_as_it_is() {
    let (mut worker, mut terminal) = boot(LifecycleAction::Preserve);
    terminal.run(&format!("mem write {PATTERN:#x} 8"));
    terminal.tell("crash");
    worker.link.event(|event| matches!(event, Event::GuestCrash { .. }).then_some(()));
    worker.link.wait_for(&Event::Paused);
    let (file, bytes) = dump(&mut worker, false);
    bytes.unwrap();
    assert!(Core::read(&file).patterned() >= 8 << 8);
    assert!(matches!(worker.status(), Status::Paused { reason: PauseReason::Preserved { .. } }));
    worker.finish();
}
