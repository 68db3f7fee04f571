//! Errors of the layers below as clients see them: with a hint where one helps.

use reeve_domain::{DomainError, DriverError};
use reeve_model::Error;

/// The error with advice on how to mend it.
pub(crate) fn explain(error: DomainError) -> Error {
    let hint = hint(&error);
    let plain = Error::from(error);
    match (hint, &plain.hint) {
        (Some(hint), None) => plain.with_hint(hint),
        _ => plain,
    }
}

fn hint(error: &DomainError) -> Option<String> {
    Some(match error {
        DomainError::NotFound(_) => "'reeve domain list' shows all domains".to_owned(),
        DomainError::NameTaken { name, uuid } => {
            format!(
                "give it another name, or write <uuid>{uuid}</uuid> into the document to change domain '{name}'"
            )
        }
        DomainError::UuidTaken { name, .. } => {
            format!("take <uuid> out to have a new one made, or name it '{name}' to change that domain")
        }
        DomainError::WrongState { name, sentence } => return wrong_state(name, sentence),
        DomainError::Busy { .. } => "try again when that has ended".to_owned(),
        DomainError::Driver { source: DriverError::Open { path, .. }, name, .. } => {
            format!(
                "check that '{path}' exists and is readable, or correct it with 'reeve domain edit {name}'"
            )
        }
        DomainError::Driver {
            source: DriverError::InUse { .. } | DriverError::Claimed { .. }, name, ..
        } => {
            format!("stop the other domain, or give '{name}' a disk of its own")
        }
        DomainError::NoDriver { name, .. } | DomainError::Refused { name, .. } => {
            format!("change it with 'reeve domain edit {name}'")
        }
        DomainError::NotReady { source, .. } => return source.hint.clone(),
        _ => return None,
    })
}

fn wrong_state(name: &str, sentence: &str) -> Option<String> {
    let verb = match sentence {
        "is not running" | "has crashed and is not running" => "start it with 'reeve domain start",
        "is running already" => "stop it first with 'reeve domain shutdown",
        "is not paused" => "pause it with 'reeve domain suspend",
        sentence if sentence.starts_with("is paused") || sentence.contains("(paused)") => {
            "let it run with 'reeve domain resume"
        }
        sentence if sentence.contains("kept for analysis") => "end it with 'reeve domain destroy",
        _ => return None,
    };
    Some(format!("{verb} {name}'"))
}
