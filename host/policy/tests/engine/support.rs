//! A host with the engine in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reeve_actions::policy_port::{GuardRequest, LoadRequest, PolicyAdmin};
use reeve_actions::{Access, Actions, BusSink, Deps, Networking, NoFaults, StoreKeeper, Storing};
use reeve_domain::sim::SimDriver;
use reeve_domain::{Domains, DomainsConfig};
use reeve_events::Bus;
use reeve_model::domain::DomainConfig;
use reeve_model::policy::{Decision, DecisionFilter, Hook, PolicyInfo};
use reeve_model::{Actor, DomainState, Error, ErrorCode};
use reeve_node::{Node, Places};
use reeve_policy::{PolicyConfig, PolicyEngine, Verbs};
use reeve_store::Store;
use tempfile::TempDir;

/// Root on the API socket.
pub const ROOT: Actor = Actor::Client { uid: 0, pid: 1 };

/// Every grant that the hostile policy asks for.
pub const ALL_GRANTS: [&str; 5] =
    ["domain:read", "domain:start", "domain:rewrite path=devices.disks", "kv:use", "node.ksm:write"];

/// Its host, in a directory of its own.
pub struct Host {
    pub directory: TempDir,
    pub engine: Arc<PolicyEngine>,
    pub actions: Arc<Actions>,
    pub store: Store,
    pub bus: Bus,
}

/// A kernel's ksm directory, as files.
fn ksm_files(directory: &TempDir) -> Places {
    let ksm = directory.path().join("sys/kernel/mm/ksm");
    std::fs::create_dir_all(&ksm).unwrap();
    for (file, value) in [
        ("run", "0"),
        ("pages_to_scan", "100"),
        ("sleep_millisecs", "20"),
        ("merge_across_nodes", "1"),
        ("pages_shared", "0"),
        ("pages_sharing", "0"),
        ("pages_unshared", "0"),
        ("pages_volatile", "0"),
        ("full_scans", "0"),
    ] {
        std::fs::write(ksm.join(file), value).unwrap();
    }
    Places { sys: directory.path().join("sys"), ..Places::default() }
}

impl Host {
    /// An empty one.
    pub async fn new() -> Self {
        Self::with(|_| PolicyConfig::default()).await
    }

    /// One whose engine is set up by `config`, which is given the host's directory.
    pub async fn with(config: impl FnOnce(&std::path::Path) -> PolicyConfig) -> Self {
        let directory = TempDir::new().unwrap();
        let config = config(directory.path());
        Self::at(directory, config).await
    }

    /// One over a directory that may have been used before.
    pub async fn at(directory: TempDir, config: PolicyConfig) -> Self {
        let store = Store::open(directory.path()).unwrap();
        let bus = Bus::default();
        let places = ksm_files(&directory);
        let engine = PolicyEngine::start(config, store.clone(), bus.clone()).await.unwrap();
        let domains = Domains::new(DomainsConfig {
            drivers: vec![Arc::new(SimDriver::new(1))],
            sink: Arc::new(BusSink(bus.clone())),
            keeper: Arc::new(StoreKeeper(store.clone())),
            boot_id: "boot".to_owned(),
            dumps: std::env::temp_dir(),
        });
        let actions = Arc::new(Actions::new(Deps {
            domains,
            store: store.clone(),
            bus: bus.clone(),
            policy: engine.clone(),
            policies: engine.clone(),
            node: Arc::new(Node::new(places)),
            networking: Arc::new(Networking::kernel(directory.path(), directory.path())),
            storing: Arc::new(Storing::new(directory.path())),
            saves: directory.path().to_owned(),
            access: Access::owner_only(0),
            faults: Arc::new(NoFaults),
        }));
        engine.attach(Arc::new(Verbs::new(&actions)));
        Self { directory, engine, actions, store, bus }
    }

    /// Loads a component under a name, with a configuration and grants.
    pub async fn load(
        &self,
        component: Vec<u8>,
        name: &str,
        config: serde_json::Value,
        grants: &[&str],
    ) -> Result<PolicyInfo, Error> {
        self.engine
            .load(LoadRequest {
                component,
                name: Some(name.to_owned()),
                grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
                config: Some(config),
                ..LoadRequest::default()
            })
            .await
    }

    /// Loads the hostile policy under the name "bad", with orders for its guards.
    pub async fn order(&self, deed: &str) -> PolicyInfo {
        self.order_in("guard", deed).await
    }

    /// The same with orders for hooks of one kind: `guard`, `events`, `mac` or `ksm`.
    pub async fn order_in(&self, kind: &str, deed: &str) -> PolicyInfo {
        let config = serde_json::json!({ "do": deed, "in": kind });
        self.load(test_policy("hostile"), "bad", config, &ALL_GRANTS).await.unwrap()
    }

    /// The decisions of one policy on one hook, oldest first.
    pub async fn decisions(&self, policy: &str, hook: Hook) -> Vec<Decision> {
        let filter =
            DecisionFilter { policy: Some(policy.to_owned()), hook: Some(hook), ..DecisionFilter::default() };
        self.engine.decisions(filter).await.unwrap()
    }

    /// Waits until `ready` says so, two seconds at most.
    pub async fn until(&self, what: &str, mut ready: impl AsyncFnMut(&Self) -> bool) {
        for _ in 0..200 {
            if ready(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} did not happen within two seconds");
    }
}

/// Fails with `code` and a message that has `words` in it.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, code: ErrorCode, words: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(words), "'{words}' is not in: {error}");
}

/// A component that `cargo xtask policies` made of tests/policies.
pub fn test_policy(name: &str) -> Vec<u8> {
    built("test-policies", name)
}

/// A component that `cargo xtask policies` made of scripts/.
pub fn shipped_policy(name: &str) -> Vec<u8> {
    built("policies", name)
}

fn built(folder: &str, name: &str) -> Vec<u8> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")), PathBuf::from);
    let path = target.join(folder).join(format!("{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run 'cargo xtask policies'", path.display()))
}

/// A simulated domain with one disk.
pub fn document(name: &str, script: &str) -> String {
    let boot = match script {
        "" => String::new(),
        script => format!("<kernel>/sim</kernel><cmdline>{script}</cmdline>"),
    };
    format!(
        "<domain type='sim'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
           <os><type>hvm</type>{boot}</os>
           <devices><disk type='file' device='disk'><source file='/{name}.raw'/><target dev='vda' bus='virtio'/></disk></devices>
         </domain>"
    )
}

/// The same as a configuration.
pub fn domain(name: &str) -> DomainConfig {
    reeve_xml::domain::parse(&document(name, ""), &Default::default()).unwrap().document
}

/// A question to the chain of `hook` about domain `name`.
pub fn request(hook: Hook, name: &str) -> GuardRequest {
    GuardRequest {
        hook,
        actor: ROOT,
        state: DomainState::ShutOff,
        config: Arc::new(domain(name)),
        device: None,
        forced: false,
    }
}
