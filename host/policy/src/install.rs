//! How a component becomes a binding: compiled off the async threads, linked, smoke-run, and only then put in place.

use std::sync::Arc;

use reeve_model::event::{EventKind, PolicyChange};
use reeve_model::policy::{BreakerSettings, FailureMode, PolicyMode, WantedGrant};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_store::PolicyRow;

use crate::absent::Absent;
use crate::binding::{Active, Binding};
use crate::grants::Grants;
use crate::imports;
use crate::loader::{self, LoadError, Program};
use crate::manifest::check_name;
use crate::policy_engine::PolicyEngine;

/// Where a policy comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Installed through the API: kept in the store.
    Installed,
    /// A file in the policy directory: the directory is what keeps it.
    Directory,
}

/// How a component is bound; what is none keeps its present value, or the default for a new policy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    pub(crate) name: Option<String>,
    pub(crate) mode: Option<PolicyMode>,
    pub(crate) on_failure: Option<FailureMode>,
    pub(crate) grants: Option<Vec<String>>,
    pub(crate) config: Option<serde_json::Value>,
    pub(crate) order: Option<i32>,
    pub(crate) enabled: Option<bool>,
    pub(crate) breaker: Option<BreakerSettings>,
    /// True for an earlier version that is put back.
    pub(crate) rolls_back: bool,
    /// True for what was in place before the daemon began.
    pub(crate) restored: bool,
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        let hint = match &error {
            LoadError::NotGranted { verb: verb @ (Verb::FsRead | Verb::FsWrite), .. } => {
                Some(format!("say which directory: '--grant \"{verb} path=/…\"'"))
            }
            LoadError::NotGranted { policy, verb, .. } => Some(format!(
                "give it with '--grant {verb}', or later with 'reeve policy grant {policy} {verb}'"
            )),
            LoadError::Wants { policy, .. } => Some(format!(
                "look at why with 'reeve policy inspect', and give what you agree to with '--grant' or 'reeve policy grant {policy}'"
            )),
            LoadError::NotAsked { verb, .. } => Some(format!("add '{verb}' to the wants of its manifest")),
            _ => None,
        };
        let code = match error {
            LoadError::NotGranted { .. } | LoadError::Wants { .. } => ErrorCode::Denied,
            LoadError::Version { .. } | LoadError::Package { .. } => ErrorCode::Unsupported,
            _ => ErrorCode::Invalid,
        };
        let plain = Self::new(code, error.to_string());
        match hint {
            Some(hint) => plain.with_hint(hint),
            None => plain,
        }
    }
}

impl PolicyEngine {
    /// Loads a component and puts it in place of an older version. What fails changes nothing.
    pub(crate) async fn install(
        &self,
        bytes: Vec<u8>,
        terms: Terms,
        origin: Origin,
    ) -> Result<Arc<Binding>, Error> {
        let manifest = loader::manifest(&bytes)?;
        let name = terms.name.clone().unwrap_or_else(|| manifest.name.clone());
        check_name(&name).map_err(LoadError::from)?;
        if origin == Origin::Installed && (terms.restored || terms.rolls_back) {
            self.verify_installed(&name, &loader::digest(&bytes))?;
        }
        let old = self.shared.registry.find(&name);
        let (rolls_back, restored) = (terms.rolls_back, terms.restored);
        let result = self.prepare(&name, manifest, bytes, terms, old.as_deref(), origin).await;
        let active = match result {
            Ok(active) => active,
            Err(error) => {
                if old.is_some() {
                    self.tell(&name, PolicyChange::Refused, error.message.clone());
                }
                return Err(error);
            }
        };
        let (version, digest) = (active.program.manifest.version.clone(), active.program.digest.clone());
        let (change, left, binding) = match old {
            Some(binding) => {
                let left = binding.active();
                binding.replace(active);
                let change = if rolls_back { PolicyChange::RolledBack } else { PolicyChange::Replaced };
                (change, Some(left), binding)
            }
            None => (PolicyChange::Loaded, None, Arc::new(Binding::new(active))),
        };
        // The directory's file is looked at again when its settings change.
        let same = |left: &Arc<Active>| origin == Origin::Directory && left.program.digest == digest;
        if !left.as_ref().is_some_and(same) {
            self.settle(&binding, &digest, restored)?;
        }
        self.remember(&binding, restored).await?;
        self.find_previous(&binding, left).await;
        self.shared.registry.put(&binding);
        if let Err(error) = self.arm(&name, None) {
            tracing::error!(policy = name, %error, "task '{name}' does not run by itself");
        }
        self.tell(&name, change, format!("version {version}"));
        self.shared.absent.remove(&name);
        self.shared.ksm.changed.notify_one();
        Ok(binding)
    }

    /// A version that the breaker stopped is stopped after a restart, too; any other begins afresh.
    fn settle(&self, binding: &Binding, digest: &str, restored: bool) -> Result<(), Error> {
        let stopped = if restored { self.shared.store.parked(binding.name(), digest)? } else { None };
        match stopped {
            Some(parked) => {
                self.shared.metrics.parked(binding.name(), true);
                binding.park(parked);
            }
            None => drop(self.unpark(binding)),
        }
        Ok(())
    }

    async fn prepare(
        &self,
        name: &str,
        manifest: crate::manifest::Manifest,
        bytes: Vec<u8>,
        terms: Terms,
        old: Option<&Binding>,
        origin: Origin,
    ) -> Result<Active, Error> {
        let old = old.map(Binding::active);
        let old = old.as_deref();
        let given = terms.grants.or_else(|| old.map(|old| old.grants.texts().to_vec())).unwrap_or_default();
        let grants = Grants::new(&manifest.wants, &given)
            .map_err(|source| LoadError::Grant { policy: name.to_owned(), source })?;
        for unasked in grants.unasked() {
            tracing::warn!(
                policy = name,
                "the grant '{unasked}' has no effect: the manifest does not ask for it"
            );
        }
        let config = terms.config.or_else(|| old.map(|old| old.config.clone())).unwrap_or_default();
        let (config, config_text) = config_text(name, config)?;
        let breaker = terms.breaker.or_else(|| old.map(|old| old.breaker)).unwrap_or_default();
        let breaker = check_breaker(name, breaker)?;
        crate::served::check(name, &manifest.contract)?;
        crate::wasi::check_directories(name, &grants)?;
        let new_wants: Vec<WantedGrant> = old.map_or_else(Vec::new, |old| {
            let before = &old.program.manifest.wants;
            grants.uncovered(
                manifest.wants.iter().filter(|want| !before.iter().any(|old| old.grant == want.grant)),
            )
        });
        let (shared, policy) = (Arc::clone(&self.shared), name.to_owned());
        let store = (origin == Origin::Installed).then(|| self.shared.store.clone());
        let linked = grants.clone();
        let program = tokio::task::spawn_blocking(move || {
            let digest = loader::digest(&bytes);
            let component =
                shared.runtime.compiler.component(&shared.runtime.engine, &policy, &bytes, &digest)?;
            imports::check_new_wants(&shared.runtime.engine, &component, &policy, new_wants)?;
            let program = Program::link(&shared.runtime, &policy, manifest, digest, component, &linked)?;
            if let Some(store) = store {
                store.put_component(&bytes)?;
            }
            Ok::<_, Error>(program)
        });
        let program = program.await.map_err(|error| {
            Error::new(ErrorCode::Internal, format!("policy '{name}' could not be compiled: {error}"))
        })??;
        check_config(name, &program, &config)?;
        let make = || Active {
            name: name.to_owned(),
            program: Arc::clone(&program),
            grants: grants.clone(),
            mode: terms.mode.or(old.map(|old| old.mode)).unwrap_or_default(),
            on_failure: terms.on_failure.or(old.map(|old| old.on_failure)).unwrap_or_default(),
            order: terms.order.or(old.map(|old| old.order)).unwrap_or_default(),
            enabled: terms.enabled.or(old.map(|old| old.enabled)).unwrap_or(true),
            breaker,
            config: config.clone(),
            config_text: config_text.clone(),
            origin,
        };
        crate::instance::smoke_run(&self.shared.runtime, self.shared.outside(), Arc::new(make()))
            .await
            .map_err(|failure| LoadError::Smoke { policy: name.to_owned(), failure })?;
        let active = make();
        if origin == Origin::Installed {
            self.keep(&active).await?;
        }
        Ok(active)
    }

    /// Writes how a policy is bound to the store.
    pub(crate) async fn keep(&self, active: &Active) -> Result<(), Error> {
        let row = PolicyRow {
            name: active.name.clone(),
            digest: active.program.digest.clone(),
            mode: active.mode,
            on_failure: active.on_failure,
            grants: active.grants.texts().to_vec(),
            config: active.config.clone(),
            order: active.order,
            enabled: active.enabled,
            breaker: (active.breaker != BreakerSettings::default()).then_some(active.breaker),
        };
        let store = self.shared.store.clone();
        let kept = tokio::task::spawn_blocking(move || store.put_policy(&row)).await;
        kept.map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))?.map_err(Error::from)
    }

    /// Loads every policy of the store.
    pub(crate) async fn load_installed(&self) {
        let rows = match self.shared.store.policies() {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "the installed policies cannot be read");
                return;
            }
        };
        for row in rows {
            let Err(error) = self.load_row(&row, &row.digest, &row.config).await else { continue };
            tracing::error!(policy = row.name, %error, "policy '{}' cannot be loaded", row.name);
            if row.on_failure == FailureMode::Previous && self.load_last_good(&row).await {
                continue;
            }
            if row.enabled {
                let component = self.shared.store.component(&row.digest).ok();
                let manifest = component.and_then(|bytes| loader::manifest(&bytes).ok());
                let hooks = manifest.map(|manifest| manifest.hooks);
                self.shared.absent.add(Absent {
                    name: row.name,
                    hooks: hooks.filter(|hooks| !hooks.is_empty()),
                    mode: row.mode,
                    on_failure: row.on_failure,
                    error,
                });
            }
        }
    }

    /// Loads the last good version of a policy whose present one cannot be loaded; true when there is one.
    async fn load_last_good(&self, row: &PolicyRow) -> bool {
        let versions = self.shared.store.versions(&row.name).unwrap_or_default();
        for version in versions.into_iter().filter(|version| version.good && version.digest != row.digest) {
            if self.load_row(row, &version.digest, &version.config).await.is_ok() {
                let detail = format!("version {}, the newer one cannot be loaded", version.version);
                tracing::error!(policy = row.name, "policy '{}' is back at {detail}", row.name);
                self.tell(&row.name, PolicyChange::RolledBack, detail);
                return true;
            }
        }
        false
    }

    async fn load_row(&self, row: &PolicyRow, digest: &str, config: &serde_json::Value) -> Result<(), Error> {
        let bytes = self.shared.store.component(digest)?;
        let terms = Terms {
            name: Some(row.name.clone()),
            mode: Some(row.mode),
            on_failure: Some(row.on_failure),
            grants: Some(row.grants.clone()),
            config: Some(config.clone()),
            order: Some(row.order),
            enabled: Some(row.enabled),
            breaker: row.breaker,
            rolls_back: false,
            restored: true,
        };
        self.install(bytes, terms, Origin::Installed).await.map(drop)
    }

    /// Lets a policy be asked again; true when it was parked.
    pub(crate) fn unpark(&self, binding: &Binding) -> bool {
        self.shared.metrics.parked(binding.name(), false);
        if let Err(error) = self.shared.store.remove_parked(binding.name()) {
            tracing::error!(policy = binding.name(), %error, "it will be parked again at the next start");
        }
        binding.resume()
    }

    pub(crate) fn tell(&self, name: &str, change: PolicyChange, detail: String) {
        let kind = EventKind::Policy { name: name.to_owned(), change, detail };
        self.shared.bus.publish(Actor::Daemon, kind);
    }
}

/// A configuration as a value and as the text that policies get; it must be an object, null means none.
pub(crate) fn config_text(
    policy: &str,
    config: serde_json::Value,
) -> Result<(serde_json::Value, String), Error> {
    let config = match config {
        serde_json::Value::Null => serde_json::Value::Object(serde_json::Map::new()),
        config => config,
    };
    if !config.is_object() {
        let message = format!("the configuration of policy '{policy}' must be a JSON object");
        return Err(Error::new(ErrorCode::Invalid, message));
    }
    let text = config.to_string();
    Ok((config, text))
}

/// Refuses a configuration that the policy's schema does not allow.
pub(crate) fn check_config(
    policy: &str,
    program: &Program,
    config: &serde_json::Value,
) -> Result<(), LoadError> {
    let wrong = |reason| LoadError::Config { policy: policy.to_owned(), reason };
    program.schema.check(config).map_err(wrong)
}

/// Refuses numbers that no breaker takes.
pub(crate) fn check_breaker(policy: &str, breaker: BreakerSettings) -> Result<BreakerSettings, Error> {
    if breaker.is_valid() {
        return Ok(breaker);
    }
    let message = format!(
        "the breaker of policy '{policy}' must be 1 to 1000 failures within 1 to 86400 seconds, not {breaker}"
    );
    Err(Error::new(ErrorCode::Invalid, message))
}
