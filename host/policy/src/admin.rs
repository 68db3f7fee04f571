//! The engine as operators see it.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_actions::policy_port::{LoadRequest, PolicyAdmin};
use reeve_model::event::PolicyChange;
use reeve_model::policy::{Decision, DecisionFilter, PolicyInfo, PolicyMode, PolicySettings};
use reeve_model::{Error, ErrorCode};

use crate::binding::{Active, Binding};
use crate::grant::Grant;
use crate::grants::Grants;
use crate::install::{Origin, Terms};
use crate::loader::LoadError;
use crate::policy_engine::PolicyEngine;
use crate::tune;

#[async_trait]
impl PolicyAdmin for PolicyEngine {
    fn list(&self) -> Vec<PolicyInfo> {
        self.shared.registry.all().iter().map(|binding| binding.info()).collect()
    }

    fn show(&self, name: &str) -> Result<PolicyInfo, Error> {
        Ok(self.shared.registry.get(name)?.info())
    }

    async fn load(&self, request: LoadRequest) -> Result<PolicyInfo, Error> {
        let _changing = self.changing.lock().await;
        let name = match &request.name {
            Some(name) => name.clone(),
            None => crate::loader::manifest(&request.component)?.name,
        };
        let old = self.shared.registry.find(&name);
        if let Some(old) = &old {
            installed_only(old, "put another file there")?;
        }
        let mut grants = old.map(|old| old.active().grants.texts().to_vec()).unwrap_or_default();
        grants.extend(request.grants);
        let terms = Terms {
            name: Some(name.clone()),
            mode: request.mode,
            on_failure: request.on_failure,
            grants: Some(grants),
            config: request.config,
            order: request.order,
            breaker: request.breaker,
            ..Terms::default()
        };
        if let Some(triggers) = &request.triggers {
            crate::trigger::Triggers::parse(triggers.clone())?;
        }
        let tuner = tune::Tuner::of(&self.shared, &name);
        let binding = self.install(request.component, terms, Origin::Installed).await?;
        if request.triggers.is_some() {
            self.arm(binding.name(), request.triggers)?;
        }
        tuner.let_go(&self.shared).await?;
        Ok(binding.info())
    }

    async fn unload(&self, name: &str) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let was_absent = self.shared.absent.remove(name);
        let tuner = tune::Tuner::of(&self.shared, name);
        if !was_absent {
            installed_only(&*self.shared.registry.get(name)?, "take its file out of it")?;
        }
        let (store, policy) = (self.shared.store.clone(), name.to_owned());
        let removed = tokio::task::spawn_blocking(move || {
            store.remove_policy(&policy)?;
            store.sweep_components()
        });
        removed.await.map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))??;
        self.take_out(name);
        self.tidy_artifacts(name).await;
        self.forget_task(name)?;
        tuner.let_go(&self.shared).await
    }

    async fn set_mode(&self, name: &str, mode: PolicyMode) -> Result<PolicyInfo, Error> {
        let _changing = self.changing.lock().await;
        let binding = self.shared.registry.get(name)?;
        let old = binding.active();
        if old.mode != mode {
            let tuner = tune::Tuner::of(&self.shared, name);
            self.change(&binding, Active { mode, ..old.copy() }).await?;
            self.find_previous(&binding, None).await;
            let word = if mode == PolicyMode::Enforce { "enforce" } else { "monitor" };
            self.tell(name, PolicyChange::ModeChanged, word.to_owned());
            tuner.let_go(&self.shared).await?;
        }
        Ok(binding.info())
    }

    async fn grant(&self, name: &str, grants: Vec<String>) -> Result<PolicyInfo, Error> {
        let _changing = self.changing.lock().await;
        let binding = self.shared.registry.get(name)?;
        let mut given = binding.active().grants.texts().to_vec();
        given.extend(grants);
        self.set_grants(&binding, &given).await
    }

    async fn revoke(&self, name: &str, grants: Vec<String>) -> Result<PolicyInfo, Error> {
        let _changing = self.changing.lock().await;
        let binding = self.shared.registry.get(name)?;
        let mut given = binding.active().grants.texts().to_vec();
        for text in &grants {
            let grant = parse(name, text)?;
            let before = given.len();
            given.retain(|other| Grant::parse(other).as_ref() != Ok(&grant));
            if given.len() == before {
                let message = format!("policy '{name}' has no grant '{text}'");
                let held = given.join(", ");
                return Err(Error::new(ErrorCode::NotFound, message).with_hint(format!("it has: {held}")));
            }
        }
        self.set_grants(&binding, &given).await
    }

    async fn resume(&self, name: &str) -> Result<PolicyInfo, Error> {
        let binding = self.shared.registry.get(name)?;
        if !self.unpark(&binding) {
            return Err(Error::new(ErrorCode::WrongState, format!("policy '{name}' is not parked")));
        }
        crate::history::mark(&self.shared, &binding, &binding.active().program.digest, true)?;
        self.tell(name, PolicyChange::Resumed, String::new());
        self.shared.ksm.changed.notify_one();
        Ok(binding.info())
    }

    async fn set(&self, name: &str, settings: PolicySettings) -> Result<PolicyInfo, Error> {
        self.change_settings(name, settings).await
    }

    async fn roll_back(&self, name: &str, to: Option<String>) -> Result<PolicyInfo, Error> {
        self.put_back(name, to.as_deref()).await
    }

    async fn decisions(&self, filter: DecisionFilter) -> Result<Vec<Decision>, Error> {
        self.shared.decisions.flush().await;
        let store = self.shared.store.clone();
        let rows = tokio::task::spawn_blocking(move || store.decisions(&filter)).await;
        Ok(rows.map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))??)
    }
}

impl PolicyEngine {
    /// Takes a binding out; calls in flight finish.
    pub(crate) fn take_out(&self, name: &str) {
        self.shared.registry.remove(name);
        self.disarm(name);
        self.tell(name, PolicyChange::Unloaded, String::new());
        self.shared.ksm.changed.notify_one();
    }

    async fn set_grants(&self, binding: &Arc<Binding>, given: &[String]) -> Result<PolicyInfo, Error> {
        installed_only(binding, "write the grants into policies.toml")?;
        let old = binding.active();
        for text in given {
            parse(binding.name(), text)?;
        }
        let grants = Grants::new(&old.program.manifest.wants, given)
            .map_err(|source| LoadError::Grant { policy: binding.name().to_owned(), source })?;
        crate::wasi::check_directories(binding.name(), &grants)?;
        let program = old.program.relink(&self.shared.runtime, binding.name(), &grants)?;
        self.change(binding, Active { program, grants, ..old.copy() }).await?;
        self.find_previous(binding, None).await;
        Ok(binding.info())
    }

    /// Keeps the new settings, then puts them in place.
    pub(crate) async fn change(&self, binding: &Arc<Binding>, active: Active) -> Result<(), Error> {
        if active.origin == Origin::Installed {
            self.keep(&active).await?;
        }
        binding.replace(active);
        self.shared.registry.put(binding);
        self.shared.ksm.changed.notify_one();
        Ok(())
    }
}

fn parse(policy: &str, text: &str) -> Result<Grant, Error> {
    let named = |source| LoadError::Grant { policy: policy.to_owned(), source };
    Ok(Grant::parse(text).map_err(named)?)
}

/// Refuses changes that the policy directory would undo.
pub(crate) fn installed_only(binding: &Binding, instead: &str) -> Result<(), Error> {
    if binding.active().origin == Origin::Installed {
        return Ok(());
    }
    let message = format!("policy '{}' comes from the policy directory", binding.name());
    Err(Error::new(ErrorCode::WrongState, message).with_hint(instead))
}
