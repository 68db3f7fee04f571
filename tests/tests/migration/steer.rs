//! What operators say to a guest that moves, and what they see of it meanwhile.

use std::time::{Duration, Instant};

use reeve_model::migration::{Migrate, MigrationLimits};
use reeve_tests::{Daemon, Run, wait};
use serde_json::Value;

use crate::bad_network::stalled;
use crate::pair::{Pair, say, state, wait_for};
use crate::{Outcome, PATIENCE};

/// What takes no longer than this did not wait for a guest that moves: that takes longer, or for ever.
const AT_ONCE: Duration = Duration::from_secs(20);

fn limits(daemon: &Daemon) -> anyhow::Result<MigrationLimits> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(daemon.client().migration_limits("guest"))?)
}

fn job(daemon: &Daemon) -> anyhow::Result<Value> {
    daemon.json(&["domain", "domjobinfo", "guest"])
}

/// What was refused because of what goes on is no fault of the host.
fn not_now(run: Run) -> String {
    let said = run.fails(6);
    assert!(!said.contains("fault of the host"), "{said}");
    said
}

#[test]
fn a_migration_that_is_refused_changes_nothing_about_the_one_that_runs() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let run = pair.slowly_with(&["--postcopy"], |pair| {
        let uri = pair.destination();
        let before = limits(&pair.source)?;
        assert!(before.post_copy && before.bandwidth_mib == 4, "{before:?}");
        let more = ["--live", "--bandwidth", "77", "--compressed", "--auto-converge"];
        let arguments = [&["domain", "migrate", "guest", uri.as_str()], &more[..]].concat();
        not_now(pair.source.reeve(&arguments)?);
        assert_eq!(limits(&pair.source)?, before);
        pair.source.reeve(&["domain", "migrate-postcopy", "guest"])?.ok();
        Ok(())
    })?;
    run.ok();
    wait_for(&pair.target, "running")?;
    pair.is_intact(&pair.target)
}

#[test]
fn what_one_migration_is_asked_for_is_not_what_the_next_one_does() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let options = ["--bandwidth", "5", "--compressed", "--auto-converge", "--postcopy"];
    let run = pair.slowly_with(&options, |pair| {
        let now = limits(&pair.source)?;
        assert!(now.compress && now.post_copy && now.max_throttle > 0, "{now:?}");
        assert!(pair.source.reeve(&["domain", "migrate-getspeed", "guest"])?.ok().contains("5 MiB/s"));
        // For the domain, and for what runs, which goes on as it was asked otherwise.
        pair.source.reeve(&["domain", "migrate-setmaxdowntime", "guest", "200"])?.ok();
        assert_eq!(limits(&pair.source)?, MigrationLimits { max_downtime_ms: 200, ..now });
        pair.source.reeve(&["domain", "domjobabort", "guest"])?.ok();
        Ok(())
    })?;
    run.fails(1);
    let own = MigrationLimits { bandwidth_mib: 4, max_downtime_ms: 200, ..MigrationLimits::default() };
    wait::until("only the domain's own limits are left", PATIENCE, || {
        limits(&pair.source).is_ok_and(|limits| limits == own)
    })?;
    pair.is_intact(&pair.source)
}

#[test]
fn a_guest_that_moves_is_destroyed_at_once() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let run = pair.slowly(|pair| {
        let begun = Instant::now();
        let said = pair.source.reeve(&["domain", "destroy", "guest"])?.ok();
        assert!(begun.elapsed() < AT_ONCE, "{:?}: {said}", begun.elapsed());
        Ok(())
    })?;
    let said = not_now(run);
    assert!(said.contains("destroyed"), "{said}");
    assert_eq!(state(&pair.source)?, "shut-off");
    assert_eq!(pair.source.json(&["domain", "info", "guest"])?["reason"], "destroyed");
    wait_for(&pair.target, "absent")
}

#[test]
fn a_guest_that_moves_is_destroyed_at_once_although_the_network_is_silent() -> Outcome {
    let pair = Pair::over_tls(64)?;
    let (relay, moving) = stalled(&pair)?;
    let begun = Instant::now();
    pair.source.reeve(&["domain", "destroy", "guest"])?.ok();
    // The other host's silence would be taken for 30 seconds.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let run = moving.join().map_err(|_| anyhow::anyhow!("the migration panicked"))??;
    not_now(run);
    assert_eq!(state(&pair.source)?, "shut-off");
    drop(relay);
    wait_for(&pair.target, "absent")
}

#[test]
fn a_guest_that_comes_is_destroyed_at_its_destination_and_stays_where_it_was() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let run = pair.slowly(|pair| {
        pair.target.reeve(&["domain", "destroy", "guest"])?.ok();
        Ok(())
    })?;
    let said = run.fails(1);
    assert!(said.contains("stays here"), "{said}");
    wait_for(&pair.target, "absent")?;
    assert_eq!(state(&pair.source)?, "running");
    pair.is_intact(&pair.source)
}

/// However close to the hand-over: it is ended, or the answer says where it runs.
#[test]
fn whoever_destroys_a_guest_that_may_have_gone_is_told_where_it_is() -> Outcome {
    let pair = Pair::with_guest(64)?;
    pair.source.reeve(&["domain", "migrate-setspeed", "guest", "20"])?.ok();
    // Pages of 16384: each time a little later.
    for pages in [0, 12_000, 14_500, 15_500, 16_000, 16_200] {
        let (root, uri) = (pair.source.root().to_owned(), pair.destination());
        let moving = std::thread::spawn(move || {
            Run::reeve(&root, &["domain", "migrate", "guest", &uri, "--live", "--persistent"], "", &[])
        });
        wait::until("the guest moves", PATIENCE, || {
            let far = job(&pair.source).is_ok_and(|job| job["pages"].as_u64().unwrap_or(0) >= pages);
            far && pair.target.worker("guest").is_ok() || moving.is_finished()
        })?;
        let run = pair.source.reeve(&["domain", "destroy", "guest"])?;
        let moved = moving.join().map_err(|_| anyhow::anyhow!("the migration panicked"))??;
        println!("{pages}: {} {}: {} {}", run.code, run.stderr, moved.code, moved.stderr);
        if moved.code == 0 {
            let said = not_now(run);
            let is_told = said.contains("it was given to the host at") && said.contains(&pair.destination());
            // Where the migration was over before anybody destroyed it.
            assert!(is_told || said.contains("is not running"), "{said}");
            wait_for(&pair.target, "running")?;
            pair.target.reeve(&["domain", "destroy", "guest"])?.ok();
        } else {
            run.ok();
        }
        assert_eq!(state(&pair.source)?, "shut-off");
        wait::until("it runs nowhere", PATIENCE, || {
            state(&pair.target).is_ok_and(|state| state == "absent" || state == "shut-off")
        })?;
        if state(&pair.target)? == "shut-off" {
            pair.target.reeve(&["domain", "undefine", "guest"])?.ok();
        }
        pair.source.reeve(&["domain", "start", "guest"])?.ok();
        say(&pair.source, "", "reeve-guest: ready")?;
        say(&pair.source, "mem write 77 24\n", "ok write")?;
    }
    Ok(())
}

#[test]
fn a_time_out_stops_a_guest_in_the_middle_of_a_round() -> Outcome {
    let pair = Pair::with_guest(64)?;
    // Its first round would take 24 seconds at least.
    pair.source.reeve(&["domain", "migrate-setspeed", "guest", "1"])?.ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let request = Migrate {
        destination: pair.destination(),
        suspend_after_s: Some(1),
        streams: Some(2),
        ..Migrate::default()
    };
    let moved = runtime.block_on(pair.source.client().migrate_domain("guest", &request))?;
    println!("{moved:?}");
    assert!(moved.total_ms > 1000.0 && moved.total_ms < 20_000.0, "{moved:?}");
    pair.is_intact(&pair.target)
}

#[test]
fn how_far_a_round_is_is_seen_while_it_goes_on() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let run = pair.slowly_with(&["--verbose"], |pair| {
        wait::until("the first round is seen", PATIENCE, || {
            let Ok(job) = job(&pair.source) else { return false };
            let number = |name: &str| job[name].as_u64().unwrap_or(0);
            let (pages, left) = (number("pages"), number("dirty_pages"));
            assert!(number("round") == 0, "nobody saw the first round: {job}");
            pages > 0 && left > 0 && pages + left >= 16_000 && number("elapsed_ms") > 0 && number("bytes") > 0
        })?;
        Ok(())
    })?;
    let said = format!("{}{}", run.stderr, run.stdout);
    run.ok();
    assert!(said.contains("round 1 goes on: "), "{said}");
    pair.is_intact(&pair.target)
}

#[test]
fn what_can_not_be_said_now_is_no_fault_of_the_host() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    for words in [["migrate-setspeed", "99999999999"], ["migrate-setmaxdowntime", "99999999999"]] {
        let said = pair.source.reeve(&["domain", words[0], "guest", words[1]])?.fails(7);
        assert!(said.contains("at most"), "{said}");
    }
    let said = not_now(pair.source.reeve(&["domain", "domjobabort", "guest"])?);
    assert!(said.contains("could not be kept here: no migration is under way"), "{said}");
    not_now(pair.source.reeve(&["domain", "migrate-postcopy", "guest"])?);
    let run = pair.slowly(|pair| {
        // It is to last for longer than whoever waits for it.
        pair.source.reeve(&["domain", "migrate-setspeed", "guest", "1"])?.ok();
        for verb in ["inject-nmi", "suspend", "save", "shutdown"] {
            let file = pair.place.path().join("save").display().to_string();
            let more: &[&str] = if verb == "save" { &[&file] } else { &[] };
            let begun = Instant::now();
            let run = pair.source.reeve(&[&["domain", verb, "guest"], more].concat())?;
            if verb != "inject-nmi" || run.code != 0 {
                let said = not_now(run);
                println!("{verb}: {said}");
                assert!(said.contains("migrated"), "{verb}: {said}");
            }
            assert!(begun.elapsed() < AT_ONCE, "{verb} waited for {:?}", begun.elapsed());
        }
        pair.source.reeve(&["domain", "domjobabort", "guest"])?.ok();
        Ok(())
    })?;
    run.fails(1);
    pair.is_intact(&pair.source)
}

#[test]
fn a_document_of_another_guest_is_refused_before_anything_begins() -> Outcome {
    let pair = Pair::with_guest(64)?;
    let document = pair.source.reeve(&["domain", "xml", "guest"])?.ok();
    let file = pair.place.path().join("other.xml");
    let changes = [
        ("<vcpu>1</vcpu>", "<vcpu>2</vcpu>"),
        ("<target dev='vda' bus='virtio'/>", "<target dev='vda' bus='virtio'/><readonly/>"),
    ];
    for (old, new) in changes {
        let (plain, quoted) = (old.replace('\'', "\""), new.replace('\'', "\""));
        let changed = document.replace(old, new).replace(&plain, &quoted);
        assert_ne!(changed, document, "{document}");
        std::fs::write(&file, changed)?;
        let said = pair.migrate(&["--live", "--xml", &file.display().to_string()])?.fails(7);
        assert!(said.contains("its guest knows of"), "{said}");
    }
    assert_eq!((state(&pair.source)?, state(&pair.target)?), ("running".to_owned(), "absent".to_owned()));
    std::fs::write(&file, document)?;
    pair.migrate(&["--live", "--xml", &file.display().to_string()])?.ok();
    pair.is_intact(&pair.target)
}
