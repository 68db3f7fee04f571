//! How a call can fail, and how an error of the engine is told apart.

use std::time::Duration;

use reeve_model::Bytes;
use reeve_model::policy::Outcome;

use crate::tape::Diverged;

/// A limit that is counted by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// Bytes written to the log.
    LogBytes,
    /// Bytes written to the key-value store in one call.
    KvBytes,
    /// Calls into the host.
    HostCalls,
    /// Elements of a table.
    TableElements,
}

impl std::fmt::Display for Exceeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LogBytes => "log bytes",
            Self::KvBytes => "bytes written to kv",
            Self::HostCalls => "host calls",
            Self::TableElements => "table elements",
        })
    }
}

/// A counted limit was exceeded; thrown through guest code as a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it exceeded its limit of {limit} {what} a call")]
pub struct Limited {
    /// Which limit.
    pub what: Exceeded,
    /// Its value.
    pub limit: u64,
}

/// The memory limit was exceeded; thrown through guest code as a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it wanted {} of memory and may have {}", Bytes(*wanted), Bytes(*limit))]
pub struct OutOfMemory {
    /// What it wanted, bytes.
    pub wanted: u64,
    /// What it may have, bytes.
    pub limit: u64,
}

/// Why a call gave no answer. Each sentence goes behind the policy's name: "policy 'x': it ran past…".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It ran, or waited for the host, longer than it may.
    #[error("it ran past its deadline of {} ms", .0.as_millis())]
    Deadline(Duration),
    /// It never got its turn.
    #[error("it got no turn within its deadline of {} ms, too many calls are in flight", .0.as_millis())]
    NoTurn(Duration),
    /// Its instruction budget is used up.
    #[error("it used up its instruction budget of {0}")]
    Fuel(u64),
    /// Memory.
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
    /// Log, kv, host calls, tables.
    #[error(transparent)]
    Limit(#[from] Limited),
    /// The component trapped: unreachable code, stack overflow, division by zero…
    #[error("it trapped: {0}")]
    Trap(String),
    /// It answered that it could not decide.
    #[error("it failed: {0}")]
    Error(String),
    /// Its answer was not acceptable.
    #[error("{0}")]
    Refused(String),
    /// It was not asked.
    #[error("it is parked after too many failures")]
    Parked,
    /// In a replay: it asked for something the session does not have.
    #[error(transparent)]
    Diverged(#[from] Diverged),
}

impl Failure {
    /// The word for the decision log.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Deadline(_) | Self::NoTurn(_) => Outcome::Deadline,
            Self::Fuel(_) => Outcome::Fuel,
            Self::Memory(_) => Outcome::Memory,
            Self::Limit(_) => Outcome::Limit,
            Self::Trap(_) | Self::Diverged(_) => Outcome::Trap,
            Self::Error(_) => Outcome::Failed,
            Self::Refused(_) => Outcome::Refused,
            Self::Parked => Outcome::Parked,
        }
    }

    /// Tells apart what wasmtime reports.
    pub(crate) fn of(error: &wasmtime::Error, fuel: u64, deadline: Duration) -> Self {
        if let Some(limited) = error.downcast_ref::<Limited>() {
            return Self::Limit(*limited);
        }
        if let Some(memory) = error.downcast_ref::<OutOfMemory>() {
            return Self::Memory(*memory);
        }
        if let Some(diverged) = error.downcast_ref::<Diverged>() {
            return Self::Diverged(diverged.clone());
        }
        match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::OutOfFuel) => Self::Fuel(fuel),
            Some(wasmtime::Trap::Interrupt) => Self::Deadline(deadline),
            Some(trap) => Self::Trap(trap.to_string()),
            None => Self::Trap(shorten(&format!("{:#}", error.root_cause()), 512)),
        }
    }
}

/// The first `limit` bytes of a text, cut at a character.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
