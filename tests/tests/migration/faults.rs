//! kill -9 in the middle: one host runs the guest, or it ended where its process was killed; never two.

use rustix::process::{Signal, kill_process};

use crate::pair::{Pair, state, wait_for};
use crate::{Outcome, PATIENCE};

#[test]
fn the_guest_stays_when_the_worker_at_the_destination_is_killed() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let run = pair.slowly(|pair| pair.target.kill_worker("guest"))?;
    assert!(run.fails(1).contains("stays here"));
    wait_for(&pair.target, "absent")?;
    assert_eq!(state(&pair.source)?, "running");
    pair.is_intact(&pair.source)
}

#[test]
fn nothing_is_left_at_the_destination_when_the_worker_at_the_source_is_killed() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    pair.slowly(|pair| pair.source.kill_worker("guest"))?.fails(1);
    wait_for(&pair.target, "absent")?;
    wait_for(&pair.source, "crashed")?;
    pair.source.reeve(&["domain", "start", "guest"])?.ok();
    Ok(())
}

#[test]
fn the_guest_stays_when_the_daemon_at_the_source_is_killed() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    pair.slowly(|pair| {
        pair.source.kill()?;
        pair.source.launch()
    })?
    .fails(1);
    wait_for(&pair.target, "absent")?;
    wait_for(&pair.source, "running")?;
    pair.is_intact(&pair.source)?;
    pair.source.reeve(&["domain", "migrate-setspeed", "guest", "0"])?.ok();
    pair.migrate(&["--live"])?.ok();
    pair.is_intact(&pair.target)
}

#[test]
fn the_guest_arrives_although_the_daemon_at_the_destination_is_killed() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    pair.slowly(|pair| {
        pair.target.kill()?;
        pair.target.launch()
    })?
    .ok();
    wait_for(&pair.target, "running")?;
    assert_eq!(state(&pair.source)?, "shut-off");
    pair.is_intact(&pair.target)
}

/// The note is the decision: where it can't be made the guest is not given away, and does not stand still because of that.
#[test]
fn the_guest_stays_when_its_hand_over_can_not_be_noted() -> Outcome {
    let pair = Pair::with_guest(64)?;
    let journal = rusqlite::Connection::open(pair.source.root().join("var/lib/reeve/state.db"))?;
    journal.busy_timeout(PATIENCE)?;
    journal.execute_batch(
        "CREATE TRIGGER refuse BEFORE UPDATE ON journal WHEN NEW.step = 'hand-over'
         BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
    )?;
    assert!(pair.migrate(&["--live"])?.fails(1).contains("the disk is full"));
    wait_for(&pair.target, "absent")?;
    assert_eq!(state(&pair.source)?, "running");
    pair.is_intact(&pair.source)?;
    journal.execute_batch("DROP TRIGGER refuse")?;
    pair.migrate(&["--live"])?.ok();
    assert_eq!(state(&pair.source)?, "shut-off");
    pair.is_intact(&pair.target)
}

#[test]
fn a_guest_whose_source_dies_whole_is_never_run_twice() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    pair.slowly(|pair| {
        let worker = pair.source.worker("guest")?;
        pair.source.kill()?;
        kill_process(worker, Signal::KILL)?;
        wait_for(&pair.target, "absent")?;
        pair.source.launch()
    })?
    .fails(1);
    assert_ne!(state(&pair.source)?, "running");
    Ok(())
}
