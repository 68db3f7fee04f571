//! Guests that move between hosts over TLS, and hosts that are not believed.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use reeve_tests::{Authority, Daemon, Options, Run, free_port, wait};

use crate::pair::{HOSTS, Pair, network_config, state, wait_for};
use crate::{Outcome, PATIENCE};

#[test]
fn a_guest_moves_over_tls_there_and_back() -> Outcome {
    let mut pair = Pair::over_tls(64)?;
    let itself = pair.addresses.clone().unwrap().0;
    let here = pair.source.reeve(&["domain", "migrate", "guest", &itself])?.fails(7);
    assert!(here.contains("this host itself"), "{here}");
    println!("{}", pair.migrate(&["--live", "--persistent", "--undefinesource", "--p2p"])?.ok());
    assert_eq!((state(&pair.source)?, state(&pair.target)?), ("absent".to_owned(), "running".to_owned()));
    assert_eq!(pair.target.json(&["domain", "info", "guest"])?["reason"], "migrated");
    pair.is_intact(&pair.target)?;
    pair.turn_around();
    // Over a connection of its own, at an address that is not that of the daemon.
    let own = ["--live", "--migrateuri", "tls://127.0.0.3", "--listen-address", "127.0.0.3"];
    println!("{}", pair.migrate(&own)?.ok());
    assert_eq!(state(&pair.target)?, "running");
    pair.is_intact(&pair.target)?;
    pair.turn_around();
    println!("{}", pair.migrate(&["--live", "--tunnelled"])?.ok());
    pair.is_intact(&pair.target)
}

#[test]
fn a_tunnel_goes_through_the_daemons_on_one_machine_too() -> Outcome {
    let pair = Pair::with_guest(64)?;
    pair.migrate(&["--live", "--tunnelled"])?.ok();
    assert_eq!(state(&pair.target)?, "running");
    pair.is_intact(&pair.target)
}

#[test]
fn an_idle_guest_of_256_mib_stands_still_for_milliseconds_over_tls() -> Outcome {
    let mut pair = Pair::over_tls(256)?;
    for _ in 0..4 {
        let uri = pair.destination();
        let moved = pair.source.json(&["domain", "migrate", "guest", &uri, "--live", "--persistent"])?;
        println!(
            "idle 256 MiB over TLS: downtime {} ms, total {} ms",
            moved["downtime_ms"], moved["total_ms"]
        );
        pair.turn_around();
    }
    pair.is_intact(&pair.source)
}

#[test]
fn without_tls_a_guest_goes_only_where_both_hosts_say_so() -> Outcome {
    let place = tempfile::tempdir()?;
    let authority = Authority::new()?;
    for host in HOSTS {
        authority.issue(&place.path().join(host), host, 2090)?;
    }
    let mut pair = Pair::with_certificates(place, "unencrypted = false")?.boot(64)?;
    for options in [&["--direct"][..], &["--migrateuri", "tcp://127.0.0.2"]] {
        let refused = pair.migrate(options)?.fails(4);
        assert!(refused.contains("without TLS") && refused.contains("'migration.unencrypted'"), "{refused}");
    }
    permit(&pair.source)?;
    let refused = pair.migrate(&["--direct"])?.fails(4);
    assert!(refused.contains("host '127.0.0.2' lets no guest"), "{refused}");
    permit(&pair.target)?;
    pair.migrate(&["--live", "--direct"])?.ok();
    pair.is_intact(&pair.target)?;
    pair.turn_around();
    let port = free_port(HOSTS[0])?;
    pair.migrate(&["--live", "--migrateuri", &format!("tcp:127.0.0.1:{port}")])?.ok();
    pair.is_intact(&pair.target)
}

/// The operator of a host lets guests come and go without TLS; the daemon reads that while it runs.
fn permit(daemon: &Daemon) -> Outcome {
    let path = daemon.root().join("etc/reeve/reeve.toml");
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(path, text.replace("unencrypted = false", "unencrypted = true"))?;
    reload(daemon)
}

fn reload(daemon: &Daemon) -> Outcome {
    let before = daemon.log().matches("was read again").count();
    daemon.signal(rustix::process::Signal::HUP)?;
    wait::until("the configuration is read", PATIENCE, || {
        daemon.log().matches("was read again").count() > before
    })
}

/// What a source says that sends a guest with certificates of its own to a target that is as it should be.
fn attempt(prepare: impl FnOnce(&Authority, &Path) -> Outcome, more: &str) -> anyhow::Result<(String, Pair)> {
    let place = tempfile::tempdir()?;
    let authority = Authority::new()?;
    for host in HOSTS {
        authority.issue(&place.path().join(host), host, 2090)?;
    }
    prepare(&authority, place.path())?;
    let pair = Pair::with_certificates(place, more)?.boot(64)?;
    let run = pair.migrate(&["--live"])?;
    anyhow::ensure!(run.code != 0, "it was let in: {}", run.stdout);
    pair.is_intact(&pair.source)?;
    anyhow::ensure!(state(&pair.target)? == "absent", "the target has a guest");
    Ok((run.stderr, pair))
}

#[test]
fn a_host_with_a_certificate_of_another_authority_is_refused() -> Outcome {
    let (said, pair) = attempt(
        |own, place| {
            // It believes the target, which does not believe it.
            Authority::new()?.issue(&place.join(HOSTS[0]), HOSTS[0], 2090)?;
            std::fs::write(place.join(HOSTS[0]).join("ca.pem"), own.pem())?;
            Ok(())
        },
        "",
    )?;
    assert!(said.contains("refuses this host's certificate"), "{said}");
    assert!(said.contains("cert.pem") && said.contains("authority"), "{said}");
    assert!(pair.target.log().contains("is not signed by an authority in"), "{}", pair.target.log());
    Ok(())
}

#[test]
fn a_host_that_is_not_who_it_should_be_gets_no_guest() -> Outcome {
    let (said, _) = attempt(|_, place| Authority::new()?.issue(&place.join(HOSTS[1]), HOSTS[1], 2090), "")?;
    assert!(said.contains("127.0.0.2") && said.contains("is not signed by an authority in"), "{said}");
    let (said, pair) = attempt(|own, place| own.issue(&place.join(HOSTS[1]), "host9.example", 2090), "")?;
    assert!(said.contains("its certificate is not for '127.0.0.2'") && said.contains("dns_name"), "{said}");
    assert!(
        pair.target.log().contains("other hosts will refuse"),
        "it says so itself: {}",
        pair.target.log()
    );
    let (said, _) = attempt(|own, place| own.issue(&place.join(HOSTS[1]), HOSTS[1], 2021), "")?;
    assert!(said.contains("its certificate has expired"), "{said}");
    Ok(())
}

#[test]
fn a_host_whose_certificate_has_expired_or_is_for_another_name_sends_no_guest() -> Outcome {
    let (said, pair) = attempt(|own, place| own.issue(&place.join(HOSTS[0]), HOSTS[0], 2021), "")?;
    assert!(said.contains("refuses this host's certificate") && said.contains("has expired"), "{said}");
    assert!(pair.source.log().contains("other hosts will refuse"), "{}", pair.source.log());
    let (said, _) = attempt(|own, place| own.issue(&place.join(HOSTS[0]), "host9.example", 2090), "")?;
    assert!(said.contains("calls itself '127.0.0.1'") && said.contains("'migration.address'"), "{said}");
    Ok(())
}

#[test]
fn nobody_sends_guests_who_was_not_named() -> Outcome {
    let (said, pair) = attempt(|_, _| Ok(()), "peers = []")?;
    assert!(said.contains("host '127.0.0.1' may not use domain:migrate"), "{said}");
    assert!(said.contains("'migration.peers'"), "{said}");
    // Named, it may, from then on.
    let path = pair.target.root().join("etc/reeve/reeve.toml");
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(path, text.replace("peers = []", "peers = ['127.0.0.1']"))?;
    reload(&pair.target)?;
    pair.migrate(&["--live"])?.ok();
    pair.is_intact(&pair.target)
}

#[test]
fn files_that_others_could_use_are_named_with_the_remedy() -> Outcome {
    let place = tempfile::tempdir()?;
    Authority::new()?.issue(&place.path().join(HOSTS[0]), HOSTS[0], 2090)?;
    let key = place.path().join(HOSTS[0]).join("key.pem");
    let config = || network_config(place.path(), 0, free_port(HOSTS[0]).unwrap_or_default(), "");
    let refused = |why: &str| {
        let started = Daemon::start_with(Options { config: config(), ..Options::default() });
        let said = started.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains(why) && said.contains("of 'migration.tls' in reeve.toml"), "{said}");
    };
    for readable in [0o644, 0o640] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(readable))?;
        refused("can be read by others: run 'chmod 600");
    }
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o620))?;
    refused("can be changed by others: run 'chmod 600");
    std::fs::write(&key, "no key")?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    refused("cannot be used");
    std::fs::remove_file(&key)?;
    refused("cannot be read");
    Ok(())
}

#[test]
fn a_daemon_that_is_killed_takes_the_stream_along_and_the_guest_stays() -> Outcome {
    let mut pair = Pair::over_tls(64)?;
    for at_target in [true, false] {
        let run = pair.slowly(|pair| {
            let daemon = if at_target { &mut pair.target } else { &mut pair.source };
            daemon.kill()?;
            daemon.launch()
        })?;
        run.fails(1);
        wait_for(&pair.target, "absent")?;
        wait_for(&pair.source, "running")?;
        pair.is_intact(&pair.source)?;
    }
    pair.source.reeve(&["domain", "migrate-setspeed", "guest", "0"])?.ok();
    pair.migrate(&["--live"])?.ok();
    pair.is_intact(&pair.target)
}

#[test]
fn a_host_that_listens_to_nobody_says_what_is_missing() -> Outcome {
    let pair = Pair::with_guest(64)?;
    let said = pair.migrate_to("qemu+tls://127.0.0.2/system", &[])?.fails(1);
    assert!(
        said.contains("does not speak with other hosts") && said.contains("'migration.listen'"),
        "{said}"
    );
    pair.is_intact(&pair.source)
}

#[test]
fn strangers_that_say_nothing_keep_no_host_out() -> Outcome {
    let pair = Pair::over_tls(64)?;
    let uri = pair.destination();
    let at = uri.trim_start_matches("qemu+tls://").trim_end_matches("/system");
    let silent: Vec<TcpStream> = (0..540).map(|_| TcpStream::connect(at)).collect::<Result<_, _>>()?;
    pair.migrate(&["--live"])?.ok();
    assert_eq!(state(&pair.target)?, "running");
    drop(silent);
    pair.is_intact(&pair.target)
}

#[test]
fn a_stranger_learns_nothing_at_the_port() -> Outcome {
    use std::io::{Read as _, Write as _};
    let place = tempfile::tempdir()?;
    Authority::new()?.issue(&place.path().join(HOSTS[0]), HOSTS[0], 2090)?;
    let port = free_port(HOSTS[0])?;
    let daemon = Daemon::start_with(Options {
        config: network_config(place.path(), 0, port, ""),
        ..Options::default()
    })?;
    let mut stream = TcpStream::connect((HOSTS[0], port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /v1/domains HTTP/1.1\r\nHost: reeve\r\n\r\n")?;
    let mut answer = Vec::new();
    // The connection may be reset instead of closed.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.len() < 16 && !answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(Run::reeve(daemon.root(), &["domain", "list"], "", &[])?.code == 0);
    Ok(())
}
