//! Somebody who makes a file where a copy of a clone is to go, and a daemon that dies while it takes the clone back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use reeve_actions::{FaultPoint, NoFaults};
use tempfile::TempDir;

use super::files::images;
use super::{Doing, recovered};
use crate::support::Host;

const THEIRS: &str = "somebody else's";

/// Makes the file while the first copy is made, and dies when that is taken back.
struct Intruder(PathBuf);

impl FaultPoint for Intruder {
    fn pass(&self, name: &str) {
        match name {
            "domain-clone:disks:before" => std::fs::write(&self.0, THEIRS).unwrap(),
            "domain-clone:disks:undo" => std::process::abort(),
            _ => {}
        }
    }
}

fn place(host: &Host) -> PathBuf {
    images(host).join("data-clone.img")
}

#[tokio::test]
async fn what_somebody_made_where_a_copy_was_to_go_stays_whoever_dies() {
    if let Ok(root) = std::env::var("REEVE_TEST_INTRUDER") {
        let place = place(&recovered(Path::new(&root), Arc::new(NoFaults)).await);
        let host = recovered(Path::new(&root), Arc::new(Intruder(place))).await;
        let outcome = Doing::Clone.run(&host).await;
        panic!("it lives: {outcome:?}");
    }
    let root = TempDir::new().unwrap();
    let host = recovered(root.path(), Arc::new(NoFaults)).await;
    Doing::Clone.prepare(&host).await;
    drop(host);
    #[expect(clippy::disallowed_methods, reason = "the child is this test itself")]
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::intruder::what_somebody_made_where_a_copy_was_to_go_stays_whoever_dies"])
        .env("REEVE_TEST_INTRUDER", root.path())
        .output()
        .unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(6), "{output:?}");
    let host = recovered(root.path(), Arc::new(NoFaults)).await;
    assert!(host.store.open_operations().unwrap().is_empty());
    assert_eq!(std::fs::read_to_string(place(&host)).unwrap(), THEIRS);
    assert!(!images(&host).join("twin.img").exists(), "what was copied is gone");
}
