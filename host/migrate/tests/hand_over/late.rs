//! Post-copy: cut anywhere, one side runs the guest, and whoever mends the stream gets all of it.

use std::sync::atomic::Ordering;
use std::thread;

use proptest::prelude::*;
use reeve_migrate::{
    Capabilities, Controls, Limits, MigrateError, PAGE, Plan, Received, RoundStats, SendStreams, Sent, Step,
    Strategy, Subject, receive_rest, send_rest,
};

use crate::guests::{Source, Target, World};
use crate::moves::{Ends, MIGRATION, Three, coming, offer, one_runs, run};
use crate::wire::{Wire, pair};

fn controls(after: u32) -> Controls {
    Controls::new(Limits { post_copy: true, post_copy_after: Some(after), ..Limits::default() })
}

/// A source whose guest writes more than goes into one run.
fn source(world: &std::sync::Arc<World>) -> Source {
    let mut source = Source::new(world);
    source.writes = vec![vec![1, 2, 65], (0..24).chain(64..72).collect()];
    source
}

fn rest((near, far): (&mut Wire, &mut Wire), source: &mut Source, target: &mut Target) -> (Sent, Received) {
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let received = receive_rest(&mut *far, MIGRATION, target);
            if !matches!(received, Received::Running) {
                far.hang_up();
            }
            received
        });
        let sent = send_rest(&mut *near, &offer(), source, &controls(1));
        near.hang_up();
        (sent, receiver.join().unwrap())
    })
}

/// Moves over these wires, and again over others where it was interrupted; whether the guest moved.
fn attempt(wires: (Wire, Wire), again: Option<(Wire, Wire)>) -> bool {
    let world = World::new();
    let (mut source, mut target) = (source(&world), Target::new(&world));
    let (mut near, mut far) = wires;
    let ends: Ends = run((&mut near, &mut far), &mut source, &mut target, &mut Three, &controls(1));
    if !one_runs(&ends, &world, &mut target) {
        return false;
    }
    match &ends.0 {
        Ok(Sent::Running { .. }) => assert!(target.is_whole, "{ends:?}"),
        Ok(Sent::Interrupted(_)) => {}
        other => panic!("{other:?}"),
    }
    if let Some((mut near, mut far)) = again
        && !target.is_whole
    {
        rest((&mut near, &mut far), &mut source, &mut target);
    }
    if !target.is_whole {
        let (mut near, mut far) = pair();
        let ends = rest((&mut near, &mut far), &mut source, &mut target);
        assert!(matches!(ends, (Sent::Whole, Received::Running)), "{ends:?}");
    }
    assert!(target.is_whole);
    assert_eq!(*target.memory.lock(), *source.memory.lock());
    assert!(!world.source_runs.load(Ordering::SeqCst));
    true
}

/// Bytes that go over the wire in both directions when nothing happens.
fn lengths() -> (usize, usize) {
    let world = World::new();
    let (mut source, mut target) = (source(&world), Target::new(&world));
    let (mut near, mut far) = pair();
    let ends = run((&mut near, &mut far), &mut source, &mut target, &mut Three, &controls(1));
    assert!(matches!(ends, (Ok(Sent::Running { .. }), Ok(Received::Running))), "{ends:?}");
    assert_eq!(*target.memory.lock(), *source.memory.lock());
    // What was touched came before what lies in front of it.
    assert_eq!(target.placed[0], 70, "{:?}", target.placed);
    assert!(target.placed.len() >= 24, "{:?}", target.placed);
    (near.sent, near.received)
}

#[test]
fn cut_at_any_byte_from_the_destination_nothing_is_lost() {
    let (_, received) = lengths();
    let mut moved = 0;
    for at in 0..received {
        let (near, far) = pair();
        moved += u32::from(attempt((near.cut_receiving(at), far), None));
        let (near, far) = pair();
        moved += u32::from(attempt((near, far.cut_sending(at)), None));
    }
    // Ready is the last frame before the decision; what is cut after it is post-copy.
    assert!(moved > 2 * 12 && moved < 2 * received as u32, "{moved}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn cut_anywhere_and_again_nothing_is_lost(place in 0.0..1.0f64, again in 0.0..1.0f64, side in 0..4u8) {
        let (sent, received) = lengths();
        let wires = |place: f64| {
            let (near, far) = pair();
            let (out, back) = ((sent as f64 * place) as usize, (received as f64 * place) as usize);
            match side {
                0 => (near.cut_sending(out), far),
                1 => (near.cut_receiving(back), far),
                2 => (near, far.cut_sending(back)),
                _ => (near, far.cut_receiving(out)),
            }
        };
        attempt(wires(place), Some(wires(again)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn damaged_anywhere_nothing_is_lost(place in 0.0..1.0f64, side in any::<bool>()) {
        let (sent, received) = lengths();
        let (mut near, mut far) = pair();
        if side {
            near.flip = Some((sent as f64 * 8.0 * place) as usize);
        } else {
            far.flip = Some((received as f64 * 8.0 * place) as usize);
        }
        attempt((near, far), None);
    }
}

#[test]
fn cut_around_the_end_of_the_state_nothing_is_lost() {
    let (sent, _) = lengths();
    // Every 97th byte of all that the source sends.
    for at in (0..sent).step_by(97) {
        let (near, far) = pair();
        attempt((near.cut_sending(at), far), None);
        let (near, far) = pair();
        attempt((near, far.cut_receiving(at)), None);
    }
}

#[test]
fn a_destination_that_can_not_is_not_switched_to() {
    let world = World::new();
    let (mut source, mut target) = (source(&world), Target::new(&world));
    let (mut near, mut far) = pair();
    let ends = thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let least = Capabilities { post_copy: false, ..Capabilities::OURS };
            reeve_migrate::receive(&mut far, &coming(), MIGRATION, least, &mut target)
        });
        let sent = reeve_migrate::send(
            &mut near,
            &SendStreams::new(),
            &offer(),
            &mut source,
            &mut Three,
            &controls(1),
        );
        (sent, receiver.join().unwrap())
    });
    let (Err(MigrateError::Aborted(reason)), Err(_)) = ends else { panic!("{ends:?}") };
    assert!(reason.contains("post-copy"), "{reason}");
    assert!(world.source_runs.load(Ordering::SeqCst));
}

/// Allows post-copy and asks for it after the first round.
struct Eager<'a>(&'a Controls);

impl Strategy for Eager<'_> {
    fn precheck(&mut self, subject: &Subject) -> Result<(), String> {
        Three.precheck(subject)
    }

    fn plan(&mut self, subject: &Subject, capabilities: Capabilities) -> Plan {
        Three.plan(subject, capabilities)
    }

    fn next_step(&mut self, stats: &RoundStats) -> Step {
        self.0.set(|limits| limits.post_copy = true);
        assert!(self.0.switch_to_post_copy().unwrap_err().contains("post-copy"));
        Three.next_step(stats)
    }
}

#[test]
fn a_destination_that_can_not_is_not_switched_to_later_either() {
    let world = World::new();
    let (mut source, mut target) = (source(&world), Target::new(&world));
    let (mut near, mut far) = pair();
    let controls = Controls::default();
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let least = Capabilities { post_copy: false, ..Capabilities::OURS };
            reeve_migrate::receive(&mut far, &coming(), MIGRATION, least, &mut target)
        });
        let sent = reeve_migrate::send(
            &mut near,
            &SendStreams::new(),
            &offer(),
            &mut source,
            &mut Eager(&controls),
            &controls,
        )
        .unwrap();
        assert!(matches!(sent, Sent::Running { .. }), "{sent:?}");
        receiver.join().unwrap().unwrap();
    });
    assert!(source.rounds.iter().all(|round| round.pages > 0), "every round sends what it is to");
}

#[test]
fn what_a_destination_can_not_do_leaves_the_guest_where_it_is() {
    for what in ["miss", "load"] {
        let world = World::new();
        let (mut source, mut target) = (source(&world), Target::new(&world));
        target.fail = Some(what);
        let (mut near, mut far) = pair();
        let ends = run((&mut near, &mut far), &mut source, &mut target, &mut Three, &controls(1));
        assert!(ends.0.is_err() && ends.1.is_err(), "{ends:?}");
        assert!(world.source_runs.load(Ordering::SeqCst) && !world.target_runs.load(Ordering::SeqCst));
    }
}

#[test]
fn an_operator_switches_in_the_middle_of_a_round() {
    let world = World::new();
    let (mut source, mut target) = (source(&world), Target::new(&world));
    let limits = Limits { post_copy: true, ..Limits::default() };
    let controls = Controls::new(limits);
    controls.switch_to_post_copy().unwrap();
    let (mut near, mut far) = pair();
    let ends = run((&mut near, &mut far), &mut source, &mut target, &mut Three, &controls);
    assert!(matches!(ends, (Ok(Sent::Running { .. }), Ok(Received::Running))), "{ends:?}");
    assert_eq!(target.placed.len(), 32, "nothing was sent before");
    assert!(target.placed.contains(&(64 * PAGE / PAGE)));
    assert_eq!(*target.memory.lock(), *source.memory.lock());
}
