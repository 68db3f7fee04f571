//! The engine as the daemon holds it: start, attach to the host, stop.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reeve_events::Bus;
use reeve_store::Store;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::absent::{Absent, AbsentPolicies};
use crate::artifact::Artifacts;
use crate::decisions::DecisionLog;
use crate::directory::Directory;
use crate::engine::{EngineError, Runtime};
use crate::host::clock::now_ms;
use crate::metrics::Metrics;
use crate::recorder::Recorder;
use crate::registry::Registry;
use crate::services::Services;
use crate::shared::Shared;
use crate::task::{self, Tasks};
use crate::tune::KsmTuner;
use crate::{notify, tune};

/// Name of the directory of compiled code in the state directory.
const COMPILED: &str = "compiled";

/// How the daemon sets the engine up.
#[derive(Debug, Clone)]
pub struct PolicyConfig {
    /// Policies as files: every `*.wasm` in it is loaded and followed; none watches nothing.
    pub directory: Option<PathBuf>,
    /// Grants, modes and configuration of the policies in `directory` (`policies.toml`).
    pub settings: Option<PathBuf>,
    /// Time between two rounds of a tuner.
    pub tune_interval: Duration,
    /// Registries and what is trusted; none installs nothing from them.
    pub artifacts: Option<Arc<Artifacts>>,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self { directory: None, settings: None, tune_interval: Duration::from_secs(60), artifacts: None }
    }
}

/// The policy engine. Implements [`PolicyPort`](reeve_actions::policy_port::PolicyPort) and
/// [`PolicyAdmin`](reeve_actions::policy_port::PolicyAdmin).
pub struct PolicyEngine {
    pub(crate) shared: Arc<Shared>,
    /// Held while a policy is loaded or changed, so that two changes of one policy don't mix.
    pub(crate) changing: tokio::sync::Mutex<()>,
    config: PolicyConfig,
    tasks: Mutex<JoinSet<()>>,
    stop: CancellationToken,
}

impl PolicyEngine {
    /// Sets the engine up on the current tokio runtime and loads the installed policies. One that can't be loaded is logged,
    /// and told by [`Self::absent`]; the others work.
    pub async fn start(config: PolicyConfig, store: Store, bus: Bus) -> Result<Arc<Self>, EngineError> {
        let metrics = Metrics::default();
        let compiled = store.path().with_file_name(COMPILED);
        let shared = Arc::new(Shared {
            runtime: Runtime::new(Some(&compiled), &metrics)?,
            registry: Registry::default(),
            absent: AbsentPolicies::default(),
            decisions: DecisionLog::start(store.clone(), metrics.clone()).map_err(EngineError::Thread)?,
            store,
            bus,
            daemon: Handle::current(),
            metrics,
            services: OnceLock::new(),
            // Milliseconds leave room for 4096 chains each before numbers of two runs could meet.
            chains: AtomicU64::new(now_ms() << 12),
            ksm: KsmTuner::default(),
            recorder: Recorder::default(),
            tasks: Tasks::default(),
            logs: Arc::default(),
        });
        let engine = Arc::new(Self {
            shared,
            changing: tokio::sync::Mutex::new(()),
            config,
            tasks: Mutex::default(),
            stop: CancellationToken::new(),
        });
        engine.load_installed().await;
        Ok(engine)
    }

    /// Connects the engine with the host and begins to follow events, the directory and the tuners' clock. Once.
    pub fn attach(self: &Arc<Self>, services: Arc<dyn Services>) {
        if self.shared.services.set(services).is_err() {
            return;
        }
        let (shared, stop) = (&self.shared, &self.stop);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(notify::follow(Arc::clone(shared), shared.bus.subscribe(None), stop.clone()));
        let events = shared.bus.subscribe(None);
        tasks.spawn(tune::run(Arc::clone(shared), events, self.config.tune_interval, stop.clone()));
        tasks.spawn(task::follow(Arc::clone(shared), shared.bus.subscribe(None), stop.clone()));
        if let Some(directory) = self.directory() {
            let (engine, stop) = (Arc::downgrade(self), stop.clone());
            tasks.spawn(directory.follow(engine, stop));
        }
    }

    /// Loads what is in the policy directory now, and returns when all of it was tried. [`Self::attach`] goes on from there.
    pub async fn scan(self: &Arc<Self>) {
        if let Some(mut directory) = self.directory() {
            directory.scan(self).await;
        }
    }

    fn directory(&self) -> Option<Directory> {
        self.config.directory.clone().map(|path| Directory::new(path, self.config.settings.clone()))
    }

    /// Tells policies that the daemon stops, waits for them within their deadlines, puts back what tuners changed, and writes
    /// the decision log out. Guards still answer afterwards.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
        self.shared.tasks.finish().await;
        notify::stopping(&self.shared).await;
        if let Err(error) = tune::restore(&self.shared).await {
            tracing::error!(%error, "kernel samepage merging could not be put back as it was");
        }
        self.shared.decisions.flush().await;
    }

    /// Registries and what is trusted.
    pub(crate) fn artifacts(&self) -> Option<&Arc<Artifacts>> {
        self.config.artifacts.as_ref()
    }

    /// What Prometheus sees.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Policies that are bound but could not be loaded. Those that fail closed deny meanwhile.
    pub fn absent(&self) -> Vec<Absent> {
        self.shared.absent.all()
    }
}
