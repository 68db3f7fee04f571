//! Saving and restoring, with the simulator; real guests are in the tests of the whole.

use std::path::PathBuf;
use std::sync::Arc;

use reeve_actions::FaultPoint;
use reeve_model::api::{StartOptions, UndefineOptions};
use reeve_model::domain_dump::{DumpFile, DumpFormat, DumpMode};
use reeve_model::domain_save::{RestoredState, SaveOptions};
use reeve_model::event::DomainChange as Change;
use reeve_model::{DomainState, ErrorCode, StateReason};

use crate::support::{ROOT, Setup, changes_until, host, host_at, plain, refused};

#[tokio::test]
async fn a_domain_is_saved_and_restored_with_its_events() {
    let (directory, host) = host();
    let path = directory.path().join("web.save");
    let file = path.to_str().unwrap();
    let defined = host.define(&ROOT, &plain("web"), false).await.unwrap().domain;
    host.start(&ROOT, "web").await.unwrap();
    let mut events = host.events(&ROOT, None).unwrap();
    let options = SaveOptions::default();
    let row = host.save(&ROOT, "web", file, None, options).await.unwrap();
    assert_eq!((row.state, row.reason, row.id), (DomainState::ShutOff, StateReason::Saved, None));
    assert_eq!(changes_until(&mut events, Change::Released).await.last(), Some(&Change::Released));
    refused(host.save(&ROOT, "web", file, None, options).await, ErrorCode::WrongState, &["is not running"]);
    let row = host.restore(&ROOT, file, None, options).await.unwrap();
    assert_eq!((row.state, row.reason, row.id), (DomainState::Running, StateReason::Restored, Some(2)));
    assert_eq!(row.uuid, defined.uuid);
    refused(host.restore(&ROOT, file, None, options).await, ErrorCode::WrongState, &["is running already"]);
    let paused = SaveOptions { state: Some(RestoredState::Paused), ..options };
    host.save(&ROOT, "web", file, None, paused).await.unwrap();
    assert_eq!(host.restore(&ROOT, file, None, options).await.unwrap().state, DomainState::Paused);
    for path in ["web.save", "/", ""] {
        refused(host.save(&ROOT, "web", path, None, options).await, ErrorCode::Invalid, &["absolute path"]);
    }
    let missing = directory.path().join("none/web.save");
    refused(
        host.save(&ROOT, "web", missing.to_str().unwrap(), None, options).await,
        ErrorCode::NotFound,
        &["can't be made"],
    );
    assert_eq!(host.state(&ROOT, "web").unwrap().state, DomainState::Paused);
    refused(host.save_status(&ROOT, "web").await, ErrorCode::WrongState, &["is not being saved"]);
    refused(host.cancel_save(&ROOT, "web").await, ErrorCode::WrongState, &["is not being saved"]);
    assert!(host.store.open_operations().unwrap().is_empty());
}

#[tokio::test]
async fn a_document_may_change_what_the_guest_does_not_see() {
    let (directory, host) = host();
    let path = directory.path().join("web.save");
    let file = path.to_str().unwrap();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    let options = SaveOptions::default();
    let xml = host.xml(&ROOT, "web", true).unwrap();
    let other = xml.replace("65536", "131072");
    refused(host.save(&ROOT, "web", file, Some(&other), options).await, ErrorCode::Invalid, &["memory"]);
    assert_eq!(host.state(&ROOT, "web").unwrap().state, DomainState::Running);
    let titled = xml.replace("<memory", "<title>one</title><memory");
    host.save(&ROOT, "web", file, Some(&titled), options).await.unwrap();
    assert!(host.save_image_xml(&ROOT, file).await.unwrap().contains("<title>one</title>"));
    refused(host.define_save_image(&ROOT, file, &other, None).await, ErrorCode::Invalid, &["memory"]);
    let again = titled.replace("one", "two");
    host.define_save_image(&ROOT, file, &again, Some(RestoredState::Paused)).await.unwrap();
    refused(host.restore(&ROOT, file, Some(&other), options).await, ErrorCode::Invalid, &["memory"]);
    let row = host.restore(&ROOT, file, None, options).await.unwrap();
    assert_eq!((row.state, row.reason), (DomainState::Paused, StateReason::Restored));
    assert!(host.xml(&ROOT, "web", false).unwrap().contains("<title>two</title>"));
}

#[tokio::test]
async fn a_managed_save_is_used_by_the_next_start() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    let options = SaveOptions::default();
    assert!(host.managed_save(&ROOT, "web", options).await.unwrap().managed_save);
    refused(host.undefine(&ROOT, "web").await, ErrorCode::WrongState, &["managed save"]);
    let row = host.start(&ROOT, "web").await.unwrap();
    assert_eq!((row.reason, row.managed_save), (StateReason::Restored, false));
    host.managed_save(&ROOT, "web", options).await.unwrap();
    let boot = StartOptions { force_boot: true, ..StartOptions::default() };
    assert_eq!(host.start_with(&ROOT, "web", boot).await.unwrap().reason, StateReason::Booted);
    refused(host.remove_managed_save(&ROOT, "web").await, ErrorCode::NotFound, &["no managed save"]);
    host.managed_save(&ROOT, "web", options).await.unwrap();
    assert!(!host.remove_managed_save(&ROOT, "web").await.unwrap().managed_save);
    host.start(&ROOT, "web").await.unwrap();
    host.managed_save(&ROOT, "web", options).await.unwrap();
    host.undefine_with(&ROOT, "web", UndefineOptions { managed_save: true, ..UndefineOptions::default() })
        .await
        .unwrap();
    host.create(&ROOT, &plain("job"), false).await.unwrap();
    refused(host.managed_save(&ROOT, "job", options).await, ErrorCode::WrongState, &["transient"]);
}

/// What was saved would bring back a guest that knows nothing of what its disks went through since.
#[tokio::test]
async fn a_managed_save_is_out_of_use_before_its_guest_runs() {
    let (directory, host) = host();
    let uuid = host.define(&ROOT, &plain("web"), false).await.unwrap().domain.uuid;
    host.start(&ROOT, "web").await.unwrap();
    host.managed_save(&ROOT, "web", SaveOptions::default()).await.unwrap();
    let in_the_way = directory.path().join(format!("{uuid}.used/one"));
    std::fs::create_dir_all(&in_the_way).unwrap();
    for force_boot in [false, true] {
        let how = StartOptions { force_boot, ..StartOptions::default() };
        let started = host.start_with(&ROOT, "web", how).await;
        refused(started, ErrorCode::Internal, &["can't be put out of use"]);
        let row = host.state(&ROOT, "web").unwrap();
        assert_eq!((row.state, row.managed_save), (DomainState::ShutOff, true), "it did not run");
        assert!(host.store.runtime().unwrap().is_empty() && host.store.open_operations().unwrap().is_empty());
    }
    std::fs::remove_dir_all(in_the_way.parent().unwrap()).unwrap();
    let row = host.start(&ROOT, "web").await.unwrap();
    assert_eq!((row.reason, row.managed_save), (StateReason::Restored, false));
}

/// Whatever becomes of what it was started from, a guest that runs goes on.
#[tokio::test]
async fn a_guest_that_runs_is_not_ended_because_its_image_can_not_be_removed() {
    /// Puts a directory where the last step removes a file.
    struct InTheWay(PathBuf);

    impl FaultPoint for InTheWay {
        fn pass(&self, name: &str) {
            let images = std::fs::read_dir(&self.0).unwrap().flatten().map(|entry| entry.path());
            let is_image =
                |path: &PathBuf| path.extension().is_some_and(|kind| kind == "used" || kind == "save");
            for image in images.filter(|path| name == "domain-start:image:before" && is_image(path)) {
                std::fs::remove_file(&image).unwrap();
                std::fs::create_dir(&image).unwrap();
            }
        }
    }

    let directory = tempfile::TempDir::new().unwrap();
    let faults = Arc::new(InTheWay(directory.path().to_owned()));
    let host = host_at(directory.path(), Setup { faults, ..Setup::default() });
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    host.managed_save(&ROOT, "web", SaveOptions::default()).await.unwrap();
    let row = host.start(&ROOT, "web").await.unwrap();
    assert_eq!((row.state, row.managed_save), (DomainState::Running, false));
    assert!(host.store.open_operations().unwrap().is_empty());
}

#[tokio::test]
async fn a_domain_is_dumped_and_is_what_was_asked_for_afterwards() {
    let (directory, host) = host();
    let path = directory.path().join("web.core");
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    let file =
        |mode| DumpFile { path: path.display().to_string(), memory_only: true, mode, ..DumpFile::default() };
    refused(host.dump(&ROOT, "web", &file(None)).await, ErrorCode::WrongState, &["is not running"]);
    host.start(&ROOT, "web").await.unwrap();
    for (wrong, told) in [
        (DumpFile { format: DumpFormat::KdumpZlib, ..file(None) }, ["'kdump-zlib'", "'elf'"]),
        (DumpFile { memory_only: false, ..file(None) }, ["memory and the vCPUs", "'--memory-only'"]),
    ] {
        let refusal = host.dump(&ROOT, "web", &wrong).await.unwrap_err();
        let said = format!("{} {}", refusal.message, refusal.hint.unwrap_or_default());
        assert!(
            refusal.code == ErrorCode::Unsupported && told.iter().all(|word| said.contains(word)),
            "{said}"
        );
    }
    let relative = DumpFile { path: "web.core".to_owned(), ..file(None) };
    refused(host.dump(&ROOT, "web", &relative).await, ErrorCode::Invalid, &["absolute path"]);
    let missing = DumpFile { path: directory.path().join("no/core").display().to_string(), ..file(None) };
    refused(host.dump(&ROOT, "web", &missing).await, ErrorCode::NotFound, &["can't be made"]);
    assert_eq!(host.state(&ROOT, "web").unwrap().state, DomainState::Running);
    let states = [(Some(DumpMode::Live), DomainState::Running), (None, DomainState::Paused)];
    for (mode, state) in states {
        assert_eq!(host.dump(&ROOT, "web", &file(mode)).await.unwrap().state, state, "{mode:?}");
        assert!(std::fs::read_to_string(&path).unwrap().contains("no memory"));
        std::fs::remove_file(&path).unwrap();
    }
    // One that was paused stays so, whatever is done to it.
    let row = host.dump(&ROOT, "web", &file(Some(DumpMode::Reset))).await.unwrap();
    assert_eq!(row.state, DomainState::Paused);
    host.resume(&ROOT, "web").await.unwrap();
    let row = host.dump(&ROOT, "web", &file(Some(DumpMode::Reset))).await.unwrap();
    assert_eq!(row.state, DomainState::Running);
    let row = host.dump(&ROOT, "web", &file(Some(DumpMode::Crash))).await.unwrap();
    assert_eq!((row.state, row.reason, row.id), (DomainState::Crashed, StateReason::Dumped, None));
    assert!(host.store.open_operations().unwrap().is_empty());
}

/// What version 1 of the format wrote. With `REEVE_WRITE_FIXTURE` set it is written anew, which is for the beginning of a version only.
#[tokio::test]
async fn an_image_of_version_1_is_still_restored() {
    let (directory, host) = host();
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sim-1.save");
    let path = directory.path().join("old.save");
    let file = path.to_str().unwrap();
    let options = SaveOptions::default();
    if std::env::var_os("REEVE_WRITE_FIXTURE").is_some() {
        host.create(&ROOT, &plain("old"), false).await.unwrap();
        host.save(&ROOT, "old", file, None, options).await.unwrap();
        std::fs::copy(&path, &fixture).unwrap();
    }
    std::fs::copy(fixture, &path).unwrap();
    let row = host.restore(&ROOT, file, None, options).await.unwrap();
    assert_eq!(
        (row.name.as_str(), row.state, row.reason),
        ("old", DomainState::Running, StateReason::Restored)
    );
}
