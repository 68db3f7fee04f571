//! How a component becomes a binding: compiled off the async threads, linked, smoke-run, and only then put in place.

use std::sync::Arc;

use reeve_model::event::{EventKind, PolicyChange};
use reeve_model::policy::{FailureMode, PolicyMode};
use reeve_model::{Actor, Error, ErrorCode};
use reeve_store::PolicyRow;

use crate::absent::Absent;
use crate::binding::{Active, Binding};
use crate::grants::Grants;
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
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        let hint = match &error {
            LoadError::NotGranted { policy, verb, .. } => Some(format!(
                "give it with '--grant {verb}', or later with 'reeve policy grant {policy} {verb}'"
            )),
            LoadError::NotAsked { verb, .. } => Some(format!("add '{verb}' to the wants of its manifest")),
            _ => None,
        };
        let code = match error {
            LoadError::NotGranted { .. } => ErrorCode::Denied,
            LoadError::Version { .. } => ErrorCode::Unsupported,
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
        let old = self.shared.registry.find(&name);
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
        let version = active.program.manifest.version.clone();
        let binding = match old {
            Some(binding) => {
                binding.replace(active);
                self.unpark(&binding);
                self.shared.registry.put(&binding);
                self.tell(&name, PolicyChange::Replaced, format!("version {version}"));
                binding
            }
            None => {
                let binding = Arc::new(Binding::new(active));
                self.shared.registry.put(&binding);
                self.tell(&name, PolicyChange::Loaded, format!("version {version}"));
                binding
            }
        };
        self.shared.absent.remove(&name);
        self.shared.ksm.changed.notify_one();
        Ok(binding)
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
        let (shared, policy) = (Arc::clone(&self.shared), name.to_owned());
        let store = (origin == Origin::Installed).then(|| self.shared.store.clone());
        let linked = grants.clone();
        let program = tokio::task::spawn_blocking(move || {
            let digest = loader::digest(&bytes);
            let component = loader::compile(&shared.runtime, &policy, &bytes)?;
            let program = Program::link(&shared.runtime, &policy, manifest, digest, component, &linked)?;
            if let Some(store) = store {
                store.put_component(&bytes)?;
            }
            Ok::<_, Error>(program)
        });
        let program = program.await.map_err(|error| {
            Error::new(ErrorCode::Internal, format!("policy '{name}' could not be compiled: {error}"))
        })??;
        let make = || Active {
            name: name.to_owned(),
            program: Arc::clone(&program),
            grants: grants.clone(),
            mode: terms.mode.or(old.map(|old| old.mode)).unwrap_or_default(),
            on_failure: terms.on_failure.or(old.map(|old| old.on_failure)).unwrap_or_default(),
            order: terms.order.or(old.map(|old| old.order)).unwrap_or_default(),
            config: config.clone(),
            config_text: config_text.clone(),
            origin,
        };
        crate::instance::smoke_run(&self.shared, Arc::new(make()))
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
            enabled: true,
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
        for row in rows.into_iter().filter(|row| row.enabled) {
            if let Err(error) = self.load_row(row.clone()).await {
                tracing::error!(policy = row.name, %error, "policy '{}' cannot be loaded", row.name);
                let manifest =
                    self.shared.store.component(&row.digest).ok().map(|bytes| loader::manifest(&bytes));
                let hooks = manifest.and_then(Result::ok).map(|manifest| manifest.hooks);
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

    async fn load_row(&self, row: PolicyRow) -> Result<(), Error> {
        let bytes = self.shared.store.component(&row.digest)?;
        let terms = Terms {
            name: Some(row.name),
            mode: Some(row.mode),
            on_failure: Some(row.on_failure),
            grants: Some(row.grants),
            config: Some(row.config),
            order: Some(row.order),
        };
        self.install(bytes, terms, Origin::Installed).await.map(drop)
    }

    pub(crate) fn unpark(&self, binding: &Binding) -> bool {
        self.shared.metrics.parked(binding.name(), false);
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
