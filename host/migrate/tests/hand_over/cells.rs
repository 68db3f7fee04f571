//! Each cell of the table: the connection is cut, or a side ends, at every byte that matters.

use std::sync::atomic::Ordering;

use proptest::prelude::*;
use reeve_migrate::{Controls, MigrateError, Received, Sent, TargetGuest};

use crate::guests::{Source, Target, World};
use crate::moves::{Ends, Three, run};
use crate::wire::{Wire, pair};

/// What the daemons do when a side is left without an answer: each asks the other one.
fn settle(ends: &Ends, world: &World, source: &mut Source, target: &mut Target) {
    let given_up = world.given_up.load(Ordering::SeqCst);
    if matches!(ends.1, Ok(Received::Undecided(_))) && given_up {
        target.fail = None;
        target.run().unwrap();
    }
    if matches!(ends.0, Ok(Sent::Unconfirmed(_))) {
        // It has loaded the guest, so it is told and runs it.
        assert!(target.loaded);
        assert!(!world.source_runs.load(Ordering::SeqCst));
    }
    let _ = source;
}

/// One of both runs the guest, with all that is in it, and never did both.
fn judge(ends: &Ends, world: &World, source: &Source, target: &Target) {
    let source_runs = world.source_runs.load(Ordering::SeqCst);
    let target_runs = world.target_runs.load(Ordering::SeqCst);
    assert!(source_runs != target_runs, "source {source_runs}, target {target_runs}: {ends:?}");
    assert_eq!(world.most_running.load(Ordering::SeqCst), 1, "{ends:?}");
    assert_eq!(target_runs, world.given_up.load(Ordering::SeqCst), "{ends:?}");
    match &ends.0 {
        Err(_) => assert!(source_runs),
        Ok(_) => assert!(target_runs),
    }
    if target_runs {
        assert_eq!(*target.memory.lock(), *source.memory.lock());
        assert!(target.synced == source.disks, "disks have all that the guest wrote, on the medium");
    }
}

type Failures = (Option<&'static str>, Option<&'static str>);

fn attempt(wires: (Wire, Wire), fail: Failures) -> (Ends, bool) {
    attempt_with(wires, fail, false)
}

fn attempt_with(wires: (Wire, Wire), fail: Failures, disks: bool) -> (Ends, bool) {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world), Target::new(&world));
    if disks {
        (source, target) = (source.with_disks(), target.with_disks());
    }
    (source.fail, target.fail) = fail;
    let (mut near, mut far) = wires;
    let ends = run((&mut near, &mut far), &mut source, &mut target, &mut Three, &Controls::default());
    settle(&ends, &world, &mut source, &mut target);
    judge(&ends, &world, &source, &target);
    (ends, world.given_up.load(Ordering::SeqCst))
}

/// Bytes that go over the wire in both directions when nothing happens.
fn lengths() -> (usize, usize) {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world), Target::new(&world));
    let (mut near, mut far) = pair();
    run((&mut near, &mut far), &mut source, &mut target, &mut Three, &Controls::default()).0.unwrap();
    (near.sent, near.received)
}

#[test]
fn cut_at_any_byte_from_the_destination_one_side_runs_the_guest() {
    // Welcome, four acknowledgements, Ready, Running: few bytes, so each of them.
    let (_, received) = lengths();
    let mut moved = 0;
    for at in 0..received {
        let (near, far) = pair();
        moved += u32::from(attempt((near.cut_receiving(at), far), (None, None)).1);
        let (near, far) = pair();
        moved += u32::from(attempt((near, far.cut_sending(at)), (None, None)).1);
    }
    assert_eq!(moved, 2 * 12, "from the whole of Ready to the end of Running it is the destination's");
}

#[test]
fn cut_around_the_end_of_every_frame_from_the_source_one_side_runs_the_guest() {
    let (sent, _) = lengths();
    let mut moved = 0;
    // The last frames byte by byte: state, end of the state, Go.
    for at in sent - 80..sent {
        let (near, far) = pair();
        moved += u32::from(attempt((near.cut_sending(at), far), (None, None)).1);
        let (near, far) = pair();
        moved += u32::from(attempt((near, far.cut_receiving(at)), (None, None)).1);
    }
    assert_eq!(moved, 2 * 12, "Go is 12 bytes, and all before it is before the point of no return");
}

/// The same with disks.
fn lengths_with_disks() -> (usize, usize) {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world).with_disks(), Target::new(&world).with_disks());
    let (mut near, mut far) = pair();
    run((&mut near, &mut far), &mut source, &mut target, &mut Three, &Controls::default()).0.unwrap();
    (near.sent, near.received)
}

#[test]
fn whatever_can_not_be_done_with_disks_one_side_runs_the_guest() {
    for what in ["track disks", "read disks"] {
        let (ends, _) = attempt_with(pair(), (Some(what), None), true);
        assert!(matches!(&ends.0, Err(MigrateError::Guest(error)) if error.0.contains(what)), "{ends:?}");
    }
    for (what, said) in [("write disks", "no space left"), ("sync disks", "i/o error")] {
        let (ends, _) = attempt_with(pair(), (None, Some(what)), true);
        assert!(matches!(&ends.0, Err(MigrateError::Refused(told)) if told.contains(said)), "{ends:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn cut_or_damaged_anywhere_with_disks_one_side_runs_the_guest(place in 0.0..1.0f64, side in 0..6u8) {
        let (sent, received) = lengths_with_disks();
        let (mut near, mut far) = pair();
        let (out, back) = ((sent as f64 * place) as usize, (received as f64 * place) as usize);
        match side {
            0 => near = near.cut_sending(out),
            1 => near = near.cut_receiving(back),
            2 => far = far.cut_sending(back),
            3 => far = far.cut_receiving(out),
            4 => near.flip = Some(out * 8 + 3),
            _ => far.flip = Some(back * 8 + 3),
        }
        drop(attempt_with((near, far), (None, None), true));
    }

    #[test]
    fn cut_anywhere_one_side_runs_the_guest(place in 0.0..1.0f64, side in 0..4u8) {
        let (sent, received) = lengths();
        let (near, far) = pair();
        let (out, back) = ((sent as f64 * place) as usize, (received as f64 * place) as usize);
        let wires = match side {
            0 => (near.cut_sending(out), far),
            1 => (near.cut_receiving(back), far),
            2 => (near, far.cut_sending(back)),
            _ => (near, far.cut_receiving(out)),
        };
        drop(attempt(wires, (None, None)));
    }

    #[test]
    fn damaged_anywhere_one_side_runs_the_guest(place in 0.0..1.0f64, side in any::<bool>()) {
        let (sent, received) = lengths();
        let (mut near, mut far) = pair();
        if side {
            near.flip = Some((sent as f64 * 8.0 * place) as usize);
        } else {
            far.flip = Some((received as f64 * 8.0 * place) as usize);
        }
        drop(attempt((near, far), (None, None)));
    }
}

#[test]
fn whatever_a_side_can_not_do_one_side_runs_the_guest() {
    for what in ["track", "take dirty", "stop", "save", "give up"] {
        let (ends, _) = attempt(pair(), (Some(what), None));
        let (Err(MigrateError::Guest(error)), Err(MigrateError::Refused(told))) = &ends else {
            panic!("{ends:?}")
        };
        assert!(error.0.contains(what) && told.contains(what), "{ends:?}");
    }
    let (ends, _) = attempt(pair(), (None, Some("load")));
    assert!(matches!(&ends.0, Err(MigrateError::Refused(told)) if told.contains("no state")), "{ends:?}");
    let (ends, _) = attempt(pair(), (None, Some("run")));
    assert!(
        matches!(&ends, (Ok(Sent::Unconfirmed(_)), Ok(Received::Undecided(MigrateError::Guest(_))))),
        "{ends:?}"
    );
}
