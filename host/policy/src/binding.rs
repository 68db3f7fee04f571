//! A policy in use: the version that answers now, how it is bound, and what it did so far.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use reeve_model::policy::{
    BreakerSettings, FailureMode, Hook, Parked, PolicyCounters, PolicyInfo, PolicyMode, PolicyVersion,
};
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::breaker::Breaker;
use crate::grants::Grants;
use crate::install::Origin;
use crate::latency::Latency;
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
    pub(crate) enabled: bool,
    pub(crate) breaker: BreakerSettings,
    pub(crate) config: serde_json::Value,
    /// The same as JSON text, as policies get it.
    pub(crate) config_text: String,
    pub(crate) origin: Origin,
}

/// A loaded policy.
pub(crate) struct Binding {
    name: String,
    active: RwLock<Arc<Active>>,
    /// Answers when the active version fails, where that is what a failure means.
    previous: RwLock<Option<Arc<Active>>>,
    /// The history as the store has it.
    versions: RwLock<Vec<PolicyVersion>>,
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
    pub(crate) latency: Latency,
    /// Largest linear memory of one call, bytes.
    pub(crate) memory: AtomicUsize,
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
            enabled: self.enabled,
            breaker: self.breaker,
            config: self.config.clone(),
            config_text: self.config_text.clone(),
            origin: self.origin,
        }
    }

    /// True when its answers count.
    pub(crate) fn enforces(&self) -> bool {
        self.mode == PolicyMode::Enforce
    }

    /// True when it is asked at `hook`.
    pub(crate) fn answers(&self, hook: Hook) -> bool {
        self.enabled && self.program.hooks.contains(&hook)
    }
}

impl Binding {
    /// A binding of a new policy.
    pub(crate) fn new(active: Active) -> Self {
        Self {
            name: active.name.clone(),
            active: RwLock::new(Arc::new(active)),
            previous: RwLock::default(),
            versions: RwLock::default(),
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

    /// The version that answers in place of one that failed.
    pub(crate) fn previous(&self) -> Option<Arc<Active>> {
        self.previous.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says which version answers in place of one that failed.
    pub(crate) fn set_previous(&self, previous: Option<Arc<Active>>) {
        *self.previous.write().unwrap_or_else(PoisonError::into_inner) = previous;
    }

    /// Its history, newest first.
    pub(crate) fn versions(&self) -> Vec<PolicyVersion> {
        self.versions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says what its history is now.
    pub(crate) fn set_versions(&self, versions: Vec<PolicyVersion>) {
        *self.versions.write().unwrap_or_else(PoisonError::into_inner) = versions;
    }

    /// True while the breaker keeps it from being asked.
    pub(crate) fn is_parked(&self) -> bool {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).parked().is_some()
    }

    /// Keeps it from being asked.
    pub(crate) fn park(&self, parked: Parked) {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).park(parked);
    }

    /// Counts a failure; since when and why the policy is parked, when this one parks it.
    pub(crate) fn failed(&self, reason: &str) -> Option<Parked> {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        let settings = self.active().breaker;
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if !breaker.failed(Instant::now(), settings) {
            return None;
        }
        let parked = Parked { since: OffsetDateTime::now_utc(), reason: reason.to_owned() };
        breaker.park(parked.clone());
        Some(parked)
    }

    /// Lets it be asked again; true when it was parked.
    pub(crate) fn resume(&self) -> bool {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).resume()
    }

    /// What operators see.
    pub(crate) fn info(&self) -> PolicyInfo {
        let active = self.active();
        let manifest = &active.program.manifest;
        let parked = self.breaker.lock().unwrap_or_else(PoisonError::into_inner).parked().cloned();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PolicyInfo {
            name: self.name.clone(),
            version: manifest.version.clone(),
            description: manifest.description.clone(),
            digest: active.program.digest.clone(),
            hooks: active.program.hooks.clone(),
            mode: active.mode,
            on_failure: active.on_failure,
            enabled: active.enabled,
            parked: parked.is_some(),
            parked_since: parked,
            breaker: active.breaker,
            previous: self.previous().map(|previous| previous.program.digest.clone()),
            versions: self.versions(),
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
