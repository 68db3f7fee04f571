//! `reeve:log/log`: a policy's lines in the daemon's log.

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::reeve::log::log;
use crate::call::CallState;

impl log::Host for CallState {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.count()?;
        self.meter.log(message.len() as u64, &self.active.program.limits)?;
        let (policy, hook) = (self.policy(), self.hook.as_str());
        let message = message.escape_debug();
        match level {
            log::Level::Debug => tracing::debug!(target: "reeve::policy::log", policy, hook, "{message}"),
            log::Level::Info => tracing::info!(target: "reeve::policy::log", policy, hook, "{message}"),
            log::Level::Warn => tracing::warn!(target: "reeve::policy::log", policy, hook, "{message}"),
            log::Level::Error => tracing::error!(target: "reeve::policy::log", policy, hook, "{message}"),
        }
        Ok(())
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    log::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
