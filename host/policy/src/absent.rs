//! Policies that are bound but could not be loaded. A guard that must fail closed does so while it is missing, too: a daemon
//! that comes back with a damaged or outdated component must not allow what the policy was there to deny.

use std::sync::{PoisonError, RwLock};

use reeve_model::Error;
use reeve_model::policy::{FailureMode, Hook, PolicyMode};

/// A policy that is missing.
#[derive(Debug, Clone)]
pub struct Absent {
    /// Its name.
    pub name: String,
    /// Hooks it would answer; none when not even its manifest can be read, which counts as all of them.
    pub hooks: Option<Vec<Hook>>,
    /// Whether its answers would count.
    pub mode: PolicyMode,
    /// What its failure means.
    pub on_failure: FailureMode,
    /// Why it is missing.
    pub error: Error,
}

/// All that are missing.
#[derive(Default)]
pub(crate) struct AbsentPolicies(RwLock<Vec<Absent>>);

impl AbsentPolicies {
    /// Remembers a missing policy.
    pub(crate) fn add(&self, absent: Absent) {
        self.remove(&absent.name);
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(absent);
    }

    /// It is there now, or not bound any more; true when it was missing.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = all.len();
        all.retain(|absent| absent.name != name);
        all.len() < before
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Absent> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first whose absence closes `hook`.
    pub(crate) fn closing(&self, hook: Hook) -> Option<Absent> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let closes = |absent: &&Absent| {
            absent.mode == PolicyMode::Enforce
                && absent.on_failure != FailureMode::Open
                && absent.hooks.as_ref().is_none_or(|hooks| hooks.contains(&hook))
        };
        all.iter().find(closes).cloned()
    }
}
