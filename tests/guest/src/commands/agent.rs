//! What the guest's agent was told, and whether it is there.

use alloc::format;
use alloc::string::String;

use super::Answer;
use crate::agent;
use crate::machine::Machine;
use crate::text::Words;

/// `agent [on|off]`: what the host asked the agent to do; ends it or starts it again.
pub fn execute(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    if let Ok(open) = words.switch() {
        agent::set_open(machine, open)?;
        return Ok(String::new());
    }
    let heard = agent::is_heard(machine);
    let told = &machine.agent;
    let trimmed = told.trimmed.map_or("never".into(), |bytes| format!("{bytes}"));
    let password = told.password_of.as_deref().unwrap_or("nobody");
    Ok(format!(
        "asked={} frozen={} trimmed={trimmed} password={password} offline={:#x} heard={heard}",
        told.asked, told.frozen, told.offline
    ))
}
