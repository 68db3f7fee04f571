//! Policies as files: every `*.wasm` of a directory is loaded under its file's name, replaced when the file changes and taken
//! out when it goes. `policies.toml` says how each is bound:
//!
//! ```toml
//! [naming]
//! mode = "enforce"             # or "monitor"
//! on-failure = "closed"        # or "open", or "previous"
//! order = 10
//! enabled = true
//! breaker = { failures = 5, within = 60 }
//! grants = ["domain:rewrite path=devices.*"]
//! config = { prefix = "prod-" }
//!
//! [nightly-report]
//! schedule = "0 3 * * *"       # when its task runs: a cron expression in the host's time zone, or "every 5m"
//! catch-up = true              # one run for all that were missed while the daemon was down
//! events = ["domain:started name=web-*"]
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use reeve_model::event::PolicyChange;
use reeve_model::policy::{BreakerSettings, FailureMode, PolicyMode};
use reeve_model::task::TaskTriggers;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::absent::Absent;
use crate::artifact::signature_file;
use crate::install::{Origin, Terms};
use crate::policy_engine::PolicyEngine;

const PERIOD: Duration = Duration::from_secs(1);

/// One table of `policies.toml`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    mode: PolicyMode,
    #[serde(default)]
    on_failure: FailureMode,
    #[serde(default)]
    order: i32,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    breaker: Option<BreakerSettings>,
    #[serde(default)]
    schedule: Option<String>,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    catch_up: bool,
    #[serde(default)]
    grants: Vec<String>,
    #[serde(default)]
    config: serde_json::Map<String, serde_json::Value>,
}

/// What tells two states of a file apart without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    /// The same of the signature beside it.
    signature: Option<(Option<SystemTime>, u64)>,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let signature = std::fs::metadata(signature_file(path)).ok();
        Some(Self {
            modified: meta.modified().ok(),
            size: meta.len(),
            signature: signature.map(|meta| (meta.modified().ok(), meta.len())),
        })
    }
}

/// The directory, and what of it was loaded.
pub(crate) struct Directory {
    path: PathBuf,
    settings_path: Option<PathBuf>,
    settings: BTreeMap<String, Settings>,
    settings_stamp: Option<Stamp>,
    /// What was tried last, by policy: the file's stamp and its settings then.
    tried: BTreeMap<String, (Stamp, Settings)>,
}

impl Directory {
    /// A directory of which nothing was loaded yet.
    pub(crate) fn new(path: PathBuf, settings_path: Option<PathBuf>) -> Self {
        Self { path, settings_path, settings: BTreeMap::new(), settings_stamp: None, tried: BTreeMap::new() }
    }

    /// Scans once a second until `stop` is cancelled or the engine is gone.
    pub(crate) async fn follow(mut self, engine: Weak<PolicyEngine>, stop: CancellationToken) {
        loop {
            let Some(engine) = engine.upgrade() else { return };
            self.scan(&engine).await;
            drop(engine);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// Loads what is new or changed, takes out what is gone.
    pub(crate) async fn scan(&mut self, engine: &Arc<PolicyEngine>) {
        self.read_settings();
        let files = self.files();
        for (name, (path, stamp)) in &files {
            let now = (stamp.clone(), self.settings.get(name).cloned().unwrap_or_default());
            if self.tried.get(name) != Some(&now) {
                load(engine, name, path, now.1.clone(), self.settings.contains_key(name)).await;
                self.tried.insert(name.clone(), now);
            }
        }
        let gone: Vec<_> = self.tried.keys().filter(|name| !files.contains_key(*name)).cloned().collect();
        for name in gone {
            self.tried.remove(&name);
            let _changing = engine.changing.lock().await;
            engine.shared.absent.remove(&name);
            let ours = |origin| origin == Origin::Directory;
            if engine.shared.registry.find(&name).is_some_and(|binding| ours(binding.active().origin)) {
                engine.take_out(&name);
            }
        }
    }

    fn files(&self) -> BTreeMap<String, (PathBuf, Stamp)> {
        let Ok(entries) = std::fs::read_dir(&self.path) else { return BTreeMap::new() };
        entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
            .filter_map(|path| {
                let name = path.file_stem()?.to_str()?.to_owned();
                let stamp = Stamp::of(&path)?;
                Some((name, (path, stamp)))
            })
            .collect()
    }

    /// Reads `policies.toml` when it changed; a file with a mistake changes nothing.
    fn read_settings(&mut self) {
        let Some(path) = &self.settings_path else { return };
        let stamp = Stamp::of(path);
        if stamp == self.settings_stamp {
            return;
        }
        self.settings_stamp = stamp;
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                tracing::error!(%error, "'{}' cannot be read", path.display());
                return;
            }
        };
        match toml::from_str(&text) {
            Ok(settings) => self.settings = settings,
            Err(error) => {
                tracing::error!("'{}' is not valid, the settings stay as they were: {error}", path.display());
            }
        }
    }
}

/// Loads one file. When a policy that `policies.toml` names (`bound`) can't be loaded, it counts as absent.
async fn load(engine: &Arc<PolicyEngine>, name: &str, path: &Path, settings: Settings, bound: bool) {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(%error, "policy '{}' cannot be read", path.display());
            return;
        }
    };
    let hooks = crate::loader::manifest(&bytes).ok().map(|manifest| manifest.hooks);
    let triggers =
        TaskTriggers { schedule: settings.schedule, events: settings.events, catch_up: settings.catch_up };
    let terms = Terms {
        name: Some(name.to_owned()),
        mode: Some(settings.mode),
        on_failure: Some(settings.on_failure),
        grants: Some(settings.grants),
        config: Some(serde_json::Value::Object(settings.config)),
        order: Some(settings.order),
        enabled: Some(settings.enabled.unwrap_or(true)),
        breaker: Some(settings.breaker.unwrap_or_default()),
        rolls_back: false,
        restored: engine.shared.registry.find(name).is_none(),
    };
    let _changing = engine.changing.lock().await;
    let loaded = engine.shared.registry.find(name).is_some();
    let installed = match engine.verify_file(path, &bytes) {
        Ok(()) => engine.install(bytes, terms, Origin::Directory).await.map(drop),
        Err(error) => {
            if loaded {
                engine.tell(name, PolicyChange::Refused, error.message.clone());
            }
            Err(error)
        }
    };
    if let Err(error) = installed {
        tracing::error!(policy = name, "'{}' is not loaded: {error}", path.display());
        if !loaded {
            engine.tell(name, PolicyChange::Refused, error.message.clone());
        }
        if !loaded && bound && settings.enabled != Some(false) {
            engine.shared.absent.add(Absent {
                name: name.to_owned(),
                hooks: hooks.filter(|hooks| !hooks.is_empty()),
                mode: settings.mode,
                on_failure: settings.on_failure,
                error,
            });
        }
    } else if let Err(error) = engine.arm(name, Some(triggers)) {
        tracing::error!(policy = name, "task '{name}' does not run by itself: {error}");
    }
}
