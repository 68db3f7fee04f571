//! Memory over several connections: over sockets and TLS, with streams that a strategy adds, that break, and that nobody takes.

use std::net::SocketAddr;

use reeve_model::api::XmlOptions;
use reeve_model::migration::{AddStreams, PrepareMigration, StreamRoute};
use reeve_tests::{Daemon, Options, Run, prepare_migration, test_policy, wait};
use tokio::net::UnixStream;
use uuid::Uuid;

use crate::pair::{NO_GROUPS, Pair, host, say, state, wait_for};
use crate::relay::{Fault, Relay};
use crate::strategy::{count, decisions, load, moved};
use crate::{Outcome, PATIENCE};

const FOUR: [&str; 3] = ["--parallel", "--parallel-connections", "4"];

/// Waits until a round of the guest's memory has gone over so many streams.
fn wait_for_streams(daemon: &Daemon, streams: u64) -> Outcome {
    wait::until("memory goes over all streams", PATIENCE, || {
        daemon.json(&["domain", "domjobinfo", "guest"]).is_ok_and(|job| job["streams"] == streams)
    })
}

/// Moves a guest over four streams that writes all of its pattern again and again meanwhile: a page that came later must not be under an
/// older one that came over another stream.
fn a_writing_guest_moves(mut pair: Pair) -> Outcome {
    let run = pair.slowly_with(&FOUR, |pair| {
        pair.source.reeve(&["domain", "migrate-setspeed", "guest", "2"])?.ok();
        say(&pair.source, "mem write 80 24\n", "ok write")?;
        wait_for_streams(&pair.source, 4)?;
        wait::until("bytes of all streams are counted", PATIENCE, || {
            let job = pair.source.json(&["domain", "domjobinfo", "guest"]);
            job.is_ok_and(|job| job["bytes"].as_u64() > Some(20 << 20))
        })?;
        let shown = pair.source.reeve(&["domain", "domjobinfo", "guest"])?.ok();
        assert!(shown.lines().any(|line| line.split_whitespace().eq(["Connections:", "4"])), "{shown}");
        say(&pair.source, "mem write 81 24\n", "ok write")?;
        pair.source.reeve(&["domain", "migrate-setspeed", "guest", "200"])?.ok();
        Ok(())
    })?;
    run.ok();
    wait_for(&pair.target, "running")?;
    say(&pair.target, "mem verify 81 24\n", "ok verify")?;
    say(&pair.target, "mem write 77 24\n", "ok write")?;
    pair.is_intact(&pair.target)?;
    // And back, as fast as it goes.
    pair.turn_around();
    pair.migrate(&[&["--live", "--compressed"], &FOUR[..]].concat())?.ok();
    pair.is_intact(&pair.target)
}

#[test]
fn a_writing_guest_moves_over_four_sockets() -> Outcome {
    a_writing_guest_moves(Pair::with_guest(64)?)
}

#[test]
fn a_writing_guest_moves_over_four_connections_with_tls() -> Outcome {
    a_writing_guest_moves(Pair::over_tls(64)?)
}

#[test]
fn streams_go_the_way_that_the_first_one_goes() -> Outcome {
    let mut pair = Pair::over_tls(64)?;
    let own = ["--live", "--migrateuri", "tls://127.0.0.3", "--listen-address", "127.0.0.3", "--parallel"];
    pair.migrate(&own)?.ok();
    pair.is_intact(&pair.target)?;
    pair.turn_around();
    let port = format!("tls:127.0.0.1:{}", reeve_tests::free_port("127.0.0.1")?);
    pair.migrate(&[&["--live", "--migrateuri", &port], &FOUR[..]].concat())?.ok();
    pair.is_intact(&pair.target)?;
    pair.turn_around();
    pair.migrate(&[&["--live", "--postcopy", "--postcopy-after-precopy"], &FOUR[..]].concat())?.ok();
    pair.is_intact(&pair.target)
}

/// Hosts on this machine of which the target takes so many streams; the guest runs.
fn taking(streams: u16) -> anyhow::Result<Pair> {
    let config = format!("{NO_GROUPS}[migration]\nmax-streams = {streams}\n");
    let target = Daemon::start_with(Options { config, ..Options::default() })?;
    Pair { source: host()?, target, place: tempfile::tempdir()?, addresses: None }.boot(64)
}

#[test]
fn no_more_streams_than_both_operators_allow() -> Outcome {
    let pair = taking(2)?;
    for (wanted, why) in [
        ("9", "9 connections are more than this host opens for one guest: 8"),
        ("3", "3 connections are more than the destination takes for one guest: 2"),
    ] {
        let run = pair.migrate(&["--live", "--parallel", "--parallel-connections", wanted])?;
        assert!(run.code != 0 && run.stderr.contains(why), "{}", run.stderr);
        assert!(run.stderr.contains("'migration.max-streams'"), "{}", run.stderr);
        assert_eq!((state(&pair.source)?, state(&pair.target)?), ("running".to_owned(), "absent".to_owned()));
    }
    pair.migrate(&["--live", "--parallel"])?.ok();
    pair.is_intact(&pair.target)?;
    let pair = taking(1)?;
    let run = pair.migrate(&["--live", "--parallel"])?;
    assert!(run.code != 0 && run.stderr.contains("over one connection only"), "{}", run.stderr);
    pair.is_intact(&pair.source)
}

#[test]
fn a_destination_counts_what_a_source_asks_for_and_knows_when_it_is_over() -> Outcome {
    let pair = taking(3)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (source, target) = (pair.source.client(), pair.target.client());
    runtime.block_on(async {
        let migration = Uuid::new_v4();
        let more = |count| AddStreams { count, route: StreamRoute::Socket };
        let unknown = target.add_migration_streams(migration, &more(1)).await.unwrap_err();
        assert!(unknown.to_string().contains("no guest comes"), "{unknown}");
        let xml = source.domain_xml("guest", XmlOptions::default()).await?;
        let prepare = PrepareMigration { migration, ..prepare_migration(&pair.source, &xml) };
        let first = UnixStream::connect(target.prepare_migration(&prepare).await?.socket).await?;
        for count in [0, 3, u16::MAX] {
            let refused = target.add_migration_streams(migration, &more(count)).await.unwrap_err();
            let why = if count == 0 { "are none" } else { "over at most 3 connections" };
            assert!(refused.to_string().contains(why), "{refused}");
        }
        let ready = target.add_migration_streams(migration, &more(2)).await?;
        let full = target.add_migration_streams(migration, &more(1)).await.unwrap_err();
        assert!(full.to_string().contains("over at most 3 connections"), "{full}");
        // A stranger at that socket has no place at the guest.
        drop((UnixStream::connect(&ready.socket).await?, UnixStream::connect(&ready.socket).await?, first));
        anyhow::Ok(())
    })?;
    wait_for(&pair.target, "absent")?;
    pair.migrate(&[&["--live"], &["--parallel"][..]].concat())?.ok();
    pair.is_intact(&pair.target)
}

#[test]
fn a_strategy_adds_streams_in_the_middle() -> Outcome {
    let pair = Pair::with_guest(64)?;
    load(&pair.source, &test_policy("steersman")?, r#"{"step": "add-streams", "streams": 1}"#, &[])?;
    moved(&pair, &["--strategy", "steersman"])?;
    let said = decisions(&pair.source, "migration-strategy")?;
    let times = |words: &str| said.iter().filter(|row| row["reason"].to_string().contains(words)).count();
    // It says so until it is told of a round over three.
    assert_eq!((times("round 1: 2 more streams"), times("more streams")), (1, 1), "{said:?}");
    assert_eq!(times("stop and copy"), 1, "{said:?}");
    pair.is_intact(&pair.target)
}

#[test]
fn a_plan_begins_with_the_streams_that_both_take() -> Outcome {
    let pair = taking(3)?;
    load(&pair.source, &test_policy("steersman")?, r#"{"step": "add-streams"}"#, &[])?;
    moved(&pair, &["--strategy", "steersman"])?;
    let said = decisions(&pair.source, "migration-strategy")?;
    let times = |words: &str| said.iter().filter(|row| row["reason"].to_string().contains(words)).count();
    assert_eq!((times("3 streams; cut at"), times("more streams")), (1, 0), "{said:?}");
    pair.is_intact(&pair.target)
}

#[test]
fn a_strategy_whose_streams_nobody_takes_is_told_and_the_guest_moves() -> Outcome {
    let pair = taking(1)?;
    load(&pair.source, &test_policy("steersman")?, r#"{"step": "add-streams", "streams": 1}"#, &[])?;
    moved(&pair, &["--strategy", "steersman"])?;
    let said = decisions(&pair.source, "migration-strategy")?;
    let refused =
        said.iter().filter(|row| row["reason"].to_string().contains("another stream is not offered"));
    assert!(refused.count() >= 2 && count(&said, "steersman", "proposed") >= 4, "{said:?}");
    pair.is_intact(&pair.target)
}

#[test]
fn a_guest_stays_when_one_of_its_streams_breaks() -> Outcome {
    let pair = Pair::over_tls(64)?;
    let place = pair.destination();
    let at: SocketAddr = place.trim_start_matches("qemu+tls://").trim_end_matches("/system").parse()?;
    let relay = Relay::start(&at.ip().to_string(), at, Fault::CutNewest(1 << 20))?;
    let uri = format!("qemu+tls://{}/system", relay.at);
    let said = pair.migrate_to(&uri, &[&["--live"], &FOUR[..]].concat())?.fails(1);
    assert!(relay.has_failed(), "{said}");
    assert!(said.contains("of the guest's memory is lost") && said.contains("stays here"), "{said}");
    assert_eq!(state(&pair.source)?, "running");
    wait_for(&pair.target, "absent")?;
    pair.is_intact(&pair.source)?;
    pair.migrate(&[&["--live"], &FOUR[..]].concat())?.ok();
    pair.is_intact(&pair.target)
}

#[test]
fn a_migration_is_given_up_before_its_streams_are_open() -> Outcome {
    // The first words to the other host, what it is asked, a connection among several, the first pages.
    for byte in (0..5).map(|number| number << 11) {
        let pair = Pair::over_tls(64)?;
        let place = pair.destination();
        let at: SocketAddr = place.trim_start_matches("qemu+tls://").trim_end_matches("/system").parse()?;
        let relay = Relay::start(&at.ip().to_string(), at, Fault::Stall(byte))?;
        let (root, uri) = (pair.source.root().to_owned(), format!("qemu+tls://{}/system", relay.at));
        let moving = std::thread::spawn(move || {
            let arguments = [&["domain", "migrate", "guest", uri.as_str(), "--live"], &FOUR[..]].concat();
            Run::reeve(&root, &arguments, "", &[])
        });
        wait::until("nothing goes over", PATIENCE, || relay.has_failed() || moving.is_finished())?;
        assert!(relay.has_failed(), "{byte} bytes: {:?}", moving.join());
        pair.source.reeve(&["domain", "domjobabort", "guest"])?.ok();
        let said = moving.join().map_err(|_| anyhow::anyhow!("the migration panicked"))??.fails(1);
        assert!(said.contains("stays here") && said.contains("an operator ended it"), "{byte} bytes: {said}");
        assert_eq!(state(&pair.source)?, "running");
        pair.is_intact(&pair.source)?;
    }
    Ok(())
}
