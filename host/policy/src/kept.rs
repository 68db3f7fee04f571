//! Instances that live longer than a call: one a subject, for policies whose manifest asks for it (`instance = "per-subject"`).
//!
//! What a call may use is renewed with every call: instructions, deadline, host calls, bytes. Memory is not: it is the instance's,
//! and its limit holds for as long as the instance lives. An instance is dropped when a call of it fails, when it keeps a resource
//! of the host beyond its call, and with the program it was made of: on a reload and when grants change.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use reeve_model::policy::Hook;
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::call::CallState;
use crate::instance::arm;

/// Subjects with an instance of their own; calls about others get a fresh one.
const SUBJECTS: usize = 16;

/// The hooks that a policy may keep an instance for: what they decide is checked each time, and no guest waits for them.
pub(crate) const HOOKS: [Hook; 2] = [Hook::KsmTune, Hook::MigrationStrategy];

/// An instance between its calls.
pub(crate) struct Kept {
    pub(crate) store: Store<CallState>,
    pub(crate) instance: Instance,
}

/// The instances of one program, by hook and subject.
#[derive(Default)]
pub(crate) struct KeptInstances(Mutex<HashMap<(Hook, String), Kept>>);

impl KeptInstances {
    /// Takes an instance out for a call; it comes back with [`Self::put`] or not at all.
    pub(crate) fn take(&self, hook: Hook, subject: &str) -> Option<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(hook, subject.to_owned()))
    }

    /// Drops the instance of a subject that is gone.
    pub(crate) fn forget(&self, hook: Hook, subject: &str) {
        drop(self.take(hook, subject));
    }

    /// Keeps an instance for the next call.
    pub(crate) fn put(&self, hook: Hook, subject: &str, kept: Kept) {
        if !kept.store.data().table.is_empty() {
            return;
        }
        let mut instances = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if instances.len() < SUBJECTS {
            instances.insert((hook, subject.to_owned()), kept);
        }
    }
}

impl Kept {
    /// Makes it ready for another call.
    pub(crate) fn renew(mut self, state: CallState, deadline: Instant) -> wasmtime::Result<Self> {
        let memory = self.store.data().limiter.used();
        *self.store.data_mut() = state;
        self.store.data_mut().limiter.go_on_from(memory);
        arm(&mut self.store, deadline)?;
        Ok(self)
    }
}
