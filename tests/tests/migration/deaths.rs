//! Daemons and workers that die or start again at any moment of a migration: exactly one host runs the guest afterwards.
//!
//! Moments are named by what is there; between two of them they are swept, since what has to hold holds at every one.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reeve_tests::{Daemon, Run, prepare_migration, wait};
use rustix::process::{Pid, Signal};

use crate::pair::{Pair, is_active, say, state, wait_for};
use crate::{Outcome, PATIENCE};

/// MiB of the guest: as many as take a while to move, and not long.
const MEMORY: u64 = 96;
/// How long a process may use no time of the CPU before it stands still.
const STILL: Duration = Duration::from_millis(600);

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    SourceDaemon,
    TargetDaemon,
    SourceWorker,
    TargetWorker,
}

/// How a daemon ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Kill,
    /// As an operator restarts it.
    Restart,
}

/// Ends it, and starts a daemon again.
fn hit(pair: &mut Pair, victim: Victim, way: Way) -> Outcome {
    let daemon = match victim {
        Victim::SourceDaemon => &mut pair.source,
        Victim::TargetDaemon => &mut pair.target,
        Victim::SourceWorker | Victim::TargetWorker => {
            let host = if victim == Victim::SourceWorker { &pair.source } else { &pair.target };
            // There may be none yet, or none any more.
            let _ = host.kill_worker("guest");
            return Ok(());
        }
    };
    match way {
        Way::Kill => daemon.kill()?,
        Way::Restart => daemon.stop()?,
    };
    daemon.launch()
}

/// Moves the guest in a thread of its own.
pub fn moving(pair: &Pair, options: &[&str]) -> JoinHandle<anyhow::Result<Run>> {
    let (root, uri) = (pair.source.root().to_owned(), pair.destination());
    let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    std::thread::spawn(move || {
        let mut arguments = vec!["domain", "migrate", "guest", uri.as_str(), "--live"];
        arguments.extend(options.iter().map(String::as_str));
        Run::reeve(&root, &arguments, "", &[])
    })
}

pub fn ended(moving: JoinHandle<anyhow::Result<Run>>) -> anyhow::Result<Run> {
    moving.join().map_err(|_| anyhow::anyhow!("the migration panicked"))?
}

/// Waits for the moment at which the target makes a worker, and then for so many milliseconds; false when the migration was over before.
fn worker_comes<T>(pair: &Pair, moving: &JoinHandle<T>, after_ms: u64) -> bool {
    while !has_worker(&pair.target) {
        if moving.is_finished() {
            return false;
        }
        pause(Duration::from_micros(200));
    }
    pause(Duration::from_millis(after_ms));
    true
}

pub fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "what is to hold at every moment is looked at at several")]
    std::thread::sleep(time);
}

/// Whether there is anything of a worker at a host.
fn has_worker(daemon: &Daemon) -> bool {
    let domains = std::fs::read_dir(daemon.root().join("run/reeve/domains"));
    domains.is_ok_and(|all| all.flatten().any(|domain| domain.path().join("control").exists()))
}

/// Exactly one host runs the guest and its memory is what it was; that host is the source of the next migration. `run` is what the operator
/// was told.
fn one_runs(pair: &mut Pair, run: Option<&Run>, what: &str) -> Outcome {
    let mut seen = (String::new(), String::new());
    let settled = wait::until("one host runs the guest", PATIENCE, || {
        let (Ok(source), Ok(target)) = (state(&pair.source), state(&pair.target)) else { return false };
        seen = (source, target);
        let over = |state: &str| ["absent", "shut-off", "crashed"].contains(&state);
        match (seen.0.as_str(), seen.1.as_str()) {
            ("running", target) => over(target) && !has_worker(&pair.target),
            (source, "running") => over(source) && !has_worker(&pair.source),
            _ => false,
        }
    });
    anyhow::ensure!(settled.is_ok(), "{what}: source {}, target {}; {run:?}", seen.0, seen.1);
    let moved = seen.1 == "running";
    anyhow::ensure!(
        moved || run.is_none_or(|run| run.code != 0),
        "{what}: said to be moved, and was not: {run:?}"
    );
    if moved {
        pair.turn_around();
    }
    pair.is_intact(&pair.source)
}

/// A worker that ended took the guest with it, or the guest is at the other host.
pub fn one_at_most(pair: &mut Pair, run: Option<&Run>, what: &str) -> Outcome {
    let settled = wait::until("no host does anything any more", PATIENCE, || {
        let over = |daemon: &Daemon| {
            state(daemon).is_ok_and(|state| ["absent", "shut-off", "crashed"].contains(&state.as_str()))
        };
        let none = |daemon: &Daemon| over(daemon) && !has_worker(daemon);
        let runs = |daemon: &Daemon| state(daemon).is_ok_and(|state| state == "running");
        match (runs(&pair.source), runs(&pair.target)) {
            (true, false) => none(&pair.target),
            (false, true) => none(&pair.source),
            (false, false) => none(&pair.source) && none(&pair.target),
            (true, true) => false,
        }
    });
    let (source, target) = (state(&pair.source)?, state(&pair.target)?);
    anyhow::ensure!(settled.is_ok(), "{what}: source {source}, target {target}; {run:?}");
    if source == "running" || target == "running" {
        return one_runs(pair, None, what);
    }
    // Its definition may be at either host.
    if source == "absent" {
        pair.turn_around();
    }
    pair.source.reeve(&["domain", "start", "guest"])?.ok();
    say(&pair.source, "", "reeve-guest: ready")?;
    say(&pair.source, "mem write 77 24\n", "ok write")?;
    say(&pair.source, "disk put 0 3 before-the-move\n", "ok")?;
    Ok(())
}

/// Ends something at several moments after the target began to make a worker.
fn sweep(victim: Victim, way: Way, moments_ms: &[u64], options: &[&str]) -> Outcome {
    let mut pair = Pair::with_guest(MEMORY)?;
    for after in moments_ms {
        let moving = moving(&pair, options);
        if worker_comes(&pair, &moving, *after) {
            hit(&mut pair, victim, way)?;
        }
        let run = ended(moving)?;
        let what = format!("{victim:?} {way:?} after {after} ms with {options:?}");
        match victim {
            Victim::SourceDaemon | Victim::TargetDaemon => one_runs(&mut pair, Some(&run), &what)?,
            Victim::SourceWorker | Victim::TargetWorker => one_at_most(&mut pair, Some(&run), &what)?,
        }
    }
    Ok(())
}

#[test]
fn the_daemon_at_the_destination_is_killed_from_the_first_moment_of_its_worker_on() -> Outcome {
    sweep(Victim::TargetDaemon, Way::Kill, &[0, 3, 6, 10, 15, 20, 30, 45, 70, 120, 250], &[])
}

#[test]
fn the_daemon_at_the_destination_is_restarted_from_the_first_moment_of_its_worker_on() -> Outcome {
    sweep(Victim::TargetDaemon, Way::Restart, &[0, 4, 8, 15, 25, 40, 70, 150], &["--persistent"])
}

#[test]
fn the_daemon_at_the_destination_is_killed_when_the_guest_is_to_run_there_early() -> Outcome {
    let options = ["--postcopy", "--postcopy-after-precopy"];
    sweep(Victim::TargetDaemon, Way::Kill, &[5, 20, 40, 80, 200], &options)
}

#[test]
fn the_daemon_at_the_source_is_killed_from_the_first_moment_of_the_other_worker_on() -> Outcome {
    sweep(Victim::SourceDaemon, Way::Kill, &[0, 10, 25, 60, 150], &[])
}

#[test]
fn the_daemon_at_the_source_is_restarted_from_the_first_moment_of_the_other_worker_on() -> Outcome {
    sweep(Victim::SourceDaemon, Way::Restart, &[0, 20, 60, 150], &[])
}

#[test]
fn workers_are_killed_from_the_first_moment_of_the_one_at_the_destination_on() -> Outcome {
    sweep(Victim::TargetWorker, Way::Kill, &[0, 20, 60, 150], &["--persistent"])?;
    sweep(Victim::SourceWorker, Way::Kill, &[0, 20, 60, 150], &["--persistent"])
}

#[test]
fn a_daemon_that_is_restarted_while_memory_moves_loses_nothing() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    for victim in [Victim::SourceDaemon, Victim::TargetDaemon] {
        let run = pair.slowly(|pair| hit(pair, victim, Way::Restart))?;
        pair.source.reeve(&["domain", "migrate-setspeed", "guest", "0"])?.ok();
        one_runs(&mut pair, Some(&run), &format!("{victim:?} restarted in the rounds"))?;
    }
    Ok(())
}

/// The source's worker waits for its daemon to say that the guest is given up, and the daemon can't: everything is at the destination.
fn undecided(pair: &mut Pair, then: impl FnOnce(&mut Pair) -> Outcome) -> anyhow::Result<Run> {
    pair.source.reeve(&["domain", "migrate-setspeed", "guest", "64"])?.ok();
    let moving = moving(pair, &[]);
    wait::until("the migration begins", PATIENCE, || {
        is_active(&pair.source).unwrap_or(false) || moving.is_finished()
    })?;
    let worker = pair.source.worker("guest");
    pair.source.signal(Signal::STOP)?;
    if let Ok(worker) = worker {
        stands_still(worker)?;
    }
    let done = then(pair);
    // One that was killed has a successor by now.
    pair.source.signal(Signal::CONT)?;
    let run = ended(moving)?;
    done?;
    Ok(run)
}

/// Waits until a process does nothing. Where the guest of it does, this moment is another one, which is as good.
fn stands_still(process: Pid) -> Outcome {
    let stat = format!("/proc/{}/stat", process.as_raw_nonzero());
    let (mut last, mut since) = (String::new(), Instant::now());
    wait::until("the worker stands still", PATIENCE, || {
        let text = std::fs::read_to_string(Path::new(&stat)).unwrap_or_default();
        let used = text.split_whitespace().skip(13).take(2).collect::<Vec<_>>().join(" ");
        if used != last {
            (last, since) = (used, Instant::now());
        }
        since.elapsed() >= STILL
    })
}

#[test]
fn whoever_ends_at_the_hand_over_leaves_one_guest() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    for (victim, way) in [
        (Victim::TargetDaemon, Way::Kill),
        (Victim::TargetDaemon, Way::Restart),
        (Victim::TargetWorker, Way::Kill),
        (Victim::SourceDaemon, Way::Kill),
    ] {
        let run = undecided(&mut pair, |pair| hit(pair, victim, way))?;
        one_runs(&mut pair, Some(&run), &format!("{victim:?} {way:?} at the hand-over"))?;
    }
    Ok(())
}

#[test]
fn a_daemon_that_ends_after_the_move_changes_nothing() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    for (victim, way) in [
        (Victim::TargetDaemon, Way::Kill),
        (Victim::TargetDaemon, Way::Restart),
        (Victim::SourceDaemon, Way::Kill),
        (Victim::SourceDaemon, Way::Restart),
    ] {
        pair.migrate(&["--live"])?.ok();
        hit(&mut pair, victim, way)?;
        wait_for(&pair.target, "running")?;
        one_runs(&mut pair, None, &format!("{victim:?} {way:?} after the move"))?;
    }
    Ok(())
}

/// Has the target make ready for a guest that nobody sends.
fn prepare(pair: &Pair, xml: &str) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let request = prepare_migration(&pair.source, xml);
    runtime.block_on(pair.target.client().prepare_migration(&request))?;
    Ok(())
}

#[test]
fn a_host_that_waits_in_vain_stops_waiting_and_says_meanwhile_that_it_is_the_other_one() -> Outcome {
    /// Less than a source has to connect.
    const SOON: Duration = Duration::from_secs(20);
    let mut pair = Pair::with_guest(64)?;
    let xml = pair.source.reeve(&["domain", "dumpxml", "guest"])?.ok();
    prepare(&pair, &xml)?;
    let run = pair.migrate(&["--live"])?;
    assert!(run.code != 0 && run.stderr.contains("the host at '"), "{run:?}");
    assert!(run.stderr.contains("says: domain 'guest'"), "{run:?}");
    // Its daemon says that it knows of no such migration, then nothing at all.
    wait::until("the host waits no more", SOON, || prepare(&pair, &xml).is_ok())?;
    pair.source.kill()?;
    wait::until("the host waits no more", SOON, || prepare(&pair, &xml).is_ok())?;
    hit(&mut pair, Victim::TargetDaemon, Way::Kill)?;
    prepare(&pair, &xml)?;
    pair.source.launch()?;
    wait::until("the host takes the guest", SOON, || {
        pair.migrate(&["--live"]).is_ok_and(|run| run.code == 0)
    })?;
    one_runs(&mut pair, None, "after nobody came")
}

#[test]
fn a_migration_that_failed_is_tried_again_at_once() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    for _ in 0..3 {
        pair.slowly(|pair| {
            pair.source.reeve(&["domain", "domjobabort", "guest"])?.ok();
            Ok(())
        })?
        .fails(1);
        // Nothing of the other try is in the way.
        pair.source.reeve(&["domain", "migrate-setspeed", "guest", "0"])?.ok();
        pair.migrate(&["--live"])?.ok();
        pair.turn_around();
    }
    pair.is_intact(&pair.source)
}
