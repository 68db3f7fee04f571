//! `reeve:log/log`: a policy's lines in the daemon's log.

use reeve_model::watch::LogLevel;
use serde_json::{Value, json};
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::reeve::log::log;
use crate::call::CallState;
use crate::session::Level;

impl log::Host for CallState {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.count()?;
        self.meter.log(message.len() as u64, &self.active.program.limits)?;
        let arguments = || vec![json!(Level::from(level)), Value::from(message.as_str())];
        self.witness("reeve:log/log.write", arguments, |state| state.write_line(level, &message))
    }
}

impl CallState {
    pub(crate) fn write_line(&self, level: log::Level, message: &str) {
        let (policy, hook) = (self.policy(), self.hook.as_str());
        let (call, message) = (self.call_id.as_str(), one_line(message));
        if let Some(logs) = &self.outside.logs {
            logs.write(policy, contract_level(level), self.hook, call, &message);
        }
        match level {
            log::Level::Debug => {
                tracing::debug!(target: "reeve::policy::log", policy, hook, call, "{message}")
            }
            log::Level::Info => tracing::info!(target: "reeve::policy::log", policy, hook, call, "{message}"),
            log::Level::Warn => tracing::warn!(target: "reeve::policy::log", policy, hook, call, "{message}"),
            log::Level::Error => {
                tracing::error!(target: "reeve::policy::log", policy, hook, call, "{message}")
            }
        }
    }
}

fn contract_level(level: log::Level) -> LogLevel {
    match level {
        log::Level::Debug => LogLevel::Debug,
        log::Level::Info => LogLevel::Info,
        log::Level::Warn => LogLevel::Warn,
        log::Level::Error => LogLevel::Error,
    }
}

/// A message that cannot pass for another line of the log: what does not print is escaped, quotes stay as they are.
fn one_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len());
    for character in message.chars() {
        match character {
            '\'' | '"' => line.push(character),
            other => line.extend(other.escape_debug()),
        }
    }
    line
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    log::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(one_line("domain 'web' is \"up\""), "domain 'web' is \"up\"");
        assert_eq!(one_line("a\nERROR b\u{1b}[2K\\"), "a\\nERROR b\\u{1b}[2K\\\\");
    }
}
