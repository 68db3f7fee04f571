//! Guards deny and rewrite, proposals are checked, and a policy that calls back from its hook hangs nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use reeve_actions::policy_port::{
    CloneRequest, Denial, FilterRequest, GuardRequest, GuardVerdict, MacRequest, MigrationGuard,
    NetworkGuard, PolicyPort, Rewrite, Steering, StorageGuard, StrategyRequest,
};
use reeve_actions::{Actions, Attachment, diff, edit};
use reeve_model::domain_disk::{ChangeMedia, CloneDomain, MediaAction};
use reeve_model::edit::Edit;
use reeve_model::event::DomainChange;
use reeve_model::filter::Ruleset;
use reeve_model::policy::Hook;
use reeve_model::snapshot::RevertSnapshot;
use reeve_model::storage::VolumeConfig;
use reeve_model::{Actor, Bytes, DomainState, Error, ErrorCode, Verb};

use crate::kill::files::{external, image, images, take};
use crate::snapshots::stop;
use crate::support::{Host, ROOT, Setup, changes_until, document, host_at, host_with, plain, refused};

/// A policy engine that does as the test says.
#[derive(Default)]
struct Scripted {
    asked: Mutex<Vec<(Hook, DomainState, bool)>>,
    deny: Mutex<Option<Hook>>,
    edits: Mutex<HashMap<Hook, Vec<Edit>>>,
    macs: Mutex<Vec<String>>,
    /// Calls the host back from within every guard.
    calls_back: OnceLock<Weak<Actions>>,
    answers: Mutex<Vec<Result<(), Error>>>,
}

fn myself() -> Actor {
    Actor::Policy { name: "scripted".to_owned(), depth: 1 }
}

#[async_trait]
impl PolicyPort for Scripted {
    async fn guard(&self, request: GuardRequest) -> GuardVerdict {
        let GuardRequest { hook, state, config, forced, .. } = request;
        self.asked.lock().unwrap().push((hook, state, forced));
        if let Some(actions) = self.calls_back.get().and_then(Weak::upgrade) {
            let name = config.name.clone();
            actions.list(&myself()).unwrap();
            if actions.lookup(&myself(), &name).is_ok() {
                actions.info(&myself(), &name).await.unwrap();
                actions.xml(&myself(), &name, false).unwrap();
            }
            let answer = match hook {
                // The only guard that is asked while the domain is reserved.
                Hook::DomainStart => actions.undefine(&myself(), &name).await,
                _ => actions.destroy(&myself(), &name).await.map(drop),
            };
            self.answers.lock().unwrap().push(answer);
        }
        if *self.deny.lock().unwrap() == Some(hook) {
            return GuardVerdict::Deny { policy: "scripted".to_owned(), reason: "not today".to_owned() };
        }
        let edits = self.edits.lock().unwrap().get(&hook).cloned().unwrap_or_default();
        let after = edit::apply(&config, &edits).unwrap();
        let changes = diff::diff(&config, &after);
        let rewrites = match changes.is_empty() {
            true => Vec::new(),
            false => vec![Rewrite { policy: "scripted".to_owned(), changes }],
        };
        GuardVerdict::Allow { config: Arc::new(after), rewrites }
    }

    async fn guard_network(&self, _request: NetworkGuard) -> Result<(), Denial> {
        Ok(())
    }

    async fn guard_storage(&self, _request: StorageGuard) -> Result<Option<Arc<VolumeConfig>>, Denial> {
        Ok(None)
    }

    async fn guard_migration(&self, request: MigrationGuard) -> GuardVerdict {
        GuardVerdict::Allow { config: request.config, rewrites: Vec::new() }
    }

    async fn strategy(&self, _request: StrategyRequest) -> Result<Option<Box<dyn Steering>>, Error> {
        Ok(None)
    }

    async fn propose_clone_name(&self, _request: CloneRequest) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn volume_quota(&self, _name: &str, _verb: Verb, _pool: &str) -> Option<Bytes> {
        None
    }

    async fn propose_filter(&self, _request: FilterRequest) -> Result<Option<Ruleset>, Error> {
        Ok(None)
    }

    async fn propose_mac(&self, _request: MacRequest) -> Result<Option<String>, Error> {
        Ok(self.macs.lock().unwrap().pop())
    }

    fn permits(&self, name: &str, verb: Verb, subject: &str) -> bool {
        name == "scripted" && (verb == Verb::DomainRead || subject != "secret")
    }
}

fn scripted() -> (tempfile::TempDir, Host, Arc<Scripted>) {
    let policy = Arc::new(Scripted::default());
    let (directory, host) = host_with(Setup { policy: policy.clone(), ..Setup::default() });
    (directory, host, policy)
}

fn hooks(policy: &Scripted) -> Vec<Hook> {
    std::mem::take(&mut *policy.asked.lock().unwrap()).into_iter().map(|(hook, ..)| hook).collect()
}

#[tokio::test]
async fn every_guard_is_asked_once_and_in_order() {
    let (_directory, host, policy) = scripted();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    assert_eq!(hooks(&policy), [Hook::DomainDefine]);
    host.start(&ROOT, "web").await.unwrap();
    assert_eq!(hooks(&policy), [Hook::DomainPrepare, Hook::DomainStart]);
    let rng = "<rng model='virtio'><backend model='random'>/dev/urandom</backend><alias name='ua-r'/></rng>";
    host.attach_device(&ROOT, "web", rng).await.unwrap();
    host.detach_device(&ROOT, "web", rng).await.unwrap();
    assert_eq!(hooks(&policy), [Hook::DeviceAttach, Hook::DeviceDetach]);
    let nic = "<interface type='ethernet'><mac address='52:54:00:00:00:07'/></interface>";
    host.attach_device_to(&ROOT, "web", nic, Attachment::LiveAndConfig).await.unwrap();
    hooks(&policy);
    host.set_interface_link(&ROOT, "web", "52:54:00:00:00:07", false, Attachment::Live).await.unwrap();
    assert!(hooks(&policy).is_empty(), "no hook is about links");
    host.set_interface_link(&ROOT, "web", "52:54:00:00:00:07", false, Attachment::Config).await.unwrap();
    assert_eq!(hooks(&policy), [Hook::DomainDefine], "a definition is replaced");
    // A medium that goes in is a device that comes; one that goes out is nobody's concern.
    let drive = "<disk type='file' device='cdrom'><target dev='hdc' bus='virtio'/></disk>";
    host.attach_device(&ROOT, "web", drive).await.unwrap();
    hooks(&policy);
    let change = |action, source: Option<&str>| {
        let change = ChangeMedia { action, source: source.map(str::to_owned), ..ChangeMedia::default() };
        host.change_media(&ROOT, "web", "hdc", change, Attachment::Live)
    };
    change(MediaAction::Insert, Some("/srv/a.iso")).await.unwrap();
    assert_eq!(hooks(&policy), [Hook::DeviceAttach]);
    change(MediaAction::Eject, None).await.unwrap();
    assert!(hooks(&policy).is_empty());
    *policy.deny.lock().unwrap() = Some(Hook::DeviceAttach);
    let denied = change(MediaAction::Insert, Some("/srv/b.iso")).await;
    refused(denied, ErrorCode::Denied, &["device-attach", "not today"]);
    *policy.deny.lock().unwrap() = None;
    hooks(&policy);
    assert!(!host.xml(&ROOT, "web", false).unwrap().contains(".iso"));
    host.reset(&ROOT, "web").await.unwrap();
    host.destroy(&ROOT, "web").await.unwrap();
    let asked = std::mem::take(&mut *policy.asked.lock().unwrap());
    assert_eq!(asked, [(Hook::DomainStop, DomainState::Running, true); 2]);
    host.start(&ROOT, "web").await.unwrap();
    hooks(&policy);
    host.shutdown(&ROOT, "web").await.unwrap();
    assert_eq!(policy.asked.lock().unwrap().as_slice(), [(Hook::DomainStop, DomainState::Running, false)]);
}

#[tokio::test]
async fn a_wrong_state_is_told_before_a_policy_is_asked() {
    let (_directory, host, policy) = scripted();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    hooks(&policy);
    refused(host.shutdown(&ROOT, "web").await, ErrorCode::WrongState, &["not running"]);
    refused(host.define(&ROOT, &plain("web"), false).await, ErrorCode::AlreadyExists, &["'web'"]);
    assert!(hooks(&policy).is_empty());
}

#[tokio::test]
async fn a_denial_names_policy_and_reason_and_nothing_happens() {
    let (_directory, host, policy) = scripted();
    let deny = |hook| *policy.deny.lock().unwrap() = hook;
    deny(Some(Hook::DomainDefine));
    let denied = host.define(&ROOT, &plain("web"), false).await;
    refused(denied, ErrorCode::Denied, &["'scripted'", "domain-define", "'web'", "not today"]);
    assert!(host.store.domains().unwrap().is_empty());
    deny(None);
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    for hook in [Hook::DomainPrepare, Hook::DomainStart] {
        deny(Some(hook));
        refused(host.start(&ROOT, "web").await, ErrorCode::Denied, &[hook.as_str(), "not today"]);
        refused(host.create(&ROOT, &plain("job"), false).await, ErrorCode::Denied, &[hook.as_str()]);
        assert_eq!(host.state(&ROOT, "web").unwrap().state, DomainState::ShutOff);
        assert_eq!(host.list(&ROOT).unwrap().len(), 1, "a denied transient domain is gone");
        assert!(host.store.open_operations().unwrap().is_empty());
    }
    deny(None);
    host.start(&ROOT, "web").await.unwrap();
    deny(Some(Hook::DomainStop));
    refused(host.shutdown(&ROOT, "web").await, ErrorCode::Denied, &["domain-stop"]);
    refused(host.destroy(&ROOT, "web").await, ErrorCode::Denied, &["domain-stop"]);
    deny(Some(Hook::DeviceAttach));
    let rng = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>";
    refused(host.attach_device(&ROOT, "web", rng).await, ErrorCode::Denied, &["device-attach"]);
    assert_eq!(host.state(&ROOT, "web").unwrap().state, DomainState::Running);
    assert!(host.snapshot(&ROOT, "web").unwrap().config.devices.rngs.is_empty());
}

#[tokio::test]
async fn a_rewrite_of_a_start_holds_for_this_run_only() {
    let (_directory, host, policy) = scripted();
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    let edits = vec![Edit::SetMemory { bytes: Bytes::mib(32) }];
    policy.edits.lock().unwrap().insert(Hook::DomainPrepare, edits);
    host.start(&ROOT, "web").await.unwrap();
    assert_eq!(host.info(&ROOT, "web").await.unwrap().max_memory, Bytes::mib(32));
    assert!(host.xml(&ROOT, "web", true).unwrap().contains("65536"), "the definition stays");
    host.destroy(&ROOT, "web").await.unwrap();
    assert_eq!(host.info(&ROOT, "web").await.unwrap().max_memory, Bytes::mib(64));
}

#[tokio::test]
async fn a_rewrite_of_a_definition_is_kept() {
    let (_directory, host, policy) = scripted();
    let edits = vec![Edit::SetTitle { title: "by policy".to_owned() }];
    policy.edits.lock().unwrap().insert(Hook::DomainDefine, edits);
    host.define(&ROOT, &plain("web"), false).await.unwrap();
    assert!(host.store.domains().unwrap()[0].xml.contains("<title>by policy</title>"));
}

#[tokio::test]
async fn proposed_addresses_are_checked() {
    let (_directory, host, policy) = scripted();
    let nic = document("web", "", "<interface type='ethernet'/>");
    let propose = |mac: &str| policy.macs.lock().unwrap().push(mac.to_owned());
    for (mac, fault) in [("01:00:00:00:00:01", "group"), ("00:00:00:00:00:00", "zero"), ("x", "six octets")] {
        propose(mac);
        refused(host.define(&ROOT, &nic, false).await, ErrorCode::Invalid, &[mac, "'web'", fault]);
    }
    propose("00:16:3E:00:00:01");
    host.define(&ROOT, &nic, false).await.unwrap();
    assert!(host.xml(&ROOT, "web", true).unwrap().contains("00:16:3e:00:00:01"));
    propose("00:16:3e:00:00:01");
    let second = document("mail", "", "<interface type='ethernet'/>");
    refused(host.define(&ROOT, &second, false).await, ErrorCode::Invalid, &["'mail'", "in use"]);
    assert_eq!(host.list(&ROOT).unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_of_devices_that_is_asked_for_twice_undoes_nothing() {
    for attaches in [true, false] {
        let policy = Arc::new(Scripted::default());
        let (faults, stopped) = stop("domain-device:begun");
        let (_directory, host) = host_with(Setup { policy: policy.clone(), faults, ..Setup::default() });
        let nic = "<interface type='ethernet'><mac address='52:54:00:00:00:07'/></interface>";
        let devices = if attaches { "" } else { nic };
        host.define(&ROOT, &document("web", "", devices), false).await.unwrap();
        host.start(&ROOT, "web").await.unwrap();
        hooks(&policy);
        let change = || {
            let (actions, both) = (host.actions.clone(), Attachment::LiveAndConfig);
            tokio::spawn(async move {
                match attaches {
                    true => actions.attach_device_to(&ROOT, "web", nic, both).await.map(drop),
                    false => actions.detach_device_from(&ROOT, "web", nic, both).await.map(drop),
                }
            })
        };
        let first = change();
        // The first stands with the turn; the second has been allowed, and waits for it.
        let mut second = None;
        stopped
            .meanwhile(async {
                second = Some(change());
                while policy.asked.lock().unwrap().len() < 2 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
        first.await.unwrap().unwrap();
        let code = if attaches { ErrorCode::AlreadyExists } else { ErrorCode::NotFound };
        refused(second.unwrap().await.unwrap(), code, &["'web'", "52:54:00:00:00:07"]);
        for inactive in [false, true] {
            let xml = host.xml(&ROOT, "web", inactive).unwrap();
            assert_eq!(xml.contains("52:54:00:00:00:07"), attaches, "{xml}");
        }
    }
}

#[tokio::test]
async fn a_denied_start_leaves_a_domain_that_would_go_back_as_it_is() {
    let (_directory, host, policy) = scripted();
    host.recover().await.unwrap();
    std::fs::create_dir(images(&host)).unwrap();
    let disks = [("a", "vda"), ("b", "vdb")].map(|(name, target)| image(&host, name, target)).concat();
    host.define(&ROOT, &document("web", "", &disks), false).await.unwrap();
    take(&host, "one", &external()).await.unwrap();
    host.start(&ROOT, "web").await.unwrap();
    let (before, xml) = (host.state(&ROOT, "web").unwrap().id, host.xml(&ROOT, "web", true).unwrap());
    hooks(&policy);
    let how = RevertSnapshot { running: true, force: true, ..RevertSnapshot::default() };
    for hook in [Hook::DomainPrepare, Hook::DomainStart] {
        *policy.deny.lock().unwrap() = Some(hook);
        let denied = host.revert_snapshot(&ROOT, "web", "one", how).await;
        refused(denied, ErrorCode::Denied, &[hook.as_str(), "not today"]);
        let now = host.state(&ROOT, "web").unwrap();
        assert_eq!((now.state, now.id), (DomainState::Running, before), "its guest runs on");
        assert_eq!(host.xml(&ROOT, "web", true).unwrap(), xml);
        assert!(images(&host).join("a.one").exists(), "nothing is removed");
    }
    *policy.deny.lock().unwrap() = None;
    hooks(&policy);
    assert_eq!(host.revert_snapshot(&ROOT, "web", "one", how).await.unwrap().state, DomainState::Running);
    assert_eq!(hooks(&policy), [Hook::DomainPrepare, Hook::DomainStart], "each is asked once");
    assert_ne!(host.state(&ROOT, "web").unwrap().id, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_address_of_a_clone_is_kept_when_nobody_waits_for_it() {
    let policy = Arc::new(Scripted::default());
    let (faults, stopped) = stop("domain-clone:disks:before");
    let (_directory, host) = host_with(Setup { policy: policy.clone(), faults, ..Setup::default() });
    let nic = document("web", "", "<interface type='ethernet'/>");
    host.define(&ROOT, &nic, false).await.unwrap();
    let mac = "00:16:3e:00:00:01";
    policy.macs.lock().unwrap().push(mac.to_owned());
    let actions = host.actions.clone();
    let request = CloneDomain { name: Some("twin".to_owned()), ..CloneDomain::default() };
    let waiting = tokio::spawn(async move { actions.clone_domain(&ROOT, "web", request).await });
    let other = async {
        policy.macs.lock().unwrap().push(mac.to_owned());
        let other = document("other", "", "<interface type='ethernet'/>");
        host.define(&ROOT, &other, false).await.unwrap();
    };
    stopped.abandon(waiting, other).await;
    let cloned = async {
        while host.state(&ROOT, "twin").is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), cloned).await.unwrap();
    assert!(host.xml(&ROOT, "twin", true).unwrap().contains(mac));
    assert!(!host.xml(&ROOT, "other", true).unwrap().contains(mac));
}

#[tokio::test]
async fn a_policy_that_calls_back_from_its_guard_hangs_nobody() {
    let (_directory, host, policy) = scripted();
    policy.calls_back.set(Arc::downgrade(&host.actions)).unwrap();
    let in_time = Duration::from_secs(10);
    tokio::time::timeout(in_time, host.define(&ROOT, &plain("web"), false)).await.unwrap().unwrap();
    tokio::time::timeout(in_time, host.start(&ROOT, "web")).await.unwrap().unwrap();
    let answers = std::mem::take(&mut *policy.answers.lock().unwrap());
    let codes: Vec<_> = answers.into_iter().map(|answer| answer.unwrap_err().code).collect();
    assert_eq!(
        codes,
        [ErrorCode::NotFound, ErrorCode::WrongState, ErrorCode::Busy],
        "not defined yet, not running yet, being started"
    );
    assert_eq!(host.state(&ROOT, "web").unwrap().state, DomainState::Running);
}

#[tokio::test]
async fn a_policy_does_not_wait_for_a_domain_that_is_being_changed() {
    let (_directory, host, _policy) = scripted();
    host.define(&ROOT, &document("web", "sim.start-ms=400", ""), false).await.unwrap();
    let starter = host.actions.clone();
    let start = tokio::spawn(async move { starter.start(&ROOT, "web").await });
    while host.store.open_operations().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(host.list(&myself()).unwrap().len(), 1, "reads always work");
    let busy = host.set_memory(&myself(), "web", Bytes::mib(32)).await.unwrap_err();
    assert!(matches!(busy.code, ErrorCode::Busy | ErrorCode::WrongState), "{busy}");
    assert_eq!(start.await.unwrap().unwrap().state, DomainState::Running);
    host.set_memory(&myself(), "web", Bytes::mib(32)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_reacts_to_an_event_is_not_told_busy() {
    let (_directory, host, _policy) = scripted();
    for number in 0..20 {
        let name = format!("web-{number}");
        host.define(&ROOT, &plain(&name), false).await.unwrap();
        let mut events = host.events(&myself(), None).unwrap();
        let (actions, reacting) = (host.actions.clone(), name.clone());
        let reaction = tokio::spawn(async move {
            changes_until(&mut events, DomainChange::Started).await;
            actions.set_memory(&myself(), &reacting, Bytes::mib(32)).await
        });
        host.start(&ROOT, &name).await.unwrap();
        reaction.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_address_of_a_definition_that_can_not_be_read_is_not_given() {
    let (directory, host, policy) = scripted();
    let nic = "<interface type='ethernet'><mac address='52:54:00:AB:00:07'/></interface>";
    host.define(&ROOT, &document("web", "", nic), false).await.unwrap();
    let mut row = host.store.domains().unwrap().remove(0);
    row.xml = row.xml.replace("offset='utc'", "offset='nowhere'");
    host.store.put_domain(&row).unwrap();
    drop(host);
    let host = host_at(directory.path(), Setup { policy: policy.clone(), ..Setup::default() });
    assert_eq!(host.recover().await.unwrap().unreadable.len(), 1);
    policy.macs.lock().unwrap().push("52:54:00:ab:00:07".to_owned());
    let other = document("other", "", "<interface type='ethernet'/>");
    let taken = host.define(&ROOT, &other, false).await;
    refused(taken, ErrorCode::Invalid, &["'52:54:00:ab:00:07'", "is in use on this host"]);
}
