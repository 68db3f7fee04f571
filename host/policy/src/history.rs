//! The history of a policy: which versions there were, which of them is good, and which one answers when the present one fails.
//!
//! A version is good until the circuit breaker stops it or an operator rolls back from it. The history of an installed policy is in
//! the store and its components with it; of a policy of the policy directory, which keeps only one file, the engine remembers the
//! version it had before until it ends.

use std::sync::Arc;

use reeve_model::policy::{FailureMode, Parked, PolicyVersion};
use reeve_model::{Error, ErrorCode};
use reeve_store::StoreError;
use time::OffsetDateTime;

use crate::binding::{Active, Binding};
use crate::grants::Grants;
use crate::install::{Origin, config_text};
use crate::loader::{self, LoadError, Program};
use crate::policy_engine::PolicyEngine;
use crate::shared::Shared;

/// Writes down that the breaker stopped the version in use. Called from where a decision was made: takes microseconds.
pub(crate) fn parked(shared: &Shared, binding: &Binding, parked: &Parked) {
    let digest = &binding.active().program.digest;
    let kept = shared.store.put_parked(binding.name(), digest, parked);
    if let Err(error) = kept.and_then(|()| mark(shared, binding, digest, false)) {
        tracing::error!(policy = binding.name(), %error, "that it is parked will be forgotten at the next start");
    }
}

/// Says whether a version is good, if it is in the history.
pub(crate) fn mark(shared: &Shared, binding: &Binding, digest: &str, good: bool) -> Result<(), StoreError> {
    let mut versions = binding.versions();
    if let Some(version) = versions.iter_mut().find(|version| version.digest == digest) {
        version.good = good;
        shared.store.update_version(binding.name(), version)?;
        binding.set_versions(versions);
    }
    Ok(())
}

impl PolicyEngine {
    /// Brings the history up to date after a version, or another configuration of it, was put in place. `restored` is true for
    /// what was there before the daemon began.
    pub(crate) async fn remember(&self, binding: &Binding, restored: bool) -> Result<(), Error> {
        let active = binding.active();
        if active.origin != Origin::Installed {
            return Ok(());
        }
        let (store, name) = (self.shared.store.clone(), active.name.clone());
        let version = PolicyVersion {
            digest: active.program.digest.clone(),
            version: active.program.manifest.version.clone(),
            installed: OffsetDateTime::now_utc(),
            config: active.config.clone(),
            good: true,
        };
        let versions = tokio::task::spawn_blocking(move || {
            match store.versions(&name)?.into_iter().next() {
                Some(newest) if newest.digest == version.digest => {
                    let good = if restored { newest.good } else { version.good };
                    store.update_version(
                        &name,
                        &PolicyVersion { installed: newest.installed, good, ..version },
                    )?;
                }
                _ => {
                    store.put_version(&name, &version)?;
                    store.sweep_components()?;
                }
            }
            store.versions(&name)
        });
        let versions =
            versions.await.map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))??;
        binding.set_versions(versions);
        Ok(())
    }

    /// Looks for the version that answers when the present one fails, where that is what a failure means. `left` is the version
    /// that was just replaced. A policy without an earlier version that can be used fails closed.
    pub(crate) async fn find_previous(&self, binding: &Binding, left: Option<Arc<Active>>) {
        let active = binding.active();
        if active.on_failure != FailureMode::Previous {
            return binding.set_previous(None);
        }
        let other = |digest: &str| digest != active.program.digest;
        let found = match active.origin {
            Origin::Directory => {
                let candidate = left.or_else(|| binding.previous());
                let candidate = candidate.filter(|candidate| other(&candidate.program.digest));
                candidate.map(|candidate| self.as_now(&candidate, &active))
            }
            Origin::Installed => {
                let mut good = binding.versions().into_iter().filter(|version| version.good);
                match good.find(|version| other(&version.digest)) {
                    Some(version) => Some(self.link_earlier(version, &active).await),
                    None => None,
                }
            }
        };
        let found = found.and_then(|found| match found {
            Ok(previous) => Some(Arc::new(previous)),
            Err(error) => {
                let policy = binding.name();
                tracing::warn!(
                    policy,
                    "the last good version of policy '{policy}' cannot answer for it: {error}"
                );
                None
            }
        });
        binding.set_previous(found);
    }

    /// An earlier version bound as the present one is. What was revoked meanwhile is revoked from it, too.
    fn as_now(&self, earlier: &Active, active: &Active) -> Result<Active, Error> {
        let grants = Grants::new(&earlier.program.manifest.wants, active.grants.texts())
            .map_err(|source| LoadError::Grant { policy: active.name.clone(), source })?;
        let program = earlier.program.relink(&self.shared.runtime, &active.name, &grants)?;
        let (config, config_text) = (earlier.config.clone(), earlier.config_text.clone());
        Ok(Active { program, grants, config, config_text, ..active.copy() })
    }

    async fn link_earlier(&self, version: PolicyVersion, active: &Active) -> Result<Active, Error> {
        let (shared, name) = (Arc::clone(&self.shared), active.name.clone());
        let given = active.grants.texts().to_vec();
        let linked = tokio::task::spawn_blocking(move || {
            let bytes = shared.store.component(&version.digest)?;
            let manifest = loader::manifest(&bytes)?;
            let grants = Grants::new(&manifest.wants, &given)
                .map_err(|source| LoadError::Grant { policy: name.clone(), source })?;
            let runtime = &shared.runtime;
            let component = runtime.compiler.component(&runtime.engine, &name, &bytes, &version.digest)?;
            let program = Program::link(runtime, &name, manifest, version.digest, component, &grants)?;
            let (config, config_text) = config_text(&name, version.config)?;
            Ok::<_, Error>((program, grants, config, config_text))
        });
        let linked = linked.await.map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))??;
        let (program, grants, config, config_text) = linked;
        Ok(Active { program, grants, config, config_text, ..active.copy() })
    }
}
