//! A daemon that dies at any step of any operation: the next one finishes or unwinds it.
//!
//! The test runs itself again as a child process whose fault point aborts, then looks at what a fresh host makes of the rest.

pub(crate) mod files;
mod intruder;
mod migrations;
mod settings;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reeve_actions::{Attachment, FaultPoint, NoFaults};
use reeve_model::api::StartOptions;
use reeve_model::domain_disk::CloneDomain;
use reeve_model::domain_dump::{DumpFile, DumpMode};
use reeve_model::domain_save::SaveOptions;
use reeve_model::snapshot::{DeleteSnapshot, RevertSnapshot};
use reeve_model::{DomainState, Error};
use reeve_store::JournalState;
use tempfile::TempDir;

use self::files::{dumped, external, image, images, is_left, saved, shown, take, within, write};
use crate::support::{Host, ROOT, Setup, document, host_at, plain};

const DISK: &str =
    "<disk type='file' device='disk'><source file='/tmp/none.img'/><target dev='vdb' bus='virtio'/></disk>";

/// What the dying daemon is doing.
#[derive(Debug, Clone, Copy)]
enum Doing {
    Start,
    FailingStart,
    Create,
    Destroy,
    Leash,
    Attach,
    RefusedAttach,
    Detach,
    Update,
    Clone,
    Save,
    StartSaved,
    Dump,
    Snapshot,
    SnapshotOnNewImages,
    Revert,
    DeleteSnapshot,
    RevertToImages,
    DeleteImages,
    Tune,
    Describe,
    Undefine,
}

const ALL: [Doing; 22] = [
    Doing::Start,
    Doing::FailingStart,
    Doing::Create,
    Doing::Destroy,
    Doing::Leash,
    Doing::Attach,
    Doing::RefusedAttach,
    Doing::Detach,
    Doing::Update,
    Doing::Clone,
    Doing::Save,
    Doing::StartSaved,
    Doing::Dump,
    Doing::Snapshot,
    Doing::SnapshotOnNewImages,
    Doing::Revert,
    Doing::DeleteSnapshot,
    Doing::RevertToImages,
    Doing::DeleteImages,
    Doing::Tune,
    Doing::Describe,
    Doing::Undefine,
];

const NIC: &str = "<interface type='ethernet'><mac address='52:54:00:00:00:07'/></interface>";

impl Doing {
    /// The journaled operation that it is.
    fn kind(self) -> &'static str {
        match self {
            Self::Start | Self::FailingStart | Self::Create | Self::StartSaved => "domain-start",
            Self::Save => "domain-save",
            Self::Dump => "domain-dump",
            Self::Destroy => "domain-destroy",
            Self::Leash => "domain-leash",
            Self::Attach | Self::RefusedAttach | Self::Detach => "domain-device",
            Self::Update => "domain-update-device",
            Self::Clone => "domain-clone",
            Self::Snapshot | Self::SnapshotOnNewImages => "domain-snapshot",
            Self::Revert | Self::RevertToImages => "domain-revert",
            Self::DeleteSnapshot | Self::DeleteImages => "domain-snapshot-delete",
            Self::Tune | Self::Describe => "domain-settings",
            Self::Undefine => "domain-undefine",
        }
    }

    /// What there is before.
    async fn prepare(self, host: &Host) {
        match self {
            Self::Create => return,
            Self::Clone => {
                let images = images(host);
                std::fs::create_dir(&images).unwrap();
                let disk = |name: &str, target: &str| {
                    std::fs::write(images.join(name), [7; 4096]).unwrap();
                    let path = images.join(name).display().to_string();
                    format!("<disk><source file='{path}'/><target dev='{target}' bus='virtio'/></disk>")
                };
                let disks = disk("web.img", "vda") + &disk("data.img", "vdb");
                drop(host.define(&ROOT, &document("web", "", &disks), false).await.unwrap());
                return;
            }
            Self::Snapshot
            | Self::SnapshotOnNewImages
            | Self::Revert
            | Self::DeleteSnapshot
            | Self::RevertToImages
            | Self::DeleteImages => {
                std::fs::create_dir(images(host)).unwrap();
                let disks: String =
                    [("a", "vda"), ("b", "vdb")].map(|(name, target)| image(host, name, target)).concat();
                drop(host.define(&ROOT, &document("web", "", &disks), false).await.unwrap());
                if matches!(self, Self::Revert | Self::DeleteSnapshot) {
                    for name in ["one", "two"] {
                        take(host, name, "").await.unwrap();
                    }
                }
                if matches!(self, Self::RevertToImages | Self::DeleteImages) {
                    for (name, byte) in [("one", 1), ("two", 2)] {
                        write(host, byte);
                        take(host, name, &external()).await.unwrap();
                    }
                    write(host, 3);
                }
                return;
            }
            Self::FailingStart => {
                drop(host.define(&ROOT, &document("web", "sim.start-fails=smoke", ""), false).await.unwrap());
            }
            _ => drop(host.define(&ROOT, &plain("web"), false).await.unwrap()),
        }
        if !matches!(self, Self::Start | Self::FailingStart | Self::Leash) {
            host.start(&ROOT, "web").await.unwrap();
        }
        if matches!(self, Self::StartSaved | Self::Undefine) {
            host.managed_save(&ROOT, "web", SaveOptions::default()).await.unwrap();
        }
        if matches!(self, Self::Undefine) {
            settings::add_snapshot(host);
        }
        if matches!(self, Self::Detach) {
            host.attach_device_to(&ROOT, "web", DISK, Attachment::LiveAndConfig).await.unwrap();
        }
        if matches!(self, Self::Update) {
            host.attach_device_to(&ROOT, "web", NIC, Attachment::LiveAndConfig).await.unwrap();
        }
    }

    /// What it does when it dies.
    async fn run(self, host: &Host) -> Result<(), Error> {
        let both = Attachment::LiveAndConfig;
        match self {
            Self::Start | Self::FailingStart | Self::StartSaved => host.start(&ROOT, "web").await.map(drop),
            Self::Save => {
                let file = saved(host).display().to_string();
                host.save(&ROOT, "web", &file, None, SaveOptions::default()).await.map(drop)
            }
            Self::Dump => {
                let path = dumped(host).display().to_string();
                let mode = Some(DumpMode::Crash);
                let file = DumpFile { path, memory_only: true, mode, ..DumpFile::default() };
                host.dump(&ROOT, "web", &file).await.map(drop)
            }
            Self::Snapshot => take(host, "one", "").await,
            Self::SnapshotOnNewImages => take(host, "one", &external()).await,
            Self::Revert | Self::RevertToImages => {
                host.revert_snapshot(&ROOT, "web", "one", RevertSnapshot::default()).await.map(drop)
            }
            Self::DeleteSnapshot | Self::DeleteImages => {
                let how = DeleteSnapshot { children: true, ..DeleteSnapshot::default() };
                host.delete_snapshot(&ROOT, "web", "one", how).await.map(drop)
            }
            Self::Create => host.create(&ROOT, &plain("web"), false).await.map(drop),
            Self::Destroy => host.destroy(&ROOT, "web").await.map(drop),
            Self::Leash => {
                if host.state(&ROOT, "web")?.state == DomainState::Running {
                    host.destroy(&ROOT, "web").await?;
                }
                let (client, gone) = tokio::sync::oneshot::channel();
                let how = StartOptions { autodestroy: true, ..StartOptions::default() };
                host.start_leashed(&ROOT, "web", how, gone).await?;
                drop(client);
                while host.state(&ROOT, "web")?.state != DomainState::ShutOff {
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            Self::Attach => host.attach_device_to(&ROOT, "web", DISK, both).await.map(drop),
            Self::RefusedAttach => {
                host.attach_device_to(&ROOT, "web", "<watchdog model='i6300esb'/>", both).await.map(drop)
            }
            Self::Detach => host.detach_device_from(&ROOT, "web", DISK, both).await.map(drop),
            Self::Update => {
                let pulled = NIC.replace("</interface>", "<link state='down'/></interface>");
                host.update_device(&ROOT, "web", &pulled, both).await.map(drop)
            }
            Self::Tune => settings::tune(host).await,
            Self::Describe => settings::describe(host).await,
            Self::Undefine => settings::undefine(host).await,
            Self::Clone => {
                let request =
                    CloneDomain { name: Some("twin".to_owned()), auto: true, ..CloneDomain::default() };
                host.clone_domain(&ROOT, "web", request).await.map(drop)
            }
        }
    }

    /// Whether it was done in full; panics when it is half done.
    fn is_done(self, host: &Host) -> bool {
        if matches!(self, Self::Undefine) {
            return settings::is_undefined(host);
        }
        let Ok(row) = host.state(&ROOT, "web") else { return false };
        let running = row.state == DomainState::Running;
        assert_eq!(running, row.id.is_some());
        assert_eq!(running, host.store.runtime().unwrap().len() == 1, "a record a running domain");
        match self {
            Self::Start | Self::FailingStart | Self::Create => running,
            Self::Destroy | Self::Leash => !running,
            Self::Save => {
                assert_eq!(saved(host).exists(), !running, "it runs or it is saved");
                assert!(!is_left(host, ".saving-"), "nothing half is left");
                !running
            }
            Self::Dump => {
                assert!(dumped(host).exists() || running, "what is ended is dumped");
                assert!(!is_left(host, ".dumping-"), "nothing half is left");
                !running
            }
            Self::StartSaved => {
                assert_eq!(row.managed_save, !running, "what was saved is used once");
                running
            }
            Self::Snapshot | Self::Revert | Self::DeleteSnapshot => {
                let kept = host.store.domain_snapshots(row.uuid).unwrap();
                let names: Vec<_> = kept.iter().map(|kept| kept.name.as_str()).collect();
                for name in ["a", "b"] {
                    assert_eq!(within(host, name), names, "what is known is in all images");
                }
                let current = kept.iter().find(|kept| kept.current).map(|kept| kept.name.as_str());
                match self {
                    Self::Snapshot => current == Some("one"),
                    Self::Revert => {
                        assert_eq!(names, ["one", "two"]);
                        current == Some("one")
                    }
                    _ => names.is_empty(),
                }
            }
            Self::SnapshotOnNewImages => {
                let is_known = !host.store.domain_snapshots(row.uuid).unwrap().is_empty();
                let xml = host.xml(&ROOT, "web", true).unwrap();
                for name in ["a", "b"] {
                    let new = images(host).join(format!("{name}.one"));
                    assert_eq!(new.exists(), is_known, "new images are there or none");
                    assert_eq!(xml.contains(&new.display().to_string()), is_known);
                }
                is_known
            }
            Self::RevertToImages => {
                let kept = host.store.domain_snapshots(row.uuid).unwrap();
                let current = kept.iter().find(|kept| kept.current).unwrap().name == "one";
                let expected = if current { [1, 1] } else { [3, 3] };
                assert_eq!(["vda", "vdb"].map(|target| shown(host, target)), expected);
                // What was written since is in nobody's way, and what another snapshot has is there.
                assert!(images(host).join("a.one").exists());
                assert_eq!(images(host).join("a.two").exists(), !current);
                assert_eq!(std::fs::read_dir(images(host)).unwrap().count(), 6);
                current
            }
            Self::DeleteImages => {
                let kept = host.store.domain_snapshots(row.uuid).unwrap();
                assert_eq!(["vda", "vdb"].map(|target| shown(host, target)), [3, 3]);
                assert_eq!(std::fs::read_dir(images(host)).unwrap().count(), 2 + 2 * kept.len());
                kept.is_empty()
            }
            Self::Attach | Self::RefusedAttach | Self::Detach => {
                assert!(running, "a change of devices stops nobody");
                let has = |inactive| {
                    let xml = host.xml(&ROOT, "web", inactive).unwrap();
                    xml.contains("vdb") || xml.contains("watchdog")
                };
                let stored = &host.store.domains().unwrap()[0].xml;
                assert_eq!(has(false), has(true), "in both or in none");
                assert_eq!(has(true), stored.contains("vdb") || stored.contains("watchdog"));
                has(true) != matches!(self, Self::Detach)
            }
            Self::Update => {
                assert!(running, "a change of devices stops nobody");
                let pulled =
                    |inactive| !host.interfaces(&ROOT, "web", inactive).unwrap().first().unwrap().link_up;
                assert_eq!(pulled(false), pulled(true), "in both or in none");
                assert_eq!(pulled(true), host.store.domains().unwrap()[0].xml.contains("state='down'"));
                pulled(true)
            }
            Self::Tune => settings::in_both(host, "<shares>512</shares>"),
            Self::Describe => settings::in_both(host, "<title>The shop</title>"),
            Self::Undefine => unreachable!("looked at above"),
            Self::Clone => {
                let mut names: Vec<String> = std::fs::read_dir(images(host))
                    .unwrap()
                    .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                    .collect();
                names.sort();
                let is_defined = host.state(&ROOT, "twin").is_ok();
                assert_eq!(host.store.domains().unwrap().len(), if is_defined { 2 } else { 1 });
                let all = ["data-clone.img", "data.img", "twin.img", "web.img"];
                assert_eq!(names, if is_defined { &all[..] } else { &["data.img", "web.img"] });
                is_defined
            }
        }
    }
}

/// Writes down every point that is passed.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl FaultPoint for Recorder {
    fn pass(&self, name: &str) {
        self.0.lock().unwrap().push(name.to_owned());
    }
}

/// Dies at one of them, when it is passed so many times.
struct Killer {
    point: String,
    times: usize,
    passed: AtomicUsize,
}

impl FaultPoint for Killer {
    fn pass(&self, name: &str) {
        if name == self.point && self.passed.fetch_add(1, Ordering::Relaxed) + 1 == self.times {
            std::process::abort();
        }
    }
}

pub(crate) async fn recovered(root: &Path, faults: Arc<dyn FaultPoint>) -> Host {
    let host = host_at(root, Setup { faults, ..Setup::default() });
    host.recover().await.unwrap();
    host
}

#[tokio::test]
async fn killed_at_every_step() {
    if let Ok(job) = std::env::var("REEVE_TEST_KILL") {
        return child(&job).await;
    }
    let mut died = 0;
    for (number, doing) in ALL.into_iter().enumerate() {
        let points = points(doing).await;
        for (index, point) in points.iter().enumerate() {
            let times = points[..=index].iter().filter(|passed| *passed == point).count();
            let root = TempDir::new().unwrap();
            let host = recovered(root.path(), Arc::new(Recorder::default())).await;
            doing.prepare(&host).await;
            drop(host);
            die(root.path(), number, point, times);
            died += 1;
            let host = recovered(root.path(), Arc::new(Recorder::default())).await;
            settled(&host).await;
            let done = doing.is_done(&host);
            println!("{doing:?} killed at {point}: {}", if done { "done" } else { "undone" });
            assert!(host.store.open_operations().unwrap().is_empty(), "{doing:?} at {point} is still open");
            assert_eq!(done, must_be_done(doing, point), "{doing:?} at {point}");
            // Whatever became of it, the domain can be used.
            if !matches!(doing, Doing::FailingStart | Doing::RefusedAttach) && !done {
                doing.run(&host).await.unwrap();
                assert!(doing.is_done(&host) || matches!(doing, Doing::Destroy));
            }
            // A second recovery finds nothing left to do.
            drop(host);
            let host = host_at(root.path(), Setup::default());
            let again = host.recover().await.unwrap();
            assert_eq!((again.finished, again.unwound), (0, 0));
        }
    }
    assert!(died >= 20, "only {died} points");
}

/// Waits for what is settled beside the start of the daemon.
pub(crate) async fn settled(host: &Host) {
    let begun = Instant::now();
    while !host.store.open_operations().unwrap().is_empty() && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A pivot takes images and a worker, and is killed with both (`tests/tests/storage/block_job_faults.rs`). Here the machine is gone too: the
/// other image had all before the first step.
#[tokio::test]
async fn an_interrupted_pivot_without_its_machine_changes_the_definition() {
    for step in ["machine", "definition"] {
        let root = TempDir::new().unwrap();
        {
            let host = recovered(root.path(), Arc::new(NoFaults)).await;
            let defined = host.define(&ROOT, &document("web", "", DISK), false).await.unwrap();
            let uuid = defined.domain.uuid;
            let config = host.domains.definition(uuid).unwrap().unwrap();
            let data = serde_json::json!({
                "uuid": uuid, "actor": ROOT, "before": config.devices.disks[0], "successor": "/new.img",
                "format": "qcow2",
            });
            let actor = serde_json::to_string(&ROOT).unwrap();
            let (kind, data) = ("domain-block-pivot", data.to_string());
            let id = host.store.begin_operation(kind, &uuid.to_string(), &actor, &data).unwrap();
            host.store.note_step(id, step, JournalState::Forward, &data).unwrap();
        }
        let host = recovered(root.path(), Arc::new(NoFaults)).await;
        let xml = host.xml(&ROOT, "web", true).unwrap();
        assert!(xml.contains("'/new.img'") && xml.contains("type='qcow2'"), "{step}: {xml}");
        assert!(host.store.open_operations().unwrap().is_empty(), "{step}");
    }
}

/// Every point that an undisturbed run passes.
async fn points(doing: Doing) -> Vec<String> {
    let root = TempDir::new().unwrap();
    let recorder = Arc::new(Recorder::default());
    let host = recovered(root.path(), recorder.clone()).await;
    doing.prepare(&host).await;
    recorder.0.lock().unwrap().clear();
    let outcome = doing.run(&host).await;
    assert_eq!(outcome.is_err(), matches!(doing, Doing::FailingStart | Doing::RefusedAttach), "{outcome:?}");
    let mut points = std::mem::take(&mut *recorder.0.lock().unwrap());
    let own = |point: &String| point.split(':').next() == Some(doing.kind());
    if matches!(doing, Doing::Leash) {
        // It begins with a start, which is killed by itself.
        points.retain(own);
    }
    assert!(points.len() >= 3, "{points:?}");
    assert!(points.iter().all(own), "steps of '{}' only: {points:?}", doing.kind());
    points
}

/// A machine that was complete is kept, a destroy that began is finished, everything else is as if it had not been asked for.
fn must_be_done(doing: Doing, point: &str) -> bool {
    match doing {
        // It is safe to tell a machine once more.
        Doing::Destroy | Doing::Update | Doing::Dump | Doing::Tune | Doing::Describe => {
            point.contains("machine")
        }
        Doing::FailingStart | Doing::RefusedAttach => false,
        // No client outlives its daemon.
        Doing::Leash => point.contains(":leash:"),
        Doing::Clone => point.ends_with("definition:after"),
        Doing::Snapshot | Doing::SnapshotOnNewImages => {
            // New images of a domain that is off are all there is to do once the definition has them.
            let machine = if matches!(doing, Doing::Snapshot) { "machine:after" } else { ":machine:" };
            point.contains(machine) || point.contains(":metadata:") || point.contains(":go-on:")
        }
        // What has begun to go back, or to go, does.
        Doing::Revert | Doing::DeleteSnapshot | Doing::DeleteImages | Doing::Undefine => {
            !point.ends_with(":begun")
        }
        // New images come first, and can be taken back.
        Doing::RevertToImages => !point.ends_with(":begun") && !point.contains(":files:"),
        // The file that is complete counts.
        Doing::Save => point.contains("machine") || point.ends_with("image:after"),
        _ => point.ends_with("machine:used") || point.ends_with("machine:after") || point.contains(":image:"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the child is this test itself")]
fn die(root: &Path, number: usize, point: &str, times: usize) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::killed_at_every_step", "--nocapture"])
        .env("REEVE_TEST_KILL", format!("{number} {point} {times} {}", root.display()))
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(6), "at {point}: {text}");
}

async fn child(job: &str) {
    let mut words = job.splitn(4, ' ');
    let mut word = || words.next().unwrap();
    let (doing, point) = (ALL[word().parse::<usize>().unwrap()], word().to_owned());
    let (times, root) = (word().parse().unwrap(), word());
    let killer = Killer { point, times, passed: AtomicUsize::new(0) };
    let host = recovered(Path::new(root), Arc::new(killer)).await;
    let outcome = doing.run(&host).await;
    panic!("it lives: {outcome:?}");
}
