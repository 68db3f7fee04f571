//! What the guest's agent was told, and whether it is there.

use alloc::format;
use alloc::string::String;

use super::Answer;
use crate::agent;
use crate::machine::Machine;
use crate::text::Words;

/// `agent [on|off|hold|release]`: what the host asked the agent to do; ends it or starts it again, or has it keep its answer to a freeze to
/// itself until it is released.
pub fn execute(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    match words.next("what it does") {
        Ok(word @ ("on" | "off")) => {
            agent::set_open(machine, word == "on")?;
            return Ok(String::new());
        }
        Ok("hold") => {
            machine.agent.holds = true;
            return Ok(String::new());
        }
        Ok("release") => {
            agent::release(machine);
            return Ok(String::new());
        }
        _ => {}
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
