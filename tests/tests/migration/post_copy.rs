//! Post-copy: the guest goes on at its destination before all of its memory is there.

use std::fs::File;
use std::sync::mpsc::sync_channel;

use reeve_tests::{Daemon, Run, wait};
use rustix::fs::{FlockOperation, flock};

use crate::pair::{Pair, say, state, wait_for};
use crate::{Outcome, PATIENCE};

/// Why the guest is in its state.
pub fn reason(daemon: &Daemon) -> anyhow::Result<String> {
    let row = daemon.json(&["domain", "info", "guest"])?;
    Ok(row["reason"].as_str().unwrap_or_default().to_owned())
}

pub fn is_late(daemon: &Daemon) -> bool {
    daemon.json(&["domain", "domjobinfo", "guest"]).is_ok_and(|job| job["post_copy"] == true)
}

/// Moves a guest by post-copy in a thread of its own, slowly, and does something while it is at that.
pub fn late(pair: &mut Pair, during: impl FnOnce(&mut Pair) -> Outcome) -> anyhow::Result<Run> {
    pair.source.reeve(&["domain", "migrate-setspeed", "guest", "4", "--postcopy"])?.ok();
    let said = pair.source.reeve(&["domain", "migrate-getspeed", "guest", "--postcopy"])?.ok();
    assert!(said.contains("4 MiB/s"), "{said}");
    let run = pair.slowly_with(&["--postcopy"], |pair| {
        let switched = pair.source.reeve(&["domain", "migrate-postcopy", "guest"])?;
        assert!(switched.code == 0 && switched.stderr.contains("goes on"), "{switched:?}");
        wait::until("the guest goes on at the destination", PATIENCE, || {
            is_late(&pair.source) && state(&pair.target).is_ok_and(|state| state == "running")
        })?;
        during(pair)
    })?;
    Ok(run)
}

/// The guest is at the target with all that is in it, and nowhere else.
pub fn has_moved(pair: &Pair) -> Outcome {
    wait_for(&pair.target, "running")?;
    wait_for(&pair.source, "shut-off")?;
    pair.is_intact(&pair.target)
}

#[test]
fn a_guest_that_writes_a_gibibyte_a_second_moves_by_post_copy() -> Outcome {
    let pair = Pair::with_guest(256)?;
    say(&pair.source, "dirty 1000 128 15\n", "")?;
    pair.source.reeve(&["domain", "migrate-setmaxdowntime", "guest", "1"])?.ok();
    println!("{}", pair.migrate(&["--live", "--postcopy", "--postcopy-after-precopy"])?.ok());
    wait_for(&pair.target, "running")?;
    assert_eq!(state(&pair.source)?, "shut-off");
    // It looks at what it wrote the round before.
    say(&pair.target, "", "ok pages=")?;
    say(&pair.target, "mem write 77 24\n", "ok write")?;
    pair.is_intact(&pair.target)
}

#[test]
fn an_operator_lets_a_guest_go_on_at_once_and_sees_it() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    late(&mut pair, |pair| {
        assert_eq!((state(&pair.source)?, reason(&pair.source)?), ("paused".into(), "post-copy".into()));
        let said = pair.source.reeve(&["domain", "domjobinfo", "guest"])?.ok();
        assert!(said.contains("migration, post-copy") && said.contains("Pages remaining"), "{said}");
        pair.target.reeve(&["domain", "suspend", "guest"])?.fails(6);
        // It uses memory that did not come yet.
        pair.is_intact(&pair.target)
    })?
    .ok();
    has_moved(&pair)
}

#[test]
fn a_time_out_lets_it_go_on() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let options = ["--postcopy", "--timeout", "1", "--timeout-postcopy", "--postcopy-bandwidth", "0"];
    pair.slowly_with(&options, |_| Ok(()))?.ok();
    has_moved(&pair)
}

#[test]
fn post_copy_goes_on_after_its_connection_broke() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let run = late(&mut pair, |pair| {
        pair.source.reeve(&["domain", "domjobabort", "guest", "--postcopy"])?.ok();
        Ok(())
    })?;
    let said = run.fails(1);
    assert!(said.contains("nothing is lost") && said.contains("--postcopy-resume"), "{said}");
    wait_for(&pair.target, "paused")?;
    assert_eq!(reason(&pair.target)?, "post-copy-failed");
    assert_eq!((state(&pair.source)?, reason(&pair.source)?), ("paused".into(), "post-copy".into()));
    assert!(pair.source.reeve(&["domain", "domjobinfo", "guest"])?.ok().contains("Interrupted:"));
    // Neither half can be run, and the daemons may end meanwhile.
    pair.source.reeve(&["domain", "resume", "guest"])?.fails(6);
    pair.target.reeve(&["domain", "resume", "guest"])?.fails(6);
    pair.source.kill()?;
    pair.source.launch()?;
    pair.target.kill()?;
    pair.target.launch()?;
    wait::until("the source's daemon knows of it", PATIENCE, || {
        reason(&pair.source).is_ok_and(|reason| reason == "post-copy")
    })?;
    wait::until("the destination's daemon knows of it", PATIENCE, || {
        reason(&pair.target).is_ok_and(|reason| reason == "post-copy-failed")
    })?;
    println!("{}", pair.migrate(&["--postcopy-resume"])?.ok());
    has_moved(&pair)?;
    pair.turn_around();
    pair.source.reeve(&["domain", "migrate", "guest", &pair.destination(), "--postcopy-resume"])?.fails(6);
    Ok(())
}

#[test]
fn post_copy_outlives_the_daemon_at_the_source() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    late(&mut pair, |pair| {
        pair.source.kill()?;
        pair.source.launch()
    })?
    .fails(1);
    has_moved(&pair)
}

#[test]
fn post_copy_outlives_the_daemon_at_the_destination() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    late(&mut pair, |pair| {
        pair.target.kill()?;
        pair.target.launch()
    })?
    .ok();
    has_moved(&pair)
}

#[test]
fn a_daemon_that_relays_and_is_killed_breaks_the_connection_and_no_more() -> Outcome {
    let mut pair = Pair::over_tls(64)?;
    let run = late(&mut pair, |pair| {
        pair.target.kill()?;
        pair.target.launch()
    })?;
    assert!(run.fails(1).contains("nothing is lost"));
    println!("{}", pair.migrate(&["--postcopy-resume"])?.ok());
    has_moved(&pair)
}

#[test]
fn a_guest_whose_destination_dies_before_it_ran_goes_on_at_its_source() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    // The destination gets the guest, and can't run it while somebody else has its disk.
    for _ in 0..30 {
        // It has the definition, if the guest was there before.
        let before = state(&pair.target)?;
        let disk = File::options().read(true).write(true).open(pair.disk())?;
        let (told, locked) = sync_channel(1);
        std::thread::spawn(move || {
            // As soon as the source lets go of it.
            let locked = flock(&disk, FlockOperation::LockExclusive).map(|()| disk);
            let _ = told.send(locked);
        });
        let (root, uri) = (pair.source.root().to_owned(), pair.destination());
        let moving = std::thread::spawn(move || {
            Run::reeve(&root, &["domain", "migrate", "guest", &uri, "--live"], "", &[])
        });
        let mut disk = None;
        wait::until("somebody has the disk", PATIENCE, || {
            disk = locked.try_recv().ok();
            disk.is_some() || moving.is_finished()
        })?;
        let Some(disk) = disk else {
            // The destination was faster: once more, the other way.
            moving.join().map_err(|_| anyhow::anyhow!("the migration panicked"))??.ok();
            wait_for(&pair.target, "running")?;
            pair.turn_around();
            continue;
        };
        pair.target.kill_worker("guest")?;
        drop(disk?);
        let run = moving.join().map_err(|_| anyhow::anyhow!("the migration panicked"))??;
        assert!(run.fails(1).contains("stays here"));
        wait_for(&pair.source, "running")?;
        // What it had a definition of was killed while it came.
        wait::until("the destination has none", PATIENCE, || {
            state(&pair.target).is_ok_and(|now| now == before || before == "shut-off" && now == "crashed")
        })?;
        return pair.is_intact(&pair.source);
    }
    anyhow::bail!("the destination was always faster")
}
