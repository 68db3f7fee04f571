//! A policy in use: the version that answers now, how it is bound, and what it did so far.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use reeve_model::policy::{FailureMode, Hook, PolicyCounters, PolicyInfo, PolicyMode};
use tokio::sync::Semaphore;

use crate::breaker::Breaker;
use crate::grants::Grants;
use crate::install::Origin;
use crate::loader::Program;

/// Outermost calls of one policy that run at the same time.
const CALLS_AT_ONCE: usize = 16;

/// One version of a policy with its settings; a call keeps the one it began with.
pub(crate) struct Active {
    pub(crate) name: String,
    pub(crate) program: Arc<Program>,
    pub(crate) grants: Grants,
    pub(crate) mode: PolicyMode,
    pub(crate) on_failure: FailureMode,
    pub(crate) order: i32,
    pub(crate) config: serde_json::Value,
    /// The same as JSON text, as policies get it.
    pub(crate) config_text: String,
    pub(crate) origin: Origin,
}

/// A loaded policy.
pub(crate) struct Binding {
    name: String,
    active: RwLock<Arc<Active>>,
    breaker: Mutex<Breaker>,
    pub(crate) turns: Semaphore,
    pub(crate) counters: Counters,
}

/// What it did since it was loaded.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) calls: AtomicU64,
    pub(crate) denials: AtomicU64,
    pub(crate) rewrites: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl Active {
    /// The same version and settings, to change some of them.
    pub(crate) fn copy(&self) -> Self {
        Self {
            name: self.name.clone(),
            program: Arc::clone(&self.program),
            grants: self.grants.clone(),
            mode: self.mode,
            on_failure: self.on_failure,
            order: self.order,
            config: self.config.clone(),
            config_text: self.config_text.clone(),
            origin: self.origin,
        }
    }

    /// True when its answers count.
    pub(crate) fn enforces(&self) -> bool {
        self.mode == PolicyMode::Enforce
    }

    /// True when it answers `hook`.
    pub(crate) fn answers(&self, hook: Hook) -> bool {
        self.program.hooks.contains(&hook)
    }
}

impl Binding {
    /// A binding of a new policy.
    pub(crate) fn new(active: Active) -> Self {
        Self {
            name: active.name.clone(),
            active: RwLock::new(Arc::new(active)),
            breaker: Mutex::default(),
            turns: Semaphore::new(CALLS_AT_ONCE),
            counters: Counters::default(),
        }
    }

    /// Its name; never changes.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The version that answers now.
    pub(crate) fn active(&self) -> Arc<Active> {
        Arc::clone(&self.active.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another version or other settings in place; calls in flight finish on the old.
    pub(crate) fn replace(&self, active: Active) {
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(active);
    }

    /// True while the breaker keeps it from being asked.
    pub(crate) fn is_parked(&self) -> bool {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).is_parked()
    }

    /// Counts a failure; true when it parks the policy.
    pub(crate) fn failed(&self) -> bool {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).failed(Instant::now())
    }

    /// Lets it be asked again; true when it was parked.
    pub(crate) fn resume(&self) -> bool {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).resume()
    }

    /// What operators see.
    pub(crate) fn info(&self) -> PolicyInfo {
        let active = self.active();
        let manifest = &active.program.manifest;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PolicyInfo {
            name: self.name.clone(),
            version: manifest.version.clone(),
            description: manifest.description.clone(),
            digest: active.program.digest.clone(),
            hooks: active.program.hooks.clone(),
            mode: active.mode,
            on_failure: active.on_failure,
            parked: self.is_parked(),
            order: active.order,
            wanted: manifest.wants.clone(),
            granted: active.grants.texts().to_vec(),
            config: active.config.clone(),
            counters: PolicyCounters {
                calls: count(&self.counters.calls),
                denials: count(&self.counters.denials),
                rewrites: count(&self.counters.rewrites),
                failures: count(&self.counters.failures),
            },
        }
    }
}
