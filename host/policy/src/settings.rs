//! What an operator changes of a policy while it is loaded: its settings, its configuration, its version.

use reeve_model::event::PolicyChange;
use reeve_model::policy::{PolicyInfo, PolicyMode, PolicySettings, PolicyVersion};
use reeve_model::{Error, ErrorCode};

use crate::admin::installed_only;
use crate::binding::{Active, Binding};
use crate::history;
use crate::install::{Origin, Terms, check_breaker, check_config, config_text};
use crate::policy_engine::PolicyEngine;
use crate::tune::Tuner;

impl PolicyEngine {
    /// Changes settings, all or none of them.
    pub(crate) async fn change_settings(
        &self,
        name: &str,
        settings: PolicySettings,
    ) -> Result<PolicyInfo, Error> {
        let _changing = self.changing.lock().await;
        let binding = self.shared.registry.get(name)?;
        installed_only(&binding, "write the setting into policies.toml")?;
        let old = binding.active();
        let mut new = old.copy();
        new.mode = settings.mode.unwrap_or(old.mode);
        new.enabled = settings.enabled.unwrap_or(old.enabled);
        new.on_failure = settings.on_failure.unwrap_or(old.on_failure);
        new.order = settings.order.unwrap_or(old.order);
        if let Some(breaker) = settings.breaker {
            new.breaker = check_breaker(name, breaker)?;
        }
        if let Some(config) = settings.config {
            (new.config, new.config_text) = config_text(name, config)?;
            check_config(name, &old.program, &new.config)?;
        }
        let changes = changes(&old, &new);
        if !changes.is_empty() {
            let tuner = Tuner::of(&self.shared, name);
            self.change(&binding, new).await?;
            self.remember(&binding, true).await?;
            self.find_previous(&binding, None).await;
            for (change, detail) in changes {
                self.tell(name, change, detail);
            }
            tuner.let_go(&self.shared).await?;
        }
        Ok(binding.info())
    }

    /// Puts an earlier version back: the one that `to` names by digest or version, or the newest good one. What is in place now
    /// counts as not good from then on.
    pub(crate) async fn put_back(&self, name: &str, to: Option<&str>) -> Result<PolicyInfo, Error> {
        let _changing = self.changing.lock().await;
        let binding = self.shared.registry.get(name)?;
        installed_only(&binding, "put the earlier file there")?;
        let active = binding.active();
        let version = choose(name, &binding, &active.program.digest, to)?;
        let bytes = self.shared.store.component(&version.digest)?;
        let schema =
            crate::schema::ConfigSchema::new(crate::loader::manifest(&bytes)?.config_schema.as_ref());
        let fits = schema.is_ok_and(|schema| schema.check(&active.config).is_ok());
        let config = if fits { active.config.clone() } else { version.config.clone() };
        let terms =
            Terms { name: Some(name.to_owned()), config: Some(config), rolls_back: true, ..Terms::default() };
        let tuner = Tuner::of(&self.shared, name);
        let binding = self.install(bytes, terms, Origin::Installed).await?;
        history::mark(&self.shared, &binding, &active.program.digest, false)?;
        self.find_previous(&binding, None).await;
        tuner.let_go(&self.shared).await?;
        Ok(binding.info())
    }
}

/// The version to go back to.
fn choose(name: &str, binding: &Binding, present: &str, to: Option<&str>) -> Result<PolicyVersion, Error> {
    let all = binding.versions();
    let listed = || all.iter().map(|version| format!("{} ({})", short(&version.digest), version.version));
    let others = || all.iter().filter(|version| version.digest != present);
    let Some(to) = to else {
        let found = others().find(|version| version.good).or_else(|| others().next());
        return found.cloned().ok_or_else(|| {
            Error::new(ErrorCode::NotFound, format!("policy '{name}' has no earlier version to go back to"))
        });
    };
    let digest = to.strip_prefix("sha256:").unwrap_or(to);
    let matches = |version: &&PolicyVersion| {
        version.version == to || (digest.len() >= 6 && version.digest.starts_with(digest))
    };
    let found: Vec<&PolicyVersion> = all.iter().filter(matches).collect();
    match found[..] {
        [version] if version.digest == present => {
            let message =
                format!("policy '{name}' runs version {} ({}) already", version.version, short(present));
            Err(Error::new(ErrorCode::WrongState, message))
        }
        [version] => Ok(version.clone()),
        [] => {
            let message = format!("policy '{name}' has no version '{to}' in its history");
            let hint = format!("it has: {}", listed().collect::<Vec<_>>().join(", "));
            Err(Error::new(ErrorCode::NotFound, message).with_hint(hint))
        }
        _ => {
            let message = format!("'{to}' names more than one version of policy '{name}'");
            Err(Error::new(ErrorCode::Invalid, message).with_hint("name it by its digest"))
        }
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// What the event log says of a change of settings.
fn changes(old: &Active, new: &Active) -> Vec<(PolicyChange, String)> {
    let mut changes = Vec::new();
    if new.mode != old.mode {
        let word = if new.mode == PolicyMode::Enforce { "enforce" } else { "monitor" };
        changes.push((PolicyChange::ModeChanged, word.to_owned()));
    }
    match (old.enabled, new.enabled) {
        (false, true) => changes.push((PolicyChange::Enabled, String::new())),
        (true, false) => changes.push((PolicyChange::Disabled, String::new())),
        _ => {}
    }
    let mut configured = Vec::new();
    if new.config != old.config {
        configured.push("configuration".to_owned());
    }
    if new.order != old.order {
        configured.push(format!("order {}", new.order));
    }
    if new.on_failure != old.on_failure {
        configured.push(format!("on failure {}", new.on_failure.as_str()));
    }
    if new.breaker != old.breaker {
        configured.push(format!("breaker {}", new.breaker));
    }
    if !configured.is_empty() {
        changes.push((PolicyChange::Configured, configured.join(", ")));
    }
    changes
}
