//! Memory over several streams: each of them cut or damaged anywhere, one side runs the guest with all that is in it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use reeve_migrate::{
    Capabilities, Controls, Limits, MAX_STREAMS, MigrateError, PAGE, Plan, ReceiveStreams, Received,
    RoundStats, SendStreams, Sent, Step, Strategy, Subject, receive, send,
};

use crate::guests::{Source, Target, World, map};
use crate::hostile::{frame, hello};
use crate::moves::{Asks, Ends, MIGRATION, Three, offer, one_runs};
use crate::wire::{Wire, pair};

/// Longest that a destination of these tests waits for a stream.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same where it waits in vain: long enough for what does come on a machine with much to do.
const IN_VAIN: Duration = Duration::from_secs(1);

/// Moves over the first pair, and over the others beside it, one thread a stream and side. All of them hang up when a side is done for.
fn run(
    wires: &mut [(Wire, Wire)],
    source: &mut Source,
    target: &mut Target,
    strategy: &mut dyn Strategy,
    controls: &Controls,
) -> Ends {
    let most = u16::try_from(wires.len()).unwrap();
    let sending = SendStreams::new();
    let receiving = ReceiveStreams::new(MIGRATION, map(), most, PATIENCE);
    let [(near, far), beside @ ..] = wires else { panic!("there is a first one") };
    let closers: Vec<_> = beside.iter().map(|(near, far)| (near.closer(), far.closer())).collect();
    thread::scope(|scope| {
        for (near, far) in beside {
            let (out, into) = (sending.add().unwrap(), receiving.add().unwrap());
            let (from, to) = (source.memory.clone(), target.memory.clone());
            scope.spawn(move || {
                out.run(&mut *near, MIGRATION, &from, controls);
                near.hang_up();
            });
            scope.spawn(move || {
                into.run(&mut *far, &to);
                far.hang_up();
            });
        }
        let receiver = scope.spawn(|| {
            let received = receive(&mut *far, &receiving, MIGRATION, Capabilities::OURS, target);
            if !matches!(received, Ok(Received::Running)) {
                far.hang_up();
            }
            received
        });
        let sent = send(&mut *near, &sending, &offer(), source, strategy, controls);
        if !matches!(sent, Ok(Sent::Running { .. })) {
            near.hang_up();
        }
        let received = receiver.join().unwrap();
        // As the end of both processes does.
        for (near, far) in closers {
            let _ = (near.shutdown(std::net::Shutdown::Both), far.shutdown(std::net::Shutdown::Both));
        }
        (sent, received)
    })
}

fn wires(count: usize) -> Vec<(Wire, Wire)> {
    (0..count).map(|_| pair()).collect()
}

/// A guest whose memory is more than goes into one frame, so that every stream has something to do, and all of it is something.
fn busy(world: &Arc<World>) -> Source {
    let mut source = Source::new(world);
    source.memory.lock().iter_mut().enumerate().for_each(|(at, byte)| *byte = (at / 7 % 251) as u8);
    source.writes = vec![vec![0, 5, 12, 23, 64, 71], vec![5, 6, 7], vec![6, 64]];
    source
}

/// One of both runs the guest, with all that is in it; whether it moved.
fn judge(ends: &Ends, world: &World, source: &Source, target: &mut Target) -> bool {
    let moved = one_runs(ends, world, target);
    if moved {
        assert_eq!(*target.memory.lock(), *source.memory.lock());
    }
    moved
}

fn attempt(mut wires: Vec<(Wire, Wire)>) -> (Ends, bool) {
    let world = World::new();
    let (mut source, mut target) = (busy(&world), Target::new(&world));
    let ends = run(&mut wires, &mut source, &mut target, &mut Three, &Controls::default());
    let moved = judge(&ends, &world, &source, &mut target);
    (ends, moved)
}

#[test]
fn a_guest_moves_over_four_streams_and_all_bytes_are_counted() {
    let world = World::new();
    let (mut source, mut target) = (busy(&world), Target::new(&world));
    let mut wires = wires(4);
    let ends = run(&mut wires, &mut source, &mut target, &mut Three, &Controls::default());
    assert!(judge(&ends, &world, &source, &mut target), "{ends:?}");
    let pages: Vec<u64> = source.rounds.iter().map(|round| round.pages).collect();
    assert_eq!(pages, [32, 6, 3], "pages of all streams");
    assert!(source.rounds.iter().all(|round| round.streams == 4), "{:?}", source.rounds);
    let told: u64 = source.rounds.iter().map(|round| round.bytes).sum();
    let carried: usize = wires.iter().map(|(near, _)| near.sent).sum();
    // What is not in a round that is told: greetings, the last round, the state.
    assert!(told <= carried as u64 && told + 20_000 > carried as u64, "{told} of {carried}");
    assert!(wires[1..].iter().all(|(near, far)| near.sent >= 12 + 18 + 4 * 20 && far.sent == 0));
}

/// Keeps the streams beside the first one from the guest until it was asked once.
struct Later<'a>(&'a (dyn Fn() + Sync), u32);

impl Strategy for Later<'_> {
    fn precheck(&mut self, _: &Subject) -> Result<(), String> {
        Ok(())
    }

    fn plan(&mut self, _: &Subject, agreed: Capabilities) -> Plan {
        assert_eq!(agreed.streams, 3, "what both can do");
        Plan { max_downtime: Duration::from_secs(9), compress: false, streams: 1 }
    }

    fn next_step(&mut self, stats: &RoundStats) -> Step {
        self.1 += 1;
        if self.1 == 2 {
            (self.0)();
            return Step::AddStreams(2);
        }
        if stats.round < 5 { Step::Continue } else { Step::StopAndCopy }
    }
}

#[test]
fn streams_come_in_the_middle_and_have_a_part_in_the_rounds_after() {
    let world = World::new();
    let (mut source, mut target) = (busy(&world), Target::new(&world));
    let (sending, receiving) = (SendStreams::new(), ReceiveStreams::new(MIGRATION, map(), 3, PATIENCE));
    let (mut near, mut far) = pair();
    let controls = Controls::default();
    let (from, to) = (source.memory.clone(), target.memory.clone());
    let ends = thread::scope(|scope| {
        let bring = || {
            for _ in 0..2 {
                let (near, far) = UnixStream::pair().unwrap();
                let (out, into) = (sending.add().unwrap(), receiving.add().unwrap());
                let (from, to, controls) = (from.clone(), to.clone(), &controls);
                scope.spawn(move || out.run(near, MIGRATION, &from, controls));
                scope.spawn(move || into.run(far, &to));
            }
            assert!(receiving.add().is_none(), "there are as many as there may be");
        };
        let receiver = scope.spawn(|| {
            let can = Capabilities { streams: 3, ..Capabilities::OURS };
            receive(&mut far, &receiving, MIGRATION, can, &mut target)
        });
        let sent = send(&mut near, &sending, &offer(), &mut source, &mut Later(&bring, 0), &controls);
        (sent, receiver.join().unwrap())
    });
    assert!(judge(&ends, &world, &source, &mut target), "{ends:?}");
    let streams: Vec<u16> = source.rounds.iter().map(|round| round.streams).collect();
    assert_eq!(streams, [1, 1, 3, 3, 3]);
}

#[test]
fn cut_at_every_frame_of_any_stream_one_side_runs_the_guest() {
    // Where frames of a stream beside the first one can end: its greeting, marks of rounds, and pages in between.
    for lane in 1..3 {
        let mut moved = 0;
        for at in (0..150).step_by(3).chain([4000, 4200, 8000, 20_000]) {
            let mut cut = wires(3);
            let (near, far) = cut.remove(lane);
            cut.insert(lane, (near.cut_sending(at), far));
            moved += u32::from(attempt(cut).1);
            let mut cut = wires(3);
            let (near, far) = cut.remove(lane);
            cut.insert(lane, (near, far.cut_receiving(at)));
            let (ends, at_target) = attempt(cut);
            if at < 30 {
                assert!(!at_target, "it never said who it is: {ends:?}");
            }
            moved += u32::from(at_target);
        }
        // One that breaks when all has been said over it harms nobody.
        println!("stream {lane}: {moved} of 108 moved");
    }
}

#[test]
fn a_stream_that_is_lost_is_named() {
    let mut cut = wires(2);
    let (near, far) = cut.remove(1);
    cut.insert(1, (near.cut_sending(30), far));
    let (ends, moved) = attempt(cut);
    let Err(error @ MigrateError::Stream { number: 2, .. }) = &ends.0 else { panic!("{ends:?}") };
    assert!(!moved && error.to_string().contains("stream 2 of the guest's memory is lost"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn cut_or_damaged_anywhere_one_side_runs_the_guest(
        lane in 0..4usize, place in 0.0..1.0f64, kind in 0..4u8,
    ) {
        let mut wires = wires(4);
        let (mut near, mut far) = wires.remove(lane);
        let at = (60_000.0 * place * place) as usize;
        match kind {
            0 => near = near.cut_sending(at),
            1 => far = far.cut_receiving(at),
            2 => far = far.cut_sending(at / 200),
            _ => near.flip = Some(at * 8 + 3),
        }
        wires.insert(lane, (near, far));
        drop(attempt(wires));
    }
}

#[test]
fn an_older_destination_says_that_it_takes_one_stream() {
    let world = World::new();
    let (mut source, mut target) = (busy(&world), Target::new(&world));
    let (mut near, mut far) = pair();
    let (sending, controls) = (SendStreams::new(), Controls::default());
    let ticket = sending.add().unwrap();
    let (other, _theirs) = UnixStream::pair().unwrap();
    let from = source.memory.clone();
    let ends = thread::scope(|scope| {
        let controls = &controls;
        scope.spawn(move || ticket.run(other, MIGRATION, &from, controls));
        let receiver = scope.spawn(|| {
            let older = Capabilities { streams: 1, ..Capabilities::OURS };
            receive(&mut far, &crate::moves::coming(), MIGRATION, older, &mut target)
        });
        let sent = send(&mut near, &sending, &offer(), &mut source, &mut Three, controls);
        (sent, receiver.join().unwrap())
    });
    assert!(
        matches!(&ends.0, Err(MigrateError::Aborted(reason)) if reason.contains("over one stream only")),
        "{ends:?}"
    );
    assert!(!judge(&ends, &world, &source, &mut target));
}

#[test]
fn post_copy_goes_on_over_the_first_stream() {
    let world = World::new();
    let (mut source, mut target) = (busy(&world), Target::new(&world));
    let limits = Limits { post_copy: true, post_copy_after: Some(2), ..Limits::default() };
    let mut wires = wires(3);
    let ends =
        run(&mut wires, &mut source, &mut target, &mut Asks(vec![Step::Continue]), &Controls::new(limits));
    assert!(judge(&ends, &world, &source, &mut target) && target.is_whole, "{ends:?}");
    assert!(!target.placed.is_empty(), "memory came late");
}

#[test]
fn the_limit_is_for_all_streams_together() {
    let world = World::new();
    let (mut source, mut target) = (busy(&world), Target::new(&world));
    source.writes = vec![Vec::new()];
    let limits =
        Limits { bandwidth: Some(1 << 20), max_downtime: Duration::from_secs(9), ..Limits::default() };
    let mut wires = wires(4);
    let ends = run(&mut wires, &mut source, &mut target, &mut Asks(Vec::new()), &Controls::new(limits));
    assert!(judge(&ends, &world, &source, &mut target), "{ends:?}");
    // 128 KiB at 1 MiB a second.
    assert!(source.rounds[0].duration >= Duration::from_millis(120), "{:?}", source.rounds[0]);
}

/// Says these bytes over the first stream, and those over one beside it; why the destination does not take the guest.
fn say(first: &[Vec<u8>], beside: &[Vec<u8>], patience: Duration) -> MigrateError {
    let world = World::new();
    let mut target = Target::new(&world);
    let receiving = ReceiveStreams::new(MIGRATION, map(), MAX_STREAMS, patience);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let (mut other, far) = UnixStream::pair().unwrap();
    let (ticket, memory) = (receiving.add().unwrap(), target.memory.clone());
    let outcome = thread::scope(|scope| {
        scope.spawn(move || ticket.run(far, &memory));
        let receiver =
            scope.spawn(|| receive(theirs, &receiving, MIGRATION, Capabilities::OURS, &mut target));
        let _ = other.write_all(&beside.concat());
        let _ = ours.write_all(&[hello(), first.concat()].concat());
        let _ = ours.shutdown(std::net::Shutdown::Write);
        let outcome = receiver.join().unwrap();
        let _ = other.shutdown(std::net::Shutdown::Write);
        let _ = other.read(&mut [0; 1]);
        outcome
    });
    assert!(!world.target_runs.load(Ordering::SeqCst) && !target.loaded);
    outcome.unwrap_err()
}

#[test]
fn what_can_not_be_said_over_a_stream_is_refused() {
    let join = |migration: u128, number: u16| {
        frame(20, &[&uuid::Uuid::from_u128(migration).as_bytes()[..], &number.to_le_bytes()].concat())
    };
    let page = |page: u64| {
        frame(3, &[&(page * PAGE).to_le_bytes()[..], &1u32.to_le_bytes(), &[1, 0, 0, 0]].concat())
    };
    let streams = |count: u16| frame(21, &count.to_le_bytes());
    let mark = |pages: u64| frame(22, &pages.to_le_bytes());
    let end = |pages: u64| frame(4, &pages.to_le_bytes());
    let said = |first: &[Vec<u8>], beside: &[Vec<u8>]| say(first, beside, PATIENCE).to_string();
    let waited = |first: &[Vec<u8>], beside: &[Vec<u8>]| say(first, beside, IN_VAIN).to_string();
    let mine = MIGRATION.as_u128();
    for count in [0, 1, MAX_STREAMS + 1] {
        assert!(said(&[streams(count)], &[]).contains("a number of streams that can't be"), "{count}");
    }
    assert!(said(&[streams(2)], &[join(mine + 1, 1)]).contains("another migration"));
    assert!(said(&[streams(2)], &[page(0)]).contains("out of turn"));
    for number in [0, MAX_STREAMS] {
        assert!(said(&[streams(2)], &[join(mine, number)]).contains("a number that can't be"), "{number}");
    }
    assert!(waited(&[streams(3)], &[join(mine, 1)]).contains("stream 3 of the guest's memory is lost"));
    let round = |beside: &[Vec<u8>]| said(&[streams(2), end(1)], &[&[join(mine, 1)], beside].concat());
    assert!(round(&[page(30)]).contains("a page outside of the guest's memory"));
    assert!(round(&[page(1), page(1)]).contains("a page that came before"));
    assert!(round(&[page(1), mark(2)]).contains("another number of pages"));
    assert!(round(&[frame(6, b"state")]).contains("out of turn"));
    assert!(round(&[page(1), page(2), mark(2)]).contains("another number of pages"), "the sum is wrong");
    let endless = waited(&[streams(2), end(1)], &[join(mine, 1), page(1)]);
    assert!(endless.contains("connection to the other host is lost"), "no end of the round: {endless}");
    // The guest stands whole before it is loaded, and nobody writes to it then.
    let late = said(
        &[streams(2), page(0), end(2), frame(6, b"state"), frame(7, &5u64.to_le_bytes())],
        &[join(mine, 1), page(1), mark(1), page(2), mark(1)],
    );
    assert!(late.contains("this is no state") || late.contains("a round without an end"), "{late}");
}
