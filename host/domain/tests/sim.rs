//! The life of simulated domains: what holds for one after a start must hold after a reset, a stop and start, and a crash.

#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_domain::sim::SimDriver;
use reeve_domain::{Device, DomainError, Request, StartOptions};
use reeve_model::api::ControlState;
use reeve_model::domain::{Disk, DiskDriver, DiskSource, DomainType, LifecycleAction};
use reeve_model::event::DomainChange as Change;
use reeve_model::{Actor, Bytes, DomainState as State, ErrorCode, StateReason};
use support::{Host, document, sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

fn host() -> Host {
    Host::new(vec![Arc::new(SimDriver::new(1))])
}

/// Everything a running domain must be able to do.
async fn is_healthy(host: &Host, uuid: Uuid) {
    assert_eq!(host.state(uuid), Some(State::Running));
    let row = host.domains.snapshot(uuid).unwrap().summary;
    let id = row.id.expect("an active domain has an id");
    assert_eq!(host.domains.lookup(&id.to_string()).unwrap(), uuid);
    assert!(host.kept.records().iter().any(|record| record.uuid == uuid && record.id == id));

    let before = host.domains.stats(uuid).await.unwrap().cpu_time_ns;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(host.domains.stats(uuid).await.unwrap().cpu_time_ns > before, "no CPU time is used");

    host.ask(uuid, Request::Suspend).await.unwrap();
    assert_eq!(host.state(uuid), Some(State::Paused));
    let still = host.domains.stats(uuid).await.unwrap().cpu_time_ns;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(host.domains.stats(uuid).await.unwrap().cpu_time_ns, still, "CPU time is used while paused");
    host.ask(uuid, Request::Resume).await.unwrap();

    let turn = host.domains.begin(Actor::Daemon, uuid, Request::SetMemory).await.unwrap();
    turn.set_memory(Bytes::mib(32)).await.unwrap();
    assert_eq!(host.domains.info(uuid).await.unwrap().memory, Bytes::mib(32));
    turn.set_memory(Bytes::mib(64)).await.unwrap();
    drop(turn);

    let mut console = host.domains.open_console(uuid, None).await.unwrap();
    let mut banner = [0; 9];
    console.read_exact(&mut banner).await.unwrap();
    assert_eq!(&banner, b"simulated");
    console.write_all(b"\n").await.unwrap();
}

#[tokio::test]
async fn a_domain_is_the_same_after_reset_restart_and_crash() {
    let host = host();
    let uuid = host.define(&sim("web", ""));
    host.start(uuid).await.unwrap();
    is_healthy(&host, uuid).await;

    host.ask(uuid, Request::Reset).await.unwrap();
    is_healthy(&host, uuid).await;

    host.ask(uuid, Request::Reboot).await.unwrap();
    host.hears(uuid, Change::Rebooted).await;
    host.reaches(uuid, Some(State::Running)).await;
    is_healthy(&host, uuid).await;

    host.ask(uuid, Request::Shutdown).await.unwrap();
    host.reaches(uuid, Some(State::ShutOff)).await;
    assert_eq!(host.domains.phase(uuid).unwrap().reason(), StateReason::PowerOff);
    assert!(host.kept.records().is_empty());
    host.start(uuid).await.unwrap();
    is_healthy(&host, uuid).await;

    host.ask(uuid, Request::Destroy).await.unwrap();
    assert_eq!(host.domains.phase(uuid).unwrap().reason(), StateReason::Destroyed);
    let crashing = {
        let mut config = host.domains.definition(uuid).unwrap().unwrap().as_ref().clone();
        config.os.cmdline = Some("sim.lost-after-ms=1".to_owned());
        config
    };
    let turn = host.domains.begin(Actor::Daemon, uuid, Request::Start).await.unwrap();
    turn.start(StartOptions { config: crashing, paused: false }).await.unwrap();
    drop(turn);
    host.reaches(uuid, Some(State::Crashed)).await;
    assert_eq!(host.domains.phase(uuid).unwrap().reason(), StateReason::WorkerLost);
    host.start(uuid).await.unwrap();
    is_healthy(&host, uuid).await;
}

#[tokio::test]
async fn changes_are_told_in_order_and_on_whose_behalf() {
    let host = host();
    let uuid = host.define(&sim("web", "sim.shutdown-ms=5"));
    host.start(uuid).await.unwrap();
    host.ask(uuid, Request::Suspend).await.unwrap();
    host.ask(uuid, Request::Resume).await.unwrap();
    host.ask(uuid, Request::Shutdown).await.unwrap();
    host.reaches(uuid, Some(State::ShutOff)).await;
    host.domains.undefine(&Actor::Daemon, uuid).unwrap();
    assert_eq!(
        host.told.changes(uuid),
        [
            Change::Defined,
            Change::Started,
            Change::Suspended,
            Change::Resumed,
            Change::ShutdownRequested,
            Change::Stopped,
            Change::Released,
            Change::Undefined
        ]
    );
    assert!(host.domains.is_empty());
}

#[tokio::test]
async fn lifecycle_actions_are_honoured() {
    let host = host();
    let mut restarts = sim("restarts", "sim.poweroff-after-ms=5");
    restarts.on_poweroff = LifecycleAction::Restart;
    let uuid = host.define(&restarts);
    host.start(uuid).await.unwrap();
    host.hears(uuid, Change::Rebooted).await;
    assert_eq!(host.state(uuid), Some(State::Running));

    let mut preserves = sim("preserves", "sim.crash-after-ms=1");
    preserves.on_crash = LifecycleAction::Preserve;
    let uuid = host.define(&preserves);
    host.start(uuid).await.unwrap();
    host.reaches(uuid, Some(State::Crashed)).await;
    let error = host.start(uuid).await.unwrap_err();
    assert_eq!(
        error.message,
        "domain 'preserves' has ended and its machine is kept for analysis; destroy it first"
    );
    host.ask(uuid, Request::Destroy).await.unwrap();
    host.start(uuid).await.unwrap();

    let reboots = sim("reboots", "sim.reboot-after-ms=5");
    let uuid = host.define(&reboots);
    host.start(uuid).await.unwrap();
    host.hears(uuid, Change::Rebooted).await;
    assert_eq!(host.state(uuid), Some(State::Running));

    let mut ends = sim("ends", "sim.reboot-after-ms=1");
    ends.on_reboot = LifecycleAction::Destroy;
    let uuid = host.define(&ends);
    host.start(uuid).await.unwrap();
    host.reaches(uuid, Some(State::ShutOff)).await;
}

#[tokio::test]
async fn guests_that_suspend_and_halt() {
    let host = host();
    let uuid = host.define(&sim("sleeper", "sim.suspend-after-ms=1"));
    host.start(uuid).await.unwrap();
    host.reaches(uuid, Some(State::PmSuspended)).await;
    assert!(host.ask(uuid, Request::Resume).await.is_err());
    host.ask(uuid, Request::Wake).await.unwrap();
    assert_eq!(host.state(uuid), Some(State::Running));
    host.ask(uuid, Request::Wake).await.unwrap();

    let uuid = host.define(&sim("idler", "sim.halt-after-ms=1"));
    host.start(uuid).await.unwrap();
    host.reaches(uuid, Some(State::Idle)).await;
    host.ask(uuid, Request::Destroy).await.unwrap();
}

#[tokio::test]
async fn a_transient_domain_vanishes_when_it_stops() {
    let host = host();
    let config = sim("guest", "sim.poweroff-after-ms=5");
    let uuid = host.create(&config).await.unwrap();
    assert!(!host.domains.snapshot(uuid).unwrap().summary.persistent);
    assert!(host.domains.set_autostart(&Actor::Daemon, uuid, true).is_err());
    host.reaches(uuid, None).await;
    assert_eq!(host.told.changes(uuid), [Change::Started, Change::Stopped, Change::Released]);

    let uuid = host.create(&sim("guest", "")).await.unwrap();
    host.ask(uuid, Request::Destroy).await.unwrap();
    assert_eq!(host.state(uuid), None);

    let failing = sim("guest", "sim.start-fails=no-room");
    let error = host.create(&failing).await.unwrap_err();
    assert_eq!(error.message, "domain 'guest' could not be started: no-room");
    assert_eq!(host.state(failing.uuid), None);
    assert!(host.kept.records().is_empty());
}

#[tokio::test]
async fn undefining_a_running_domain_makes_it_transient_and_defining_makes_it_persistent() {
    let host = host();
    let config = sim("web", "");
    let uuid = host.define(&config);
    host.start(uuid).await.unwrap();
    host.domains.undefine(&Actor::Daemon, uuid).unwrap();
    assert_eq!(host.state(uuid), Some(State::Running));
    host.define(&config);
    host.ask(uuid, Request::Destroy).await.unwrap();
    assert_eq!(host.state(uuid), Some(State::ShutOff));
}

#[tokio::test]
async fn names_and_uuids_belong_together() {
    let host = host();
    let web = sim("web", "");
    host.define(&web);
    let mut same_name = sim("web", "");
    let error = host.domains.define(&Actor::Daemon, same_name.clone()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::AlreadyExists);
    same_name.uuid = web.uuid;
    same_name.name = "www".to_owned();
    let error = host.domains.define(&Actor::Daemon, same_name).unwrap_err();
    assert!(matches!(error, DomainError::UuidTaken { .. }), "{error}");
    assert_eq!(host.domains.lookup("web").unwrap(), web.uuid);
    assert_eq!(host.domains.lookup(&web.uuid.to_string()).unwrap(), web.uuid);
    assert_eq!(host.domains.lookup("7").unwrap_err().to_string(), "domain '7' does not exist");
}

#[tokio::test]
async fn a_second_start_is_busy_and_destroy_waits_for_the_first() {
    let host = host();
    let uuid = host.define(&sim("slow", "sim.start-ms=100"));
    let (first, second, destroyed) = tokio::join!(
        host.start(uuid),
        async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            host.start(uuid).await
        },
        async {
            tokio::time::sleep(Duration::from_millis(40)).await;
            host.ask(uuid, Request::Destroy).await
        }
    );
    first.unwrap();
    let second = second.unwrap_err();
    assert_eq!(
        (second.code, second.message.as_str()),
        (ErrorCode::Busy, "domain 'slow' is busy: it is being started")
    );
    destroyed.unwrap();
    assert_eq!(host.state(uuid), Some(State::ShutOff));
}

#[tokio::test]
async fn a_caller_inside_a_hook_is_told_busy_instead_of_waiting() {
    let host = host();
    let uuid = host.define(&sim("web", ""));
    let held = host.domains.begin(Actor::Daemon, uuid, Request::Start).await.unwrap();
    let inside = host.domains.try_begin(Actor::Daemon, uuid, Request::Destroy);
    assert!(matches!(inside, Err(DomainError::Busy { .. })));
    drop(held);
    host.start(uuid).await.unwrap();
}

#[tokio::test]
async fn a_waiting_request_is_dropped_when_a_destroy_overtakes_it() {
    let host = host();
    let uuid = host.define(&sim("web", ""));
    host.start(uuid).await.unwrap();
    let held = host.domains.begin(Actor::Daemon, uuid, Request::Suspend).await.unwrap();
    let (shutdown, destroy, ()) = tokio::join!(
        host.ask(uuid, Request::Shutdown),
        async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            host.ask(uuid, Request::Destroy).await
        },
        async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(held);
        }
    );
    assert_eq!(shutdown.unwrap_err().code, ErrorCode::WrongState);
    destroy.unwrap();
}

#[tokio::test]
async fn what_can_not_run_is_refused_by_name() {
    let host = host();
    let uuid = host.define(&sim("typo", "sim.crash-after=5 sim.shutdown-ms=soon"));
    let error = host.start(uuid).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unsupported);
    assert_eq!(
        error.message,
        "domain 'typo' can't run with driver 'sim': the simulator knows no 'sim.crash-after'; \
         'shutdown-ms=soon' needs a whole number"
    );
    let uuid = host.define(&document(DomainType::Other("xen".to_owned()), "old"));
    let error = host.start(uuid).await.unwrap_err();
    assert_eq!(error.message, "domain 'old' asks for type 'xen', which this host can't run (it runs: sim)");
    assert_eq!(host.state(uuid), Some(State::ShutOff));
}

#[tokio::test]
async fn memory_and_devices_of_a_running_domain_change() {
    let host = host();
    let uuid = host.define(&sim("web", ""));
    host.start(uuid).await.unwrap();
    let turn = host.domains.begin(Actor::Daemon, uuid, Request::AttachDevice).await.unwrap();
    let error = turn.set_memory(Bytes::gib(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "domain 'web' can't be given 1 GiB: its maximum is 64 MiB");
    let disk = Device::Disk(Box::new(Disk {
        device: "disk".to_owned(),
        source: DiskSource::File { path: None },
        driver: DiskDriver::default(),
        target: "vdb".to_owned(),
        bus: Some("virtio".to_owned()),
        readonly: false,
        shareable: false,
        serial: None,
        transient: false,
        wwn: None,
        startup_policy: None,
        tray: None,
        blocks: Default::default(),
        iotune: Default::default(),
        encryption: None,
        common: Default::default(),
    }));
    turn.attach_device(disk.clone()).await.unwrap();
    let error = turn.attach_device(disk.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "domain 'web' has disk 'vdb' already");
    assert_eq!(host.domains.snapshot(uuid).unwrap().config.devices.disks.len(), 1);
    assert_eq!(host.kept.records()[0].config.devices.disks.len(), 1);
    turn.detach_device(disk).await.unwrap();
    assert!(host.domains.snapshot(uuid).unwrap().config.devices.disks.is_empty());
    assert!(host.domains.definition(uuid).unwrap().unwrap().devices.disks.is_empty());
}

#[tokio::test]
async fn a_restarted_daemon_finds_its_domains_again() {
    let first = host();
    let (kept, lost, saved) = (sim("kept", ""), sim("lost", ""), sim("saved", ""));
    for config in [&kept, &lost, &saved] {
        first.define(config);
        first.start(config.uuid).await.unwrap();
    }
    let mut records = first.kept.records();
    for record in &mut records {
        if record.uuid != kept.uuid {
            record.boot_id = "the-boot-before".to_owned();
        }
    }
    let second = Host::with_records(vec![Arc::new(SimDriver::new(1))], first.kept.clone());
    for config in [&lost, &saved] {
        second.domains.restore(config.clone(), false).unwrap();
    }
    let meant = BTreeMap::from([(kept.uuid, StateReason::Saved), (saved.uuid, StateReason::Saved)]);
    let recovered = second.domains.recover(records, &meant).await;
    assert_eq!(recovered.adopted, [kept.uuid], "what is there is taken over, whatever was meant");
    assert_eq!(recovered.lost.len(), 2);
    assert_eq!(second.domains.phase(kept.uuid).unwrap().reason(), StateReason::Adopted);
    assert_eq!(second.told.changes(kept.uuid), [Change::Reconnected]);
    assert_eq!(second.state(lost.uuid), Some(State::ShutOff));
    assert_eq!(second.domains.phase(lost.uuid).unwrap().reason(), StateReason::Unknown);
    assert_eq!(second.domains.phase(saved.uuid).unwrap().reason(), StateReason::Saved);
    assert_eq!(second.told.changes(saved.uuid), [Change::Stopped, Change::Released]);
    assert_eq!(second.kept.records().len(), 1);
    is_healthy(&second, kept.uuid).await;
    second.define(&sim("new", ""));
    second.start(second.domains.lookup("new").unwrap()).await.unwrap();
    let ids: Vec<_> = second.domains.list().into_iter().filter_map(|row| row.id).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_fast_clock_plays_an_hour_in_a_moment() {
    let host = Host::new(vec![Arc::new(SimDriver::new(100_000))]);
    let uuid = host.define(&sim("web", "sim.poweroff-after-ms=3600000"));
    host.start(uuid).await.unwrap();
    host.reaches(uuid, Some(State::ShutOff)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_domains_are_listed_quickly_and_cost_no_task() {
    let host = host();
    for number in 0..10_000 {
        host.define(&sim(&format!("sim-{number:05}"), ""));
    }
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(tasks < 10, "{tasks} tasks for idle domains");
    let began = Instant::now();
    assert_eq!(host.domains.list().len(), 10_000);
    assert!(began.elapsed() < Duration::from_millis(100), "listing took {:?}", began.elapsed());
}

#[tokio::test]
async fn two_hundred_cycles_leave_nothing_behind() {
    let host = host();
    let uuid = host.define(&sim("web", "sim.shutdown-ms=1"));
    let count = |path: &str| std::fs::read_dir(path).unwrap().count();
    host.start(uuid).await.unwrap();
    host.ask(uuid, Request::Destroy).await.unwrap();
    let before = (count("/proc/self/fd"), count("/proc/self/task"));
    for cycle in 0..200 {
        host.start(uuid).await.unwrap();
        if cycle % 2 == 0 {
            host.ask(uuid, Request::Destroy).await.unwrap();
        } else {
            host.ask(uuid, Request::Shutdown).await.unwrap();
            host.reaches(uuid, Some(State::ShutOff)).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    assert!(metrics.num_alive_tasks() <= 1, "{} tasks left", metrics.num_alive_tasks());
    // Other tests of this process run on their own threads and come and go.
    assert!(count("/proc/self/fd") <= before.0 + 32, "descriptors were leaked");
    assert!(host.kept.records().is_empty());
}

#[tokio::test]
async fn a_domain_is_occupied_while_somebody_has_the_turn() {
    let host = host();
    let uuid = host.define(&sim("web", ""));
    assert!(host.domains.control(uuid).await.is_err(), "it is off");
    host.start(uuid).await.unwrap();
    let state = async || host.domains.control(uuid).await.unwrap().state;
    assert_eq!(state().await, ControlState::Ok);
    for (request, expected) in
        [(Request::AttachDevice, ControlState::Occupied), (Request::Save, ControlState::BackgroundJob)]
    {
        let turn = host.domains.begin(Actor::Daemon, uuid, request).await.unwrap();
        let control = host.domains.control(uuid).await.unwrap();
        assert_eq!(control.state, expected);
        assert!(control.milliseconds.is_some() && control.detail.is_some(), "{control:?}");
        drop(turn);
        assert_eq!(state().await, ControlState::Ok);
    }
}

#[tokio::test]
async fn a_console_that_is_open_is_not_free() {
    let host = host();
    let uuid = host.define(&sim("web", ""));
    host.start(uuid).await.unwrap();
    let first = host.domains.open_free_console(uuid, None).await.unwrap();
    let second = host.domains.open_free_console(uuid, None).await.err().unwrap();
    assert_eq!(reeve_model::Error::from(second).code, ErrorCode::WrongState);
    drop(first);
    // Its other end needs a moment to notice.
    let begun = Instant::now();
    while host.domains.open_free_console(uuid, None).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::task::yield_now().await;
    }
}
