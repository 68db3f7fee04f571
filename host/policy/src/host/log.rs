//! `reeve:log/log`: a policy's lines in the daemon's log.

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::reeve::log::log;
use crate::call::CallState;

impl log::Host for CallState {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.count()?;
        self.meter.log(message.len() as u64, &self.active.program.limits)?;
        let (policy, hook) = (self.policy(), self.hook.as_str());
        let message = one_line(&message);
        match level {
            log::Level::Debug => tracing::debug!(target: "reeve::policy::log", policy, hook, "{message}"),
            log::Level::Info => tracing::info!(target: "reeve::policy::log", policy, hook, "{message}"),
            log::Level::Warn => tracing::warn!(target: "reeve::policy::log", policy, hook, "{message}"),
            log::Level::Error => tracing::error!(target: "reeve::policy::log", policy, hook, "{message}"),
        }
        Ok(())
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
