//! Moves that go well, and what steers them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use reeve_migrate::{
    Capabilities, Controls, Limits, MAX_STREAMS, MigrateError, Offer, Packed, Plan, PreCopy, ReceiveStreams,
    Received, RoundStats, SendStreams, Sent, Step, Strategy, Subject, TargetGuest, receive, send,
};
use uuid::Uuid;

use crate::guests::{Source, Target, World, map};
use crate::wire::{Wire, pair};

pub const MIGRATION: Uuid = Uuid::from_u128(7);

pub fn offer() -> Offer {
    let subject = Subject { name: "guest".to_owned(), memory: map().bytes() };
    Offer { migration: MIGRATION, capabilities: Capabilities::OURS, subject }
}

/// Streams beside the first one, of which none comes.
pub fn coming() -> Arc<ReceiveStreams> {
    ReceiveStreams::new(MIGRATION, map(), MAX_STREAMS, Duration::from_millis(100))
}

/// Three rounds, then the rest.
pub struct Three;

impl Strategy for Three {
    fn precheck(&mut self, _: &Subject) -> Result<(), String> {
        Ok(())
    }

    fn plan(&mut self, _: &Subject, capabilities: Capabilities) -> Plan {
        Plan { max_downtime: Duration::from_secs(1), compress: capabilities.zstd, streams: 1 }
    }

    fn next_step(&mut self, stats: &RoundStats) -> Step {
        if stats.round < 3 { Step::Continue } else { Step::StopAndCopy }
    }
}

pub type Ends = (Result<Sent, MigrateError>, Result<Received, MigrateError>);

/// One of both runs the guest, and it is the one that the source has decided on; a destination that has not heard of that hears it now.
/// Whether it is the destination.
pub fn one_runs(ends: &Ends, world: &World, target: &mut Target) -> bool {
    let given_up = world.given_up.load(Ordering::SeqCst);
    if matches!(ends.1, Ok(Received::Undecided(_))) && given_up {
        target.run().unwrap();
    }
    let source_runs = world.source_runs.load(Ordering::SeqCst);
    let target_runs = world.target_runs.load(Ordering::SeqCst);
    assert!(source_runs != target_runs, "source {source_runs}, target {target_runs}: {ends:?}");
    assert_eq!(world.most_running.load(Ordering::SeqCst), 1, "{ends:?}");
    assert_eq!(target_runs, given_up, "{ends:?}");
    assert_eq!(ends.0.is_err(), source_runs, "{ends:?}");
    let taken = matches!(ends.1, Ok(Received::Running | Received::Interrupted(_)));
    assert!(target_runs || !taken, "{ends:?}");
    target_runs
}

/// Moves over these wires, one thread a side.
pub fn run(
    (near, far): (&mut Wire, &mut Wire),
    source: &mut Source,
    target: &mut Target,
    strategy: &mut dyn Strategy,
    controls: &Controls,
) -> Ends {
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let received = receive(&mut *far, &coming(), MIGRATION, Capabilities::OURS, target);
            // Whoever can't go on has no socket any more.
            if !matches!(received, Ok(Received::Running)) {
                far.hang_up();
            }
            received
        });
        let sent = send(&mut *near, &SendStreams::new(), &offer(), source, strategy, controls);
        if !matches!(sent, Ok(Sent::Running { .. })) {
            near.hang_up();
        }
        (sent, receiver.join().unwrap())
    })
}

#[test]
fn a_guest_moves_with_all_that_is_in_it() {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world), Target::new(&world));
    let (mut near, mut far) = pair();
    let ends = run((&mut near, &mut far), &mut source, &mut target, &mut Three, &Controls::default());
    assert!(matches!(ends, (Ok(Sent::Running { .. }), Ok(Received::Running))), "{ends:?}");
    assert_eq!(*target.memory.lock(), *source.memory.lock());
    assert!(world.target_runs.load(Ordering::SeqCst) && !world.source_runs.load(Ordering::SeqCst));
    assert_eq!(world.most_running.load(Ordering::SeqCst), 1);
    let pages: Vec<u64> = source.rounds.iter().map(|round| round.pages).collect();
    assert_eq!(pages, [32, 3, 1]);
    assert!(
        source.rounds[0].zero_pages >= 20 && near.sent < 16 << 12,
        "zeros travel as a number: {}",
        near.sent
    );
    for round in &source.rounds {
        let packed = round.packed;
        assert_eq!(
            packed.pages + packed.missed + round.zero_pages,
            round.pages,
            "every page is accounted for"
        );
        assert!(packed.bytes < packed.pages.max(1) << 12, "{packed:?}");
    }
}

#[test]
fn without_compression_pages_travel_as_they_are() {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world), Target::new(&world));
    let (mut near, mut far) = pair();
    let mut strategy = PreCopy::new(Duration::from_secs(1));
    let ends = run((&mut near, &mut far), &mut source, &mut target, &mut strategy, &Controls::default());
    assert!(matches!(ends, (Ok(_), Ok(Received::Running))), "{ends:?}");
    assert_eq!(*target.memory.lock(), *source.memory.lock());
    assert!(near.sent > 11 << 12, "{}", near.sent);
    assert!(source.rounds.iter().all(|round| round.packed == Packed::default()), "{:?}", source.rounds);
}

pub struct Asks(pub Vec<Step>);

impl Strategy for Asks {
    fn precheck(&mut self, _: &Subject) -> Result<(), String> {
        Ok(())
    }

    fn plan(&mut self, _: &Subject, _: Capabilities) -> Plan {
        Plan { max_downtime: Duration::from_secs(100), compress: false, streams: 1 }
    }

    fn next_step(&mut self, _: &RoundStats) -> Step {
        if self.0.is_empty() { Step::StopAndCopy } else { self.0.remove(0) }
    }
}

#[test]
fn a_strategy_gets_no_more_than_the_operator_allows() {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world), Target::new(&world));
    let controls = Controls::new(Limits {
        max_downtime: Duration::ZERO,
        max_throttle: 30,
        max_rounds: 5,
        ..Limits::default()
    });
    let (mut near, mut far) = pair();
    let steps = vec![Step::Throttle(90), Step::SetMaxDowntime(Duration::from_secs(5))];
    let ends = run((&mut near, &mut far), &mut source, &mut target, &mut Asks(steps), &controls);
    let (Err(MigrateError::Aborted(reason)), Err(MigrateError::Refused(told))) = ends else {
        panic!("{ends:?}")
    };
    assert!(reason.contains("after 5 rounds") && told.contains(&reason), "{reason} {told}");
    assert_eq!(source.rounds.iter().map(|round| round.throttle).collect::<Vec<_>>(), [0, 30, 30, 30, 30]);
    assert_eq!(source.throttled, 0, "it is not held back any more");
    assert!(source.rounds.iter().all(|round| round.max_downtime.is_zero()));
    assert!(world.source_runs.load(Ordering::SeqCst) && !target.loaded);
}

/// Thinks while so many frames go over, or until it is waited for.
struct Thinks {
    frames: u32,
    steps: Vec<Step>,
    looked: u32,
    waited: u32,
}

impl Thinks {
    fn new(frames: u32, steps: Vec<Step>) -> Self {
        Self { frames, steps, looked: 0, waited: 0 }
    }
}

impl Strategy for Thinks {
    fn precheck(&mut self, _: &Subject) -> Result<(), String> {
        Ok(())
    }

    fn plan(&mut self, _: &Subject, _: Capabilities) -> Plan {
        Plan { max_downtime: Duration::from_secs(1), compress: false, streams: 1 }
    }

    fn next_step(&mut self, _: &RoundStats) -> Step {
        unreachable!("nobody asks it and waits")
    }

    fn ask(&mut self, _: &RoundStats) -> Option<Step> {
        self.looked = 0;
        None
    }

    fn answer(&mut self, wait: bool) -> Option<Step> {
        self.looked += 1;
        self.waited += u32::from(wait);
        let there = wait || self.looked > self.frames;
        there.then(|| if self.steps.is_empty() { Step::StopAndCopy } else { self.steps.remove(0) })
    }
}

/// Pages of each round, and how often the strategy was waited for.
fn thinking(mut strategy: Thinks, writes: Vec<Vec<u64>>) -> (Vec<RoundStats>, u32) {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world), Target::new(&world));
    source.writes = writes;
    let (mut near, mut far) = pair();
    let controls = Controls::new(Limits { max_throttle: 30, ..Limits::default() });
    let ends = run((&mut near, &mut far), &mut source, &mut target, &mut strategy, &controls);
    assert!(matches!(ends, (Ok(Sent::Running { .. }), Ok(Received::Running))), "{ends:?}");
    assert_eq!(*target.memory.lock(), *source.memory.lock());
    (source.rounds, strategy.waited)
}

#[test]
fn pages_go_over_while_a_strategy_thinks() {
    // No page beside another: a frame each.
    let apart = || vec![(0..24).step_by(2).collect(), Vec::new()];
    let pages = |rounds: &[RoundStats]| rounds.iter().map(|round| round.pages).collect::<Vec<_>>();
    // What ends the rounds breaks the second one off.
    let (rounds, waited) = thinking(Thinks::new(3, Vec::new()), apart());
    assert_eq!((pages(&rounds), waited), (vec![32, 3], 0));
    // What changes how pages go holds for what is left of it, and nothing else is asked before.
    let (rounds, _) = thinking(Thinks::new(3, vec![Step::Compress]), apart());
    assert_eq!((pages(&rounds), rounds[1].compressed), (vec![32, 12, 0], true));
    // What only holds the guest back breaks nothing off.
    let (rounds, _) = thinking(Thinks::new(3, vec![Step::Throttle(40)]), apart());
    assert_eq!((pages(&rounds), rounds[1].throttle), (vec![32, 12, 0], 30));
    // A round that is over first waits for what comes after the one before.
    let slow = Thinks::new(u32::MAX, vec![Step::Continue]);
    let (rounds, waited) = thinking(slow, vec![vec![1, 2, 65], vec![2], Vec::new()]);
    assert_eq!((pages(&rounds), waited), (vec![32, 3, 1], 2));
}

#[test]
fn a_strategy_that_thinks_gives_no_more_rounds_than_the_operator() {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world), Target::new(&world));
    let (mut near, mut far) = pair();
    let controls = Controls::new(Limits { max_rounds: 4, ..Limits::default() });
    let mut strategy = Thinks::new(u32::MAX, vec![Step::Continue; 9]);
    let ends = run((&mut near, &mut far), &mut source, &mut target, &mut strategy, &controls);
    assert!(ends.0.as_ref().is_err_and(|error| error.to_string().contains("after 4 rounds")), "{ends:?}");
    assert_eq!((source.rounds.len(), strategy.steps.len()), (4, 5));
    assert!(world.source_runs.load(Ordering::SeqCst) && !target.loaded);
}

#[test]
fn an_operator_ends_it_or_stops_the_guest_for_it() {
    for abort in [true, false] {
        let world = World::new();
        let (mut source, mut target) = (Source::new(&world), Target::new(&world));
        let controls = Controls::new(Limits { max_downtime: Duration::ZERO, ..Limits::default() });
        if abort {
            controls.abort("no time for it")
        } else {
            controls.stop_now()
        }
        let (mut near, mut far) = pair();
        let ends = run((&mut near, &mut far), &mut source, &mut target, &mut Asks(Vec::new()), &controls);
        assert_eq!(world.source_runs.load(Ordering::SeqCst), abort, "{ends:?}");
        assert_eq!(world.target_runs.load(Ordering::SeqCst), !abort, "{ends:?}");
        if !abort {
            assert_eq!(source.rounds.iter().map(|round| round.pages).collect::<Vec<_>>(), [0], "broken off");
            assert_eq!(*target.memory.lock(), *source.memory.lock());
        }
    }
}

#[test]
fn no_more_goes_over_the_stream_than_it_may() {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world), Target::new(&world));
    source.memory.lock().fill(9);
    source.writes = vec![Vec::new()];
    let limits =
        Limits { bandwidth: Some(1 << 20), max_downtime: Duration::from_secs(9), ..Limits::default() };
    let (mut near, mut far) = pair();
    let ends =
        run((&mut near, &mut far), &mut source, &mut target, &mut Asks(Vec::new()), &Controls::new(limits));
    assert!(matches!(ends, (Ok(_), Ok(_))), "{ends:?}");
    // 128 KiB at 1 MiB a second.
    assert!(source.rounds[0].duration >= Duration::from_millis(120), "{:?}", source.rounds[0]);
}
