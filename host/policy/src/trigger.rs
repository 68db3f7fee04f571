//! What starts a task by itself: its schedule, and filters of events.
//!
//! A filter reads `domain:started name=web-*`: what happened (`*` for anything), and perhaps to whom. `daemon:started` and
//! `daemon:reloaded` are the events of the daemon; a task cannot be started by `stopping`, for there is no time left to run it.

use reeve_model::event::{DaemonChange, DomainChange, EventKind};
use reeve_model::task::TaskTriggers;
use reeve_model::{Error, ErrorCode};
use reeve_package::grant::matches;
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error as WordError};

use crate::schedule::{Schedule, ScheduleError};

const FILTERS_LIMIT: usize = 32;

/// Why a text is no filter of events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// The schedule.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Neither a domain's nor the daemon's event.
    #[error("'{0}' is no event, write e.g. 'domain:started name=web-*' or 'daemon:started'")]
    Shape(String),
    /// No such event.
    #[error("'{text}': {reason}")]
    Change {
        /// What was written.
        text: String,
        /// What there is instead.
        reason: String,
    },
    /// The stop of the daemon.
    #[error(
        "a task cannot be started by 'daemon:stopping': export the hook daemon-events, which the daemon waits for"
    )]
    Stopping,
    /// Too many.
    #[error("a task takes {FILTERS_LIMIT} filters of events at most, these are {0}")]
    TooMany(usize),
}

impl From<TriggerError> for Error {
    fn from(error: TriggerError) -> Self {
        Self::new(ErrorCode::Invalid, error.to_string())
    }
}

/// Triggers that were understood.
#[derive(Debug, Default)]
pub(crate) struct Triggers {
    pub(crate) text: TaskTriggers,
    pub(crate) schedule: Option<Schedule>,
    filters: Vec<Filter>,
}

#[derive(Debug, PartialEq, Eq)]
enum Filter {
    Domain { change: Option<DomainChange>, name: Option<String> },
    Daemon { change: Option<DaemonChange> },
}

impl Triggers {
    /// Reads what an operator wrote.
    pub(crate) fn parse(text: TaskTriggers) -> Result<Self, TriggerError> {
        let schedule = text.schedule.as_deref().map(Schedule::parse).transpose()?;
        if text.events.len() > FILTERS_LIMIT {
            return Err(TriggerError::TooMany(text.events.len()));
        }
        let filters = text.events.iter().map(|event| Filter::parse(event)).collect::<Result<_, _>>()?;
        Ok(Self { text, schedule, filters })
    }

    /// True when an event starts the task.
    pub(crate) fn match_event(&self, event: &EventKind) -> bool {
        self.filters.iter().any(|filter| filter.lets_through(event))
    }
}

impl Filter {
    fn parse(text: &str) -> Result<Self, TriggerError> {
        let shape = || TriggerError::Shape(text.to_owned());
        let mut words = text.split_whitespace();
        let (noun, change) = words.next().and_then(|word| word.split_once(':')).ok_or_else(shape)?;
        let name = match (words.next().map(|word| word.split_once('=')), words.next()) {
            (None, _) => None,
            (Some(Some(("name", glob))), None) if !glob.is_empty() && noun == "domain" => {
                Some(glob.to_owned())
            }
            _ => return Err(shape()),
        };
        match noun {
            "domain" => Ok(Self::Domain { change: change_of(text, change)?, name }),
            "daemon" => match change_of(text, change)? {
                Some(DaemonChange::Stopping) => Err(TriggerError::Stopping),
                change => Ok(Self::Daemon { change }),
            },
            _ => Err(shape()),
        }
    }

    fn lets_through(&self, event: &EventKind) -> bool {
        match (self, event) {
            (Self::Domain { change: wanted, name: globbed }, EventKind::Domain { name, change, .. }) => {
                wanted.is_none_or(|wanted| wanted == *change)
                    && globbed.as_deref().is_none_or(|globbed| matches(globbed, name))
            }
            (Self::Daemon { change: wanted }, EventKind::Daemon { change }) => {
                *change != DaemonChange::Stopping && wanted.is_none_or(|wanted| wanted == *change)
            }
            _ => false,
        }
    }
}

/// A word of the event log, or none for `*`.
fn change_of<T: DeserializeOwned>(text: &str, word: &str) -> Result<Option<T>, TriggerError> {
    if word == "*" {
        return Ok(None);
    }
    let deserializer = IntoDeserializer::<WordError>::into_deserializer(word);
    let change = T::deserialize(deserializer);
    change
        .map(Some)
        .map_err(|error| TriggerError::Change { text: text.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reeve_model::{DomainState, StateReason};
    use uuid::Uuid;

    fn domain(name: &str, change: DomainChange) -> EventKind {
        let (state, reason) = (DomainState::Running, StateReason::Booted);
        EventKind::Domain { uuid: Uuid::nil(), name: name.to_owned(), change, state, reason }
    }

    fn starts(filter: &str, event: &EventKind) -> bool {
        let text = TaskTriggers { events: vec![filter.to_owned()], ..TaskTriggers::default() };
        Triggers::parse(text).unwrap().match_event(event)
    }

    #[test]
    fn filters_name_what_happened_and_to_whom() {
        let web = domain("web-1", DomainChange::Started);
        for filter in ["domain:started", "domain:started name=web-*", "domain:*", "domain:* name=web-1"] {
            assert!(starts(filter, &web), "{filter}");
        }
        for filter in ["domain:stopped", "domain:started name=db-*", "daemon:*", "daemon:started"] {
            assert!(!starts(filter, &web), "{filter}");
        }
        let stopping = EventKind::Daemon { change: DaemonChange::Stopping };
        assert!(!starts("daemon:*", &stopping), "there is no time left for a task");
        assert!(starts("daemon:*", &EventKind::Daemon { change: DaemonChange::Reloaded }));
    }

    #[test]
    fn mistakes_are_named() {
        let text = |filter: &str| Filter::parse(filter).unwrap_err().to_string();
        for shape in ["", "started", "domain", "pool:started", "domain:started web", "daemon:started name=x"]
        {
            assert!(text(shape).contains("is no event, write e.g."), "{shape}");
        }
        assert!(text("domain:begun").starts_with("'domain:begun': unknown variant `begun`, expected one of"));
        assert!(text("daemon:stopping").contains("daemon-events"));
    }
}
