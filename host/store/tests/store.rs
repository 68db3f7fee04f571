//! Every table: what goes in comes out, also after a restart.
#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

use reeve_model::Actor;
use reeve_model::policy::{
    BreakerSettings, Decision, DecisionFilter, FailureMode, Hook, Outcome, Parked, PolicyMode, PolicyVersion,
};
use reeve_model::secret::SecretValue;
use reeve_store::{
    DECISIONS_KEPT, DomainRow, DomainSnapshotRow, InterfaceRow, JournalState, PolicyRow, RuntimeRow,
    SecretRow, SnapshotKind, SnapshotRow, Store, StoreError, VERSIONS_KEPT,
};
use tempfile::TempDir;
use uuid::Uuid;

fn open() -> (TempDir, Store) {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path()).unwrap();
    (directory, store)
}

fn domain(name: &str) -> DomainRow {
    let xml = format!("<domain><name>{name}</name></domain>");
    DomainRow { uuid: Uuid::new_v4(), name: name.to_owned(), xml, autostart: false }
}

#[test]
fn definitions_survive_a_restart_and_names_are_unique() {
    let (directory, store) = open();
    let (web, mail) = (domain("web"), DomainRow { autostart: true, ..domain("mail") });
    store.put_domain(&web).unwrap();
    store.put_domain(&mail).unwrap();
    let double = domain("web");
    assert!(matches!(store.put_domain(&double), Err(StoreError::Taken { name, .. }) if name == "web"));
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.domains().unwrap(), [mail.clone(), web.clone()]);
    let web = DomainRow { xml: "<domain/>".to_owned(), ..web };
    store.put_domain(&web).unwrap();
    assert_eq!(store.domain(web.uuid).unwrap(), Some(web.clone()));
    assert!(store.remove_domain(web.uuid).unwrap());
    assert!(!store.remove_domain(web.uuid).unwrap());
    assert_eq!(store.domains().unwrap(), [mail]);
}

#[test]
fn running_domains_are_found_by_the_next_daemon() {
    let (directory, store) = open();
    let row = RuntimeRow {
        uuid: Uuid::new_v4(),
        id: 7,
        driver: "kvm".to_owned(),
        boot_id: "b".to_owned(),
        pid: Some(4711),
        start_time: Some(u64::MAX),
        socket: Some("/run/reeve/domains/x/control".into()),
        live: "{}".to_owned(),
    };
    store.put_runtime(&row).unwrap();
    let row = RuntimeRow { pid: None, socket: None, ..row };
    store.put_runtime(&row).unwrap();
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.runtime().unwrap(), std::slice::from_ref(&row));
    assert!(store.remove_runtime(row.uuid).unwrap());
    assert!(store.runtime().unwrap().is_empty());
}

#[test]
fn the_journal_holds_what_has_not_ended() {
    let (directory, store) = open();
    let first = store.begin_operation("domain-start", "web", "{}", "1").unwrap();
    let second = store.begin_operation("domain-start", "mail", "{}", "2").unwrap();
    store.note_step(first, "machine", JournalState::Forward, "3").unwrap();
    store.note_step(second, "guard", JournalState::Back, "4").unwrap();
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    let open = store.open_operations().unwrap();
    let seen: Vec<_> = open
        .iter()
        .map(|row| (row.id, row.subject.as_str(), row.step.as_str(), row.state, row.data.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (first, "web", "machine", JournalState::Forward, "3"),
            (second, "mail", "guard", JournalState::Back, "4")
        ]
    );
    store.end_operations(&[first]).unwrap();
    assert_eq!(store.open_operations().unwrap().len(), 1);
    store.end_operations(&[first, second]).unwrap();
    assert!(store.open_operations().unwrap().is_empty());
    assert!(store.begin_operation("x", "y", "{}", "").unwrap() > second, "numbers are not used again");
}

fn decision(policy: &str, subject: &str, outcome: Outcome) -> Decision {
    Decision {
        id: 0,
        time: time::macros::datetime!(2026-01-02 03:04:05.6 UTC),
        chain: 1,
        hook: Hook::DomainPrepare,
        policy: policy.to_owned(),
        digest: "00".to_owned(),
        actor: Actor::Client { uid: 0, pid: 1 },
        subject: subject.to_owned(),
        mode: PolicyMode::Enforce,
        outcome,
        reason: "because".to_owned(),
        changes: Vec::new(),
        fuel: 1,
        micros: 2,
        host_calls: 3,
        in_place_of: None,
        input_digest: "11".to_owned(),
    }
}

fn ids(found: &[Decision]) -> Vec<u64> {
    found.iter().map(|decision| decision.id).collect()
}

#[test]
fn decisions_are_numbered_and_found_by_filter() {
    let (_directory, store) = open();
    let rows = [
        decision("admission", "web", Outcome::Allow),
        decision("naming", "web", Outcome::Rewrite),
        decision("admission", "mail", Outcome::Deny),
        decision("admission", "web", Outcome::Deny),
    ];
    assert_eq!(store.append_decisions(&rows).unwrap(), 4);
    let find = |filter| ids(&store.decisions(&filter).unwrap());
    assert_eq!(find(DecisionFilter::default()), [1, 2, 3, 4]);
    assert_eq!(
        find(DecisionFilter { policy: Some("admission".to_owned()), ..Default::default() }),
        [1, 3, 4]
    );
    assert_eq!(find(DecisionFilter { outcome: Some(Outcome::Deny), ..Default::default() }), [3, 4]);
    assert_eq!(find(DecisionFilter { subject: Some("mail".to_owned()), ..Default::default() }), [3]);
    assert_eq!(find(DecisionFilter { hook: Some(Hook::DomainStop), ..Default::default() }), [0_u64; 0]);
    assert_eq!(
        find(DecisionFilter { limit: Some(2), ..Default::default() }),
        [3, 4],
        "the newest, oldest first"
    );
    assert_eq!(find(DecisionFilter { after: Some(1), limit: Some(2), ..Default::default() }), [2, 3]);
    let first = &store
        .decisions(&DecisionFilter { limit: Some(1), after: Some(0), ..Default::default() })
        .unwrap()[0];
    assert_eq!(*first, Decision { id: 1, ..rows[0].clone() });
    let own = Decision { id: 40, ..rows[0].clone() };
    assert_eq!(store.append_decisions(&[own, rows[1].clone()]).unwrap(), 41);
}

#[test]
fn the_decision_log_is_bounded() {
    let (_directory, store) = open();
    let far = DECISIONS_KEPT + 10;
    let row = |id| Decision { id, ..decision("p", "d", Outcome::Allow) };
    store.append_decisions(&[row(1), row(11)]).unwrap();
    store.append_decisions(&[row(far)]).unwrap();
    assert_eq!(ids(&store.decisions(&DecisionFilter::default()).unwrap()), [11, far]);
    assert_eq!(store.last_decision().unwrap(), far);
}

#[test]
fn policies_components_and_values() {
    let (directory, store) = open();
    let digest = store.put_component(b"component").unwrap();
    let stray = store.put_component(b"unused").unwrap();
    assert_eq!(store.put_component(b"component").unwrap(), digest);
    let row = PolicyRow {
        name: "naming".to_owned(),
        digest: digest.clone(),
        mode: PolicyMode::Monitor,
        on_failure: FailureMode::Open,
        grants: vec!["domain:read".to_owned()],
        config: serde_json::json!({ "prefix": "web" }),
        order: -3,
        enabled: true,
        breaker: Some(BreakerSettings { failures: 2, within: 10 }),
    };
    store.put_policy(&row).unwrap();
    store.kv_set("naming", "a", b"1").unwrap();
    store.kv_set("naming", "ab", b"22").unwrap();
    store.kv_set("naming", "a%", b"").unwrap();
    store.kv_set("other", "a", b"other").unwrap();
    drop(store);

    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.policies().unwrap(), [row]);
    assert_eq!(store.component(&digest).unwrap(), b"component");
    assert_eq!(store.sweep_components().unwrap(), 1);
    assert!(matches!(store.component(&stray), Err(StoreError::File { .. })));
    assert!(matches!(store.component("../state"), Err(StoreError::NotADigest(_))));
    let file = directory.path().join("policies").join(format!("{digest}.wasm"));
    std::fs::write(&file, b"tampered").unwrap();
    assert!(matches!(store.component(&digest), Err(StoreError::ComponentChanged { .. })));

    assert_eq!(store.kv_get("naming", "ab").unwrap().as_deref(), Some(b"22".as_slice()));
    assert_eq!(store.kv_get("naming", "c").unwrap(), None);
    assert_eq!(store.kv_keys("naming", "a", 10).unwrap(), ["a", "a%", "ab"]);
    assert_eq!(store.kv_keys("naming", "a%", 10).unwrap(), ["a%"]);
    assert_eq!(store.kv_keys("naming", "", 1).unwrap(), ["a"]);
    assert_eq!(store.kv_usage("naming").unwrap(), 8);
    assert_eq!(store.kv_usage("nobody").unwrap(), 0);
    assert!(store.kv_delete("naming", "a").unwrap());
    assert!(!store.kv_delete("naming", "a").unwrap());
    assert!(store.remove_policy("naming").unwrap());
    assert_eq!(store.kv_usage("naming").unwrap(), 0, "values go with their policy");
    assert_eq!(store.kv_usage("other").unwrap(), 6);
}

fn version(digest: &str) -> PolicyVersion {
    PolicyVersion {
        digest: digest.to_owned(),
        version: "1.0.0".to_owned(),
        installed: time::macros::datetime!(2026-11-23 10:00 UTC),
        config: serde_json::json!({ "a": 1 }),
        good: true,
    }
}

#[test]
fn the_history_of_a_policy_is_bounded_and_keeps_its_components() {
    let (directory, store) = open();
    let digests: Vec<String> =
        (0..VERSIONS_KEPT + 2).map(|n| store.put_component(&n.to_le_bytes()).unwrap()).collect();
    for digest in &digests {
        store.put_version("naming", &version(digest)).unwrap();
    }
    store.put_version("other", &version(&digests[0])).unwrap();
    let back = PolicyVersion { good: false, ..version(&digests[4]) };
    store.put_version("naming", &back).unwrap();
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    let kept = store.versions("naming").unwrap();
    let order: Vec<&str> = kept.iter().map(|version| version.digest.as_str()).collect();
    assert_eq!(
        order,
        [4, 6, 5, 3, 2].map(|n: usize| digests[n].as_str()),
        "newest first, the one that came back is newest"
    );
    assert_eq!(kept[0], back);

    store.update_version("naming", &PolicyVersion { good: false, ..version(&digests[6]) }).unwrap();
    store.update_version("naming", &PolicyVersion { good: false, ..version(&digests[1]) }).unwrap();
    let good: Vec<bool> = store.versions("naming").unwrap().iter().map(|version| version.good).collect();
    assert_eq!(good, [false, false, true, true, true], "what is not in the history stays out of it");

    assert_eq!(store.sweep_components().unwrap(), 1, "only the one that no history names");
    store.remove_policy("naming").unwrap();
    assert!(store.versions("naming").unwrap().is_empty());
    assert_eq!(store.sweep_components().unwrap(), 5);
    assert_eq!(store.component(&digests[0]).unwrap(), 0_u32.to_le_bytes(), "the other policy's");
}

#[test]
fn a_parked_policy_stays_parked() {
    let (directory, store) = open();
    let parked =
        Parked { since: time::macros::datetime!(2026-11-23 10:00 UTC), reason: "it trapped".to_owned() };
    store.put_parked("naming", "d1", &parked).unwrap();
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.parked("naming", "d1").unwrap(), Some(parked));
    assert_eq!(store.parked("naming", "d2").unwrap(), None, "another version is not");
    assert_eq!(store.parked("other", "d1").unwrap(), None);
    store.remove_parked("naming").unwrap();
    assert_eq!(store.parked("naming", "d1").unwrap(), None);
}

#[test]
fn settings() {
    let (_directory, store) = open();
    assert_eq!(store.setting("a").unwrap(), None);
    store.put_setting("a", "1").unwrap();
    store.put_setting("a", "2").unwrap();
    assert_eq!(store.setting("a").unwrap().as_deref(), Some("2"));
}

#[test]
fn learned_addresses_are_those_of_a_link() {
    let (_directory, store) = open();
    assert_eq!(store.learned("vnet0").unwrap(), None);
    store.put_learned("vnet0", "[1]").unwrap();
    store.put_learned("vnet1", "[2]").unwrap();
    store.put_learned("vnet0", "[3]").unwrap();
    assert_eq!(store.learned("vnet0").unwrap().as_deref(), Some("[3]"));
    store.remove_learned("vnet0").unwrap();
    store.remove_learned("vnet7").unwrap();
    assert_eq!(store.learned("vnet0").unwrap(), None);
    assert_eq!(store.learned("vnet1").unwrap().as_deref(), Some("[2]"));
}

#[test]
fn a_damaged_database_is_named_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("state.db");
    let garbage = b"this is not a database, it is a sentence that goes on for quite a while".repeat(100);
    std::fs::write(&path, &garbage).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("state.db"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

#[test]
fn a_torn_page_is_noticed_at_open() {
    let (directory, store) = open();
    for number in 0..200 {
        store.put_domain(&domain(&format!("web-{number}"))).unwrap();
    }
    drop(store);
    let path = directory.path().join("state.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xff);
    std::fs::write(&path, &bytes).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_newer_database_is_named_and_left_alone() {
    let (directory, store) = open();
    store.put_setting("kept", "yes").unwrap();
    let path = store.path().to_owned();
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("schema 99") && message.contains("state.db"), "{message}");
    let connection = rusqlite::Connection::open(&path).unwrap();
    let kept: String = connection.query_row("SELECT value FROM settings", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, "yes");
}

#[test]
fn interfaces_and_what_they_go_back_to_survive_a_restart() {
    let (directory, store) = open();
    let row = |name: &str| InterfaceRow { name: name.to_owned(), xml: format!("<interface name='{name}'/>") };
    let snapshot =
        |kind, deadline| SnapshotRow { kind, boot: "b".to_owned(), deadline, snapshot: format!("{kind:?}") };
    let change = snapshot(SnapshotKind::Change, Some(7000));
    store.put_interface_snapshot(&change).unwrap();
    store.put_interface_snapshot(&snapshot(SnapshotKind::Step, Some(1))).unwrap();
    store.put_interface_snapshot(&snapshot(SnapshotKind::Step, None)).unwrap();
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.interface_snapshots().unwrap(), [snapshot(SnapshotKind::Step, None), change.clone()]);
    store.keep_interfaces(&[row("up0"), row("br0")], &[]).unwrap();
    assert_eq!(store.interface_snapshots().unwrap(), [change], "the step has come to its end");
    store.keep_interfaces(&[row("br1")], &["up0".to_owned(), "br0".to_owned()]).unwrap();
    assert_eq!(store.interfaces().unwrap(), [row("br1")]);
    store.put_interface_snapshot(&snapshot(SnapshotKind::Step, None)).unwrap();
    store.remove_interface_snapshot(SnapshotKind::Step).unwrap();
    store.replace_interfaces(&[row("up0")]).unwrap();
    assert_eq!(store.interfaces().unwrap(), [row("up0")]);
    assert!(store.interface_snapshots().unwrap().is_empty());
}

#[test]
fn threads_share_one_handle() {
    let (_directory, store) = open();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = store.clone();
            scope.spawn(move || {
                for number in 0..25 {
                    store
                        .append_decisions(&[decision("p", &format!("{thread}-{number}"), Outcome::Allow)])
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(store.last_decision().unwrap(), 100);
}

#[test]
fn snapshots_of_a_domain_are_replaced_whole() {
    let (directory, store) = open();
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    let row = |name: &str, current: bool| DomainSnapshotRow {
        name: name.to_owned(),
        xml: format!("<domainsnapshot><name>{name}</name></domainsnapshot>"),
        memory: current.then(|| format!("/saves/{name}")),
        current,
    };
    store.put_domain_snapshots(one, &[row("b", true), row("a", false)]).unwrap();
    store.put_domain_snapshots(other, &[row("a", true)]).unwrap();
    let twice = store.put_domain_snapshots(one, &[row("a", false), row("a", true)]);
    assert!(twice.is_err(), "a name is that of one snapshot");
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.domain_snapshots(one).unwrap(), [row("a", false), row("b", true)]);
    store.put_domain_snapshots(one, &[]).unwrap();
    assert!(store.domain_snapshots(one).unwrap().is_empty());
    assert_eq!(store.domain_snapshots(other).unwrap(), [row("a", true)]);
}

#[test]
fn secrets_are_kept_sealed() {
    let (directory, store) = open();
    let row = |usage: &str| SecretRow {
        uuid: Uuid::new_v4(),
        usage: Some(usage.to_owned()),
        xml: "<secret/>".to_owned(),
        has_value: false,
    };
    let (one, other) = (row("volume /a"), row("volume /b"));
    store.put_secret(&one).unwrap();
    store.put_secret(&other).unwrap();
    assert!(matches!(store.put_secret(&row("volume /a")), Err(StoreError::Taken { .. })));
    let value = SecretValue::new(b"open sesame".to_vec()).unwrap();
    assert_eq!(store.secret_value(one.uuid).unwrap(), None);
    assert!(store.put_secret_value(one.uuid, &value).unwrap());
    assert!(!store.put_secret_value(Uuid::new_v4(), &value).unwrap());
    store.put_secret(&SecretRow { xml: "<secret private='yes'/>".to_owned(), ..one.clone() }).unwrap();
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.secret_value(one.uuid).unwrap(), Some(value.clone()));
    let kept: Vec<_> = store.secrets().unwrap().into_iter().map(|row| (row.usage, row.has_value)).collect();
    assert_eq!(kept, [(one.usage, true), (other.usage, false)]);
    // A backup of the database has the value of nobody, and a lost key is not replaced in silence.
    std::fs::remove_file(directory.path().join("secrets.key")).unwrap();
    for error in
        [store.secret_value(one.uuid).unwrap_err(), store.put_secret_value(other.uuid, &value).unwrap_err()]
    {
        assert!(
            error.to_string().contains("secrets.key") && error.to_string().contains("put it back"),
            "{error}"
        );
    }
    assert!(store.remove_secret(one.uuid).unwrap() && !store.remove_secret(one.uuid).unwrap());
    assert!(store.put_secret_value(other.uuid, &value).unwrap());
    assert_eq!(store.secret_value(other.uuid).unwrap(), Some(value));
}
