//! Snapshots, and what others do to definitions: edits in the middle of an operation, and definitions that can't be read.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reeve_actions::{EditGuard, FaultPoint, NoFaults};
use reeve_model::snapshot::{DeleteSnapshot, RevertSnapshot};
use reeve_model::{DomainState, ErrorCode};
use tokio::task::JoinHandle;

use crate::kill::files::{external, image, images, shown, take, within, write};
use crate::support::{Host, ROOT, Setup, document, host_at, host_with, refused};

/// Stops an operation at a point, until somebody lets it go on.
struct Stop {
    point: &'static str,
    reached: SyncSender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl FaultPoint for Stop {
    fn pass(&self, name: &str) {
        if name == self.point {
            self.reached.send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
        }
    }
}

/// The other side of a [`Stop`].
pub(crate) struct Stopped {
    reached: Receiver<()>,
    go_on: SyncSender<()>,
}

pub(crate) fn stop(point: &'static str) -> (Arc<dyn FaultPoint>, Stopped) {
    let ((reached, waits), (go_on, goes)) = (sync_channel(1), sync_channel(1));
    (Arc::new(Stop { point, reached, go_on: Mutex::new(goes) }), Stopped { reached: waits, go_on })
}

impl Stopped {
    /// Does something while the operation stands there.
    pub(crate) async fn meanwhile<T>(self, work: impl Future<Output = T>) -> T {
        let Self { reached, go_on } = self;
        tokio::task::spawn_blocking(move || reached.recv().unwrap()).await.unwrap();
        let done = work.await;
        go_on.send(()).unwrap();
        done
    }

    /// Nobody waits any more for what stands there; it goes on after what is done meanwhile.
    pub(crate) async fn abandon<T>(self, waiting: JoinHandle<T>, meanwhile: impl Future<Output = ()>) {
        let abandoned = async {
            waiting.abort();
            assert!(waiting.await.is_err_and(|end| end.is_cancelled()));
            meanwhile.await;
        };
        self.meanwhile(abandoned).await;
    }

    /// Edits the definition while the operation stands there.
    async fn edit(self, host: &Host, change: impl FnOnce(String) -> String) {
        let Self { reached, go_on } = self;
        tokio::task::spawn_blocking(move || reached.recv().unwrap()).await.unwrap();
        let before = host.xml(&ROOT, "web", true).unwrap();
        let after = change(before.clone());
        assert_ne!(before, after);
        host.edit(&ROOT, "web", &after, false, EditGuard::default()).await.unwrap();
        go_on.send(()).unwrap();
    }
}

/// The domain `web`, which is off, on two images.
async fn prepare(host: &Host) {
    std::fs::create_dir(images(host)).unwrap();
    let disks: String = [("a", "vda"), ("b", "vdb")].map(|(name, target)| image(host, name, target)).concat();
    drop(host.define(&ROOT, &document("web", "", &disks), false).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_edit_while_a_snapshot_is_made_is_not_lost() {
    let (faults, stopped) = stop("domain-snapshot:begun");
    let (_directory, host) = host_with(Setup { faults, ..Setup::default() });
    host.recover().await.unwrap();
    prepare(&host).await;
    // Another cache for one disk, another image for the other.
    let elsewhere = images(&host).join("elsewhere.qcow2").display().to_string();
    let other = images(&host).join("b.qcow2").display().to_string();
    let edit = |xml: String| {
        xml.replacen("type='qcow2'", "type='qcow2' cache='none'", 1).replace(&other, &elsewhere)
    };
    let disks = external();
    let (taken, ()) = tokio::join!(take(&host, "one", &disks), stopped.edit(&host, edit));
    taken.unwrap();
    let xml = host.xml(&ROOT, "web", true).unwrap();
    assert!(xml.contains(&images(&host).join("a.one").display().to_string()), "{xml}");
    assert!(xml.contains("cache='none'") && xml.contains(&elsewhere), "{xml}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_edit_while_a_domain_goes_back_with_the_definition_of_now_is_not_lost() {
    let (faults, stopped) = stop("domain-revert:definition:before");
    let (_directory, host) = host_with(Setup { faults, ..Setup::default() });
    host.recover().await.unwrap();
    prepare(&host).await;
    take(&host, "one", "").await.unwrap();
    // It does not say what the domain was then.
    let uuid = host.state(&ROOT, "web").unwrap().uuid;
    let mut rows = host.store.domain_snapshots(uuid).unwrap();
    let (begin, end) = (rows[0].xml.find("<domain ").unwrap(), rows[0].xml.find("</domain>").unwrap());
    rows[0].xml.replace_range(begin..end + "</domain>".len(), "");
    host.store.put_domain_snapshots(uuid, &rows).unwrap();
    let how = RevertSnapshot { force: true, ..RevertSnapshot::default() };
    let edit = |xml: String| xml.replace("</name>", "</name><title>The shop</title>");
    let (reverted, ()) =
        tokio::join!(host.revert_snapshot(&ROOT, "web", "one", how), stopped.edit(&host, edit));
    reverted.unwrap();
    assert!(host.xml(&ROOT, "web", true).unwrap().contains("<title>The shop</title>"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_domain_that_goes_back_goes_on_when_nobody_waits_for_it() {
    let (faults, stopped) = stop("domain-revert:leftovers:before");
    let (_directory, host) = host_with(Setup { faults, ..Setup::default() });
    host.recover().await.unwrap();
    prepare(&host).await;
    take(&host, "one", "").await.unwrap();
    let (actions, how) =
        (host.actions.clone(), RevertSnapshot { running: true, ..RevertSnapshot::default() });
    let waiting = tokio::spawn(async move { actions.revert_snapshot(&ROOT, "web", "one", how).await });
    stopped.abandon(waiting, async {}).await;
    let runs = async {
        while host.state(&ROOT, "web").unwrap().state != DomainState::Running {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), runs).await.unwrap();
}

#[tokio::test]
async fn no_image_is_removed_that_a_definition_may_have_which_can_not_be_read() {
    let (directory, host) = host_with(Setup { faults: Arc::new(NoFaults), ..Setup::default() });
    host.recover().await.unwrap();
    prepare(&host).await;
    take(&host, "one", &external()).await.unwrap();
    take(&host, "within", "").await.unwrap();
    let other = document("other", "", "");
    drop(host.define(&ROOT, &other, false).await.unwrap());
    let mut row = host.store.domains().unwrap().into_iter().find(|row| row.name == "other").unwrap();
    row.xml = row.xml.replace("offset='utc'", "offset='nowhere'");
    host.store.put_domain(&row).unwrap();
    drop(host);
    let host = host_at(directory.path(), Setup::default());
    assert_eq!(host.recover().await.unwrap().unreadable.len(), 1);
    // What is within images is nobody else's.
    host.delete_snapshot(&ROOT, "web", "within", DeleteSnapshot::default()).await.unwrap();
    let deleted = host.delete_snapshot(&ROOT, "web", "one", DeleteSnapshot::default()).await;
    let error =
        refused(deleted, ErrorCode::WrongState, &["others may have them", "domain 'other' can't be read"]);
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("domain edit other")), "{error:?}");
    assert!(images(&host).join("a.one").exists() && images(&host).join("a.qcow2").exists());
    host.undefine(&ROOT, "other").await.unwrap();
    host.delete_snapshot(&ROOT, "web", "one", DeleteSnapshot::default()).await.unwrap();
    assert!(!images(&host).join("a.one").exists() && within(&host, "a").is_empty());
}

#[tokio::test]
async fn images_of_a_disk_that_was_renamed_or_detached_are_merged_and_not_lost() {
    let (_directory, host) = host_with(Setup { faults: Arc::new(NoFaults), ..Setup::default() });
    host.recover().await.unwrap();
    prepare(&host).await;
    write(&host, 1);
    take(&host, "one", &external()).await.unwrap();
    write(&host, 2);
    take(&host, "two", &external()).await.unwrap();
    write(&host, 3);
    // One disk gets another name, and the other goes.
    let before = host.xml(&ROOT, "web", true).unwrap();
    let renamed = before.replace("dev='vda'", "dev='vdc'");
    assert_ne!(before, renamed);
    let vdb = renamed.find("dev='vdb'").unwrap();
    let begin = renamed[..vdb].rfind("<disk").unwrap();
    let end = vdb + renamed[vdb..].find("</disk>").unwrap() + "</disk>".len();
    let detached = format!("{}{}", &renamed[..begin], &renamed[end..]);
    host.edit(&ROOT, "web", &detached, false, EditGuard::default()).await.unwrap();
    let is_there = |name: &str| images(&host).join(name).exists();
    host.delete_snapshot(&ROOT, "web", "two", DeleteSnapshot::default()).await.unwrap();
    assert!(is_there("a.one") && is_there("b.one") && !is_there("a.two") && !is_there("b.two"));
    assert_eq!(shown(&host, "vdc"), 3);
    host.delete_snapshot(&ROOT, "web", "one", DeleteSnapshot::default()).await.unwrap();
    assert!(is_there("a.qcow2") && is_there("b.qcow2") && !is_there("a.one") && !is_there("b.one"));
    assert_eq!(shown(&host, "vdc"), 3);
    // What was on the disk that is gone is in the image that it had first.
    let disk = format!(
        "<disk><driver name='qemu' type='qcow2'/><source file='{}'/><target dev='vdb' bus='virtio'/></disk>",
        images(&host).join("b.qcow2").display()
    );
    let after = host.xml(&ROOT, "web", true).unwrap().replace("</devices>", &format!("{disk}</devices>"));
    host.edit(&ROOT, "web", &after, false, EditGuard::default()).await.unwrap();
    assert_eq!(shown(&host, "vdb"), 3);
}
