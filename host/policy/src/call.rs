//! The state behind one call: what every host function sees.

use std::sync::Arc;

use reeve_model::policy::Hook;
use reeve_model::{Actor, ErrorCode, Verb};
use wasmtime::component::ResourceTable;

use crate::DEPTH_LIMIT;
use crate::binding::Active;
use crate::bindings::reeve::types::errors;
use crate::failure::shorten;
use crate::limits::Limiter;
use crate::meter::Meter;
use crate::migration::Disks;
use crate::outside::Outside;
use crate::tape::Tape;
use crate::wasi::Wasi;

const MESSAGE_LIMIT: usize = 4096;

/// An answer of a host function to a policy: its value or the contract's error.
pub(crate) type Answered<T> = wasmtime::Result<Result<T, errors::Error>>;

/// What a store holds.
pub(crate) struct CallState {
    pub(crate) limiter: Limiter,
    pub(crate) meter: Arc<Meter>,
    pub(crate) table: ResourceTable,
    pub(crate) active: Arc<Active>,
    pub(crate) outside: Outside,
    pub(crate) tape: Tape,
    pub(crate) hook: Hook,
    pub(crate) depth: u32,
    /// As the policy is told it, for lines of the log.
    pub(crate) call_id: String,
    /// Disks of the guest that the question is about, where it moves.
    pub(crate) disks: Disks,
    pub(crate) wasi: Wasi,
}

impl Drop for CallState {
    fn drop(&mut self) {
        self.write_out(true);
    }
}

impl CallState {
    /// Counts a host call; every host function begins with it.
    pub(crate) fn count(&self) -> wasmtime::Result<()> {
        Ok(self.meter.host_call(&self.active.program.limits)?)
    }

    /// The policy's name.
    pub(crate) fn policy(&self) -> &str {
        &self.active.name
    }

    /// True when the policy may do `verb` to `subject`.
    pub(crate) fn permits(&self, verb: Verb, subject: &str) -> bool {
        self.active.grants.permits(verb, subject)
    }

    /// Refuses a read outside the grant.
    pub(crate) fn check(&self, verb: Verb) -> Result<(), errors::Error> {
        if self.permits(verb, "") {
            return Ok(());
        }
        Err(denied(format!("policy '{}' has not been granted '{verb}'", self.policy())))
    }

    /// The actor for a verb on `subject`, when this call may change anything at all.
    pub(crate) fn actor(&self, verb: Verb, subject: &str) -> Result<Actor, errors::Error> {
        let name = self.policy();
        if !self.permits(verb, subject) {
            return Err(denied(format!("policy '{name}' has not been granted '{verb}' on '{subject}'")));
        }
        if !matches!(
            self.hook,
            Hook::DomainEvents
                | Hook::DaemonEvents
                | Hook::NetworkEvents
                | Hook::StorageEvents
                | Hook::KsmTune
                | Hook::Task
        ) {
            return Err(denied(format!(
                "policy '{name}' may not call '{verb}' from hook '{}': guards and proposals change things through their answer",
                self.hook
            )));
        }
        if self.depth >= DEPTH_LIMIT {
            return Err(denied(format!(
                "policy '{name}' may not call '{verb}': it is {DEPTH_LIMIT} policy calls deep already"
            )));
        }
        if !self.active.enforces() {
            let message = format!("policy '{name}' is in monitor mode: '{verb}' on '{subject}' is not done");
            tracing::info!(policy = name, call = self.call_id, "{message}");
            return Err(denied(message));
        }
        tracing::debug!(policy = name, call = self.call_id, %verb, subject, "policy '{name}' calls '{verb}'");
        Ok(Actor::Policy { name: name.to_owned(), depth: self.depth + 1 })
    }
}

fn denied(message: String) -> errors::Error {
    errors::Error { code: errors::Code::Denied, message }
}

/// The contract's form of an error.
pub(crate) fn contract_error(error: &reeve_model::Error) -> errors::Error {
    let code = match error.code {
        ErrorCode::NotFound => errors::Code::NotFound,
        ErrorCode::AlreadyExists => errors::Code::AlreadyExists,
        ErrorCode::Denied => errors::Code::Denied,
        ErrorCode::Invalid => errors::Code::Invalid,
        ErrorCode::WrongState => errors::Code::WrongState,
        ErrorCode::Busy => errors::Code::Busy,
        ErrorCode::Unsupported => errors::Code::Unsupported,
        ErrorCode::Deadline => errors::Code::Deadline,
        ErrorCode::Internal => errors::Code::Internal,
    };
    errors::Error { code, message: shorten(&error.message, MESSAGE_LIMIT) }
}
