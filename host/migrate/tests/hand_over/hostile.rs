//! Peers that are no peers: whatever they send, nobody panics, and nothing runs that was not given up.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::thread;

use proptest::prelude::*;
use reeve_migrate::{Capabilities, Controls, MigrateError, SendStreams, receive, send};

use crate::guests::{DISKS, Source, Target, World};
use crate::moves::{MIGRATION, Three, coming, offer};

fn crc(kind: u8, payload: &[u8]) -> u32 {
    // CRC-32 (IEEE), bit by bit.
    let mut crc = !0u32;
    for byte in [kind].iter().chain(payload) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc
}

pub fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    let mut bytes = vec![kind];
    bytes.extend(&crc(kind, &length).to_le_bytes()[..3]);
    bytes.extend(length);
    bytes.extend(crc(kind, payload).to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// What a real source says first.
pub fn hello() -> Vec<u8> {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let world = World::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (streams, controls) = (SendStreams::new(), Controls::default());
            send(theirs, &streams, &offer(), &mut Source::new(&world), &mut Three, &controls)
        });
        let mut header = [0; 12];
        ours.read_exact(&mut header).unwrap();
        let mut bytes = vec![0; u32::from_le_bytes(header[4..8].try_into().unwrap()) as usize];
        ours.read_exact(&mut bytes).unwrap();
        drop(ours);
        [&header[..], &bytes].concat()
    })
}

/// Says these bytes to a destination, which must not take the guest.
fn say(bytes: &[u8]) -> MigrateError {
    let world = World::new();
    say_to(bytes, &world, Target::new(&world))
}

fn say_to(bytes: &[u8], world: &World, mut target: Target) -> MigrateError {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let outcome = thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(theirs, &coming(), MIGRATION, Capabilities::OURS, &mut target));
        // It hangs up in the middle where it does not like it.
        let _ = ours.write_all(bytes);
        let _ = ours.shutdown(std::net::Shutdown::Write);
        receiver.join().unwrap()
    });
    assert!(!world.target_runs.load(Ordering::SeqCst));
    outcome.unwrap_err()
}

#[test]
fn frames_out_of_turn_or_out_of_bounds_are_refused() {
    let hello = hello();
    let said = |frames: &[Vec<u8>]| match say(&[hello.clone(), frames.concat()].concat()) {
        MigrateError::Peer(why) => why,
        other => panic!("{other}"),
    };
    assert_eq!(said(&[frame(9, &[])]), "a frame out of turn");
    assert_eq!(said(&[frame(1, &[])]), "a frame out of turn");
    assert_eq!(said(&[frame(99, &[])]), "a frame of an unknown kind");
    let page =
        |address: u64, count: u32| [&address.to_le_bytes()[..], &count.to_le_bytes(), &[1, 0, 0, 0]].concat();
    assert_eq!(said(&[frame(3, &page(0, u32::MAX))]), "a page outside of the guest's memory");
    assert_eq!(said(&[frame(3, &page(30 << 12, 1))]), "a page outside of the guest's memory");
    assert_eq!(
        said(&[frame(3, &page(0, 2)), frame(3, &page(1 << 12, 1))]),
        "a page that came before in the same round"
    );
    assert_eq!(said(&[frame(4, &1u64.to_le_bytes())]), "a round with another number of pages than it had");
    assert_eq!(said(&[frame(6, b"state"), frame(3, &page(0, 1))]), "a frame out of turn");
    assert_eq!(
        said(&[frame(6, b"state"), frame(7, &6u64.to_le_bytes())]),
        "a state of another size than it had"
    );
    assert_eq!(said(&[frame(3, &page(0, 1)), frame(7, &0u64.to_le_bytes())]), "a round without an end");
    let part = frame(6, &vec![1; 1 << 20]);
    assert_eq!(said(&vec![part; 65]), "a state that is too large");
}

/// A destination that waits for disks, greeted by a source that says these frames.
fn say_with_disks(frames: &[Vec<u8>]) -> MigrateError {
    let mut payload = hello()[12..].to_vec();
    // Bits of what it can do are at 12.
    payload[12] |= 4;
    let bytes = [frame(1, &payload), frames.concat()].concat();
    let world = World::new();
    say_to(&bytes, &world, Target::new(&world).with_disks())
}

#[test]
fn blocks_out_of_turn_or_out_of_their_disks_are_refused() {
    let named: Vec<u8> = [&2u16.to_le_bytes()[..]]
        .into_iter()
        .map(<[u8]>::to_vec)
        .chain(
            ["disk0", "disk1"]
                .iter()
                .zip(DISKS)
                .map(|(name, size)| [&5u16.to_le_bytes()[..], name.as_bytes(), &size.to_le_bytes()].concat()),
        )
        .flatten()
        .collect();
    let disks = || frame(18, &named);
    let said = |frames: &[Vec<u8>]| match say_with_disks(frames) {
        MigrateError::Peer(why) => why,
        other => panic!("{other}"),
    };
    let zeros = |disk: u16, start: u64, length: u64| {
        frame(19, &[&disk.to_le_bytes()[..], &[1, 0], &start.to_le_bytes(), &length.to_le_bytes()].concat())
    };
    assert_eq!(said(&[zeros(0, 0, 512)]), "a frame out of turn", "disks are named first");
    assert_eq!(said(&[frame(18, &[0, 0])]), "other disks than those that were announced");
    assert_eq!(said(&[disks(), disks()]), "a frame out of turn");
    assert_eq!(said(&[disks(), zeros(2, 0, 512)]), "a block of a disk that does not come");
    assert_eq!(said(&[disks(), zeros(1, 0, 6 * 512)]), "a block outside of its disk");
    assert_eq!(said(&[disks(), zeros(1, u64::MAX - 511, 512)]), "a block outside of its disk");
    assert_eq!(said(&[disks(), zeros(0, 0, 0)]), "a block outside of its disk");
    assert_eq!(said(&[disks(), zeros(0, 100, 512)]), "a block that is not whole sectors");
    assert_eq!(
        said(&[disks(), zeros(0, 512, 512), zeros(0, 0, 512)]),
        "a block that came before in the same round, or out of order"
    );
    let end = |pages: u64, blocks: u64| frame(4, &[pages.to_le_bytes(), blocks.to_le_bytes()].concat());
    assert_eq!(
        said(&[disks(), zeros(0, 0, 512), end(0, 1024)]),
        "a round with other bytes of disks than it had"
    );
    assert_eq!(said(&[disks(), frame(4, &0u64.to_le_bytes())]), "a frame that is cut off");
    assert_eq!(said(&[disks(), frame(6, b"state"), zeros(0, 0, 512)]), "a frame out of turn");
    assert_eq!(said(&[disks(), zeros(0, 0, 512), frame(7, &0u64.to_le_bytes())]), "a round without an end");
    let missing = frame(12, &[0u64.to_le_bytes(), 4096u64.to_le_bytes()].concat());
    assert_eq!(said(&[disks(), missing, zeros(0, 0, 512)]), "a frame out of turn", "no block comes late");
    // Who did not say that disks come may not send any.
    let unasked = say(&[hello(), disks()].concat());
    assert!(matches!(unasked, MigrateError::Peer("a frame out of turn")), "{unasked}");
}

#[test]
fn another_migration_or_another_guest_is_refused() {
    let hello = hello();
    let changed = |at: usize, byte: u8| {
        let mut payload = hello[12..].to_vec();
        payload[at] = byte;
        say(&frame(1, &payload))
    };
    assert!(matches!(changed(0, b'x'), MigrateError::Peer("a greeting that is no migration")));
    assert!(matches!(changed(8, 2), MigrateError::Version(2, 1)));
    assert!(matches!(changed(18, 1), MigrateError::Peer(why) if why.starts_with("another migration")));
    assert!(
        matches!(changed(47, 0x10), MigrateError::Peer(why) if why.starts_with("a guest with other memory"))
    );
}

#[test]
fn a_source_does_not_give_its_guest_to_who_only_says_ready() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let world = World::new();
    let mut source = Source::new(&world);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            send(theirs, &SendStreams::new(), &offer(), &mut source, &mut Three, &Controls::default())
        });
        let mut bytes = [0; 12];
        ours.read_exact(&mut bytes).unwrap();
        ours.write_all(&frame(8, &[])).unwrap();
        assert!(matches!(sender.join().unwrap(), Err(MigrateError::Peer("a frame out of turn"))));
    });
    assert!(world.source_runs.load(Ordering::SeqCst) && !world.given_up.load(Ordering::SeqCst));
}

#[test]
fn sentences_of_a_peer_are_cut_and_cleaned() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let world = World::new();
    ours.write_all(&frame(11, b"no\x1b[31m room\n")).unwrap();
    let error = send(
        theirs,
        &SendStreams::new(),
        &offer(),
        &mut Source::new(&world),
        &mut Three,
        &Controls::default(),
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "the other host gave up: no [31m room ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_bytes_are_survived(
        greeted in any::<bool>(),
        frames in prop::collection::vec((0..21u8, prop::collection::vec(any::<u8>(), 0..64)), 0..8),
    ) {
        let mut bytes = if greeted { hello() } else { Vec::new() };
        bytes.extend(frames.iter().flat_map(|(kind, payload)| frame(*kind, payload)));
        say(&bytes);
    }
}
