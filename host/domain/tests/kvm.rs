//! The native driver with real workers and the test guest on /dev/kvm.
#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reeve_domain::{
    Console, Domains, DomainsConfig, Keeper, KeeperError, Request, RuntimeRecord, StartOptions,
};
use reeve_model::domain::{Disk, LifecycleAction};
use reeve_model::event::DomainChange as Change;
use reeve_model::{Actor, Bytes, DomainState as State, ErrorCode, StateReason};
use support::lab::{Lab, disk, guest_document, interface, says};
use support::{Host, InMemory, Told};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

/// What a console says until it is silent for a moment.
async fn heard(console: &mut Console) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while let Ok(Ok(count @ 1..)) =
        tokio::time::timeout(Duration::from_millis(100), console.read(&mut buffer)).await
    {
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    text
}

/// Everything a running guest must be able to do.
async fn is_healthy(host: &Host, uuid: Uuid) {
    assert_eq!(host.state(uuid), Some(State::Running));
    let mut console = host.domains.open_console(uuid, None).await.unwrap();
    console.write_all(b"\nping\n").await.unwrap();
    says(&mut console, "pong").await;
    host.ask(uuid, Request::Suspend).await.unwrap();
    heard(&mut console).await;
    console.write_all(b"ping\n").await.unwrap();
    let said = heard(&mut console).await;
    assert!(!said.contains("pong"), "a paused guest talks: {said:?}");
    host.ask(uuid, Request::Resume).await.unwrap();
    says(&mut console, "pong").await;
    let info = host.domains.info(uuid).await.unwrap();
    assert!(info.cpu_time_ns > 0 && info.worker_pid.is_some(), "{info:?}");
    let stats = host.domains.stats(uuid).await.unwrap();
    assert!(stats.exits > 0 && stats.resident.0 > 0 && stats.vcpu_time_ns.len() == 1, "{stats:?}");
}

#[tokio::test]
async fn a_guest_is_the_same_after_reset_reboot_restart_and_loss() {
    let lab = Lab::new();
    let host = lab.host();
    let uuid = host.define(&guest_document("web", "say=hello"));
    host.start(uuid).await.unwrap();
    let mut console = host.domains.open_console(uuid, None).await.unwrap();
    says(&mut console, "ready").await;
    is_healthy(&host, uuid).await;

    host.ask(uuid, Request::Reset).await.unwrap();
    is_healthy(&host, uuid).await;

    host.told.forget();
    host.ask(uuid, Request::Reboot).await.unwrap();
    host.hears(uuid, Change::Rebooted).await;
    let mut console = host.domains.open_console(uuid, None).await.unwrap();
    says(&mut console, "ready").await;
    is_healthy(&host, uuid).await;

    host.ask(uuid, Request::Shutdown).await.unwrap();
    host.reaches(uuid, Some(State::ShutOff)).await;
    assert_eq!(host.domains.phase(uuid).unwrap().reason(), StateReason::PowerOff);
    lab.is_clean();

    host.start(uuid).await.unwrap();
    let mut console = host.domains.open_console(uuid, None).await.unwrap();
    says(&mut console, "ready").await;
    is_healthy(&host, uuid).await;
    let pid = host.domains.info(uuid).await.unwrap().worker_pid.unwrap();
    let process = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    host.reaches(uuid, Some(State::Crashed)).await;
    assert_eq!(host.domains.phase(uuid).unwrap().reason(), StateReason::WorkerLost);
    lab.is_clean();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "a zombie is left");

    host.start(uuid).await.unwrap();
    let mut console = host.domains.open_console(uuid, None).await.unwrap();
    says(&mut console, "ready").await;
    is_healthy(&host, uuid).await;
    host.ask(uuid, Request::Destroy).await.unwrap();
    lab.is_clean();
}

#[tokio::test]
async fn what_a_guest_does_to_itself_follows_its_lifecycle_actions() {
    let lab = Lab::new();
    let host = lab.host();
    let uuid = host.define(&guest_document("off", "run=poweroff"));
    host.start(uuid).await.unwrap();
    host.reaches(uuid, Some(State::ShutOff)).await;

    let uuid = host.define(&guest_document("crash", "run=crash"));
    host.start(uuid).await.unwrap();
    host.reaches(uuid, Some(State::Crashed)).await;
    assert_eq!(host.domains.phase(uuid).unwrap().reason(), StateReason::GuestCrash);

    let mut preserved = guest_document("kept", "run=crash");
    preserved.on_crash = LifecycleAction::Preserve;
    let uuid = host.define(&preserved);
    host.start(uuid).await.unwrap();
    host.reaches(uuid, Some(State::Crashed)).await;
    assert_eq!(host.start(uuid).await.unwrap_err().code, ErrorCode::WrongState);
    host.ask(uuid, Request::Destroy).await.unwrap();

    let uuid = host.define(&guest_document("again", "run=reboot"));
    host.start(uuid).await.unwrap();
    host.hears(uuid, Change::Rebooted).await;
    host.ask(uuid, Request::Destroy).await.unwrap();
    lab.is_clean();
}

#[tokio::test]
async fn the_balloon_follows_and_disk_and_tap_are_the_hosts() {
    let lab = Lab::new();
    let host = lab.host();
    let image = lab.root.path().join("image");
    std::fs::write(&image, vec![0; 1 << 20]).unwrap();
    let mut config = guest_document("web", "");
    config.devices.disks.push(disk("vda", &image));
    config.devices.interfaces.push(interface("ethernet", "00:16:3e:00:00:01", &[]));
    let uuid = host.define(&config);
    host.start(uuid).await.unwrap();
    let mut console = host.domains.open_console(uuid, None).await.unwrap();
    says(&mut console, "ready").await;
    console.write_all(b"disk put 0 3 written-by-a-guest\n").await.unwrap();
    says(&mut console, "ok").await;
    console.write_all(b"disk flush 0\n").await.unwrap();
    says(&mut console, "ok").await;
    let bytes = std::fs::read(&image).unwrap();
    assert!(bytes[3 * 512..].starts_with(b"written-by-a-guest"));
    assert_eq!(host.domains.stats(uuid).await.unwrap().disks[0].target, "vda");

    let tap = host.domains.snapshot(uuid).unwrap().config.devices.interfaces[0].target.clone().unwrap();
    let tap = PathBuf::from(format!("/sys/class/net/{tap}"));
    assert!(tap.exists(), "{} is missing", tap.display());
    console.write_all(b"net 0 mac\n").await.unwrap();
    says(&mut console, "00:16:3e:00:00:01").await;

    let second = {
        let mut config = guest_document("second", "");
        config.devices.disks.push(disk("vda", &image));
        host.define(&config)
    };
    let error = host.start(second).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Busy);
    assert!(error.message.contains("is in use by another domain"), "{error}");

    let turn = host.domains.begin(reeve_model::Actor::Daemon, uuid, Request::SetMemory).await.unwrap();
    turn.set_memory(Bytes::mib(48)).await.unwrap();
    drop(turn);
    let deadline = Instant::now() + Duration::from_secs(20);
    while host.domains.info(uuid).await.unwrap().memory != Bytes::mib(48) {
        assert!(Instant::now() < deadline, "the balloon does not follow");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    host.ask(uuid, Request::Destroy).await.unwrap();
    assert!(!tap.exists(), "{} is left", tap.display());
    host.start(second).await.unwrap();
    host.ask(second, Request::Destroy).await.unwrap();
    lab.is_clean();
}

#[tokio::test]
async fn what_is_missing_is_named_and_nothing_is_left() {
    let lab = Lab::new();
    let host = lab.host();
    let mut no_kernel = guest_document("no-kernel", "");
    no_kernel.os.kernel = Some("/no/such/kernel".to_owned());
    let error = host.start(host.define(&no_kernel)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    let sentence =
        "domain 'no-kernel' could not be started: kernel '/no/such/kernel' can't be opened: No such file";
    assert!(error.message.starts_with(sentence), "{error}");

    let mut no_disk = guest_document("no-disk", "");
    no_disk.devices.disks.push(disk("vda", Path::new("/no/such/image")));
    let error = host.start(host.define(&no_disk)).await.unwrap_err();
    assert!(error.message.contains("disk vda '/no/such/image' can't be opened"), "{error}");

    let text = lab.root.path().join("text");
    std::fs::write(&text, "not a kernel").unwrap();
    let mut wrong_kernel = guest_document("wrong-kernel", "");
    wrong_kernel.os.kernel = Some(text.to_str().unwrap().to_owned());
    let error = host.start(host.define(&wrong_kernel)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Invalid, "{error}");
    assert!(error.message.contains(text.to_str().unwrap()), "{error}");

    let mut firmware = guest_document("firmware", "");
    firmware.os.loader = Some("/usr/share/OVMF.fd".to_owned());
    firmware.devices.disks.push(Disk { bus: Some("ide".to_owned()), ..disk("hda", &text) });
    firmware.devices.extra.elements.push("<video><model type='qxl'/></video>".to_owned());
    let error = host.start(host.define(&firmware)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unsupported);
    for part in ["firmware '/usr/share/OVMF.fd'", "disk 'hda' is on bus 'ide'", "no device <video>"] {
        assert!(error.message.contains(part), "{part} not in: {error}");
    }
    assert!(host.kept.records().is_empty());
    lab.is_clean();
}

/// What one daemon started, the next one finds, after it died without a word.
#[test]
fn a_killed_daemon_loses_no_guest() {
    let lab = Lab::new();
    let kept: Arc<InMemory> = Arc::default();
    let (lives, dies, ends) =
        (guest_document("lives", ""), guest_document("dies", ""), guest_document("ends", ""));
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();

    let first = runtime();
    let killed = first.block_on(async {
        let host = Host::with_records(vec![lab.driver()], kept.clone());
        for config in [&lives, &dies, &ends] {
            host.define(config);
            host.start(config.uuid).await.unwrap();
            let mut console = host.domains.open_console(config.uuid, None).await.unwrap();
            says(&mut console, "ready").await;
        }
        let mut console = host.domains.open_console(ends.uuid, None).await.unwrap();
        console.write_all(b"spin 1\npoweroff\n").await.unwrap();
        host.ask(lives.uuid, Request::Suspend).await.unwrap();
        host.domains.info(dies.uuid).await.unwrap().worker_pid.unwrap()
    });
    first.shutdown_timeout(Duration::from_secs(5));
    let process = rustix::process::Pid::from_raw(killed.cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    std::fs::create_dir(lab.root.path().join(format!("run/reeve/domains/{}", Uuid::from_u128(7)))).unwrap();

    let second = runtime();
    second.block_on(async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let host = Host::with_records(vec![lab.driver()], kept.clone());
        for config in [&lives, &dies, &ends] {
            host.domains.restore(config.clone(), false).unwrap();
        }
        let recovered = host.domains.recover(kept.records(), &BTreeMap::new()).await;
        assert_eq!(recovered.lost, [dies.uuid]);
        assert_eq!(recovered.undone, [Uuid::from_u128(7)]);
        assert!(recovered.adopted.contains(&lives.uuid) && recovered.adopted.contains(&ends.uuid));
        assert_eq!(host.state(dies.uuid), Some(State::Crashed));
        assert_eq!(host.domains.phase(dies.uuid).unwrap().reason(), StateReason::WorkerLost);
        host.reaches(ends.uuid, Some(State::ShutOff)).await;
        assert_eq!(host.state(lives.uuid), Some(State::Paused));
        host.ask(lives.uuid, Request::Resume).await.unwrap();
        is_healthy(&host, lives.uuid).await;
        host.ask(lives.uuid, Request::Destroy).await.unwrap();
        lab.is_clean();
    });
}

/// Keeps no record, and looks meanwhile whether the guest writes to its disk.
struct Full {
    disk: PathBuf,
    before: Vec<u8>,
    kept: AtomicBool,
}

impl Full {
    fn has_changed(&self) -> bool {
        std::fs::read(&self.disk).unwrap() != self.before
    }
}

#[async_trait]
impl Keeper for Full {
    async fn keep(&self, _record: &RuntimeRecord) -> Result<(), KeeperError> {
        let begun = Instant::now();
        // A guest that ran would have written long before.
        while begun.elapsed() < Duration::from_secs(1) {
            assert!(!self.has_changed(), "the guest runs before its machine is recorded");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.kept.store(true, Ordering::Relaxed);
        Err(KeeperError(Box::new(std::io::Error::other("the disk is full"))))
    }

    async fn forget(&self, _uuid: Uuid) -> Result<(), KeeperError> {
        Ok(())
    }
}

/// Else the next daemon would end a machine that it does not know, and what was saved would go on a second time on disks that have changed.
#[tokio::test]
async fn a_saved_guest_does_not_run_before_its_machine_is_recorded() {
    let lab = Lab::new();
    let host = lab.host();
    let path = lab.root.path().join("disk");
    std::fs::File::create(&path).unwrap().set_len(1 << 20).unwrap();
    let mut config = guest_document("web", "");
    config.devices.disks.push(disk("vda", &path));
    let uuid = host.define(&config);
    host.start(uuid).await.unwrap();
    let mut console = host.domains.open_console(uuid, None).await.unwrap();
    says(&mut console, "ready").await;
    console.write_all(b"disk churn 1000000 7\n").await.unwrap();
    says(&mut console, "churning").await;
    let image = lab.root.path().join("image");
    let turn = host.domains.begin(Actor::Daemon, uuid, Request::Save).await.unwrap();
    turn.save(std::fs::File::create(&image).unwrap()).await.unwrap();
    turn.end_saved().await.unwrap();
    drop(turn);

    let before = std::fs::read(&path).unwrap();
    let keeper = Arc::new(Full { disk: path, before, kept: AtomicBool::new(false) });
    let domains = Domains::new(DomainsConfig {
        drivers: vec![lab.driver()],
        sink: Arc::new(Told::default()),
        keeper: keeper.clone(),
        boot_id: "this-boot".to_owned(),
        dumps: std::env::temp_dir(),
    });
    domains.define(&Actor::Daemon, config.clone()).unwrap();
    let turn = domains.begin(Actor::Daemon, uuid, Request::Start).await.unwrap();
    let options = StartOptions { config, paused: false };
    let restored = turn.restore(options, std::fs::File::open(&image).unwrap()).await;
    assert!(restored.is_err() && keeper.kept.load(Ordering::Relaxed), "{restored:?}");
    assert!(!keeper.has_changed(), "and not after that");
    assert_eq!(domains.phase(uuid).unwrap().reason(), StateReason::Failed);
    drop(turn);
    // What was saved is still what goes with the disk.
    let turn = host.domains.begin(Actor::Daemon, uuid, Request::Start).await.unwrap();
    let config = host.domains.definition(uuid).unwrap().unwrap().as_ref().clone();
    let options = StartOptions { config, paused: false };
    turn.restore(options, std::fs::File::open(&image).unwrap()).await.unwrap();
    let begun = Instant::now();
    while !keeper.has_changed() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not go on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(turn);
    host.ask(uuid, Request::Destroy).await.unwrap();
    lab.is_clean();
}

#[tokio::test]
async fn cycles_leave_no_descriptor_process_or_cgroup() {
    let lab = Lab::new();
    let host = lab.host();
    let uuid = host.define(&guest_document("web", ""));
    let count = |path: &str| std::fs::read_dir(path).unwrap().count();
    host.start(uuid).await.unwrap();
    host.ask(uuid, Request::Destroy).await.unwrap();
    let before = count("/proc/self/fd");
    for _ in 0..20 {
        host.start(uuid).await.unwrap();
        host.ask(uuid, Request::Destroy).await.unwrap();
    }
    // Other tests of this process run on their own threads and come and go.
    let after = count("/proc/self/fd");
    assert!(after <= before + 40, "descriptors: {before} before, {after} after");
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks, 0, "tasks are left");
    lab.is_clean();
}
