//! A domain's life.

use reeve_model::event::DomainChange as Change;
use reeve_model::{Bytes, DomainState, ErrorCode, StateReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{ROOT, changes_until, document, host, plain, refused};

#[tokio::test]
async fn a_whole_life_with_its_events() {
    let (_directory, host) = host();
    let mut events = host.events(&ROOT, None).unwrap();
    let defined = host.define(&ROOT, &plain("web"), false).await.unwrap();
    assert_eq!((defined.domain.state, defined.domain.persistent), (DomainState::ShutOff, true));
    assert!(defined.warnings.is_empty(), "{:?}", defined.warnings);

    let row = host.start(&ROOT, "web").await.unwrap();
    assert_eq!((row.state, row.reason, row.id), (DomainState::Running, StateReason::Booted, Some(1)));
    assert_eq!(host.suspend(&ROOT, "web").await.unwrap().state, DomainState::Paused);
    assert_eq!(host.resume(&ROOT, "1").await.unwrap().state, DomainState::Running);
    assert_eq!(host.reset(&ROOT, "web").await.unwrap().state, DomainState::Running);
    host.shutdown(&ROOT, &defined.domain.uuid.to_string()).await.unwrap();
    let seen = changes_until(&mut events, Change::Released).await;
    assert_eq!(
        seen,
        [
            Change::Defined,
            Change::Started,
            Change::Suspended,
            Change::Resumed,
            Change::Rebooted,
            Change::ShutdownRequested,
            Change::Stopped,
            Change::Released
        ]
    );
    let row = host.state(&ROOT, "web").unwrap();
    assert_eq!((row.state, row.reason, row.id), (DomainState::ShutOff, StateReason::PowerOff, None));

    assert_eq!(host.start(&ROOT, "web").await.unwrap().id, Some(2));
    let row = host.destroy(&ROOT, "web").await.unwrap();
    assert_eq!((row.state, row.reason), (DomainState::ShutOff, StateReason::Destroyed));
    host.undefine(&ROOT, "web").await.unwrap();
    assert!(host.list(&ROOT).unwrap().is_empty());
    assert!(host.store.domains().unwrap().is_empty());
    assert!(host.store.runtime().unwrap().is_empty());
    assert!(host.store.open_operations().unwrap().is_empty());
}

#[tokio::test]
async fn a_transient_domain_is_gone_when_it_stops() {
    let (_directory, host) = host();
    let created = host.create(&ROOT, &plain("job"), false).await.unwrap();
    assert_eq!((created.domain.state, created.domain.persistent), (DomainState::Running, false));
    refused(host.xml(&ROOT, "job", true), ErrorCode::WrongState, &["'job'", "transient"]);
    refused(host.set_autostart(&ROOT, "job", true).await, ErrorCode::WrongState, &["'job'", "transient"]);
    refused(host.create(&ROOT, &plain("job"), false).await, ErrorCode::AlreadyExists, &["'job'"]);
    let row = host.destroy(&ROOT, "job").await.unwrap();
    assert_eq!((row.state, row.id), (DomainState::ShutOff, None));
    refused(host.state(&ROOT, "job"), ErrorCode::NotFound, &["'job'"]);
}

#[tokio::test]
async fn paused_starts() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    assert_eq!(host.start_paused(&ROOT, "web").await.unwrap().state, DomainState::Paused);
    assert_eq!(host.resume(&ROOT, "web").await.unwrap().state, DomainState::Running);
    let created = host.create_paused(&ROOT, &plain("job"), false).await.unwrap();
    assert_eq!(created.domain.state, DomainState::Paused);
}

#[tokio::test]
async fn a_start_that_fails_leaves_nothing() {
    let (_directory, host) = host();
    host.define(&ROOT, &document("web", "sim.start-fails=smoke", ""), false).await.unwrap();
    let error = refused(host.start(&ROOT, "web").await, ErrorCode::Internal, &["'web'", "smoke"]);
    assert!(error.message.contains("could not be started"), "{error}");
    assert_eq!(host.state(&ROOT, "web").unwrap().reason, StateReason::Failed);
    assert!(host.store.runtime().unwrap().is_empty());
    assert!(host.store.open_operations().unwrap().is_empty());
    let failing = document("job", "sim.start-fails=smoke", "");
    refused(host.create(&ROOT, &failing, false).await, ErrorCode::Internal, &["'job'"]);
    refused(host.state(&ROOT, "job"), ErrorCode::NotFound, &["'job'"]);
}

#[tokio::test]
async fn wrong_states_are_told_with_the_way_out() {
    let (_directory, host) = host();
    let error =
        refused(host.start(&ROOT, "nobody").await, ErrorCode::NotFound, &["domain 'nobody' does not exist"]);
    assert!(error.hint.is_some());
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    for outcome in [
        host.suspend(&ROOT, "web").await,
        host.resume(&ROOT, "web").await,
        host.shutdown(&ROOT, "web").await,
        host.reboot(&ROOT, "web").await,
        host.reset(&ROOT, "web").await,
        host.destroy(&ROOT, "web").await,
        host.wake(&ROOT, "web").await,
        host.set_memory(&ROOT, "web", Bytes::mib(32)).await,
    ] {
        let error = refused(outcome, ErrorCode::WrongState, &["domain 'web' is not running"]);
        assert_eq!(error.hint.as_deref(), Some("start it with 'reeve domain start web'"));
    }
    refused(host.stats(&ROOT, "web").await, ErrorCode::WrongState, &["domain 'web' is not running"]);
    assert!(host.console(&ROOT, "web", None).await.is_err());
    host.start(&ROOT, "web").await.unwrap();
    refused(host.start(&ROOT, "web").await, ErrorCode::WrongState, &["domain 'web' is running already"]);
    refused(host.resume(&ROOT, "web").await, ErrorCode::WrongState, &["domain 'web' is not paused"]);
}

#[tokio::test]
async fn the_balloon_console_and_counters_of_a_running_domain() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    host.set_memory(&ROOT, "web", Bytes::mib(32)).await.unwrap();
    let info = host.info(&ROOT, "web").await.unwrap();
    assert_eq!((info.memory, info.max_memory, info.vcpus), (Bytes::mib(32), Bytes::mib(64), 1));
    assert_eq!(host.stats(&ROOT, "web").await.unwrap().balloon_current, Bytes::mib(32));
    assert!(host.set_memory(&ROOT, "web", Bytes::mib(65)).await.is_err());
    refused(host.set_memory(&ROOT, "web", Bytes(0)).await, ErrorCode::Invalid, &["'web'"]);

    let mut console = host.console(&ROOT, "web", None).await.unwrap();
    console.write_all(b"hello\n").await.unwrap();
    let mut seen = String::new();
    while !seen.contains("hello") {
        let mut buffer = [0; 64];
        let count = console.read(&mut buffer).await.unwrap();
        seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
}

#[tokio::test]
async fn crashes_are_seen() {
    let (_directory, host) = host();
    let mut events = host.events(&ROOT, None).unwrap();
    host.define(&ROOT, &document("web", "sim.crash-after-ms=20", ""), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    changes_until(&mut events, Change::Released).await;
    let row = host.state(&ROOT, "web").unwrap();
    assert_eq!((row.state, row.reason), (DomainState::Crashed, StateReason::GuestCrash));
    assert_eq!(host.start(&ROOT, "web").await.unwrap().state, DomainState::Running);
}

#[tokio::test]
async fn the_next_daemon_finds_everything() {
    let directory = tempfile::TempDir::new().unwrap();
    let host = crate::support::host_at(directory.path(), Default::default());
    host.define(&ROOT, &plain("on"), false).await.unwrap();
    host.define(&ROOT, &plain("off"), false).await.unwrap();
    host.define(&ROOT, &plain("auto"), false).await.unwrap();
    host.set_autostart(&ROOT, "auto", true).await.unwrap();
    host.start(&ROOT, "on").await.unwrap();
    host.create(&ROOT, &plain("transient"), false).await.unwrap();
    let before = host.xml(&ROOT, "on", true).unwrap();
    drop(host);

    let host = crate::support::host_at(directory.path(), Default::default());
    let recovery = host.recover().await.unwrap();
    assert_eq!((recovery.definitions, recovery.adopted.len(), recovery.lost.len()), (3, 2, 0));
    assert!(host.start_all().await.is_empty());
    let states: Vec<_> = host.list(&ROOT).unwrap().into_iter().map(|row| (row.name, row.state)).collect();
    let expected = [
        ("auto", DomainState::Running),
        ("off", DomainState::ShutOff),
        ("on", DomainState::Running),
        ("transient", DomainState::Running),
    ];
    assert_eq!(states, expected.map(|(name, state)| (name.to_owned(), state)));
    assert_eq!(host.state(&ROOT, "on").unwrap().reason, StateReason::Adopted);
    assert!(host.state(&ROOT, "auto").unwrap().autostart);
    assert_eq!(host.xml(&ROOT, "on", true).unwrap(), before);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing_half_done() {
    let (_directory, host) = host();
    for number in 0..40 {
        let name = format!("web-{number}");
        // Polled a few times, then dropped: as when a connection breaks at some point of the verb.
        let actions = host.actions.clone();
        let document = plain(&name);
        let verb = Box::pin(async move { actions.define(&ROOT, &document, false).await });
        let impatience = std::time::Duration::from_micros(number * 50);
        drop(tokio::time::timeout(impatience, verb).await);
    }
    // Blocking work that was begun goes on; a last define waits for its end.
    host.define(&ROOT, &plain("last"), false).await.unwrap();
    let stored: Vec<_> = host.store.domains().unwrap().into_iter().map(|row| row.name).collect();
    let listed: Vec<_> = host.list(&ROOT).unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!(stored, listed);

    host.define(&ROOT, &document("slow", "sim.start-ms=100", ""), false).await.unwrap();
    let hasty = tokio::time::timeout(std::time::Duration::from_millis(30), host.start(&ROOT, "slow")).await;
    assert!(hasty.is_err(), "it hung up before the start was done");
    let mut events = host.events(&ROOT, None).unwrap();
    assert_eq!(changes_until(&mut events, Change::Started).await, [Change::Started]);
    host.destroy(&ROOT, "slow").await.unwrap();
    assert!(host.store.open_operations().unwrap().is_empty());
}

#[tokio::test]
async fn a_definition_that_can_not_be_read_is_reported_and_kept() {
    let (directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    let mut row = host.store.domains().unwrap().remove(0);
    row.uuid = uuid::Uuid::new_v4();
    row.name = "old".to_owned();
    row.xml = "<domain>what was this</domain>".to_owned();
    host.store.put_domain(&row).unwrap();
    drop(host);
    let host = crate::support::host_at(directory.path(), Default::default());
    let recovery = host.recover().await.unwrap();
    assert_eq!((recovery.definitions, recovery.unreadable.len()), (1, 1));
    assert!(recovery.unreadable[0].contains("'old'"), "{:?}", recovery.unreadable);
    assert_eq!(host.store.domains().unwrap().len(), 2);
}
