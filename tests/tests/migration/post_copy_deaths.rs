//! kill -9 of either worker at every step of post-copy. Before the guest goes on at the destination, it goes on at the source, or ended where
//! its process was killed. From then on each host has a half of it: without the other one the guest is lost, ends at both, and both
//! say so. It never runs twice, and never from a half.

use std::time::Duration;

use reeve_tests::{Run, wait};

use crate::deaths::{ended, moving, one_at_most, pause};
use crate::pair::{Pair, is_active, state, wait_for};
use crate::post_copy::{late, reason};
use crate::{Outcome, PATIENCE};

/// Whose process is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Source,
    Target,
}

impl Victim {
    fn hit(self, pair: &Pair) -> Outcome {
        match self {
            Self::Source => pair.source.kill_worker("guest"),
            Self::Target => pair.target.kill_worker("guest"),
        }
    }
}

/// Whoever moved the guest is told that it is lost. A source sees only that the connection broke, and where the destination's daemon does not
/// say more within seconds, so does its operator.
fn is_told(victim: Victim, said: &str) {
    let broke = matches!(victim, Victim::Target) && said.contains("the connection broke");
    assert!(said.contains("was lost in post-copy") || broke, "{victim:?}: {said}");
}

/// The guest is nowhere, and whoever looks for it is told why.
fn is_lost(pair: &Pair, victim: Victim) -> Outcome {
    wait_for(&pair.target, "absent")?;
    wait_for(&pair.source, "crashed")?;
    if matches!(victim, Victim::Target) {
        assert_eq!(reason(&pair.source)?, "post-copy-failed");
    } else {
        let said = "its source ended before all of its memory was here";
        wait::until("the destination says why", PATIENCE, || pair.target.log().contains(said))?;
    }
    let said = "was lost in post-copy";
    wait::until("the source says why", PATIENCE, || pair.source.log().contains(said))?;
    // It begins anew where it is defined, from its disk.
    pair.source.reeve(&["domain", "start", "guest"])?.ok();
    wait_for(&pair.source, "running")?;
    assert_eq!(state(&pair.target)?, "absent");
    Ok(())
}

#[test]
fn before_the_switch_a_guest_stays_or_ends_where_it_is() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let said = pair.slowly_with(&["--postcopy"], |pair| Victim::Target.hit(pair))?.fails(1);
    assert!(said.contains("stays here"), "{said}");
    wait_for(&pair.target, "absent")?;
    assert_eq!(state(&pair.source)?, "running");
    pair.is_intact(&pair.source)?;
    pair.slowly_with(&["--postcopy"], |pair| Victim::Source.hit(pair))?.fails(1);
    wait_for(&pair.target, "absent")?;
    wait_for(&pair.source, "crashed")
}

#[test]
fn while_pages_come_a_guest_is_lost_with_either_half() -> Outcome {
    for victim in [Victim::Source, Victim::Target] {
        let mut pair = Pair::with_guest(64)?;
        let said = late(&mut pair, |pair| victim.hit(pair))?.fails(1);
        is_told(victim, &said);
        is_lost(&pair, victim)?;
    }
    Ok(())
}

/// The guest is in both halves, and nothing connects them.
fn broken(pair: &mut Pair) -> Outcome {
    let said = late(pair, |pair| {
        pair.source.reeve(&["domain", "domjobabort", "guest", "--postcopy"])?.ok();
        Ok(())
    })?
    .fails(1);
    assert!(said.contains("nothing is lost"), "{said}");
    wait_for(&pair.target, "paused")
}

#[test]
fn after_its_connection_broke_a_guest_is_lost_with_either_half() -> Outcome {
    for victim in [Victim::Source, Victim::Target] {
        let mut pair = Pair::with_guest(64)?;
        broken(&mut pair)?;
        victim.hit(&pair)?;
        is_lost(&pair, victim)?;
    }
    Ok(())
}

#[test]
fn after_its_connection_was_mended_a_guest_is_lost_with_either_half() -> Outcome {
    for victim in [Victim::Source, Victim::Target] {
        let mut pair = Pair::with_guest(64)?;
        broken(&mut pair)?;
        let (root, uri) = (pair.source.root().to_owned(), pair.destination());
        let resuming = std::thread::spawn(move || {
            Run::reeve(&root, &["domain", "migrate", "guest", &uri, "--postcopy-resume"], "", &[])
        });
        wait::until("the guest goes on", PATIENCE, || {
            let job = pair.source.json(&["domain", "domjobinfo", "guest"]);
            job.is_ok_and(|job| job["interrupted"].is_null())
                && state(&pair.target).is_ok_and(|now| now == "running")
        })?;
        victim.hit(&pair)?;
        // Not that it moved.
        let said = ended(resuming)?.fails(1);
        is_told(victim, &said);
        is_lost(&pair, victim)?;
    }
    Ok(())
}

/// Around the switch, and around the end: what is lost is known only when it is over.
#[test]
fn around_the_switch_and_the_end_a_guest_is_on_one_host_or_on_none() -> Outcome {
    for victim in [Victim::Source, Victim::Target] {
        let mut pair = Pair::with_guest(64)?;
        for after_ms in [0, 5, 20, 50, 100, 200, 400, 700] {
            pair.source.reeve(&["domain", "migrate-setspeed", "guest", "4"])?.ok();
            pair.source.reeve(&["domain", "migrate-setspeed", "guest", "64", "--postcopy"])?.ok();
            let moving = moving(&pair, &["--persistent", "--postcopy"]);
            wait::until("the guest moves", PATIENCE, || {
                is_active(&pair.source).unwrap_or(false) && pair.target.worker("guest").is_ok()
            })?;
            pair.source.reeve(&["domain", "migrate-postcopy", "guest"])?.ok();
            pause(Duration::from_millis(after_ms));
            // There may be none yet, or none any more.
            let _ = victim.hit(&pair);
            let run = ended(moving)?;
            let what = format!("{victim:?} killed {after_ms} ms after the switch was asked for");
            println!("{what}: {} {}", run.code, run.stderr.trim());
            one_at_most(&mut pair, Some(&run), &what)?;
        }
    }
    Ok(())
}
