//! Networks that are slow, break off or damage what they carry: the guest is on one host, whole, whatever happens when.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reeve_tests::{Run, wait};

use crate::pair::{HOSTS, Pair, is_active, state};
use crate::post_copy::{has_moved, late};
use crate::relay::{Fault, Relay};
use crate::{Outcome, PATIENCE};

/// A network between the source and the target of a pair; the target's address in it.
pub fn between(pair: &Pair, fault: Fault) -> anyhow::Result<(Relay, String)> {
    let place = pair.destination();
    let at: SocketAddr = place.trim_start_matches("qemu+tls://").trim_end_matches("/system").parse()?;
    let relay = Relay::start(&at.ip().to_string(), at, fault)?;
    let uri = format!("qemu+tls://{}/system", relay.at);
    Ok((relay, uri))
}

/// Waits until one host has the guest and the other none; the host that has it.
fn settled(pair: &Pair) -> anyhow::Result<bool> {
    let states = || -> anyhow::Result<(String, String)> { Ok((state(&pair.source)?, state(&pair.target)?)) };
    let mut last = (String::new(), String::new());
    wait::until("one host has the guest", PATIENCE, || {
        last = states().unwrap_or_default();
        let running = [&last.0, &last.1].iter().filter(|state| state.as_str() == "running").count();
        let gone = |state: &str| matches!(state, "absent" | "shut-off");
        running == 1 && (gone(&last.0) || gone(&last.1))
    })
    .map_err(|error| error.context(format!("{last:?}")))?;
    Ok(last.1 == "running")
}

#[test]
fn a_slow_network_moves_a_guest_all_the_same() -> Outcome {
    let pair = Pair::over_tls(64)?;
    let (relay, uri) = between(&pair, Fault::Slow(4 << 20))?;
    let said = pair.migrate_to(&uri, &["--live"])?.ok();
    println!("{said}: {} bytes", relay.carried());
    assert!(settled(&pair)?);
    pair.is_intact(&pair.target)
}

#[test]
fn a_network_that_breaks_off_leaves_one_guest() -> Outcome {
    let mut pair = Pair::over_tls(64)?;
    let (relay, uri) = between(&pair, Fault::Nothing)?;
    pair.migrate_to(&uri, &["--live", "--persistent"])?.ok();
    let all = relay.carried();
    pair.is_intact(&pair.target)?;
    pair.turn_around();
    let mut moved = 0;
    // While both greet each other, ask to make ready, in rounds, and around the end; the end is not at the same byte each time.
    let places =
        [10, 1000, 3000, 8000, all / 4, all / 2, all * 9 / 10, all - 30_000, all - 5000, all - 300, all - 60];
    for at in places {
        let (relay, uri) = between(&pair, Fault::Cut(at))?;
        let run = pair.migrate_to(&uri, &["--live", "--persistent"])?;
        let at_target = settled(&pair)?;
        println!(
            "cut at {at} of {all} ({}): code {}, moved {at_target}: {}",
            relay.has_failed(),
            run.code,
            run.stderr.trim()
        );
        if relay.has_failed() && at < all / 2 {
            assert!(run.code != 0 && !at_target, "cut at {at}");
        }
        let host = if at_target { &pair.target } else { &pair.source };
        pair.is_intact(host)?;
        if at_target {
            moved += 1;
            pair.turn_around();
        }
    }
    println!("{moved} of {} moved", places.len());
    Ok(())
}

/// A network that has fallen silent, and the migration over it.
pub fn stalled(pair: &Pair) -> anyhow::Result<(Relay, JoinHandle<anyhow::Result<Run>>)> {
    let (relay, uri) = between(pair, Fault::Stall(1 << 20))?;
    let root = pair.source.root().to_owned();
    let moving = std::thread::spawn(move || {
        Run::reeve(&root, &["domain", "migrate", "guest", &uri, "--live"], "", &[])
    });
    wait::until("nothing goes over any more", PATIENCE, || {
        relay.has_failed() && is_active(&pair.source).unwrap_or(false)
    })?;
    Ok((relay, moving))
}

#[test]
fn an_operator_ends_a_migration_at_once_although_the_network_is_silent() -> Outcome {
    let pair = Pair::over_tls(64)?;
    let (_relay, moving) = stalled(&pair)?;
    let begun = Instant::now();
    pair.source.reeve(&["domain", "domjobabort", "guest"])?.ok();
    let run = moving.join().map_err(|_| anyhow::anyhow!("the migration panicked"))??;
    assert!(run.fails(1).contains("an operator ended it"));
    // The other host's silence would be taken for 30 seconds.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    pair.is_intact(&pair.source)
}

#[test]
fn a_bit_that_turns_over_is_seen() -> Outcome {
    let mut pair = Pair::over_tls(64)?;
    let (relay, uri) = between(&pair, Fault::Nothing)?;
    pair.migrate_to(&uri, &["--live", "--persistent"])?.ok();
    let all = relay.carried();
    pair.turn_around();
    // While both greet each other, ask to make ready, in rounds, and around the end; the end is not at the same byte each time.
    for at in [10, 1000, 3000, 8000, 100_000, 300_000, all / 2, all * 9 / 10, all - 5000, all - 300, all - 60]
    {
        let (relay, uri) = between(&pair, Fault::Flip(at))?;
        let run = pair.migrate_to(&uri, &["--live", "--persistent"])?;
        let at_target = settled(&pair)?;
        println!("a bit at {at} of {all} ({}): code {}, moved {at_target}", relay.has_failed(), run.code);
        if relay.has_failed() && at < all / 2 {
            assert!(run.code != 0 && !at_target, "a bit at {at}");
        }
        if (100_000..all / 2).contains(&at) {
            assert!(run.stderr.contains("stays here"), "{}", run.stderr);
        }
        pair.is_intact(if at_target { &pair.target } else { &pair.source })?;
        if at_target {
            pair.turn_around();
        }
    }
    Ok(())
}

/// The source reaches the target over a network with a fault.
fn over(pair: &mut Pair, fault: Fault) -> anyhow::Result<Relay> {
    let (relay, uri) = between(pair, fault)?;
    let source = format!("qemu+tls://{}/system", HOSTS[0]);
    pair.addresses = Some((source, uri));
    Ok(relay)
}

#[test]
fn a_bit_that_turns_over_in_post_copy_breaks_the_connection_and_no_more() -> Outcome {
    let mut pair = Pair::over_tls(64)?;
    let relay = over(&mut pair, Fault::Nothing)?;
    let said = late(&mut pair, |_| {
        relay.flip();
        wait::until("a bit has turned over", PATIENCE, || relay.has_failed())
    })?
    .fails(1);
    assert!(said.contains("nothing is lost"), "{said}");
    println!("{}", pair.migrate(&["--postcopy-resume"])?.ok());
    has_moved(&pair)
}

#[test]
fn over_a_slow_network_a_guest_moves_by_post_copy_and_over_several_streams() -> Outcome {
    for options in [
        &["--live", "--postcopy", "--postcopy-after-precopy"][..],
        &["--live", "--parallel", "--parallel-connections", "4"],
    ] {
        let mut pair = Pair::over_tls(64)?;
        let _relay = over(&mut pair, Fault::Slow(4 << 20))?;
        println!("{}", pair.migrate(options)?.ok());
        has_moved(&pair)?;
    }
    Ok(())
}
