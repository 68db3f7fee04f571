//! Definitions: what is refused, what is kept, who may overwrite whom.

use reeve_actions::EditGuard;
use reeve_domain::Request;
use reeve_model::api::{SetDescription, UndefineOptions};
use reeve_model::domain_save::SaveOptions;
use reeve_model::tuning::TuneOptions;
use reeve_model::{Actor, ErrorCode};
use reeve_store::DomainSnapshotRow;
use sha2::{Digest, Sha256};

use crate::support::{ROOT, Setup, document, host, host_at, plain, refused};

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn bad_documents_are_refused_with_their_place_and_nothing_is_kept() {
    let (_directory, host) = host();
    let memory = |size: &str| plain("web").replace("<memory unit='MiB'>64</memory>", size);
    let cases: [(String, &[&str]); 7] = [
        ("<domain".to_owned(), &["line 1"]),
        ("<network/>".to_owned(), &["<domain>"]),
        (plain(""), &["name"]),
        (memory("<memory>0</memory>"), &["memory"]),
        (memory("<memory unit='PiB'>1</memory>"), &["1024 TiB", "128 TiB"]),
        (plain("web").replace("<vcpu>1</vcpu>", "<vcpu>0</vcpu>"), &["vCPU"]),
        (plain("web").replace("<vcpu>1</vcpu>", "<vcpu>100000</vcpu>"), &["vCPU"]),
    ];
    for (xml, words) in cases {
        refused(host.define(&ROOT, &xml, false).await, ErrorCode::Invalid, words);
        refused(host.create(&ROOT, &xml, false).await, ErrorCode::Invalid, words);
    }
    assert!(host.list(&ROOT).unwrap().is_empty());
    assert!(host.store.domains().unwrap().is_empty());
}

#[tokio::test]
async fn typos_are_warned_about_and_refused_when_strict() {
    let (_directory, host) = host();
    let typo = plain("web").replace("<vcpu>1</vcpu>", "<vcpu>1</vcpu><memmory/>");
    refused(host.define(&ROOT, &typo, true).await, ErrorCode::Invalid, &["memmory"]);
    let defined = host.define(&ROOT, &typo, false).await.unwrap();
    assert!(defined.warnings.iter().any(|warning| warning.contains("memmory")), "{:?}", defined.warnings);
    assert!(host.xml(&ROOT, "web", true).unwrap().contains("<memmory/>"), "kept all the same");
}

#[tokio::test]
async fn a_domain_no_driver_runs_is_kept_with_a_warning_and_not_started() {
    let (_directory, host) = host();
    let other = plain("old").replace("type='sim'", "type='xen'");
    let defined = host.define(&ROOT, &other, false).await.unwrap();
    assert!(defined.warnings.iter().any(|warning| warning.contains("xen")), "{:?}", defined.warnings);
    refused(host.start(&ROOT, "old").await, ErrorCode::Unsupported, &["'old'", "xen"]);
    assert!(host.store.open_operations().unwrap().is_empty());
}

#[tokio::test]
async fn names_and_uuids_are_unique() {
    let (_directory, host) = host();
    let web = host.define(&ROOT, &plain("web"), false).await.unwrap().domain;
    let error = refused(host.define(&ROOT, &plain("web"), false).await, ErrorCode::AlreadyExists, &["'web'"]);
    assert!(error.hint.unwrap().contains(&web.uuid.to_string()));
    let thief = plain("mail").replace("<memory", &format!("<uuid>{}</uuid><memory", web.uuid));
    refused(host.define(&ROOT, &thief, false).await, ErrorCode::AlreadyExists, &[&web.uuid.to_string()]);
    refused(host.create(&ROOT, &thief, false).await, ErrorCode::AlreadyExists, &[&web.uuid.to_string()]);
    assert_eq!(host.store.domains().unwrap().len(), 1);
    let again = host.xml(&ROOT, "web", true).unwrap();
    host.define(&ROOT, &again, false).await.unwrap();
    assert_eq!(host.store.domains().unwrap().len(), 1);
}

#[tokio::test]
async fn an_edit_keeps_the_identity_and_does_not_overwrite_another() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.set_autostart(&ROOT, "web", true).await.unwrap();
    let old = host.xml(&ROOT, "web", true).unwrap();
    let guard = sha256(&old);
    let guard = EditGuard { expected: Some(&guard) };
    let titled = |title: &str| old.replace("</uuid>", &format!("</uuid><title>{title}</title>"));
    host.edit(&ROOT, "web", &titled("one"), false, guard).await.unwrap();
    refused(
        host.edit(&ROOT, "web", &titled("two"), false, guard).await,
        ErrorCode::Busy,
        &["'web'", "changed"],
    );
    assert!(host.xml(&ROOT, "web", true).unwrap().contains("<title>one</title>"));
    host.edit(&ROOT, "web", &titled("three"), false, EditGuard::default()).await.unwrap();
    let renamed = old.replace("<name>web</name>", "<name>mail</name>");
    refused(host.edit(&ROOT, "web", &renamed, false, guard).await, ErrorCode::Invalid, &["'web'", "name"]);
    assert!(host.state(&ROOT, "web").unwrap().autostart, "an edit keeps settings");
    assert!(host.store.domains().unwrap()[0].autostart);
}

#[tokio::test]
async fn a_running_domain_keeps_its_configuration_until_the_next_start() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    let bigger = host.xml(&ROOT, "web", true).unwrap().replace("65536", "131072");
    host.define(&ROOT, &bigger, false).await.unwrap();
    assert!(host.xml(&ROOT, "web", false).unwrap().contains("65536"));
    assert!(host.xml(&ROOT, "web", false).unwrap().contains("id='1'"));
    assert!(host.xml(&ROOT, "web", true).unwrap().contains("131072"));
    host.undefine(&ROOT, "web").await.unwrap();
    assert!(!host.state(&ROOT, "web").unwrap().persistent);
    host.destroy(&ROOT, "web").await.unwrap();
    assert!(host.list(&ROOT).unwrap().is_empty());
}

#[tokio::test]
async fn interfaces_get_a_mac_address_that_stays() {
    let (_directory, host) = host();
    let nic = "<interface type='ethernet'/>".repeat(3);
    host.define(&ROOT, &document("web", "", &nic), false).await.unwrap();
    let macs: Vec<String> = (host.snapshot(&ROOT, "web").unwrap().config.devices.interfaces.into_iter())
        .map(|nic| nic.mac.unwrap())
        .collect();
    assert!(macs.iter().all(|mac| mac.starts_with("00:16:3e:")), "{macs:?}");
    assert!(macs[0] != macs[1] && macs[1] != macs[2] && macs[0] != macs[2], "{macs:?}");
    assert!(host.store.domains().unwrap()[0].xml.contains(&macs[2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_wins_a_name() {
    let (_directory, host) = host();
    let tries = (0..16).map(|_| {
        let actions = host.actions.clone();
        tokio::spawn(async move { actions.define(&ROOT, &plain("web"), false).await })
    });
    let mut won = 0;
    for each in tries.collect::<Vec<_>>() {
        match each.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(error.code, ErrorCode::AlreadyExists),
        }
    }
    assert_eq!((won, host.store.domains().unwrap().len(), host.list(&ROOT).unwrap().len()), (1, 1, 1));
}

#[tokio::test]
async fn a_title_is_of_the_running_domain_or_of_the_definition() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    let title = |text: &str| SetDescription { title: Some(text.to_owned()), ..SetDescription::default() };
    let (live, config) =
        (TuneOptions { live: true, config: false }, TuneOptions { live: false, config: true });
    let both = TuneOptions { live: true, config: true };
    for options in [live, both] {
        refused(
            host.describe(&ROOT, "web", title("x"), options).await,
            ErrorCode::WrongState,
            &["is not running"],
        );
    }
    let shown = |inactive| {
        let xml = host.xml(&ROOT, "web", inactive).unwrap();
        xml.split_once("<title>").map(|(_, rest)| rest.split('<').next().unwrap().to_owned())
    };
    assert_eq!(shown(true), None, "what was refused left nothing");
    host.describe(&ROOT, "web", title("one"), TuneOptions::default()).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    host.describe(&ROOT, "web", title("two"), TuneOptions::default()).await.unwrap();
    assert_eq!((shown(false).as_deref(), shown(true).as_deref()), (Some("two"), Some("one")));
    host.describe(&ROOT, "web", title("three"), config).await.unwrap();
    assert_eq!((shown(false).as_deref(), shown(true).as_deref()), (Some("two"), Some("three")));
    let both_lines = SetDescription { description: Some("a\nb".to_owned()), ..SetDescription::default() };
    host.describe(&ROOT, "web", both_lines, both).await.unwrap();
    assert!(host.xml(&ROOT, "web", false).unwrap().contains("<description>a\nb</description>"));
    assert!(host.xml(&ROOT, "web", true).unwrap().contains("<description>a\nb</description>"));
    for options in [live, config] {
        refused(host.describe(&ROOT, "web", title("a\nb"), options).await, ErrorCode::Invalid, &["one line"]);
    }
    host.describe(&ROOT, "web", title(""), both).await.unwrap();
    assert_eq!((shown(false), shown(true)), (None, None));
}

#[tokio::test]
async fn a_domain_that_is_off_gets_another_name() {
    let (directory, host) = host();
    let web = host.define(&ROOT, &plain("web"), false).await.unwrap().domain;
    host.define(&ROOT, &plain("mail"), false).await.unwrap();
    host.set_autostart(&ROOT, "web", true).await.unwrap();
    refused(host.rename(&ROOT, "web", "mail").await, ErrorCode::AlreadyExists, &["'mail'"]);
    refused(host.rename(&ROOT, "web", "web").await, ErrorCode::Invalid, &["called so already"]);
    refused(host.rename(&ROOT, "web", "a/b").await, ErrorCode::Invalid, &["name"]);
    refused(host.rename(&ROOT, "web", "mail ").await, ErrorCode::Invalid, &["'mail '", "blanks"]);
    refused(host.rename(&ROOT, "nobody", "x").await, ErrorCode::NotFound, &["'nobody'"]);
    host.start(&ROOT, "web").await.unwrap();
    refused(host.rename(&ROOT, "web", "shop").await, ErrorCode::WrongState, &["'web'", "is active"]);
    host.managed_save(&ROOT, "web", SaveOptions::default()).await.unwrap();
    let error = refused(host.rename(&ROOT, "web", "shop").await, ErrorCode::WrongState, &["managed save"]);
    assert!(error.hint.unwrap().contains("managedsave-remove"));
    host.remove_managed_save(&ROOT, "web").await.unwrap();
    let snapshot =
        DomainSnapshotRow { name: "one".to_owned(), xml: String::new(), memory: None, current: true };
    host.store.put_domain_snapshots(web.uuid, &[snapshot]).unwrap();
    refused(host.rename(&ROOT, "web", "shop").await, ErrorCode::WrongState, &["has snapshots"]);
    host.store.put_domain_snapshots(web.uuid, &[]).unwrap();
    assert_eq!(host.state(&ROOT, "web").unwrap().name, "web", "what was refused left nothing");

    let renamed = host.rename(&ROOT, "web", "shop").await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.uuid, renamed.autostart), ("shop", web.uuid, true));
    refused(host.state(&ROOT, "web"), ErrorCode::NotFound, &["'web'"]);
    host.start(&ROOT, "shop").await.unwrap();
    host.destroy(&ROOT, "shop").await.unwrap();
    // The old name is free, and the new one is there after a restart.
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    drop(host);
    let host = host_at(directory.path(), Setup::default());
    host.recover().await.unwrap();
    let names: Vec<_> = host.list(&ROOT).unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!(names, ["mail", "shop", "web"]);
    assert_eq!(host.state(&ROOT, &web.uuid.to_string()).unwrap().name, "shop");
}

#[tokio::test]
async fn who_waits_for_a_domain_that_is_renamed_is_told() {
    let (_directory, host) = host();
    let web = host.define(&ROOT, &plain("web"), false).await.unwrap().domain;
    let turn = host.domains.begin(ROOT, web.uuid, Request::Configure).await.unwrap();
    let actions = host.actions.clone();
    let renaming = tokio::spawn(async move { actions.rename(&ROOT, "web", "shop").await });
    tokio::task::yield_now().await;
    let domains = host.domains.clone();
    let waiting = tokio::spawn(async move { domains.begin(ROOT, web.uuid, Request::Start).await });
    tokio::task::yield_now().await;
    drop(turn);
    assert_eq!(renaming.await.unwrap().unwrap().name, "shop");
    let error = waiting.await.unwrap().map(|turn| turn.name().to_owned()).unwrap_err();
    assert!(error.to_string().contains("web"), "{error}");
    host.start(&ROOT, "shop").await.unwrap();
}

#[tokio::test]
async fn a_definition_that_can_not_be_read_is_shown_mended_and_removed() {
    let (directory, host) = host();
    for name in ["mended", "edited", "removed"] {
        host.define(&ROOT, &plain(name), false).await.unwrap();
        host.set_autostart(&ROOT, name, name == "mended").await.unwrap();
    }
    let rows = host.store.domains().unwrap();
    for mut row in rows.clone() {
        row.xml = row.xml.replace("offset='utc'", "offset='nowhere'");
        host.store.put_domain(&row).unwrap();
    }
    drop(host);
    let host = crate::support::host_at(directory.path(), Default::default());
    assert_eq!(host.recover().await.unwrap().unreadable.len(), 3);
    let list = host.list(&ROOT).unwrap();
    assert_eq!(list.len(), 3);
    assert!(
        list.iter().all(|row| row.unreadable.as_ref().is_some_and(|why| why.contains("nowhere"))),
        "{list:?}"
    );
    assert!(host.xml(&ROOT, "edited", false).unwrap().contains("nowhere"), "as it is");
    let why = host.start(&ROOT, "edited").await.unwrap_err();
    assert!(why.message.contains("'edited' can't be read") && why.message.contains("nowhere"), "{why:?}");
    // Nobody takes its name, or its UUID with another name.
    let uuid = |name: &str| rows.iter().find(|row| row.name == name).unwrap().uuid;
    let with =
        |name: &str, uuid: uuid::Uuid| plain(name).replace("</name>", &format!("</name><uuid>{uuid}</uuid>"));
    let taken = host.define(&ROOT, &plain("edited"), false).await.unwrap_err();
    assert_eq!(taken.code, ErrorCode::AlreadyExists, "{taken:?}");
    let taken = host.define(&ROOT, &with("other", uuid("edited")), false).await.unwrap_err();
    assert_eq!(taken.code, ErrorCode::AlreadyExists, "{taken:?}");
    let taken = host.create(&ROOT, &plain("edited"), false).await.unwrap_err();
    assert_eq!(taken.code, ErrorCode::AlreadyExists, "not for a while either: {taken:?}");
    assert!(host.list(&Actor::Daemon).unwrap().is_empty(), "policies are told of what they can look at");
    // An edit begins with what is there.
    let before = host.xml(&ROOT, "edited", true).unwrap();
    let mended = before.replace("nowhere", "utc");
    let stale = EditGuard { expected: Some("another") };
    assert_eq!(host.edit(&ROOT, "edited", &mended, false, stale).await.unwrap_err().code, ErrorCode::Busy);
    let digest = sha256(&before);
    let guard = EditGuard { expected: Some(&digest) };
    host.edit(&ROOT, "edited", &mended, false, guard).await.unwrap();
    host.define(&ROOT, &with("mended", uuid("mended")), false).await.unwrap();
    // Its snapshots need not be readable to be forgotten.
    let removed = uuid("removed");
    let snapshot =
        DomainSnapshotRow { name: "one".to_owned(), xml: String::new(), memory: None, current: true };
    host.store.put_domain_snapshots(removed, &[snapshot]).unwrap();
    refused(host.undefine(&ROOT, "removed").await, ErrorCode::WrongState, &["has snapshots"]);
    let forget = UndefineOptions { snapshots_metadata: true, ..UndefineOptions::default() };
    host.undefine_with(&ROOT, &removed.to_string(), forget).await.unwrap();
    assert!(host.store.domain_snapshots(removed).unwrap().is_empty());
    let list = host.list(&ROOT).unwrap();
    let names: Vec<_> =
        list.iter().map(|row| (row.name.as_str(), row.autostart, row.unreadable.is_some())).collect();
    assert_eq!(names, [("edited", false, false), ("mended", true, false)]);
    assert!(host.start(&ROOT, "mended").await.is_ok());
    drop(host);
    let next = crate::support::host_at(directory.path(), Default::default());
    assert_eq!(next.recover().await.unwrap().definitions, 2);
}
