//! Migrations that were under way.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use reeve_actions::NoFaults;
use reeve_domain::migration::Witness;
use reeve_model::migration::MigrationStage;
use reeve_store::JournalState;
use tempfile::TempDir;
use uuid::Uuid;

use super::{recovered, settled};
use crate::support::{ROOT, plain};

/// A migration takes two hosts with KVM, and is killed there (`tests/tests/migration`). Here is what a fresh host makes of each of
/// its steps, on both sides: whose the guest is, is what the journal says, and of a guest that comes the file that its worker writes.
/// The file is made, and empty, before the first step of an arrival; it is gone when the host itself was restarted.
#[tokio::test]
async fn an_interrupted_migration_is_whose_the_journal_says() {
    let (forward, back) = (JournalState::Forward, JournalState::Back);
    for (kind, step, state, witness, expected) in [
        ("domain-migrate", "move", forward, None, MigrationStage::Unknown),
        ("domain-migrate", "hand-over", forward, None, MigrationStage::GivenUp),
        ("domain-migrate", "hand-over", back, None, MigrationStage::Unknown),
        // No machine was made that could have run it.
        ("domain-arrive", "guard", forward, Some(Witness::NeverRan), MigrationStage::Refused),
        ("domain-arrive", "disks", forward, Some(Witness::NeverRan), MigrationStage::Refused),
        ("domain-arrive", "disks", back, Some(Witness::NeverRan), MigrationStage::Refused),
        ("domain-arrive", "disks", forward, None, MigrationStage::Arrived),
        ("domain-arrive", "ports", forward, Some(Witness::NeverRan), MigrationStage::Refused),
        // There is no worker that waits for it.
        ("domain-arrive", "machine", forward, Some(Witness::NeverRan), MigrationStage::Refused),
        ("domain-arrive", "machine", forward, Some(Witness::Whole), MigrationStage::Arrived),
        // There was one, and it is ended.
        ("domain-arrive", "ports", back, Some(Witness::NeverRan), MigrationStage::Refused),
        ("domain-arrive", "ports", back, Some(Witness::Ran), MigrationStage::Lost),
        ("domain-arrive", "ports", back, Some(Witness::Whole), MigrationStage::Arrived),
        // Nothing is known of it: it may have run, so the source must not run it again.
        ("domain-arrive", "ports", back, None, MigrationStage::Arrived),
    ] {
        let root = TempDir::new().unwrap();
        let migration = Uuid::new_v4();
        // Files for disks that come: one was made, one has no name yet, one was not noted. Somebody has put files in the place of the others.
        let places = ["one", "other", "third"].map(|name| root.path().join(name));
        places.iter().for_each(|place| std::fs::write(place, "a disk").unwrap());
        let unfinished = [1, 2].map(|number| format!(".reeve-coming-{}-{number}", migration.simple()));
        let unfinished = unfinished.map(|name| root.path().join(name));
        unfinished.iter().for_each(|path| std::fs::write(path, "a disk").unwrap());
        let files = [note_of(&places[0]), note_of(&unfinished[0])];
        // All have their name before there are ports.
        let named = if ["ports", "machine"].contains(&step) { places.len() } else { 1 };
        {
            let host = recovered(root.path(), Arc::new(NoFaults)).await;
            let defined = host.define(&ROOT, &plain("web"), false).await.unwrap();
            let uuid = defined.domain.uuid;
            let config = host.domains.definition(uuid).unwrap().unwrap();
            let data = match kind {
                "domain-migrate" => serde_json::json!({
                    "uuid": uuid, "migration": migration, "host": "/nowhere", "undefine": true, "suspend_after": null,
                    "actor": ROOT, "downtime_us": null,
                }),
                _ => serde_json::json!({
                    "config": config.as_ref(), "migration": migration, "slots": [], "source": "/nowhere",
                    "paused": false, "persistent": false, "actor": ROOT, "refused": false, "disks": [],
                    "places": places, "made": named, "files": files,
                }),
            };
            let actor = serde_json::to_string(&ROOT).unwrap();
            let id = host.store.begin_operation(kind, &uuid.to_string(), &actor, &data.to_string()).unwrap();
            host.store.note_step(id, step, state, &data.to_string()).unwrap();
        }
        let file = root.path().join(format!("migration-{migration}.ran"));
        if let Some(witness) = witness {
            std::fs::write(&file, witness.bytes()).unwrap();
        }
        let host = recovered(root.path(), Arc::new(NoFaults)).await;
        let started = std::time::Instant::now();
        // It is settled beside the start of the daemon.
        while host.migration_report(&ROOT, migration).unwrap().stage != expected {
            assert!(started.elapsed().as_secs() < 20, "{kind} {step} {state:?} {witness:?}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(host.state(&ROOT, "web").is_ok(), "the definition stays as long as that is not decided");
        // What was made for a guest that never ran is removed, and nothing else. Nothing ran before all of it was made.
        let made = kind == "domain-arrive" && step != "guard";
        let gone = made && (expected == MigrationStage::Refused || step == "disks");
        let there = places.each_ref().map(|place| place.exists());
        assert_eq!(there, [!gone, true, true], "{kind} {step} {state:?} {witness:?}");
        assert!(unfinished.iter().all(|path| path.exists() != gone), "{kind} {step} {state:?} {witness:?}");
        if witness.is_some() {
            // The source's host may ask again when another daemon runs here.
            settled(&host).await;
            drop(host);
            let next = recovered(root.path(), Arc::new(NoFaults)).await;
            let stage = next.migration_report(&ROOT, migration).unwrap().stage;
            assert_eq!(stage, expected, "{kind} {step} {state:?} {witness:?}");
        }
    }
}

/// What the journal has of a file that was made for a disk.
fn note_of(path: &Path) -> serde_json::Value {
    let metadata = std::fs::metadata(path).unwrap();
    let born = metadata.created().ok().map(|born| born.duration_since(std::time::UNIX_EPOCH).unwrap());
    let born = born.map(|born| u64::try_from(born.as_nanos()).unwrap());
    serde_json::json!({ "device": metadata.dev(), "inode": metadata.ino(), "born": born })
}
