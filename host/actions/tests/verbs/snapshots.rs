//! Snapshots, and edits of definitions in the middle of them.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use reeve_actions::{EditGuard, FaultPoint};
use reeve_model::snapshot::RevertSnapshot;

use crate::kill::files::{external, image, images, take};
use crate::support::{Host, ROOT, Setup, document, host_with};

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
struct Stopped {
    reached: Receiver<()>,
    go_on: SyncSender<()>,
}

fn stop(point: &'static str) -> (Arc<dyn FaultPoint>, Stopped) {
    let ((reached, waits), (go_on, goes)) = (sync_channel(1), sync_channel(1));
    (Arc::new(Stop { point, reached, go_on: Mutex::new(goes) }), Stopped { reached: waits, go_on })
}

impl Stopped {
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
