//! The only file that names concrete types: which parts make a host, and how they are joined.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use reeve_actions::{
    Access, Actions, BusSink, Deps, Migrations, Networking, NoFaults, PeerPort, StoreKeeper, Storing,
};
use reeve_api::{Api, Metrics};
use reeve_domain::kvm::{KvmConfig, KvmDriver};
use reeve_domain::sim::SimDriver;
use reeve_domain::{Domains, DomainsConfig, KeyRing, Keys};
use reeve_events::Bus;
use reeve_node::{Node, Places};
use reeve_policy::{PolicyConfig, PolicyEngine, Verbs};
use reeve_store::Store;
use reeve_sys::cgroup::Cgroups;
use reeve_sys::layout::Layout;
use reeve_vmm::config::SandboxConfig;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::peers::Peers;
use crate::worker_program::WorkerProgram;
use crate::{sniffer, telemetry};

/// A host with all its parts.
pub struct Host {
    /// The verbs.
    pub actions: Arc<Actions>,
    /// The ways to other hosts.
    pub peers: Arc<Peers>,
    policies: Arc<PolicyEngine>,
    api: Metrics,
    registry: Arc<Registry>,
    /// Workers are started from it.
    _worker: WorkerProgram,
}

/// Makes the parts and joins them. No domain is known before [`Actions::recover`], and policies hear of nothing before
/// [`Host::begin_policies`].
pub async fn build(config: &Config, layout: &Arc<Layout>) -> anyhow::Result<Host> {
    let store = Store::open(&layout.lib())?;
    let bus = Bus::new(config.events.kept);
    let keys = Arc::new(KeyRing::default());
    let worker = WorkerProgram::open(&config.workers.program)?;
    let domains = Domains::new(DomainsConfig {
        drivers: vec![
            Arc::new(KvmDriver::new(kvm(config, layout, &keys, worker.path()))),
            Arc::new(SimDriver::new(config.domains.sim_speed)),
        ],
        sink: Arc::new(BusSink(bus.clone())),
        keeper: Arc::new(StoreKeeper(store.clone())),
        boot_id: reeve_sys::procfs::boot_id().context("cannot tell this boot of the kernel from others")?,
        dumps: dumps(config, layout),
    });
    let networking = Networking::kernel(layout.run(), layout.lib());
    let networking = networking.learn(sniffer::program(config), store.clone())?;
    let policies = PolicyEngine::start(policies(config, layout)?, store.clone(), bus.clone()).await?;
    let mut registry = telemetry::registry(domains.clone());
    let api = Metrics::register(&mut registry);
    policies.metrics().register(&mut registry);
    let actions = Actions::new(Deps {
        domains,
        store,
        bus,
        policy: policies.clone(),
        policies: policies.clone(),
        node: Arc::new(Node::new(Places::default())),
        networking: Arc::new(networking),
        storing: Arc::new(Storing::new(layout.lib().join("images"))),
        saves: layout.lib().join("save"),
        access: access(config),
        faults: Arc::new(NoFaults),
    });
    let peers = peers(config, layout)?;
    let actions = Arc::new(actions.with_migrations(migrations(&peers, layout)?));
    actions.migrations().set_senders(&config.migration.peers);
    actions.migrations().set_max_streams(config.migration.max_streams()?);
    let secrets: Arc<dyn Keys> = actions.clone();
    keys.attach(Arc::downgrade(&secrets));
    Ok(Host { actions, peers, policies, api, registry: Arc::new(registry), _worker: worker })
}

/// Where cores go that nobody asked for.
fn dumps(config: &Config, layout: &Layout) -> PathBuf {
    match config.domains.auto_dump_path.as_str() {
        "" => layout.lib().join("dump"),
        path => PathBuf::from(path),
    }
}

impl Host {
    /// The front door; `stop` closes it.
    pub fn api(&self, stop: CancellationToken) -> Api {
        Api {
            actions: Arc::clone(&self.actions),
            metrics: self.api.clone(),
            registry: Arc::clone(&self.registry),
            stop,
        }
    }

    /// Lets policies hear of events and call the host, and loads what is in their directory.
    pub async fn begin_policies(&self) {
        self.policies.scan().await;
        self.policies.attach(Arc::new(Verbs::new(&self.actions)));
    }

    /// Takes in what a changed configuration says of other hosts.
    pub fn reload_peers(&self, config: &Config, layout: &Layout) -> anyhow::Result<()> {
        self.peers.renew(config.migration.network(&layout.etc())?)?;
        self.actions.migrations().set_senders(&config.migration.peers);
        self.actions.migrations().set_max_streams(config.migration.max_streams()?);
        Ok(())
    }

    /// Reads the policies directory again without waiting for its next round.
    pub async fn reload_policies(&self) {
        self.policies.scan().await;
    }

    /// Lets policies hear of the stop and put back what they tuned.
    pub async fn end_policies(&self) {
        self.policies.shutdown().await;
    }
}

fn kvm(config: &Config, layout: &Arc<Layout>, keys: &Arc<KeyRing>, worker: PathBuf) -> KvmConfig {
    let workers = &config.workers;
    // Another user can only be had by root; otherwise workers are the daemon's own user.
    let root = rustix::process::geteuid().is_root();
    KvmConfig {
        worker,
        layout: Arc::clone(layout),
        cgroups: Some(workers.cgroup.as_str())
            .filter(|name| root && !name.is_empty())
            .and_then(Cgroups::probe),
        virtiofsd: Some(workers.virtiofsd.as_str()).filter(|path| !path.is_empty()).map(Into::into),
        sandbox: SandboxConfig {
            uid: root.then_some(workers.uid),
            gid: root.then_some(workers.gid),
            seccomp: workers.seccomp,
            landlock: workers.landlock,
        },
        keys: Arc::clone(keys),
    }
}

fn peers(config: &Config, layout: &Layout) -> anyhow::Result<Arc<Peers>> {
    let socket = std::path::absolute(layout.api_socket()).context("cannot tell where this host is")?;
    let network = config.migration.network(&layout.etc())?;
    Ok(Arc::new(Peers::new(socket, network).context("other hosts cannot be spoken with")?))
}

fn migrations(peers: &Arc<Peers>, layout: &Layout) -> anyhow::Result<Migrations> {
    let run = std::path::absolute(layout.run()).context("cannot tell where this host is")?;
    let peers = Arc::clone(peers) as Arc<dyn PeerPort>;
    let boot_id = reeve_sys::procfs::boot_id().context("cannot tell this boot of the kernel from others")?;
    Ok(Migrations::new(peers, run, boot_id))
}

fn policies(config: &Config, layout: &Layout) -> anyhow::Result<PolicyConfig> {
    let artifacts = config.policies.artifacts(&layout.etc(), &layout.lib().join("artifacts"))?;
    Ok(PolicyConfig {
        directory: Some(layout.etc().join("policies.d")),
        settings: Some(layout.etc().join("policies.toml")),
        tune_interval: Duration::from_secs(config.policies.tune_interval),
        artifacts: Some(Arc::new(artifacts)),
    })
}

fn access(config: &Config) -> Access {
    let mut access = Access::owner_only(rustix::process::geteuid().as_raw());
    access.group = Some(config.access.group.clone()).filter(|group| !group.is_empty());
    access.others_read = config.access.others_read;
    access
}
