//! Who may do what.

use reeve_actions::Access;
use reeve_model::domain_save::SaveOptions;
use reeve_model::host_interface::{BeginHostChange, BridgeHostInterface};
use reeve_model::migration::{Migrate, MigrationHost, MigrationStage, PrepareMigration, StreamRoute};
use reeve_model::node::{NodeSuspend, SuspendTarget};
use reeve_model::snapshot::{CreateSnapshot, DeleteSnapshot, RevertSnapshot};
use reeve_model::{Actor, ErrorCode, Verb};
use tempfile::TempDir;
use uuid::Uuid;

use crate::networks::{filter, network, new_host};
use crate::support::{ROOT, Setup, host, host_with, plain, refused};

const READS: [Verb; 9] = [
    Verb::DomainRead,
    Verb::NodeRead,
    Verb::EventsRead,
    Verb::PolicyRead,
    Verb::NetworkRead,
    Verb::FilterRead,
    Verb::InterfaceRead,
    Verb::PoolRead,
    Verb::VolumeRead,
];

fn etc() -> TempDir {
    let etc = TempDir::new().unwrap();
    let passwd = "root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nbob:x:1001:77::/:/bin/sh\ncarol:x:1002:1002::/:/bin/sh\n";
    std::fs::write(etc.path().join("passwd"), passwd).unwrap();
    std::fs::write(etc.path().join("group"), "root:x:0:\nreeve:x:77:alice,dave\nalice:x:1000:\n").unwrap();
    etc
}

#[test]
fn the_table() {
    let etc = etc();
    let access = |group: Option<&str>, others_read| Access {
        group: group.map(str::to_owned),
        others_read,
        own_uid: 500,
        etc: etc.path().to_owned(),
    };
    let (closed, group, open) =
        (access(None, false), access(Some("reeve"), false), access(Some("reeve"), true));
    let absent = access(Some("nosuch"), false);
    for verb in Verb::ALL {
        for uid in [0, 500] {
            assert!(closed.allows(uid, verb), "root and the daemon's user: {verb}");
        }
        for uid in [1000, 1001] {
            assert!(!closed.allows(uid, verb) && !absent.allows(uid, verb), "no group: {verb}");
            assert!(group.allows(uid, verb), "a member, by list or as primary group: {verb}");
        }
        for uid in [1002, 4242] {
            assert!(!group.allows(uid, verb), "a stranger: {verb}");
            assert_eq!(open.allows(uid, verb), READS.contains(&verb), "a stranger who may read: {verb}");
        }
    }
}

#[tokio::test]
async fn a_stranger_may_do_nothing_and_is_told_so() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    let stranger = Actor::Client { uid: 4242, pid: 7 };
    let error =
        refused(host.start(&stranger, "web").await, ErrorCode::Denied, &["4242", "domain:start", "'web'"]);
    assert!(error.hint.unwrap().contains("root"));
    refused(host.list(&stranger), ErrorCode::Denied, &["domain:read"]);
    refused(host.state(&stranger, "nobody"), ErrorCode::Denied, &["domain:read"]);
    refused(host.define(&stranger, &plain("mail"), false).await, ErrorCode::Denied, &["domain:define"]);
    refused(host.create(&stranger, &plain("mail"), false).await, ErrorCode::Denied, &["domain:start"]);
    refused(host.undefine(&stranger, "web").await, ErrorCode::Denied, &["domain:undefine"]);
    refused(host.destroy(&stranger, "web").await, ErrorCode::Denied, &["domain:destroy"]);
    refused(host.set_autostart(&stranger, "web", true).await, ErrorCode::Denied, &["domain:configure"]);
    refused(host.rename(&stranger, "web", "mail").await, ErrorCode::Denied, &["domain:define"]);
    let described = host.describe(&stranger, "web", Default::default(), Default::default()).await;
    refused(described, ErrorCode::Denied, &["domain:configure"]);
    refused(host.attach_device(&stranger, "web", "<rng/>").await, ErrorCode::Denied, &["domain:device"]);
    refused(host.shutdown(&stranger, "web").await, ErrorCode::Denied, &["domain:shutdown"]);
    refused(host.reboot(&stranger, "web").await, ErrorCode::Denied, &["domain:shutdown"]);
    let options = SaveOptions::default();
    let saved = host.save(&stranger, "web", "/tmp/web.save", None, options).await;
    refused(saved, ErrorCode::Denied, &["domain:save"]);
    refused(host.managed_save(&stranger, "web", options).await, ErrorCode::Denied, &["domain:save"]);
    refused(
        host.restore(&stranger, "/tmp/web.save", None, options).await,
        ErrorCode::Denied,
        &["domain:start"],
    );
    let how = CreateSnapshot::default();
    let taken = host.create_snapshot(&stranger, "web", "<domainsnapshot/>", how).await;
    refused(taken, ErrorCode::Denied, &["domain:snapshot"]);
    let reverted = host.revert_snapshot(&stranger, "web", "one", RevertSnapshot::default()).await;
    refused(reverted, ErrorCode::Denied, &["domain:snapshot"]);
    let deleted = host.delete_snapshot(&stranger, "web", "one", DeleteSnapshot::default()).await;
    refused(deleted, ErrorCode::Denied, &["domain:snapshot"]);
    refused(host.suspend(&stranger, "web").await, ErrorCode::Denied, &["domain:suspend"]);
    refused(host.resume(&stranger, "web").await, ErrorCode::Denied, &["domain:suspend"]);
    let migrated = host.migrate(&stranger, "web", Migrate::default()).await;
    refused(migrated, ErrorCode::Denied, &["domain:migrate"]);
    refused(host.migration_report(&stranger, Uuid::nil()), ErrorCode::Denied, &["domain:migrate"]);
    let console = host.console(&stranger, "web", None).await.map(drop);
    refused(console, ErrorCode::Denied, &["domain:console"]);
    refused(host.thaw(&stranger, "web").await, ErrorCode::Denied, &["domain:agent", "'web'"]);
    refused(host.node_info(&stranger), ErrorCode::Denied, &["node:read"]);
    refused(host.set_ksm(&stranger, Default::default()), ErrorCode::Denied, &["node.ksm:write"]);
    let sleep = NodeSuspend { target: SuspendTarget::Mem, duration: 1 };
    refused(host.suspend_node(&stranger, sleep), ErrorCode::Denied, &["node:suspend"]);
    refused(host.events(&stranger, None), ErrorCode::Denied, &["events:read"]);
    refused(host.policy_list(&stranger), ErrorCode::Denied, &["policy:read"]);
    refused(host.policy_unload(&stranger, "naming").await, ErrorCode::Denied, &["policy:admin", "'naming'"]);
}

#[tokio::test]
async fn a_stranger_has_no_networks_and_no_filters() {
    let (_directory, host) = host();
    let (lab, web) = (network("lab", 77), filter("web", ""));
    host.define_network(&ROOT, &lab, false).await.unwrap();
    host.define_filter(&ROOT, &web, false).await.unwrap();
    let stranger = Actor::Client { uid: 4242, pid: 7 };
    refused(host.networks(&stranger), ErrorCode::Denied, &["network:read"]);
    refused(host.network_info(&stranger, "lab"), ErrorCode::Denied, &["network:read", "'lab'"]);
    refused(host.network_info(&stranger, "nobody"), ErrorCode::Denied, &["network:read"]);
    refused(host.define_network(&stranger, &lab, false).await, ErrorCode::Denied, &["network:define"]);
    refused(host.set_network_autostart(&stranger, "lab", true).await, ErrorCode::Denied, &["network:define"]);
    refused(host.undefine_network(&stranger, "lab").await, ErrorCode::Denied, &["network:undefine"]);
    refused(host.start_network(&stranger, "lab").await, ErrorCode::Denied, &["network:start"]);
    refused(host.create_network(&stranger, &lab, false).await, ErrorCode::Denied, &["network:start"]);
    refused(host.destroy_network(&stranger, "lab").await, ErrorCode::Denied, &["network:destroy"]);
    let change = new_host(false, true);
    refused(host.update_network(&stranger, "lab", &change).await, ErrorCode::Denied, &["network:update"]);
    refused(host.filters(&stranger), ErrorCode::Denied, &["filter:read"]);
    refused(host.filter_xml(&stranger, "web"), ErrorCode::Denied, &["filter:read", "'web'"]);
    refused(host.define_filter(&stranger, &web, false).await, ErrorCode::Denied, &["filter:define"]);
    refused(host.undefine_filter(&stranger, "web").await, ErrorCode::Denied, &["filter:undefine"]);
}

#[tokio::test]
async fn a_stranger_has_no_interfaces() {
    let (_directory, host) = host();
    let card = "<interface type='ethernet' name='eth77'/>";
    host.define_interface(&ROOT, card, false).await.unwrap();
    let stranger = Actor::Client { uid: 4242, pid: 7 };
    refused(host.host_interfaces(&stranger).await, ErrorCode::Denied, &["node.interface:read"]);
    refused(
        host.interface_info(&stranger, "eth77").await,
        ErrorCode::Denied,
        &["node.interface:read", "'eth77'"],
    );
    refused(host.interface_xml(&stranger, "nobody", true).await, ErrorCode::Denied, &["node.interface:read"]);
    refused(host.interface_change(&stranger), ErrorCode::Denied, &["node.interface:read"]);
    let write = &["node.interface:write"];
    refused(host.define_interface(&stranger, card, false).await, ErrorCode::Denied, write);
    refused(host.edit_interface(&stranger, "eth77", card, false, None).await, ErrorCode::Denied, write);
    refused(host.undefine_interface(&stranger, "eth77").await, ErrorCode::Denied, write);
    refused(host.start_interface(&stranger, "eth77").await, ErrorCode::Denied, write);
    refused(host.destroy_interface(&stranger, "eth77").await, ErrorCode::Denied, &["node.interface:write"]);
    let wanted = BridgeHostInterface { bridge: "br77".into(), stp: true, delay: 0, start: false };
    refused(host.bridge_interface(&stranger, "eth77", wanted).await, ErrorCode::Denied, write);
    refused(host.unbridge_interface(&stranger, "eth77", false).await, ErrorCode::Denied, write);
    refused(host.begin_interfaces(&stranger, BeginHostChange::default()).await, ErrorCode::Denied, write);
    refused(host.commit_interfaces(&stranger).await, ErrorCode::Denied, write);
    refused(host.roll_back_interfaces(&stranger).await, ErrorCode::Denied, write);
    assert_eq!(host.interface_info(&ROOT, "eth77").await.unwrap().kind, "ethernet");
}

#[tokio::test]
async fn another_host_sends_guests_where_it_was_named_and_does_nothing_else() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    let other = Actor::Host { name: "host2.example.com".to_owned() };
    let prepare = |source: &str| PrepareMigration {
        migration: Uuid::new_v4(),
        xml: plain("web"),
        slots: Vec::new(),
        paused: false,
        persistent: false,
        source: source.to_owned(),
        route: StreamRoute::Tunnel,
        boot_id: String::new(),
        allow_unsafe: true,
        host: MigrationHost::default(),
        disks: Vec::new(),
        disk_facts: Vec::new(),
    };
    let itself = "reeve+tls://host2.example.com:16514/system";
    let said = ["host 'host2.example.com'", "domain:migrate"];
    let error = refused(host.prepare_migration(&other, prepare(itself)).await, ErrorCode::Denied, &said);
    assert!(error.hint.unwrap().contains("'migration.peers'"));
    refused(host.migration_stream(&other, Uuid::new_v4()), ErrorCode::Denied, &said);
    host.migrations().set_senders(&["Host2.example.com".to_owned()]);
    let third = prepare("reeve+tls://host3.example.com:16514/system");
    refused(host.prepare_migration(&other, third).await, ErrorCode::Denied, &["which is not its name"]);
    refused(
        host.migration_stream(&other, Uuid::new_v4()),
        ErrorCode::NotFound,
        &["nobody waits for the guest"],
    );
    assert_eq!(host.migration_report(&other, Uuid::new_v4()).unwrap().stage, MigrationStage::Unknown);
    refused(
        host.start(&other, "web").await,
        ErrorCode::Denied,
        &["host 'host2.example.com'", "domain:start"],
    );
    refused(host.list(&other), ErrorCode::Denied, &["domain:read"]);
}

#[tokio::test]
async fn a_reader_reads() {
    let access = Access { others_read: true, ..Access::owner_only(0) };
    let (_directory, host) = host_with(Setup { access, ..Setup::default() });
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    let reader = Actor::Client { uid: 4242, pid: 7 };
    assert_eq!(host.list(&reader).unwrap().len(), 1);
    assert!(host.xml(&reader, "web", true).unwrap().contains("web"));
    refused(host.start(&reader, "web").await, ErrorCode::Denied, &["domain:start"]);
    assert!(host.console(&reader, "web", None).await.is_err_and(|error| error.code == ErrorCode::Denied));
}

#[tokio::test]
async fn a_policy_has_what_it_was_granted() {
    let (_directory, host) = host();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    let policy = Actor::Policy { name: "naming".to_owned(), depth: 1 };
    let error =
        refused(host.start(&policy, "web").await, ErrorCode::Denied, &["policy 'naming'", "domain:start"]);
    assert_eq!(error.hint.as_deref(), Some("grant it with 'reeve policy grant naming domain:start'"));
    assert!(host.list(&policy).unwrap().is_empty(), "it sees what it may read");
    assert!(host.snapshots(&policy).unwrap().is_empty());
}
